//! The width of one point of the statistics.

use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::moment::Moment;

/// The width of one point, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Interval {
    Minute,
    Hour,
    Day,
}

impl Interval {
    pub(crate) const fn length(self) -> TimeDelta {
        match self {
            Self::Minute => TimeDelta::minutes(1),
            Self::Hour => TimeDelta::hours(1),
            Self::Day => TimeDelta::days(1),
        }
    }

    pub(crate) fn default_since(self, until: Moment) -> Moment {
        Moment(
            until.0
                - self.length()
                    * match self {
                        Self::Minute => 60,
                        Self::Hour => 24,
                        Self::Day => 14,
                    },
        )
    }

    /// The begin of the point that a moment belongs to. Epoch and UTC days begin together, so a division does it.
    pub(super) fn begin(self, moment: Moment) -> Moment {
        let seconds = moment.0.timestamp();
        let begin = seconds - seconds.rem_euclid(self.length().num_seconds());
        Moment(DateTime::<Utc>::from_timestamp(begin, 0).unwrap_or(moment.0))
    }
}

impl FromStr for Interval {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "minute" => Ok(Self::Minute),
            "hour" => Ok(Self::Hour),
            "day" => Ok(Self::Day),
            _ => Err("must be minute, hour or day".into()),
        }
    }
}
