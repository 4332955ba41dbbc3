//! Makes a case small that shows a difference: drops what it does not need, and makes the rest plain.

use anyhow::Result;

use super::case::{Action, Case, Line, Sent};

/// How often a smaller case is tried, at most.
const TRIES: usize = 400;

/// The smallest case found that `differs`, as the given one does. The question is put to both sides each time, so it
/// takes a while; but not for ever.
///
/// # Errors
/// That of `differs`.
pub fn shrink(case: &Case, differs: &mut dyn FnMut(&Case) -> Result<bool>) -> Result<Case> {
    let mut shrinker = Shrinker { case: case.clone(), differs, tries: 0 };
    shrinker.split_rules()?;
    loop {
        let before = shrinker.case.clone();
        shrinker.drop_actions()?;
        shrinker.simplify()?;
        if shrinker.case == before || shrinker.tries >= TRIES {
            return Ok(shrinker.case);
        }
    }
}

struct Shrinker<'a> {
    case: Case,
    differs: &'a mut dyn FnMut(&Case) -> Result<bool>,
    tries: usize,
}

impl Shrinker<'_> {
    /// Whether these actions show a difference too; if so, they are the case from now on.
    fn take(&mut self, actions: Vec<Action>) -> Result<bool> {
        if self.tries >= TRIES || actions == self.case.actions {
            return Ok(false);
        }
        self.tries += 1;
        let smaller = Case { actions, ..self.case.clone() };
        let differs = (self.differs)(&smaller)?;
        if differs {
            self.case = smaller;
        }
        Ok(differs)
    }

    /// A set of rules as single commands, which can be dropped one by one.
    fn split_rules(&mut self) -> Result<bool> {
        let split = |action: &Action| match action {
            Action::Command(Line { words, input }) if words == "ipvsadm -R" => {
                input.lines().map(|line| Action::command(format!("ipvsadm {line}"))).collect()
            }
            Action::Command(_) | Action::Sysctl(_) | Action::Send(_) | Action::Wait(_) => vec![action.clone()],
        };
        let actions = self.case.actions.iter().flat_map(split).collect();
        self.take(actions)
    }

    /// Drops runs of actions, long ones first, the last ones first (Zeller, Hildebrandt: delta debugging).
    fn drop_actions(&mut self) -> Result<()> {
        let mut length = self.case.actions.len() / 2;
        while length > 0 {
            let mut end = self.case.actions.len();
            while end > 0 {
                let start = end.saturating_sub(length);
                let mut actions = self.case.actions.clone();
                // Waits stay: without them counters are not added up, and that would be another difference.
                let kept: Vec<Action> =
                    actions.drain(start..end).filter(|action| matches!(action, Action::Wait(_))).collect();
                actions.splice(start..start, kept);
                self.take(actions)?;
                end = start;
            }
            length /= 2;
        }
        Ok(())
    }

    fn simplify(&mut self) -> Result<()> {
        for at in 0..self.case.actions.len() {
            let mut simpler = simpler(&self.case.actions[at]);
            while let Some(action) = simpler.pop() {
                let mut actions = self.case.actions.clone();
                actions[at] = action.clone();
                if self.take(actions)? {
                    simpler = self::simpler(&action);
                }
            }
        }
        Ok(())
    }
}

/// Plainer actions that may do as well.
fn simpler(action: &Action) -> Vec<Action> {
    match action {
        Action::Send(sent) => plainer(sent).into_iter().filter(|plain| plain != sent).map(Action::Send).collect(),
        Action::Command(line) => shorter(line).into_iter().map(Action::Command).collect(),
        Action::Sysctl(_) | Action::Wait(_) => Vec::new(),
    }
}

fn plainer(sent: &Sent) -> Vec<Sent> {
    let mut plainer =
        vec![Sent { payload: 0, ..sent.clone() }, Sent { ttl: 64, ..sent.clone() }, Sent { tos: 0, ..sent.clone() }];
    for letter in sent.flags.chars().filter(|_| sent.flags.len() > 1) {
        plainer.push(Sent { flags: sent.flags.replace(letter, ""), ..sent.clone() });
    }
    plainer
}

/// A command without one of its options, and with a smaller weight.
fn shorter(line: &Line) -> Vec<Line> {
    let words: Vec<&str> = line.words.split_whitespace().collect();
    let Some(("ipvsadm", ["-A" | "-E" | "-a" | "-e", _, _, options @ ..])) =
        words.split_first().map(|(program, rest)| (*program, rest))
    else {
        return Vec::new();
    };
    let first = words.len() - options.len();
    let mut shorter = Vec::new();
    let mut with = |words: Vec<&str>| shorter.push(Line { words: words.join(" "), input: line.input.clone() });
    for at in first..words.len() {
        if !words[at].starts_with('-') || words[at] == "-r" || words[at] == "-6" {
            continue;
        }
        let value = words.get(at + 1).is_some_and(|word| !word.starts_with('-'));
        with([&words[..at], &words[at + 1 + usize::from(value)..]].concat());
        let weight = words.get(at + 1).and_then(|word| word.parse::<u32>().ok()).filter(|_| words[at] == "-w");
        if let Some(weight) = weight.filter(|weight| *weight > 1) {
            let half = (weight / 2).to_string();
            with([&words[..=at], &[half.as_str()], &words[at + 2..]].concat());
        }
    }
    shorter
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::oracle::case::Sysctl;

    fn packet(port: u16) -> Action {
        let source = std::net::SocketAddr::from(([10, 0, 0, 1], port));
        let destination = std::net::SocketAddr::from(([172, 16, 100, 1], 80));
        Action::Send(Sent { payload: 9, ttl: 7, ..Sent::tcp(source, destination, "PA") })
    }

    #[test]
    fn only_what_matters_is_left() {
        let rules = Line {
            words: "ipvsadm -R".to_owned(),
            input: "-A -t 172.16.100.1:80 -s rr -p 60\n-a -t 172.16.100.1:80 -r 172.16.100.10 -g -w 100\n".to_owned(),
        };
        let mut actions = vec![Action::Sysctl(Sysctl { name: "sloppy_tcp".to_owned(), value: "1".to_owned() })];
        actions.push(Action::Command(rules));
        actions.extend((0..100).map(packet));
        actions.push(Action::Wait(Duration::from_secs(4)));
        let case = Case { name: String::new(), about: String::new(), actions };
        // It shows with packet 61, where a server has a weight of more than 2.
        let mut differs = |case: &Case| {
            let weighty = |words: &str| {
                words.split(" -w ").nth(1).is_some_and(|weight| weight.parse::<u32>().is_ok_and(|weight| weight > 2))
            };
            let server = case.actions.iter().any(|action| weighty(&action.to_string()));
            let sent = |action: &Action| matches!(action, Action::Send(sent) if sent.source.port() == 61);
            let rules = matches!(case.actions.get(1), Some(Action::Command(line)) if !line.input.is_empty());
            Ok((server || rules) && case.actions.iter().any(sent))
        };
        let small = shrink(&case, &mut differs).expect("it can be asked");
        let last = small.actions.last().expect("an action");
        assert_eq!(last.to_string(), "sleep 4", "waits are kept");
        let shown: Vec<String> = small.actions.iter().map(ToString::to_string).collect();
        assert_eq!(shown[0], "ipvsadm -a -t 172.16.100.1:80 -r 172.16.100.10 -w 3");
        assert_eq!(shown[1..2], ["tcp 10.0.0.1:61 > 172.16.100.1:80 P"]);
    }
}
