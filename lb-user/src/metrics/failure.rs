//! A few classes of reasons for which checks take a server out: words for people are no labels, for there is no end of
//! them.

/// Words that a reason has, and its class; the first that fits counts.
const CLASSES: [(&str, &str); 12] = [
    ("got past the SYN", "passive"),
    ("no answer", "timeout"),
    ("timed out", "timeout"),
    ("refused", "refused"),
    ("reset", "reset"),
    ("unreachable", "unreachable"),
    ("certificate", "tls"),
    ("tls", "tls"),
    ("status", "status"),
    ("body", "content"),
    ("digest", "content"),
    ("exit", "script"),
];

/// The class of a check's reason; `other` where none fits.
pub(super) fn class(reason: &str) -> &'static str {
    let reason = reason.to_ascii_lowercase();
    let fits = |(words, _): &&(&str, &str)| reason.contains(&words.to_ascii_lowercase());
    CLASSES.iter().find(fits).map_or("other", |(_, class)| class)
}

#[cfg(test)]
mod tests {
    use super::class;

    #[test]
    fn what_checks_say_has_a_class() {
        for (reason, expected) in [
            ("connection refused", "refused"),
            ("no answer within 1s", "timeout"),
            ("status 503, expected 200-299", "status"),
            ("host unreachable", "unreachable"),
            ("connection reset", "reset"),
            ("only 3 of 40 connections got past the SYN within 10s", "passive"),
            ("no HTTP answer: something else", "other"),
        ] {
            assert_eq!(class(reason), expected, "{reason}");
        }
    }
}
