//! The state of a delivery.

use std::str::FromStr;

use serde::Serialize;
use utoipa::ToSchema;

/// What became of a delivery so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// It waits for its first attempt.
    Pending,
    /// At least one attempt failed, and another is to come.
    Retrying,
    /// The receiver took it.
    Delivered,
    /// It was given up.
    Failed,
}

impl State {
    pub(crate) const ALL: [Self; 4] = [Self::Pending, Self::Retrying, Self::Delivered, Self::Failed];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Retrying => "retrying",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

impl FromStr for State {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|state| state.as_str() == text);
        known.ok_or_else(|| "must be pending, retrying, delivered or failed".into())
    }
}
