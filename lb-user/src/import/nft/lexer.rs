//! The text of nft as blocks and statements.

use std::iter::Peekable;
use std::vec::IntoIter;

/// A part of a block, or of the file.
#[derive(Debug)]
pub(super) enum Item {
    /// `head { body }`
    Block { line: usize, head: Vec<String>, body: Vec<Item>, last: usize },
    /// What ends with the line or a semicolon.
    Statement(Statement),
}

impl Item {
    pub(super) fn line(&self) -> usize {
        match self {
            Self::Block { line, .. } => *line,
            Self::Statement(statement) => statement.line,
        }
    }
}

/// Words; braces and commas within are words of their own.
#[derive(Debug)]
pub(super) struct Statement {
    line: usize,
    words: Vec<String>,
}

impl Statement {
    pub(super) fn words(&self) -> Vec<&str> {
        self.words.iter().map(String::as_str).collect()
    }

    pub(super) fn first(&self) -> &str {
        self.words.first().map(String::as_str).unwrap_or_default()
    }

    pub(super) fn text(&self) -> String {
        self.words.join(" ").replace(" ,", ",")
    }
}

/// A word with its line, or the end of a statement.
type Token = (usize, String);

const END: &str = "\n";

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let (mut word, mut quoted) = (String::new(), false);
        let mut push = |word: &mut String| {
            if !word.is_empty() {
                tokens.push((index + 1, std::mem::take(word)));
            }
        };
        let continued = line.ends_with('\\');
        for letter in line.strip_suffix('\\').unwrap_or(line).chars() {
            match letter {
                '"' => {
                    quoted = !quoted;
                    word.push(letter);
                }
                _ if quoted => word.push(letter),
                '#' => break,
                ';' => {
                    push(&mut word);
                    push(&mut END.to_owned());
                }
                '{' | '}' | ',' => {
                    push(&mut word);
                    push(&mut letter.to_string());
                }
                _ if letter.is_whitespace() => push(&mut word),
                _ => word.push(letter),
            }
        }
        push(&mut word);
        if !continued {
            push(&mut END.to_owned());
        }
    }
    tokens
}

/// The items of a file.
///
/// # Errors
/// The line where braces do not match, and how.
pub(super) fn items(text: &str) -> Result<Vec<Item>, (usize, String)> {
    let mut tokens = tokens(text).into_iter().peekable();
    let items = block(&mut tokens, 0)?.0;
    match tokens.next() {
        Some((line, _)) => Err((line, "a } too many".to_owned())),
        None => Ok(items),
    }
}

/// Words that begin a block, rather than a rule with a set in it.
const OPENERS: [&str; 12] =
    ["table", "chain", "set", "map", "flowtable", "counter", "quota", "limit", "ct", "secmark", "synproxy", "element"];

/// The items up to the closing brace, and its line.
fn block(tokens: &mut Peekable<IntoIter<Token>>, opened: usize) -> Result<(Vec<Item>, usize), (usize, String)> {
    let (mut items, mut words, mut first, mut depth) = (Vec::new(), Vec::<String>::new(), 0, 0_usize);
    let mut last = opened;
    while let Some((line, token)) = tokens.next_if(|(_, token)| token != "}" || depth > 0) {
        last = line;
        if words.is_empty() {
            first = line;
        }
        match token.as_str() {
            END if depth > 0 => {}
            END => {
                if !words.is_empty() {
                    items.push(Item::Statement(Statement { line: first, words: std::mem::take(&mut words) }));
                }
            }
            "{" if depth == 0 && is_head(&words) => {
                let (body, last) = block(tokens, line)?;
                match tokens.next() {
                    Some(_brace) => {
                        items.push(Item::Block { line: first, head: std::mem::take(&mut words), body, last })
                    }
                    None => return Err((line, "this { is never closed".to_owned())),
                }
            }
            brace => {
                match brace {
                    "{" => depth += 1,
                    "}" => depth -= 1,
                    _word => {}
                }
                words.push(token);
            }
        }
    }
    if depth > 0 {
        return Err((first, "this { is never closed".to_owned()));
    }
    if !words.is_empty() {
        items.push(Item::Statement(Statement { line: first, words }));
    }
    let last = tokens.peek().map_or(last, |(line, _)| *line);
    Ok((items, last))
}

/// A declaration, not a rule such as `ct state { new }`: those have an operator or more words.
fn is_head(words: &[String]) -> bool {
    match words {
        [opener, _name] => OPENERS.contains(&opener.as_str()) && !(opener == "ct" || opener == "limit"),
        [opener, _, _] => matches!(opener.as_str(), "table" | "ct"),
        _ => false,
    }
}
