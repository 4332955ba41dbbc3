//! `$NAME=value`, and what stands for it.

use std::collections::BTreeMap;

/// Replacements within replacements, and their size.
const MOST_ROUNDS: usize = 64;
const MOST_LETTERS: usize = 1 << 20;

/// Whether the line begins a definition, or goes on with one, that ends on a later line.
pub(super) fn is_open(line: &str) -> bool {
    let text = line.trim_start();
    let text =
        if text.starts_with('@') { text.split_once(char::is_whitespace).map_or("", |(_, rest)| rest) } else { text };
    line.trim_end().ends_with('\\') && defined(text.trim_start()).is_some()
}

/// The name and the value of a definition.
pub(super) fn defined(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.strip_prefix('$')?.split_once('=')?;
    is_name(name).then_some((name, value.trim()))
}

fn is_name(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty() && name.chars().all(letter) && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// The line with what `$NAME` and `${NAME}` stand for; what is not defined stays.
///
/// # Errors
/// Definitions that never end.
pub(super) fn replaced(line: &str, definitions: &BTreeMap<String, String>) -> Result<String, &'static str> {
    let mut text = line.to_owned();
    for _round in 0..MOST_ROUNDS {
        let next = once(&text, definitions);
        // The lines of a definition are read one by one, for those before may define what those behind use.
        if next == text || next.contains('\n') {
            return Ok(next);
        }
        if next.len() > MOST_LETTERS {
            break;
        }
        text = next;
    }
    Err("the definitions that it uses are endless")
}

fn once(text: &str, definitions: &BTreeMap<String, String>) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let (name, end, braced) = match after.strip_prefix('{') {
            Some(inside) => {
                let end = inside.find('}').unwrap_or(0);
                (inside.get(..end).unwrap_or_default(), end + 2, true)
            }
            None => {
                let letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
                let end = after.find(|c| !letter(c)).unwrap_or(after.len());
                (after.get(..end).unwrap_or_default(), end, false)
            }
        };
        let ends =
            braced || after.get(end..).is_none_or(|next| next.is_empty() || next.starts_with(char::is_whitespace));
        match definitions.get(name).filter(|_| ends) {
            Some(value) => {
                out.push_str(value);
                rest = after.get(end..).unwrap_or_default();
            }
            None => {
                out.push('$');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defined_as(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn names_are_replaced_where_they_end() {
        let known = defined_as(&[("BASE", "10.2.${SUB}"), ("SUB", "0"), ("PRIORITY", "240")]);
        for (line, expected) in [
            ("${BASE}.100/32", "10.2.0.100/32"),
            ("priority $PRIORITY", "priority 240"),
            ("$PRIORITY.5", "$PRIORITY.5"),
            ("${UNKNOWN} $UNKNOWN $", "${UNKNOWN} $UNKNOWN $"),
        ] {
            assert_eq!(replaced(line, &known).as_deref(), Ok(expected), "{line}");
        }
        assert!(replaced("${A}", &defined_as(&[("A", "x${A}")])).is_err());
    }

    #[test]
    fn definitions_and_their_names() {
        for (line, expected) in
            [("$A=1", Some(("A", "1"))), ("$A=", Some(("A", ""))), ("$A = 1", None), ("$1=2", None), ("A=1", None)]
        {
            assert_eq!(defined(line), expected, "{line}");
        }
        assert!(is_open("$A= \\") && is_open("@main $A=1 \\") && !is_open("script \"a \\") && !is_open("$A=1"));
    }
}
