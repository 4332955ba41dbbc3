//! Compares what the real `ipvsadm` printed with what LVX' prints.

/// Seconds that an expiry may differ by: recorders and machines are not equally fast.
const TOLERANCE: u64 = 2;

/// How two outputs differ, line by line; blanks at the ends of lines do not count.
pub fn lines(recorded: &str, played: &str) -> Option<String> {
    let trim = |text: &str| text.trim_end().lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    let (recorded, played) = (trim(recorded), trim(played));
    (recorded != played).then(|| format!("IPVS printed\n{recorded}\nLVX printed\n{played}"))
}

/// How two outputs of `ipvsadm -Ln --stats` differ in what came in. What goes out is not compared: under direct routing
/// IPVS sees nothing of it but the ICMP errors that its own kernel sends for a connection, and counts those.
pub fn incoming(recorded: &str, played: &str) -> Option<String> {
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
pub fn connections(recorded: &str, played: &str) -> Option<String> {
    let (mut recorded, mut played) = (rows(recorded), rows(played));
    let mut differences = Vec::new();
    while let Some((words, expires)) = recorded.pop() {
        match played.iter().position(|(others, other)| *others == words && other.abs_diff(expires) <= TOLERANCE) {
            Some(position) => {
                played.swap_remove(position);
            }
            None if expires <= TOLERANCE => {}
            None => differences.push(format!("only IPVS has {words:?}, expiring in {expires} s")),
        }
    }
    played.retain(|(_, expires)| *expires > TOLERANCE);
    differences
        .extend(played.iter().map(|(words, expires)| format!("only LVX has {words:?}, expiring in {expires} s")));
    (!differences.is_empty()).then(|| differences.join("\n"))
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
