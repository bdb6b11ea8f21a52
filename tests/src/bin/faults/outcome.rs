//! What came of a scenario: checks that passed or failed, and figures.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One thing that must hold.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Check {
    pub(crate) name: String,
    pub(crate) passed: bool,
    /// What was found.
    pub(crate) found: String,
}

/// Result of one scenario.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) scenario: String,
    /// Why it was not played, if it was not.
    pub(crate) skipped: Option<String>,
    pub(crate) seconds: f64,
    pub(crate) checks: Vec<Check>,
    pub(crate) figures: BTreeMap<String, f64>,
    pub(crate) notes: Vec<String>,
}

impl Outcome {
    /// A scenario that this machine cannot play.
    pub(crate) fn skipped(why: impl Into<String>) -> Self {
        Self {
            skipped: Some(why.into()),
            ..Self::default()
        }
    }

    /// Adds a check.
    pub(crate) fn check(&mut self, name: &str, passed: bool, found: impl ToString) {
        self.checks.push(Check {
            name: name.to_owned(),
            passed,
            found: found.to_string(),
        });
    }

    /// Adds a figure.
    pub(crate) fn figure(&mut self, name: &str, value: f64) {
        self.figures.insert(name.to_owned(), value);
    }

    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Whether a check failed.
    pub(crate) fn failed(&self) -> bool {
        self.checks.iter().any(|check| !check.passed)
    }
}
