//! From rules in chains to the forward-only program that XDP evaluates.

use lb_common::marks::{END, MAX_MARK_NODES, MarkNode};

use super::nodes::{self, Clause};
use super::simplify::simplify;
use super::{InterfacePattern, MarkOperation, MarkRule, RuleSet, Target};

/// Why there is no program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// More nodes than XDP has room for.
    #[error(
        "the mark rules need more than {MAX_MARK_NODES} nodes; a rule needs one for itself and one for each further \
             port range or interface, and a chain counts as often as it is jumped to"
    )]
    TooLong,
    /// A jump into a chain that is not there.
    #[error("a mark rule jumps to the chain {chain}, which does not exist")]
    UnknownChain {
        /// The chain.
        chain: String,
    },
    /// A chain that leads into itself.
    #[error("the chain {chain} of the mark rules jumps into itself")]
    Loop {
        /// The chain.
        chain: String,
    },
    /// Chains that jump into chains, too often.
    #[error("the chain {chain} of the mark rules is jumped to through more than {DEEPEST} chains")]
    TooDeep {
        /// The chain.
        chain: String,
    },
}

/// How deep jumps nest at most; nftables itself allows 16.
const DEEPEST: usize = 64;

/// Bounds the work before simplification, which may take most nodes away again.
const LONGEST_DRAFT: usize = 16 * MAX_MARK_NODES as usize;

/// Compiles mark rules: LVX' `own` rules first, then the rule sets one after another, each for packets of its family.
/// So netfilter's rules see the mark that LVX' own gave, and may change it, as they do with a mark that a packet already
/// has when it reaches the mangle table. ACCEPT ends only its own rule set, as it ends only its own netfilter hook.
///
/// `interfaces` are names and indexes; a name may occur more than once (a bond, with the index of each of its
/// members). A rule for an interface that is not there matches nothing: compile again when interfaces come and go.
/// A program without any effect is empty.
pub fn compile(
    rulesets: &[RuleSet],
    own: &[MarkRule],
    interfaces: &[(String, u32)],
) -> Result<Vec<MarkNode>, CompileError> {
    let mut draft = Draft::default();
    let end_of_own = draft.label();
    Walk { draft: &mut draft, interfaces, set: None, accept: end_of_own, open: Vec::new() }.rules(own, end_of_own)?;
    draft.place(end_of_own);

    for set in rulesets {
        let (start, end) = (draft.label(), draft.label());
        draft.push(nodes::family(set.family), start, end)?;
        draft.place(start);
        Walk { draft: &mut draft, interfaces, set: Some(set), accept: end, open: Vec::new() }.chain(&set.entry, end)?;
        draft.place(end);
    }

    let program = simplify(draft.resolve());
    if program.len() > MAX_MARK_NODES as usize { Err(CompileError::TooLong) } else { Ok(program) }
}

/// A place in the program that may not be known yet.
#[derive(Clone, Copy)]
struct Label(u32);

/// The program while it grows: `hit` and `miss` of its nodes are labels.
#[derive(Default)]
struct Draft {
    nodes: Vec<MarkNode>,
    places: Vec<u32>,
}

impl Draft {
    fn label(&mut self) -> Label {
        self.places.push(END);
        Label(self.places.len() as u32 - 1)
    }

    fn place(&mut self, label: Label) {
        if let Some(place) = self.places.get_mut(label.0 as usize) {
            *place = self.nodes.len() as u32;
        }
    }

    fn push(&mut self, node: MarkNode, hit: Label, miss: Label) -> Result<(), CompileError> {
        if self.nodes.len() == LONGEST_DRAFT {
            return Err(CompileError::TooLong);
        }
        self.nodes.push(MarkNode { hit: hit.0, miss: miss.0, ..node });
        Ok(())
    }

    fn resolve(self) -> Vec<MarkNode> {
        let place = |label: u32| self.places.get(label as usize).copied().unwrap_or(END);
        self.nodes.iter().map(|node| MarkNode { hit: place(node.hit), miss: place(node.miss), ..*node }).collect()
    }

