//! Numbers as the C library reads them.

/// What C's `isspace` takes for a blank.
pub(super) const BLANKS: [char; 6] = [' ', '\t', '\n', '\u{b}', '\u{c}', '\r'];

/// `strtol` in base 10, if it takes the whole text: leading blanks and a sign are fine.
pub(super) fn whole(text: &str) -> Option<i64> {
    let text = text.trim_start_matches(BLANKS);
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

/// A number from `least` to `most` (`ipvsadm.c: string_to_number`).
pub(super) fn between(text: &str, least: u32, most: u32) -> Option<u32> {
    let number = u32::try_from(whole(text)?).ok()?;
    (least..=most).contains(&number).then_some(number)
}

/// `atoi`: the number that the text begins with, 0 if it begins with none.
pub(super) fn leading(text: &str) -> i64 {
    let text = text.trim_start_matches(BLANKS);
    let sign = text.len() - text.strip_prefix(['+', '-']).unwrap_or(text).len();
    let (sign, rest) = text.split_at(sign);
    let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, _) = rest.split_at(end);
    format!("{sign}{digits}").parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_read_as_strtol_reads_them() {
        for (text, expected) in [
            ("80", Some(80)),
            ("090", Some(90)),
            (" +8", Some(8)),
            ("-1", Some(-1)),
            ("", None),
            ("+", None),
            ("0x8", None),
            ("8 ", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(whole(text), expected, "{text:?}");
        }
    }

    #[test]
    fn bounds_are_inclusive() {
        assert_eq!(between("2678400", 1, 2_678_400), Some(2_678_400));
        assert_eq!(between("2678401", 1, 2_678_400), None);
        assert_eq!(between("0", 1, 2_678_400), None);
    }

    #[test]
    fn atoi_stops_at_the_first_letter() {
        for (text, expected) in [("64", 64), (" 64bits", 64), ("-3", -3), ("bits", 0), ("", 0), ("-", 0)] {
            assert_eq!(leading(text), expected, "{text:?}");
        }
    }
}
