//! The TOML text, its lines, and every refusal of something in it.

use std::cell::RefCell;
use std::collections::HashSet;
use std::ops::Range;

use super::problem::Problem;

/// The text, and what has been found wrong in it so far.
pub(super) struct Document<'d> {
    name: &'d str,
    text: &'d str,
    line_starts: Vec<usize>,
    problems: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Problem>>,
}

impl<'d> Document<'d> {
    pub(super) fn new(name: &'d str, text: &'d str) -> Self {
        let after_newlines = text.match_indices('\n').map(|(newline, _)| newline + 1);
        let line_starts = std::iter::once(0).chain(after_newlines).collect();
        Self { name, text, line_starts, problems: RefCell::default(), warnings: RefCell::default() }
    }

    pub(super) fn refuse(&self, span: Range<usize>, key: &str, message: &str, advice: &str) {
        self.problems.borrow_mut().push(self.problem(&span, key, message, advice));
    }

    /// Something that is no mistake, but may well be an oversight.
    pub(super) fn warn(&self, span: Range<usize>, key: &str, message: &str, advice: &str) {
        self.warnings.borrow_mut().push(self.problem(&span, key, message, advice));
    }

    fn problem(&self, span: &Range<usize>, key: &str, message: &str, advice: &str) -> Problem {
        let line = self.line(span.start);
        let source = self.line_starts.get(line - 1).and_then(|start| self.text.get(*start..)?.lines().next());
        Problem {
            file: self.name.to_owned(),
            line,
            key: key.to_owned(),
            message: message.to_owned(),
            advice: advice.to_owned(),
            source: source.unwrap_or_default().to_owned(),
        }
    }

    /// The problems and the warnings, in the order of their lines, each once: what is wrong with a template is found by
    /// every service that uses it.
    pub(super) fn into_problems(self) -> (Vec<Problem>, Vec<Problem>) {
        (once_each(self.problems.into_inner()), once_each(self.warnings.into_inner()))
    }

    /// What is written there.
    pub(super) fn text(&self, span: Range<usize>) -> &'d str {
        self.text.get(span).unwrap_or_default()
    }

    /// The line of an offset, from 1.
    pub(super) fn line(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset)
    }
}

fn once_each(mut problems: Vec<Problem>) -> Vec<Problem> {
    let mut seen = HashSet::new();
    problems.retain(|problem| seen.insert(problem.clone()));
    problems.sort_by_key(|problem| problem.line);
    problems
}
