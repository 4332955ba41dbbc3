//! Lines as directives with blocks.

use std::iter::Peekable;
use std::str::Chars;

use super::source::Line;
use crate::import::note::{Notes, Place};

/// A keyword, its words, and perhaps a block.
#[derive(Clone, Debug)]
pub(super) struct Directive {
    pub(super) place: Place,
    /// The keyword first, at least one.
    pub(super) words: Vec<String>,
    pub(super) block: Option<Block>,
}

/// What is between braces.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) directives: Vec<Directive>,
    /// Where it ends.
    pub(super) last: Place,
}

impl Directive {
    pub(super) fn keyword(&self) -> &str {
        self.words.first().map(String::as_str).unwrap_or_default()
    }

    /// The words behind the keyword.
    pub(super) fn values(&self) -> Vec<&str> {
        self.words.iter().skip(1).map(String::as_str).collect()
    }

    /// A value by its position, from 0; empty where there is none.
    pub(super) fn value(&self, index: usize) -> &str {
        self.words.get(index + 1).map(String::as_str).unwrap_or_default()
    }

    /// The directives of its block.
    pub(super) fn inner(&self) -> &[Directive] {
        self.block.as_ref().map(|block| block.directives.as_slice()).unwrap_or_default()
    }

    /// As it is written, with the end of its block if that is on another line of the same file.
    pub(super) fn shown(&self) -> String {
        let text = self.words.join(" ");
        match &self.block {
            Some(block) if block.last.file == self.place.file && block.last.line > self.place.line => {
                format!("{text} (to line {})", block.last.line)
            }
            Some(_) | None => text,
        }
    }
}

/// The directives of a file. What is wrong with its braces is an error of `notes`.
pub(super) fn directives(lines: &[Line], notes: &mut Notes) -> Vec<Directive> {
    let mut open: Vec<(Directive, Vec<Directive>)> = Vec::new();
    let mut here: Vec<Directive> = Vec::new();
    for line in lines {
        let mut words = Vec::new();
        for token in tokens(&line.text) {
            match token {
                Token::Word(word) => words.push(word),
                Token::Open => {
                    here.extend(directive(line, &mut words));
                    match here.pop().filter(|last| last.block.is_none()) {
                        Some(last) => open.push((last, std::mem::take(&mut here))),
                        None => notes.error(&line.place, "a { without a keyword before it"),
                    }
                }
                Token::Close => {
                    here.extend(directive(line, &mut words));
                    match open.pop() {
                        Some((mut owner, before)) => {
                            let directives = std::mem::replace(&mut here, before);
                            owner.block = Some(Block { directives, last: line.place.clone() });
                            here.push(owner);
                        }
                        None => notes.error(&line.place, "a } too many"),
                    }
                }
            }
        }
        here.extend(directive(line, &mut words));
    }
    for (owner, _) in &open {
        notes.error(&owner.place, format!("the {{ of {} is never closed", owner.words.join(" ")));
    }
    here
}

fn directive(line: &Line, words: &mut Vec<String>) -> Option<Directive> {
    let words = std::mem::take(words);
    (!words.is_empty()).then(|| Directive { place: line.place.clone(), words, block: None })
}

enum Token {
    Word(String),
    Open,
    Close,
}

/// Words are separated by blanks, and by braces that are not those of `${NAME}`; quotes join.
fn tokens(text: &str) -> Vec<Token> {
    let (mut tokens, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (Some(_), '\\') => word.get_or_insert_default().extend(escaped(&mut letters)),
            (Some(_), _) => word.get_or_insert_default().push(letter),
            (None, '"' | '\'') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, '$') if letters.peek() == Some(&'{') => {
                word.get_or_insert_default().push('$');
                word.get_or_insert_default().extend(letters.by_ref().take_while(|letter| *letter != '}'));
                word.get_or_insert_default().push('}');
            }
            (None, '{' | '}') => {
                tokens.extend(word.take().map(Token::Word));
                tokens.push(if letter == '{' { Token::Open } else { Token::Close });
            }
            (None, _) if letter.is_whitespace() => tokens.extend(word.take().map(Token::Word)),
            (None, _) => word.get_or_insert_default().push(letter),
        }
    }
    tokens.extend(word.map(Token::Word));
    tokens
}

/// What follows a backslash within quotes, as in a shell's `$'...'`.
fn escaped(letters: &mut Peekable<Chars<'_>>) -> Option<char> {
    Some(match letters.next()? {
        'a' => '\u{7}',
        'b' => '\u{8}',
        'E' => '\u{1b}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        'x' => code(String::new(), letters, 16, 8)?,
        'c' => char::from_u32(u32::from(letters.next()?.to_ascii_uppercase()) ^ 0x40)?,
        octal @ '0'..='7' => code(octal.to_string(), letters, 8, 3)?,
        other => other,
    })
}

fn code(mut digits: String, letters: &mut Peekable<Chars<'_>>, radix: u32, most: usize) -> Option<char> {
    while let Some(digit) = letters.next_if(|letter| letter.is_digit(radix) && digits.len() < most) {
        digits.push(digit);
    }
    char::from_u32(u32::from_str_radix(&digits, radix).ok()?)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn words(text: &str) -> Vec<String> {
        let word = |token| match token {
            Token::Word(word) => word,
            Token::Open => "{".to_owned(),
            Token::Close => "}".to_owned(),
        };
        tokens(text).into_iter().map(word).collect()
    }

    #[test]
    fn words_quotes_and_braces() {
        for (text, expected) in [
            ("virtual_server 10.0.0.1 80 {", "virtual_server|10.0.0.1|80|{"),
            ("url{path / }", "url|{|path|/|}"),
            ("abcd\" efg h jkl \"mnop", "abcd efg h jkl mnop"),
            ("abcd \"efg h jkl\" mnop", "abcd|efg h jkl|mnop"),
            (r#"regex "a\\d\"b\x41\101\cA" 'x y'"#, "regex|a\\d\"bAA\u{1}|x y"),
            ("script \"\"", "script|"),
            ("name ${UNKNOWN}x", "name|${UNKNOWN}x"),
        ] {
            assert_eq!(words(text).join("|"), expected, "{text}");
        }
    }

    #[test]
    fn braces_that_do_not_match() {
        let file: Arc<str> = "f".into();
        let line = |(index, text): (usize, &str)| Line { place: Place::new(&file, index + 1), text: text.to_owned() };
        for (text, expected) in [
            ("a {\nb {\n}", "f:1: error: the { of a is never closed"),
            ("a\n}", "f:2: error: a } too many"),
            ("{", "f:1: error: a { without a keyword before it"),
        ] {
            let mut notes = Notes::default();
            let lines: Vec<_> = text.lines().enumerate().map(line).collect();
            directives(&lines, &mut notes);
            assert_eq!(notes.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected], "{text}");
        }
    }

    #[test]
    fn a_block_may_begin_on_the_next_line() {
        let file: Arc<str> = "f".into();
        let line = |(index, text): (usize, &str)| Line { place: Place::new(&file, index + 1), text: text.to_owned() };
        let lines: Vec<_> = "a 1\n{\nb 2\n}\nc".lines().enumerate().map(line).collect();
        let mut notes = Notes::default();
        let directives = directives(&lines, &mut notes);
        assert_eq!(directives.iter().map(Directive::shown).collect::<Vec<_>>(), ["a 1 (to line 4)", "c"]);
        assert_eq!(directives.first().map(|first| first.inner().len()), Some(1));
    }
}
