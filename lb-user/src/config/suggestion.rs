//! What a misspelt word was probably meant to be.

/// The word that was probably meant: at most a third of its letters differ.
pub(super) fn nearest<'n>(word: &str, known: &[&'n str]) -> Option<&'n str> {
    let distance = |name: &str| strsim::damerau_levenshtein(word, name);
    known.iter().copied().filter(|name| distance(name) * 3 <= name.len().max(3)).min_by_key(|name| distance(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_corrected_and_another_word_is_not() {
        let known = ["scheduler", "persistent", "tcp", "udp"];
        for (word, expected) in [
            ("shceduler", Some("scheduler")),
            ("persistant", Some("persistent")),
            ("tpc", Some("tcp")),
            ("protocol", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, &known), expected, "{word}");
        }
    }
}
