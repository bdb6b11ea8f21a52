//! What an application says about something that happened.

mod check;

use serde::Serialize;
use serde::de::IgnoredAny;
use sqlx::types::chrono::{DateTime, Utc};

use crate::{InvalidEvent, Lead};

/// Type of the event that a lead was created.
pub const LEAD_CREATED: &str = "LEAD_CREATED";
/// Type of the event that a lead changed.
pub const LEAD_UPDATED: &str = "LEAD_UPDATED";
/// Type of the event that a conversation began.
pub const CONVERSATION_STARTED: &str = "CONVERSATION_STARTED";
/// Type of the event that a conversation was resolved.
pub const CONVERSATION_RESOLVED: &str = "CONVERSATION_RESOLVED";

/// Largest payload, in bytes, of an event that does not say otherwise.
pub const DEFAULT_MAX_PAYLOAD_BYTES: usize = 256 * 1024;

/// An event to be delivered to the webhooks of one tenant.
///
/// ```
/// use postrider_enqueue::{CONVERSATION_STARTED, Event};
///
/// let event = Event::new("clp123chatbot456", CONVERSATION_STARTED, &serde_json::json!({"conversationId": "c1"}))?
///     .idempotency_key("conversation-c1-started")
///     .ordering_key("c1");
/// event.check()?;
/// # Ok::<(), postrider_enqueue::InvalidEvent>(())
/// ```
#[derive(Debug, Clone)]
pub struct Event {
    pub(crate) tenant: String,
    pub(crate) event_type: String,
    pub(crate) payload: String,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) ordering_key: Option<String>,
    pub(crate) deliver_after: Option<DateTime<Utc>>,
    max_payload_bytes: usize,
}

impl Event {
    /// A lead was created. The tenant is the lead's chatbot and the ordering key the lead's id.
    #[must_use]
    pub fn lead_created(lead: &Lead) -> Self {
        Self::about_lead(LEAD_CREATED, lead)
    }

    /// A lead changed; `lead` is what it is now. The tenant is the lead's chatbot and the ordering key the lead's id.
    #[must_use]
    pub fn lead_updated(lead: &Lead) -> Self {
        Self::about_lead(LEAD_UPDATED, lead)
    }

    fn about_lead(event_type: &str, lead: &Lead) -> Self {
        let payload = serde_json::to_string(lead).expect("a lead has only text keys and values that JSON can write");
        Self::with_payload(&lead.chatbot_id, event_type, payload).ordering_key(&lead.id)
    }

    /// An event of any type, whose data is anything that serialises to JSON. `tenant` is the chatbot id.
    ///
    /// # Errors
    /// When the data cannot be written as JSON.
    pub fn new(
        tenant: impl Into<String>,
        event_type: impl Into<String>,
        data: &impl Serialize,
    ) -> Result<Self, InvalidEvent> {
        let payload = serde_json::to_string(data).map_err(InvalidEvent::PayloadNotJson)?;
        Ok(Self::with_payload(tenant, event_type, payload))
    }

    /// An event of any type, whose data is already JSON. Receivers get exactly these bytes.
    ///
    /// ```
    /// use postrider_enqueue::Event;
    ///
    /// assert!(Event::from_json("clp123chatbot456", "PRICE_CHANGED", r#"{"price": 1.10, "price": 1e400}"#).is_ok());
    /// assert!(Event::from_json("clp123chatbot456", "PRICE_CHANGED", "{").is_err());
    /// ```
    ///
    /// # Errors
    /// When the text is not one JSON value.
    pub fn from_json(
        tenant: impl Into<String>,
        event_type: impl Into<String>,
        json: impl Into<String>,
    ) -> Result<Self, InvalidEvent> {
        let payload = json.into();
        serde_json::from_str::<IgnoredAny>(&payload).map_err(InvalidEvent::PayloadNotJson)?;
        Ok(Self::with_payload(tenant, event_type, payload))
    }

    fn with_payload(tenant: impl Into<String>, event_type: impl Into<String>, payload: String) -> Self {
        Self {
            tenant: tenant.into(),
            event_type: event_type.into(),
            payload,
            idempotency_key: None,
            ordering_key: None,
            deliver_after: None,
            max_payload_bytes: DEFAULT_MAX_PAYLOAD_BYTES,
        }
    }

    /// Writes the event at most once: a later call with the same key and tenant, from anywhere, returns the first id
    /// and writes nothing, for as long as the database remembers the key (the retention of events).
    #[must_use]
    pub fn idempotency_key(self, key: impl Into<String>) -> Self {
        Self {
            idempotency_key: Some(key.into()),
            ..self
        }
    }

    /// Events of one tenant with the same key arrive in the order of their commits, one at a time, at webhooks that ask for
    /// order. Other webhooks get them side by side. Use the id of what the event is about: each event of a key waits for the
    /// one before.
    ///
    /// Transactions with the same keys do not wait for each other before they commit, and do not deadlock over them.
    #[must_use]
    pub fn ordering_key(self, key: impl Into<String>) -> Self {
        Self {
            ordering_key: Some(key.into()),
            ..self
        }
    }

    /// Delivers the event not before this moment, by the clock of the database. A moment in the past means now.
    #[must_use]
    pub fn deliver_after(self, moment: impl Into<DateTime<Utc>>) -> Self {
        Self {
            deliver_after: Some(moment.into()),
            ..self
        }
    }

    /// Allows a payload larger, or only a smaller one, than [`DEFAULT_MAX_PAYLOAD_BYTES`]. The database has a limit of
    /// its own, the setting `postrider.max_payload_bytes`; to go above 256 KiB raise that too.
    #[must_use]
    pub fn max_payload_bytes(self, bytes: usize) -> Self {
        Self {
            max_payload_bytes: bytes,
            ..self
        }
    }

    /// Tenant whose webhooks get the event.
    #[must_use]
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// Type of the event.
    #[must_use]
    pub fn event_type(&self) -> &str {
        &self.event_type
    }

    /// Data of the event as the JSON text that receivers will get.
    #[must_use]
    pub fn payload(&self) -> &str {
        &self.payload
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event() -> Event {
        Event::new("tenant", "LEAD_CREATED", &json!({})).unwrap()
    }

    #[test]
    fn json_is_kept_byte_for_byte() {
        for json in [
            "null",
            " [1 , 2]\n",
            r#"{"a":1,"a":2}"#,
            "1e400",
            r#""\u0000\ud800""#,
            "1.10",
            "\"🎣\"",
            "[[[[[]]]]]",
            "123456789012345678901234567890",
        ] {
            assert_eq!(Event::from_json("tenant", "A", json).unwrap().payload(), json);
        }
        for text in [
            "",
            " ",
            "{",
            "{}{}",
            "nul",
            "01",
            "{a:1}",
            "\"\n\"",
            "'a'",
            "[1,]",
            "\u{feff}{}",
            "\0",
        ] {
            let refused = Event::from_json("tenant", "A", text);
            assert!(matches!(refused, Err(InvalidEvent::PayloadNotJson(_))), "{text:?}");
        }
    }

    #[test]
    fn data_that_json_cannot_write_is_refused() {
        let keyed_by_list = std::collections::BTreeMap::from([(vec![1], 1)]);
        assert!(matches!(
            Event::new("tenant", "A", &keyed_by_list),
            Err(InvalidEvent::PayloadNotJson(_))
        ));
    }

    #[test]
    fn a_moment_can_come_from_the_standard_library() {
        let moment = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1);
        assert_eq!(
            event()
                .deliver_after(moment)
                .deliver_after
                .map(|moment| moment.timestamp()),
            Some(1)
        );
    }
}
