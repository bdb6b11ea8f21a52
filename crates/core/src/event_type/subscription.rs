//! The list of event types that a webhook wants.

use std::collections::HashSet;

use serde::ser::{Serialize, Serializer};

use super::{InvalidEventType, is_event_type};

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
    use crate::event_type::{KNOWN, OPERATIONAL};

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
                .chain(OPERATIONAL)
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
