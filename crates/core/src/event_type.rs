//! Names of event types, and the list of them that a webhook subscribes to.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use serde::ser::{Serialize, Serializer};

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

/// The event types that a webhook wants: a list, or all of them, written `["*"]`.
///
/// ```
/// use postrider_core::event_type::Subscription;
///
/// let leads = Subscription::parse(&["LEAD_CREATED", "LEAD_UPDATED"])?;
/// assert!(leads.matches("LEAD_CREATED"));
/// assert!(!leads.matches("CONVERSATION_STARTED"));
/// assert!(Subscription::parse(&["*"])?.matches("CONVERSATION_STARTED"));
/// # Ok::<(), postrider_core::event_type::InvalidSubscription>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// As its owner wrote it; exactly `["*"]` for all.
    entries: Vec<String>,
}

/// Why a list of event types cannot be subscribed to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSubscription {
    /// The list is empty.
    #[error("must name at least one event type, or be [\"*\"] for all")]
    Empty,
    /// The list is too long.
    #[error("must not name more than {max} event types; use [\"*\"] for all", max = Subscription::MAX_ENTRIES)]
    TooMany,
    /// An entry is not an event type.
    #[error("{entry:?} is not an event type: {InvalidEventType}")]
    NotAnEventType {
        /// The entry, at most its first 120 characters.
        entry: String,
    },
    /// An entry stands twice in the list.
    #[error("{entry:?} stands twice in the list")]
    Duplicate {
        /// The entry.
        entry: String,
    },
    /// `*` stands beside other entries.
    #[error("\"*\" means all event types and stands alone")]
    StarWithOthers,
}

impl Subscription {
    /// Most entries of a list.
    pub const MAX_ENTRIES: usize = 50;

    /// The entry that stands for all event types.
    pub const ALL: &str = "*";

    /// Reads a list of event types.
    ///
    /// # Errors
    /// When the list is empty, has more than 50 entries, has a malformed entry or one twice, or has `*` beside others.
    pub fn parse<T: AsRef<str>>(entries: &[T]) -> Result<Self, InvalidSubscription> {
        if entries.is_empty() {
            return Err(InvalidSubscription::Empty);
        }
        if entries.len() > Self::MAX_ENTRIES {
            return Err(InvalidSubscription::TooMany);
        }
        let mut seen = HashSet::new();
        for entry in entries.iter().map(AsRef::as_ref) {
            if entry != Self::ALL && !is_event_type(entry) {
                return Err(InvalidSubscription::NotAnEventType {
                    entry: entry.chars().take(120).collect(),
                });
            }
            if !seen.insert(entry) {
                return Err(InvalidSubscription::Duplicate {
                    entry: entry.to_owned(),
                });
            }
        }
        if seen.contains(Self::ALL) && entries.len() > 1 {
            return Err(InvalidSubscription::StarWithOthers);
        }
        Ok(Self {
            entries: entries.iter().map(|entry| entry.as_ref().to_owned()).collect(),
        })
    }

    /// Whether events of this type are wanted.
    #[must_use]
    pub fn matches(&self, event_type: &str) -> bool {
        self.entries
            .iter()
            .any(|entry| entry == Self::ALL || entry == event_type)
    }

    /// The entries in the order they were given, as stored in `webhook.event_types`.
    #[must_use]
    pub fn entries(&self) -> &[String] {
        &self.entries
    }
}

impl Serialize for Subscription {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.entries.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_types_are_upper_case_words() {
        let longest = "A".repeat(MAX_LENGTH);
        for good in KNOWN.into_iter().chain(["A", "A1", "X_", "A__9", &longest]) {
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

    #[test]
    fn a_subscription_keeps_the_order_of_its_owner() {
        let subscription = Subscription::parse(&["LEAD_UPDATED", "LEAD_CREATED"]).unwrap();
        assert_eq!(subscription.entries(), ["LEAD_UPDATED", "LEAD_CREATED"]);
        assert_eq!(
            serde_json::to_string(&subscription).unwrap(),
            r#"["LEAD_UPDATED","LEAD_CREATED"]"#
        );
        assert!(subscription.matches("LEAD_CREATED"));
        assert!(!subscription.matches("LEAD_CREATED_TWICE"));
        assert!(!subscription.matches("*"));
    }

    #[test]
    fn a_star_matches_every_type() {
        let all = Subscription::parse(&["*"]).unwrap();
        assert!(
            KNOWN
                .into_iter()
                .chain(["SOMETHING_NEW"])
                .all(|event_type| all.matches(event_type))
        );
    }

    #[test]
    fn bad_lists_are_refused_with_a_reason() {
        let names: Vec<String> = (0..=50).map(|number| format!("TYPE_{number}")).collect();
        assert!(Subscription::parse(&names[..50]).is_ok());
        assert_eq!(Subscription::parse(&names), Err(InvalidSubscription::TooMany));
        assert_eq!(Subscription::parse::<&str>(&[]), Err(InvalidSubscription::Empty));
        for (entries, message) in [
            (&["A", "A"][..], r#""A" stands twice in the list"#),
            (&["*", "*"], r#""*" stands twice in the list"#),
            (&["A", "*"], r#""*" means all event types and stands alone"#),
            (
                &["A", ""],
                r#""" is not an event type: an event type is 1 to 100 characters"#,
            ),
            (
                &["lead"],
                r#""lead" is not an event type: an event type is 1 to 100 characters"#,
            ),
        ] {
            let error = Subscription::parse(entries).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }

    #[test]
    fn a_refused_entry_is_shortened_in_the_message() {
        let error = Subscription::parse(&["x".repeat(100_000)]).unwrap_err();
        assert!(error.to_string().len() < 400);
    }
}
