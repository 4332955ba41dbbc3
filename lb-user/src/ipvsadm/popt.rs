//! How popt 1.19 cuts a command line into options (`poptGetNextOpt`). Scripts depend on its habits and on its messages
//! byte for byte, which is why clap does not read these command lines: options may be bundled and their values
//! attached, long options may not be abbreviated, and arguments may stand anywhere.

use std::fmt;

use super::options::{Action, SPELLINGS, Spelling, Takes};

/// An option as it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found<'a> {
    /// What it does.
    pub(super) action: Action,
    /// Its value; absent where it takes none, or where an optional one was left out.
    pub(super) value: Option<&'a str>,
}

/// Why popt stumbles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stumble {
    /// POPT_ERROR_BADOPT
    Unknown,
    /// POPT_ERROR_NOARG
    MissingArgument,
    /// POPT_ERROR_UNWANTEDARG
    UnwantedArgument,
}

impl fmt::Display for Stumble {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Unknown => "unknown option",
            Self::MissingArgument => "missing argument",
            Self::UnwantedArgument => "option does not take an argument",
        })
    }
}

/// Goes through the words of a command line.
pub(super) struct Scanner<'a> {
    words: &'a [String],
    next: usize,
    /// What is left of a word of several short options.
    cluster: &'a str,
    /// After `--` every word is an argument.
    only_arguments: bool,
    /// Words that are neither options nor their values.
    arguments: Vec<&'a str>,
}

impl<'a> Scanner<'a> {
    /// Starts at the first word after the program's name.
    pub(super) fn new(words: &'a [String]) -> Self {
        Self { words, next: 0, cluster: "", only_arguments: false, arguments: Vec::new() }
    }

