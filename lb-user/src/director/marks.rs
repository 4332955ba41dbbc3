//! Mark rules: the config's own and netfilter's, compiled for the packet path.

use std::collections::BTreeMap;

use crate::api::Refusal;
use crate::director::Director;
use crate::model::marks::{MarkRule, RuleSet, compile};
use crate::tables::MAX_MARK_NODES;

/// Where marks come from.
#[derive(Debug, Default)]
pub(super) struct Marks {
    own: Vec<MarkRule>,
    netfilter: Vec<RuleSet>,
    /// What netfilter has that XDP cannot do.
    warnings: Vec<String>,
    /// What is wrong with all of it together.
    problem: Option<String>,
    /// Interfaces by name: rules may name them.
    interfaces: BTreeMap<String, u32>,
}

impl Marks {
    pub(super) fn new(own: Vec<MarkRule>) -> Self {
        Self { own, ..Self::default() }
    }

    /// The rules in force, in words, in the order of evaluation.
    pub(super) fn lines(&self) -> Vec<String> {
        let own = self.own.iter().map(|rule| format!("lvx: {rule}"));
        own.chain(self.netfilter.iter().flat_map(RuleSet::lines)).collect()
    }

    /// What the operator should know.
    pub(super) fn warnings(&self) -> impl Iterator<Item = &String> {
        self.warnings.iter().chain(&self.problem)
    }
}

impl Director {
    /// Netfilter's rules are these from now on; `warnings` name what XDP cannot do of them.
    pub fn set_netfilter(&mut self, rulesets: Vec<RuleSet>, warnings: Vec<String>) {
        self.marks.warnings = warnings;
        let before = std::mem::replace(&mut self.marks.netfilter, rulesets);
        self.compile_marks();
        if self.marks.problem.is_some() {
            self.marks.netfilter = before;
        }
    }

    /// Whether the file's own rules can be these.
    ///
    /// # Errors
    /// Together with netfilter's they are too many, or contradict each other.
    pub(super) fn can_mark(&self, own: &[MarkRule]) -> Result<(), Refusal> {
        let interfaces: Vec<_> = self.marks.interfaces.iter().map(|(name, index)| (name.clone(), *index)).collect();
        let nodes = compile(&self.marks.netfilter, own, &interfaces)
            .map_err(|error| Refusal::Other(format!("the mark rules cannot be followed: {error}")))?;
        let most = usize::try_from(MAX_MARK_NODES).unwrap_or(usize::MAX);
        if nodes.len() <= most {
            return Ok(());
        }
        Err(Refusal::Full(format!("the mark rules need {} nodes of {MAX_MARK_NODES}", nodes.len())))
    }

    /// The file's own rules are these from now on.
    pub(super) fn set_mark_rules(&mut self, own: Vec<MarkRule>) {
        self.marks.own = own;
        self.compile_marks();
    }

    /// An interface has this index from now on, or is gone.
    pub(super) fn set_mark_interface(&mut self, name: &str, index: Option<u32>) {
        let before = match index {
            Some(index) => self.marks.interfaces.insert(name.to_owned(), index),
            None => self.marks.interfaces.remove(name),
        };
        if before != index {
            self.compile_marks();
        }
    }

    /// Compiles the rules; where that cannot be done, those in force stay, and a warning says so.
    pub(super) fn compile_marks(&mut self) {
        let interfaces: Vec<_> = self.marks.interfaces.iter().map(|(name, index)| (name.clone(), *index)).collect();
        let outcome = compile(&self.marks.netfilter, &self.marks.own, &interfaces)
            .map_err(|error| error.to_string())
            .and_then(|nodes| self.tables.set_marks(&nodes).map_err(|refusal| refusal.to_string()));
        let problem = outcome.err().map(|why| format!("the mark rules are as they were before the last change: {why}"));
        if let Some(problem) = problem.as_ref().filter(|problem| self.marks.problem.as_ref() != Some(*problem)) {
            tracing::warn!("{problem}");
        }
        self.marks.problem = problem;
    }
}
