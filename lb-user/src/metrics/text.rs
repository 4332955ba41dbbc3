//! The text format itself. (The crate prometheus-client writes OpenMetrics, which `promtool check metrics` refuses, and
//! the crate prometheus holds every series in memory as an object.)

use std::fmt::{Display, Write as _};

/// What a family's values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Only grows, until it starts from zero again.
    Counter,
    /// May be anything at any time.
    Gauge,
    /// A sum and a count, without quantiles.
    Summary,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Summary => "summary",
        }
    }
}

/// A page of metrics that is being written.
#[derive(Debug, Default)]
pub(super) struct Page {
    text: String,
    family: &'static str,
}

impl Page {
    /// Begins a family; its samples follow at once. `help` has neither backslash nor line feed.
    pub(super) fn family(&mut self, name: &'static str, kind: Kind, help: &'static str) {
        self.family = name;
        self.text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {}\n", kind.name()));
    }

    /// A sample of the family that was begun last.
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.labelled("", &labels_text(labels), value);
    }

    /// The same with labels that [`labels_text`] made, and `suffix` after the family's name.
    pub(super) fn labelled(&mut self, suffix: &str, labels: &str, value: impl Display) {
        writeln!(self.text, "{}{suffix}{labels} {value}", self.family).expect("writing to a String never fails");
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }
}

/// `{name="value",...}`, or nothing where there is none.
pub(super) fn labels_text(labels: &[(&str, &str)]) -> String {
    if labels.is_empty() {
        return String::new();
    }
    let mut text = String::from("{");
    for (index, (name, value)) in labels.iter().enumerate() {
        text.push_str(if index == 0 { "" } else { "," });
        text.push_str(name);
        text.push_str("=\"");
        for character in value.chars() {
            match character {
                '\\' => text.push_str("\\\\"),
                '"' => text.push_str("\\\""),
                '\n' => text.push_str("\\n"),
                other => text.push(other),
            }
        }
        text.push('"');
    }
    text.push('}');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        assert_eq!(labels_text(&[]), "");
        assert_eq!(labels_text(&[("a", "b"), ("c", "\\ \" \n é")]), "{a=\"b\",c=\"\\\\ \\\" \\n é\"}");
    }
}
