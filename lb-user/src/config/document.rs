//! The TOML text, its lines, and every refusal of something in it.

use std::cell::RefCell;
use std::ops::Range;

use super::problem::Problem;

/// The text, and what has been found wrong in it so far.
pub(super) struct Document<'d> {
    name: &'d str,
    text: &'d str,
    line_starts: Vec<usize>,
    problems: RefCell<Vec<Problem>>,
}

impl<'d> Document<'d> {
    pub(super) fn new(name: &'d str, text: &'d str) -> Self {
        let after_newlines = text.match_indices('\n').map(|(newline, _)| newline + 1);
        let line_starts = std::iter::once(0).chain(after_newlines).collect();
        Self { name, text, line_starts, problems: RefCell::default() }
    }

    pub(super) fn refuse(&self, span: Range<usize>, key: &str, message: &str, advice: &str) {
        let line = self.line(span.start);
        let source = self.line_starts.get(line - 1).and_then(|start| self.text.get(*start..)?.lines().next());
        self.problems.borrow_mut().push(Problem {
            file: self.name.to_owned(),
            line,
            key: key.to_owned(),
            message: message.to_owned(),
            advice: advice.to_owned(),
            source: source.unwrap_or_default().to_owned(),
        });
    }

    /// The problems, in the order of their lines.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| problem.line);
        problems
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