    /// The next option, or none at the end.
    pub(super) fn next(&mut self) -> Result<Option<Found<'a>>, Stumble> {
        if !self.cluster.is_empty() {
            return self.short().map(Some);
        }
        while let Some(word) = self.word() {
            if self.only_arguments || !word.starts_with('-') || word == "-" {
                self.arguments.push(word);
            } else if word == "--" {
                self.only_arguments = true;
            } else if let Some(long) = word.strip_prefix("--") {
                return self.long(long).map(Some);
            } else {
                self.cluster = word.strip_prefix('-').unwrap_or(word);
                return self.short().map(Some);
            }
        }
        Ok(None)
    }

    /// The word that was read last (`poptBadOption`).
    pub(super) fn last_word(&self) -> &'a str {
        self.next.checked_sub(1).and_then(|last| self.words.get(last)).map_or("", String::as_str)
    }

    /// The words that are no options.
    pub(super) fn into_arguments(self) -> Vec<&'a str> {
        self.arguments
    }

    fn word(&mut self) -> Option<&'a str> {
        let word = self.words.get(self.next)?;
        self.next += 1;
        Some(word)
    }

    fn long(&mut self, word: &'a str) -> Result<Found<'a>, Stumble> {
        let (name, attached) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
        let spelling = SPELLINGS.iter().find(|spelling| spelling.long == name).ok_or(Stumble::Unknown)?;
        match spelling.takes {
            Takes::Nothing if attached.is_some() => Err(Stumble::UnwantedArgument),
            Takes::Nothing => Ok(Found { action: spelling.action, value: None }),
            Takes::Value | Takes::OptionalValue => self.with_value(spelling, attached),
        }
    }

    fn short(&mut self) -> Result<Found<'a>, Stumble> {
        let mut letters = self.cluster.chars();
        let letter = letters.next();
        let rest = letters.as_str();
        self.cluster = "";
        let spelling = SPELLINGS.iter().find(|spelling| letter.is_some() && spelling.short == letter);
        let spelling = spelling.ok_or(Stumble::Unknown)?;
        match spelling.takes {
            Takes::Nothing if rest.starts_with('=') => Err(Stumble::UnwantedArgument),
            Takes::Nothing => {
                self.cluster = rest;
                Ok(Found { action: spelling.action, value: None })
            }
            Takes::Value | Takes::OptionalValue => {
                let attached = if rest.is_empty() { None } else { Some(rest.strip_prefix('=').unwrap_or(rest)) };
                self.with_value(spelling, attached)
            }
        }
    }

    fn with_value(&mut self, spelling: &Spelling, attached: Option<&'a str>) -> Result<Found<'a>, Stumble> {
        let action = spelling.action;
        if attached.is_some() {
            return Ok(Found { action, value: attached });
        }
        let dashed = self.words.get(self.next).is_some_and(|word| word.starts_with('-'));
        if spelling.takes == Takes::OptionalValue && dashed {
            return Ok(Found { action, value: None });
        }
        match self.word() {
            None if spelling.takes == Takes::Value => Err(Stumble::MissingArgument),
            value => Ok(Found { action, value }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::options::{Kind, Verb};
    use super::*;

    /// An option and its value.
    type Typed = (Action, Option<String>);
    /// Where and why the scanner stumbles.
    type Stumbled = (String, Stumble);

    /// What the scanner makes of a command line: its options, then its arguments, or where and why it stumbles.
    fn scanned(words: &[&str]) -> (Vec<Typed>, Result<Vec<String>, Stumbled>) {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let mut scanner = Scanner::new(&words);
        let mut options = Vec::new();
        loop {
            match scanner.next() {
                Ok(Some(found)) => options.push((found.action, found.value.map(str::to_owned))),
                Ok(None) => return (options, Ok(scanner.into_arguments().into_iter().map(str::to_owned).collect())),
                Err(stumble) => return (options, Err((scanner.last_word().to_owned(), stumble))),
            }
        }
    }

    const LIST: Typed = (Action::Verb(Verb::List), None);
    const NUMERIC: Typed = (Action::Is(Kind::Numeric), None);

    fn is(kind: Kind, value: Option<&str>) -> Typed {
        (Action::Is(kind), value.map(str::to_owned))
    }

    #[test]
    fn short_options_may_be_bundled_and_their_values_attached() {
        assert_eq!(scanned(&["-Ln"]), (vec![LIST, NUMERIC], Ok(vec![])));
        for words in [&["-srr"][..], &["-s", "rr"], &["-s=rr"], &["--scheduler=rr"], &["--scheduler", "rr"]] {
            assert_eq!(scanned(words), (vec![is(Kind::Scheduler, Some("rr"))], Ok(vec![])), "{words:?}");
        }
    }

    #[test]
    fn an_optional_value_is_the_next_word_unless_that_is_an_option() {
        for (words, value) in [
            (&["-p", "300"][..], Some("300")),
            (&["-p300"], Some("300")),
            (&["--persistent=300"], Some("300")),
            (&["--persistent="], Some("")),
            (&["-p"], None),
        ] {
            assert_eq!(scanned(words), (vec![is(Kind::Persistent, value)], Ok(vec![])), "{words:?}");
        }
        assert_eq!(scanned(&["-p", "-n"]), (vec![is(Kind::Persistent, None), NUMERIC], Ok(vec![])));
    }

    #[test]
    fn a_value_that_must_be_there_may_begin_with_a_dash() {
        assert_eq!(scanned(&["-w", "-1"]), (vec![is(Kind::Weight, Some("-1"))], Ok(vec![])));
    }

    #[test]
    fn other_words_are_arguments() {
        let arguments = ["900", "-", "", "-n"].map(str::to_owned).to_vec();
        assert_eq!(scanned(&["900", "-", "", "-L", "--", "-n"]), (vec![LIST], Ok(arguments)));
    }

    #[test]
    fn it_stumbles_over_what_is_no_option() {
        for (words, word, stumble) in [
            (&["-L", "--bogus"][..], "--bogus", Stumble::Unknown),
            (&["-L", "--nume"], "--nume", Stumble::Unknown),
            (&["-L", "-nQ"], "-nQ", Stumble::Unknown),
            (&["-L", "-é"], "-é", Stumble::Unknown),
            (&["-L", "-s"], "-s", Stumble::MissingArgument),
            (&["-L", "--numeric=yes"], "--numeric=yes", Stumble::UnwantedArgument),
            (&["-L", "-n=yes"], "-n=yes", Stumble::UnwantedArgument),
        ] {
            assert_eq!(scanned(words).1, Err((word.to_owned(), stumble)), "{words:?}");
        }
    }

    #[test]
    fn no_two_options_share_a_letter() {
        let letters: Vec<char> = SPELLINGS.iter().filter_map(|spelling| spelling.short).collect();
        for letter in &letters {
            assert_eq!(letters.iter().filter(|other| *other == letter).count(), 1, "{letter}");
        }
    }
}
