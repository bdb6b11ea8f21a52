//! Reading named fields, of a body or a query, so that one answer names everything that is wrong.

use serde_json::Value;

use crate::error::{ApiError, FieldProblem};

/// Most problems in one answer, and longest name of an unknown field in it, in characters.
const MAX_PROBLEMS: usize = 100;
const MAX_ECHOED: usize = 100;

/// Fields as they were sent, each taken out once, and what was found wrong on the way.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    members: Vec<(String, Value)>,
    problems: Vec<FieldProblem>,
}

impl Fields {
    pub(crate) fn new(members: Vec<(String, Value)>) -> Self {
        Self {
            members,
            problems: Vec::new(),
        }
    }

    /// Takes a field out and reads it. `None` when it is absent, or was bad and is now among the problems.
    pub(crate) fn take<T>(&mut self, name: &str, read: impl FnOnce(Value) -> Result<T, String>) -> Option<T> {
        let place = self.members.iter().position(|(found, _)| found == name)?;
        let (_, value) = self.members.remove(place);
        if self.members.iter().any(|(found, _)| found == name) {
            self.members.retain(|(found, _)| found != name);
            self.problem(name, "stands twice");
            return None;
        }
        match read(value) {
            Ok(value) => Some(value),
            Err(message) => {
                self.problem(name, message);
                None
            }
        }
    }

    /// Leaves out fields with such a value.
    pub(crate) fn forget(&mut self, is_forgotten: impl Fn(&Value) -> bool) {
        self.members.retain(|(_, value)| !is_forgotten(value));
    }

    /// A text as it was sent, or nothing.
    pub(crate) fn peek(&self, name: &str) -> &str {
        let found = self.members.iter().find(|(found, _)| found == name);
        found.and_then(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// Changes the value of a field, where there is one.
    pub(crate) fn change(&mut self, name: &str, change: impl Fn(Value) -> Value) {
        for (found, value) in &mut self.members {
            if found == name {
                *value = change(value.take());
            }
        }
    }

    /// Makes the absence of a field a problem.
    pub(crate) fn require_present(&mut self, name: &str) {
        if !self.members.iter().any(|(found, _)| found == name) {
            self.problem(name, "is required");
        }
    }

    pub(crate) fn problem(&mut self, field: &str, message: impl Into<String>) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(FieldProblem {
                field: field.chars().take(MAX_ECHOED).collect(),
                message: message.into(),
            });
        }
    }

    /// Ends the reading: what was not taken is unknown.
    pub(crate) fn finish(mut self) -> Result<(), ApiError> {
        let mut unknown: Vec<String> = std::mem::take(&mut self.members)
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        unknown.sort_unstable();
        unknown.dedup();
        for name in unknown {
            self.problem(&name, "is not a known field, or cannot be set");
        }
        if self.problems.is_empty() {
            Ok(())
        } else {
            Err(ApiError::Invalid(self.problems))
        }
    }
}

/// A text.
pub(crate) fn text(value: Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err("must be a text".into()),
    }
}

/// A whole number.
pub(crate) fn whole_number(value: Value) -> Result<i64, String> {
    value.as_i64().ok_or_else(|| match value {
        // Beyond i64, so beyond every limit too.
        Value::Number(number) if number.is_u64() => "is far too large".into(),
        _ => "must be a whole number".into(),
    })
}

/// True or false.
pub(crate) fn boolean(value: Value) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| "must be true or false".into())
}
