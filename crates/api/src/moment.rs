//! A moment as the API writes it: RFC 3339 in UTC with milliseconds, `2023-11-04T15:30:56.789Z`.

use chrono::{DateTime, SecondsFormat, Utc};
use postrider_core::ids::EventId;
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

/// Bits of an id below its milliseconds, and the moment they count from; see `postrider.next_id()`.
const SEQUENCE_BITS: u32 = 22;
const EPOCH_UNIX_MILLIS: i64 = 1_704_067_200_000;

impl Moment {
    /// When an event happened: its id says so.
    pub(crate) fn of_event(event: EventId) -> Self {
        Self(DateTime::from_timestamp_millis(event.unix_millis()).unwrap_or_default())
    }

    /// The smallest id of an event of this moment; `postrider.first_id_at()` in SQL.
    pub(crate) fn first_event_id(self) -> i64 {
        let millis = (self.0.timestamp_millis() - EPOCH_UNIX_MILLIS).clamp(0, i64::MAX >> SEQUENCE_BITS);
        millis << SEQUENCE_BITS
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_has_milliseconds_and_z() {
        let moment = Moment::parse("2023-11-04T17:30:56.7891+02:00").expect("RFC 3339");
        assert_eq!(moment.to_string(), "2023-11-04T15:30:56.789Z");
        assert_eq!(
            Moment::parse("2023-11-04T15:30:56Z").expect("RFC 3339").to_string(),
            "2023-11-04T15:30:56.000Z"
        );
        assert!(Moment::parse("2023-11-04").is_err());
    }

    #[test]
    fn the_first_id_of_a_moment_leads_back_to_it() {
        let moment = Moment::parse("2026-11-23T12:00:00.123Z").expect("RFC 3339");
        assert_eq!(Moment::of_event(EventId(moment.first_event_id())), moment);
        for (text, id) in [("1970-01-01T00:00:00Z", 0), ("2024-01-01T00:00:00.001Z", 1 << 22)] {
            assert_eq!(Moment::parse(text).expect("RFC 3339").first_event_id(), id);
        }
        assert!(
            Moment::parse("9999-12-31T23:59:59Z")
                .expect("RFC 3339")
                .first_event_id()
                > 0
        );
    }
}
