//! A moment as the API writes it: RFC 3339 in UTC with milliseconds, `2023-11-04T15:30:56.789Z`.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

/// A moment in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, sqlx::Type, ToSchema)]
#[sqlx(transparent)]
#[schema(value_type = String, format = DateTime, example = "2023-11-04T15:30:56.789Z")]
pub(crate) struct Moment(pub(crate) DateTime<Utc>);

impl Moment {
    pub(crate) fn now() -> Self {
        Self(Utc::now())
    }

    /// Reads RFC 3339 with any offset.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        DateTime::parse_from_rfc3339(text)
            .map(|moment| Self(moment.to_utc()))
            .map_err(|_| "must be a moment as RFC 3339 writes it, such as 2023-11-04T15:30:56.789Z".into())
    }
}

impl std::fmt::Display for Moment {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
