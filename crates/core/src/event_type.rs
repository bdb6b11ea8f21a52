//! Names of event types, and the list of them that a webhook subscribes to.

mod subscription;

use std::fmt;
use std::str::FromStr;

use serde::ser::{Serialize, Serializer};

pub use self::subscription::{InvalidSubscription, Subscription};

/// A lead was created.
pub const LEAD_CREATED: &str = "LEAD_CREATED";
/// A lead changed.
pub const LEAD_UPDATED: &str = "LEAD_UPDATED";
/// A conversation began.
pub const CONVERSATION_STARTED: &str = "CONVERSATION_STARTED";
/// A conversation was resolved.
pub const CONVERSATION_RESOLVED: &str = "CONVERSATION_RESOLVED";
/// The event types of the product; the set is open, applications may enqueue others.
pub const KNOWN: [&str; 4] = [LEAD_CREATED, LEAD_UPDATED, CONVERSATION_STARTED, CONVERSATION_RESOLVED];

/// Postrider deactivated a webhook.
pub const WEBHOOK_DISABLED: &str = "WEBHOOK_DISABLED";
/// A delivery was given up.
pub const DELIVERY_EXHAUSTED: &str = "DELIVERY_EXHAUSTED";
/// What postrider itself tells a tenant about webhooks. Subscribed to like any other type, and `*` includes them. Two
/// rules keep them from feeding themselves: one that is about a webhook is never sent to that webhook, and the loss of
/// one makes no further one.
pub const OPERATIONAL: [&str; 2] = [WEBHOOK_DISABLED, DELIVERY_EXHAUSTED];

/// Whether events of this type come from postrider itself.
///
/// ```
/// use postrider_core::event_type::is_operational;
///
/// assert!(is_operational("WEBHOOK_DISABLED"));
/// assert!(!is_operational("LEAD_CREATED"));
/// ```
#[must_use]
pub fn is_operational(event_type: &str) -> bool {
    OPERATIONAL.contains(&event_type)
}

/// Longest event type, in characters.
pub const MAX_LENGTH: usize = 100;

/// A well-formed event type: 1 to 100 of `A-Z`, `0-9` and `_`, beginning with a letter. The same rule as
/// `postrider.check_event` in SQL.
///
/// ```
/// use postrider_core::event_type::EventType;
///
/// let event_type: EventType = "LEAD_CREATED".parse()?;
/// assert_eq!(event_type.as_str(), "LEAD_CREATED");
/// assert!("lead.created".parse::<EventType>().is_err());
/// # Ok::<(), postrider_core::event_type::InvalidEventType>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventType(String);

/// Text that is not an event type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event type is 1 to 100 characters of A-Z, 0-9 and _, and begins with a letter, such as LEAD_CREATED")]
pub struct InvalidEventType;

impl EventType {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_event_type(text: &str) -> bool {
    text.len() <= MAX_LENGTH
        && text.starts_with(|first: char| first.is_ascii_uppercase())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

impl FromStr for EventType {
    type Err = InvalidEventType;

    fn from_str(text: &str) -> Result<Self, InvalidEventType> {
        if is_event_type(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidEventType)
        }
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Serialize for EventType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_types_are_upper_case_words() {
        let longest = "A".repeat(MAX_LENGTH);
        for good in KNOWN
            .into_iter()
            .chain(OPERATIONAL)
            .chain(["A", "A1", "X_", "A__9", &longest])
        {
            assert_eq!(good.parse::<EventType>().unwrap().as_str(), good);
        }
        let too_long = "A".repeat(MAX_LENGTH + 1);
        for bad in [
            "",
            "a",
            "_A",
            "1A",
            "LEAD CREATED",
            "LEAD.CREATED",
            "LEAD_CREATED\n",
            "ÄB",
            "A\0",
            "*",
            &too_long,
        ] {
            assert_eq!(bad.parse::<EventType>(), Err(InvalidEventType), "{bad:?}");
        }
    }
}
