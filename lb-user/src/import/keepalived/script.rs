//! Scripts: a path and its arguments, in one string or in several words.

/// The command of these words: one string is split at blanks, but not within single quotes.
pub(super) fn command(words: &[&str]) -> Vec<String> {
    let [text] = words else { return words.iter().map(|word| (*word).to_owned()).collect() };
    let (mut command, mut word, mut quoted) = (Vec::new(), None::<String>, false);
    for letter in text.chars() {
        match letter {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            _ if letter.is_whitespace() && !quoted => command.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    command.extend(word);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_split_and_words_are_not() {
        for (words, expected) in [
            (&["/bin/check.sh arg1  arg2"][..], "/bin/check.sh|arg1|arg2"),
            (&["/bin/check.sh 'a b' ''"][..], "/bin/check.sh|a b|"),
            (&["/bin/check.sh", "a b"][..], "/bin/check.sh|a b"),
            (&[][..], ""),
        ] {
            assert_eq!(command(words).join("|"), expected);
        }
    }
}
