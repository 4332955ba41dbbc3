//! What an answer must look like: regular expressions, bytes with wildcards, and bytes written as text.

use std::fmt;

use regex::bytes::{Regex, RegexBuilder};

/// The most that a compiled expression may take, in bytes: a probe must not hold up the daemon, which has one thread.
const SIZE_LIMIT: usize = 1 << 20;

/// A regular expression over bytes. Two are equal if they are written equally.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

impl Pattern {
    /// An expression for text: UTF-8, and `.` is any character but a line's end.
    ///
    /// # Errors
    /// It is malformed, or too large.
    pub fn text(expression: &str) -> Result<Self, regex::Error> {
        RegexBuilder::new(expression).size_limit(SIZE_LIMIT).build().map(Self)
    }

    /// An expression for binary protocols: `.` is any byte, and `\xff` is that byte.
    ///
    /// # Errors
    /// It is malformed, or too large.
    pub fn binary(expression: &str) -> Result<Self, regex::Error> {
        let mut builder = RegexBuilder::new(expression);
        builder.unicode(false).dot_matches_new_line(true).size_limit(SIZE_LIMIT).build().map(Self)
    }

    /// Where the first match ends.
    pub(super) fn end_of_match(&self, bytes: &[u8]) -> Option<usize> {
        self.0.find(bytes).map(|found| found.end())
    }

    pub(super) fn matches(&self, bytes: &[u8]) -> bool {
        self.0.is_match(bytes)
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Pattern {}

/// Bytes of which some half bytes may be anything, written as hex digits and `x`: `"00 01 xx 8x"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HexPattern(Vec<(u8, u8)>);

impl HexPattern {
    /// Digits in pairs, with white space between them or not.
    pub fn parse(text: &str) -> Option<Self> {
        let digits: Vec<char> = text.chars().filter(|digit| !digit.is_whitespace()).collect();
        let (pairs, []) = digits.as_chunks::<2>() else { return None };
        pairs.iter().map(|[high, low]| hex_byte(*high, *low)).collect::<Option<_>>().map(Self)
    }

    /// The bytes, where none is left open.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        self.0.iter().map(|(value, mask)| (*mask == 0xff).then_some(*value)).collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `bytes` begin so.
    pub(super) fn begins(&self, bytes: &[u8]) -> bool {
        bytes.len() >= self.0.len() && self.0.iter().zip(bytes).all(|((value, mask), byte)| byte & mask == *value)
    }
}

impl fmt::Display for HexPattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (value, mask) in &self.0 {
            for shift in [4, 0] {
                match (mask >> shift) & 0xf {
                    0 => out.write_str("x")?,
                    _ => write!(out, "{:x}", (value >> shift) & 0xf)?,
                }
            }
        }
        Ok(())
    }
}

/// Value and mask of two digits.
fn hex_byte(high: char, low: char) -> Option<(u8, u8)> {
    let digit = |digit: char| match digit {
        'x' | 'X' => Some((0, 0)),
        digit => Some((u8::try_from(digit.to_digit(16)?).ok()?, 0xf)),
    };
    let ((high, high_mask), (low, low_mask)) = (digit(high)?, digit(low)?);
    Some(((high << 4) | low, (high_mask << 4) | low_mask))
}

/// Bytes as hex digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes that a text stands for, with `\r`, `\n`, `\t`, `\0`, `\\` and `\xHH` for one byte each.
pub fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(letter) = rest.next() {
        if letter != '\\' {
            bytes.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        bytes.push(match rest.next()? {
            'r' => b'\r',
            'n' => b'\n',
            't' => b'\t',
            '0' => 0,
            '\\' => b'\\',
            'x' => hex_byte(rest.next()?, rest.next()?).filter(|(_, mask)| *mask == 0xff)?.0,
            _ => return None,
        });
    }
    Some(bytes)
}

/// The opposite of [`unescape`].
pub fn escape(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        match byte {
            b'\r' => text.push_str("\\r"),
            b'\n' => text.push_str("\\n"),
            b'\t' => text.push_str("\\t"),
            b'\\' => text.push_str("\\\\"),
            b' '..=b'~' => text.push(char::from(*byte)),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text
}

/// The beginning of an answer, for a message.
pub(super) fn excerpt(bytes: &[u8]) -> String {
    const LONGEST: usize = 60;
    let shown = escape(bytes.get(..LONGEST).unwrap_or(bytes));
    if bytes.len() > LONGEST { format!("{shown}...") } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_bytes_may_be_left_open() {
        let pattern = HexPattern::parse("0a 8x xF xx").expect("a pattern");
        for (bytes, fits) in [
            (&[0x0a, 0x81, 0x2f, 0][..], true),
            (&[0x0a, 0x80, 0xff, 9, 9], true),
            (&[0x0a, 0x91, 0x2f, 0], false),
            (&[0x0a, 0x81, 0x20, 0], false),
            (&[0x0a, 0x81, 0x2f], false),
        ] {
            assert_eq!(pattern.begins(bytes), fits, "{bytes:?}");
        }
        assert_eq!((pattern.to_string().as_str(), pattern.bytes()), ("0a8xxfxx", None));
        assert_eq!(HexPattern::parse("00ff").and_then(|pattern| pattern.bytes()), Some(vec![0, 255]));
        for text in ["0", "0g", "0x0"] {
            assert_eq!(HexPattern::parse(text), None, "{text}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_can_be_written() {
        assert_eq!(unescape(r"PING\r\n\x00\xfF\\é\0\t"), Some(b"PING\r\n\x00\xff\\\xc3\xa9\x00\t".to_vec()));
        for text in ["\\", "\\x1", "\\xzz", "\\xx0", "\\q"] {
            assert_eq!(unescape(text), None, "{text}");
        }
    }

    #[test]
    fn a_binary_pattern_is_one_of_bytes() {
        let pattern = Pattern::binary(r"^\x00.\xff$").expect("a pattern");
        assert!(pattern.matches(b"\x00\n\xff"));
        assert!(!pattern.matches(b"\x00\n\xc3\xbf"));
        assert!(Pattern::text("(").is_err());
        assert!(Pattern::text(r"\w{1000}{1000}").is_err(), "too large a one is refused");
    }

    proptest::proptest! {
        #[test]
        fn what_is_escaped_is_read_again(bytes: Vec<u8>) {
            proptest::prop_assert_eq!(unescape(&escape(&bytes)), Some(bytes));
        }
    }
}
