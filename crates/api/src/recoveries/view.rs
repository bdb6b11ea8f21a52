//! A recovery as the API shows it.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::moment::Moment;

/// Id of a recovery, `recovery_<number>` in public.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecoveryId(pub(crate) i64);

impl fmt::Display for RecoveryId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "recovery_{}", self.0)
    }
}

impl FromStr for RecoveryId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let id = Self(
            text.strip_prefix("recovery_")
                .and_then(|digits| digits.parse().ok())
                .ok_or(())?,
        );
        // One spelling per id.
        if id.to_string() == text { Ok(id) } else { Err(()) }
    }
}

impl Serialize for RecoveryId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A recovery and how far it is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Recovery {
    #[schema(value_type = String, example = "recovery_123")]
    pub(crate) id: RecoveryId,
    /// Deliveries given up at this moment or later are sent again.
    pub(crate) since: Moment,
    pub(crate) state: RecoveryState,
    /// Deliveries put back so far. They are then `pending` like any other.
    pub(crate) recovered: i64,
    pub(crate) created_at: Moment,
    pub(crate) finished_at: Option<Moment>,
}

/// Whether a recovery is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RecoveryState {
    /// It goes on, also after a restart.
    Running,
    /// All that was given up has been put back.
    Finished,
}

#[derive(sqlx::FromRow)]
pub(super) struct Row {
    id: i64,
    since: Moment,
    moved: i64,
    created_at: Moment,
    finished_at: Option<Moment>,
}

impl From<Row> for Recovery {
    fn from(row: Row) -> Self {
        Self {
            id: RecoveryId(row.id),
            since: row.since,
            state: if row.finished_at.is_some() {
                RecoveryState::Finished
            } else {
                RecoveryState::Running
            },
            recovered: row.moved,
            created_at: row.created_at,
            finished_at: row.finished_at,
        }
    }
}
