//! Compares what the real `ipvsadm` printed with what LVX' prints.

use std::time::Duration;

use super::recording::Ran;

/// Seconds that an expiry may differ by: recorders and machines are not equally fast, and timers are coarse.
const TOLERANCE: u64 = 2;

/// How the ends of a command differ, by its line; what expires may do so earlier by what both of
/// them `took`.
///
/// # Errors
/// They do; the error shows how.
pub fn commands(line: &str, recorded: &Ran, played: &Ran, took: Duration) -> Result<(), String> {
    if recorded.status != played.status {
        let end = |ran: &Ran| format!("status {}, {}", ran.status, ran.text());
        return Err(format!("IPVS: {}; LVX: {}", end(recorded), end(played)));
    }
    let words: Vec<&str> = line.split_whitespace().collect();
    match (&words[..], &recorded.error) {
        (["ipvsadm", "-Lnc", ..], _) => connections(&recorded.text(), &played.text(), TOLERANCE + took.as_secs()),
        (["ipvsadm", "-Ln", "--stats", ..], _) => incoming(&recorded.text(), &played.text()),
        (_, Some(_)) if recorded == played => Ok(()),
        (_, Some(_)) => Err(both(&recorded.text(), &played.text())),
        (_, None) => lines(&recorded.text(), &played.text()),
    }
}

impl Ran {
    /// All that it printed.
    pub(super) fn text(&self) -> String {
        self.output.clone() + self.error.as_deref().unwrap_or_default()
    }
}

/// How two outputs differ, line by line; blanks at the ends of lines do not count, because older recordings lack them.
fn lines(recorded: &str, played: &str) -> Result<(), String> {
    let trim = |text: &str| text.trim_end().lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    let (recorded, played) = (trim(recorded), trim(played));
    if recorded == played { Ok(()) } else { Err(both(&recorded, &played)) }
}

fn both(recorded: &str, played: &str) -> String {
    format!("IPVS printed\n{recorded}\nLVX printed\n{played}")
}

/// How two outputs of `ipvsadm -Ln --stats` differ in what came in. What goes out is not compared: under direct routing
/// IPVS sees nothing of it but the ICMP errors that its own kernel sends for a connection, and counts those.
fn incoming(recorded: &str, played: &str) -> Result<(), String> {
    let kept = |line: &str| match line.split_whitespace().collect::<Vec<_>>()[..] {
        [ref name @ .., conns, packets, _, bytes, _] => format!("{name:?} {conns} {packets} {bytes}"),
        _ => line.to_owned(),
    };
    let kept = |text: &str| text.lines().map(kept).collect::<Vec<_>>().join("\n");
    lines(&kept(recorded), &kept(played))
}

/// A row of `-Lnc`: its words but the expiry, and that in seconds.
type Row = (Vec<String>, u64);

/// How two outputs of `ipvsadm -Lnc` differ: the rows are in any order, and their expiry may differ a little, so that
/// what is about to expire in one may be gone from the other.
fn connections(recorded: &str, played: &str, tolerance: u64) -> Result<(), String> {
    let (mut recorded, mut played) = (rows(recorded), rows(played));
    let mut differences = Vec::new();
    while let Some((words, expires)) = recorded.pop() {
        match played.iter().position(|(others, other)| *others == words && other.abs_diff(expires) <= tolerance) {
            Some(position) => {
                played.swap_remove(position);
            }
            None if expires <= tolerance => {}
            None => differences.push(format!("only IPVS has {}, expiring in {expires} s", words.join(" "))),
        }
    }
    played.retain(|(_, expires)| *expires > tolerance);
    let only = |(words, expires): &Row| format!("only LVX has {}, expiring in {expires} s", words.join(" "));
    differences.extend(played.iter().map(only));
    if differences.is_empty() { Ok(()) } else { Err(differences.join("\n")) }
}

fn rows(text: &str) -> Vec<Row> {
    let row = |line: &str| {
        let mut words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        // Titles have no time in the second column.
        let (minutes, seconds) = words.get(1)?.split_once(':')?;
        let expires = minutes.parse::<u64>().ok()? * 60 + seconds.parse::<u64>().ok()?;
        words.remove(1);
        Some((words, expires))
    };
    text.lines().filter_map(row).collect()
}
