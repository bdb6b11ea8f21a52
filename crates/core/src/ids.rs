//! Public ids: the time-ordered numbers of the database with a prefix that says what they name.
//!
//! ```
//! use postrider_core::ids::{EventId, WebhookId};
//!
//! let webhook: WebhookId = "webhook_123".parse()?;
//! assert_eq!(webhook, WebhookId(123));
//! assert_eq!(EventId(4194304).to_string(), "evt_4194304");
//! assert_eq!(EventId(4194304).unix_millis(), 1_704_067_200_001);
//! # Ok::<(), postrider_core::ids::ParseIdError>(())
//! ```

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};

/// 2024-01-01T00:00:00Z in milliseconds since 1970; `postrider.next_id()` counts from here.
const EPOCH_UNIX_MILLIS: i64 = 1_704_067_200_000;

/// Low bits of an id that hold a sequence; the bits above hold milliseconds.
const SEQUENCE_BITS: u32 = 22;

/// Text that is not an id of the wanted kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id of the form {prefix}<number>")]
pub struct ParseIdError {
    prefix: &'static str,
}

/// Id of a webhook, `webhook_<number>` in public.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WebhookId(pub i64);

/// Id of an event, `evt_<number>` in public: what receivers see as `webhook-id` and deduplicate on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId(pub i64);

impl WebhookId {
    const PREFIX: &str = "webhook_";
}

impl EventId {
    const PREFIX: &str = "evt_";

    /// When the event was enqueued, in milliseconds since 1970.
    #[must_use]
    pub const fn unix_millis(self) -> i64 {
        (self.0 >> SEQUENCE_BITS) + EPOCH_UNIX_MILLIS
    }

    /// When the event was enqueued, in whole seconds since 1970, rounded down: the `timestamp` receivers see.
    #[must_use]
    pub const fn unix_seconds(self) -> i64 {
        self.unix_millis().div_euclid(1000)
    }
}

/// One spelling per id: no sign, no leading zero, so that two different texts never name one row.
fn parse(text: &str, prefix: &'static str) -> Result<i64, ParseIdError> {
    let error = ParseIdError { prefix };
    let digits = text.strip_prefix(prefix).ok_or(error)?;
    if digits.starts_with('0') || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(error);
    }
    digits.parse().map_err(|_| error)
}

macro_rules! text_form {
    ($id:ident) => {
        impl fmt::Display for $id {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{}{}", Self::PREFIX, self.0)
            }
        }

        impl FromStr for $id {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                parse(text, Self::PREFIX).map(Self)
            }
        }

        impl Serialize for $id {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $id {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(D::Error::custom)
            }
        }
    };
}

text_form!(WebhookId);
text_form!(EventId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_one_text_form() {
        for (text, id) in [
            ("evt_1", 1),
            ("evt_9223372036854775807", i64::MAX),
            ("evt_4194304", 4_194_304),
        ] {
            assert_eq!(text.parse(), Ok(EventId(id)));
            assert_eq!(EventId(id).to_string(), text);
            assert_eq!(serde_json::to_string(&EventId(id)).unwrap(), format!("\"{text}\""));
            assert_eq!(
                serde_json::from_str::<EventId>(&format!("\"{text}\"")).unwrap(),
                EventId(id)
            );
        }
        assert_eq!("webhook_77".parse(), Ok(WebhookId(77)));
        assert_eq!(WebhookId(77).to_string(), "webhook_77");
    }

    #[test]
    fn other_texts_are_not_ids() {
        for text in [
            "",
            "1",
            "evt_",
            "evt_0",
            "evt_01",
            "evt_+1",
            "evt_-1",
            "evt_1 ",
            " evt_1",
            "EVT_1",
            "evt_1a",
            "evt_٣",
            "evt_9223372036854775808",
            "webhook_1",
            "evt_evt_1",
        ] {
            assert!(text.parse::<EventId>().is_err(), "{text:?} was accepted");
        }
        assert_eq!(
            "evt_1".parse::<WebhookId>().unwrap_err().to_string(),
            "not an id of the form webhook_<number>"
        );
    }

    #[test]
    fn time_is_in_the_high_bits() {
        for (id, millis, seconds) in [
            (0, 1_704_067_200_000, 1_704_067_200),
            ((1 << 22) - 1, 1_704_067_200_000, 1_704_067_200),
            (1 << 22, 1_704_067_200_001, 1_704_067_200),
            (1999 << 22, 1_704_067_201_999, 1_704_067_201),
            ((91_411_200_123 << 22) | 5, 1_795_478_400_123, 1_795_478_400),
        ] {
            assert_eq!(EventId(id).unix_millis(), millis);
            assert_eq!(EventId(id).unix_seconds(), seconds);
        }
    }
}