    /// Goes to `hit`, with the operation done, if all clauses hold, otherwise to `miss`.
    fn clauses(
        &mut self,
        clauses: &[Clause],
        operation: MarkOperation,
        hit: Label,
        miss: Label,
    ) -> Result<(), CompileError> {
        let Some((last, before)) = clauses.split_last() else {
            return self.push(nodes::with(MarkNode::ALWAYS, operation), hit, hit);
        };
        for clause in before {
            let holds = self.label();
            self.clause(clause, MarkOperation::NONE, holds, miss)?;
            self.place(holds);
        }
        self.clause(last, operation, hit, miss)
    }

    fn clause(
        &mut self,
        clause: &Clause,
        operation: MarkOperation,
        hit: Label,
        miss: Label,
    ) -> Result<(), CompileError> {
        match clause {
            Clause::One(node) => self.push(nodes::with(*node, operation), hit, miss),
            Clause::Any(alternatives) => {
                for node in alternatives {
                    let next = self.label();
                    self.push(nodes::with(*node, operation), hit, next)?;
                    self.place(next);
                }
                self.push(MarkNode::ALWAYS, miss, miss)
            }
        }
    }
}

/// The walk through one rule set, jumps inlined.
struct Walk<'a> {
    draft: &'a mut Draft,
    interfaces: &'a [(String, u32)],
    set: Option<&'a RuleSet>,
    /// Where ACCEPT leads.
    accept: Label,
    /// The chains that the walk is in, the innermost last.
    open: Vec<&'a str>,
}

impl<'a> Walk<'a> {
    fn chain(&mut self, name: &str, returns: Label) -> Result<(), CompileError> {
        let unknown = || CompileError::UnknownChain { chain: name.to_owned() };
        let (name, rules) = self.set.and_then(|set| set.chains.get_key_value(name)).ok_or_else(unknown)?;
        if self.open.contains(&name.as_str()) {
            return Err(CompileError::Loop { chain: name.clone() });
        }
        if self.open.len() == DEEPEST {
            return Err(CompileError::TooDeep { chain: name.clone() });
        }
        self.open.push(name);
        self.rules(rules, returns)?;
        self.open.pop();
        Ok(())
    }

    /// A chain's rules; `returns` is where RETURN leads, and its end.
    fn rules(&mut self, rules: &[MarkRule], returns: Label) -> Result<(), CompileError> {
        for rule in rules {
            self.rule(rule, returns)?;
        }
        self.draft.push(MarkNode::ALWAYS, returns, returns)
    }

    fn rule(&mut self, rule: &MarkRule, returns: Label) -> Result<(), CompileError> {
        let Some(clauses) = nodes::clauses(&rule.tests, &|pattern| self.indexes(pattern)) else {
            return Ok(());
        };
        let next = self.draft.label();
        let (operation, hit) = match &rule.target {
            Target::Mark(operation) => (*operation, next),
            Target::Accept => (MarkOperation::NONE, self.accept),
            Target::Return => (MarkOperation::NONE, returns),
            Target::Jump(_) | Target::Goto(_) => (MarkOperation::NONE, self.draft.label()),
        };
        self.draft.clauses(&clauses, operation, hit, next)?;
        match &rule.target {
            Target::Mark(_) | Target::Accept | Target::Return => {}
            Target::Jump(chain) => {
                self.draft.place(hit);
                self.chain(chain, next)?;
            }
            Target::Goto(chain) => {
                self.draft.place(hit);
                self.chain(chain, returns)?;
            }
        }
        self.draft.place(next);
        Ok(())
    }

    fn indexes(&self, pattern: &InterfacePattern) -> Vec<u32> {
        let matching = self.interfaces.iter().filter(|(name, _)| pattern.matches(name));
        matching.map(|&(_, index)| index).collect()
    }
}

#[cfg(test)]
mod tests;
