//! The lines that `-R` reads.

use std::io::{self, BufRead};

/// What separates the words of a line.
const SEPARATORS: [char; 4] = [' ', '\t', '\n', '\r'];

/// The words of the next line, or none at the end (`config_stream.c: config_stream_read`). There is no quoting, and
/// the word `ipvsadm` is dropped wherever it stands, so that whole commands may be restored.
pub(super) fn read_line(input: &mut dyn BufRead) -> io::Result<Option<Vec<String>>> {
    let mut line = Vec::new();
    if input.read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    Ok(Some(words(&String::from_utf8_lossy(&line))))
}

/// The words of a line.
pub(super) fn words(line: &str) -> Vec<String> {
    let words = line.split(SEPARATORS).filter(|word| !word.is_empty() && *word != "ipvsadm");
    words.map(str::to_owned).collect()
}

/// The whole input without the lines that begin with `#`: what the script `ipvsadm-restore` hands to `ipvsadm -R`.
pub(super) fn without_comments(input: &mut dyn BufRead) -> io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    let mut line = Vec::new();
    while input.read_until(b'\n', &mut line)? != 0 {
        if !line.starts_with(b"#") {
            kept.extend_from_slice(&line);
        }
        line.clear();
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_split_at_blanks() {
        let mut input = "-C\n\n \t\nipvsadm  -A\t-t 10.0.0.1:80\r\n-s \"r r\"".as_bytes();
        let mut lines = Vec::new();
        while let Some(words) = read_line(&mut input).expect("memory can be read") {
            lines.push(words.join("|"));
        }
        assert_eq!(lines, ["-C", "", "", "-A|-t|10.0.0.1:80", "-s|\"r|r\""]);
    }

    #[test]
    fn comments_are_lines_that_begin_with_a_hash() {
        let mut input = "# saved\n-C\n -A # not\n#".as_bytes();
        assert_eq!(without_comments(&mut input).expect("memory can be read"), b"-C\n -A # not\n");
    }
}
