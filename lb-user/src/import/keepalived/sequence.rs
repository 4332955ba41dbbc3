//! `~SEQ(var, start, step, end)` and `~LST(var, values)`: one line, many times.

use std::collections::BTreeMap;

use super::definitions;
use super::source::MOST_LINES;

/// The lines that the line stands for.
///
/// # Errors
/// What is wrong with it.
pub(super) fn expanded(line: &str, known: &BTreeMap<String, String>) -> Result<Vec<String>, &'static str> {
    let replaced = definitions::replaced(line, known)?;
    let line = if replaced.contains('\n') { line } else { &replaced };
    let Some(inside) = line.strip_prefix('~') else { return Ok(vec![line.to_owned()]) };
    let (word, inside) = inside.split_once('(').ok_or("a ( is missing")?;
    let (inside, rest) = inside.split_once(')').ok_or("a ) is missing")?;
    let rest = rest.trim_start();
    let rounds = match word.trim() {
        "SEQ" => sequence(inside, |value| value.to_string())?,
        "SEQx" => sequence(inside, |value| format!("{value:x}"))?,
        "LST" => list(inside)?,
        _other => return Err("only ~SEQ, ~SEQx and ~LST are known"),
    };
    let mut lines = Vec::new();
    for round in rounds {
        let text = put(rest, &round);
        // Names that are not numbers of this line, such as those of a definition, are replaced later.
        let prefix: String = round.iter().map(|(name, value)| format!("${name}={value}\n")).collect();
        for line in expanded(&text, known)? {
            lines.push(if line.contains('$') { format!("{prefix}{line}") } else { line });
        }
        if lines.len() > MOST_LINES {
            return Err("it makes too many lines");
        }
    }
    Ok(lines)
}

type Round = Vec<(String, String)>;

fn put(text: &str, round: &Round) -> String {
    round.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("${{{name}}}"), value))
}

fn sequence(inside: &str, show: impl Fn(i64) -> String) -> Result<Vec<Round>, &'static str> {
    let mut words = inside.split(',').map(str::trim);
    let name = words.next().unwrap_or_default();
    let numbers: Vec<i64> = words.map(number).collect::<Option<_>>().ok_or("a number cannot be read")?;
    let toward = |start: i64, end: i64| if end < start { -1 } else { 1 };
    let (start, step, end) = match numbers[..] {
        [end] if end < 0 => (-1, -1, end),
        [end] => (1, 1, end),
        [start, end] => (start, toward(start, end), end),
        [start, step, end] => (start, step, end),
        [..] => return Err("it takes a name and one to three numbers"),
    };
    if step == 0 || (end - start).unsigned_abs() / step.unsigned_abs() > MOST_LINES as u64 {
        return Err("it makes too many lines");
    }
    let values = std::iter::successors(Some(start), |value| Some(value + step));
    let values = values.take_while(|value| if step > 0 { *value <= end } else { *value >= end });
    Ok(values.map(|value| vec![(name.to_owned(), show(value))]).collect())
}

fn number(word: &str) -> Option<i64> {
    match word.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None => word.parse().ok(),
    }
    .filter(|number| number.abs() <= i64::from(u32::MAX))
}

/// `var, a, b` or `{x, y}, {1, 2}, {3, 4}`
fn list(inside: &str) -> Result<Vec<Round>, &'static str> {
    let mut groups: Vec<Vec<String>> = Vec::new();
    let mut open = false;
    for part in inside.split(',') {
        let word = part.trim();
        let (opens, closes) = (word.starts_with('{'), word.ends_with('}'));
        let value = word.trim_matches(['{', '}']).trim().to_owned();
        match groups.last_mut().filter(|_| open) {
            Some(group) => group.push(value),
            None => groups.push(vec![value]),
        }
        open = (open || opens) && !closes;
    }
    let (names, values) = groups.split_first().ok_or("it takes a name and values")?;
    if values.is_empty() || values.iter().any(|group| group.len() != names.len()) {
        return Err("it takes as many values as names");
    }
    Ok(values.iter().map(|group| names.iter().cloned().zip(group.iter().cloned()).collect()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_manual() {
        for (line, expected) in [
            ("~SEQ(SUBNET, 0, 3) ip_address 10.0.${SUBNET}.1", "10.0.0.1 10.0.1.1 10.0.2.1 10.0.3.1"),
            (
                "~SEQx(SUBNET, 0x90, 0x10, 0xc0) ip_address fe80::20:${SUBNET}:1",
                "fe80::20:90:1 fe80::20:a0:1 fe80::20:b0:1 fe80::20:c0:1",
            ),
            (
                "~LST({IP, IP1}, {10,1},{20,4},{5,6},{12,8}) ip_address 192.168.${IP}.${IP1}",
                "192.168.10.1 192.168.20.4 192.168.5.6 192.168.12.8",
            ),
            ("~LST(A, 1, 2) ~SEQ(B,2) ip_address 10.0.${A}.${B}", "10.0.1.1 10.0.1.2 10.0.2.1 10.0.2.2"),
        ] {
            let lines = expanded(line, &BTreeMap::new()).expect(line);
            let addresses: Vec<_> = lines.iter().filter_map(|line| line.strip_prefix("ip_address ")).collect();
            assert_eq!(addresses.join(" "), expected, "{line}");
        }
    }

    #[test]
    fn what_cannot_be_a_sequence() {
        for line in ["~SEQ(A,1,0,5) x", "~SEQ(A,1,1,9999999) x", "~SEQ A", "~SEQ(A, x) y", "~LST({A,B},1) x", "~X(1) y"]
        {
            assert!(expanded(line, &BTreeMap::new()).is_err(), "{line}");
        }
    }
}
