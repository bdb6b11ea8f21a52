//! What can be wrong with an event. No message repeats a payload.

/// Why an event cannot be enqueued. Found before anything is written.
#[derive(Debug, thiserror::Error)]
pub enum InvalidEvent {
    /// The tenant is empty.
    #[error("the tenant is empty")]
    EmptyTenant,
    /// A text is empty or too long.
    #[error("the {field} must have 1 to 200 characters")]
    Length {
        /// Which text: tenant, idempotency key or ordering key.
        field: &'static str,
    },
    /// A text has a NUL character, which Postgres cannot store.
    #[error("the {field} must not contain a NUL character")]
    NulCharacter {
        /// Which text: tenant, idempotency key or ordering key.
        field: &'static str,
    },
    /// The event type is malformed.
    #[error(
        "{event_type:?} is not an event type: 1 to 100 characters of A-Z, 0-9 and _, beginning with a letter, \
         such as LEAD_CREATED"
    )]
    EventType {
        /// The event type, at most its first 120 characters.
        event_type: String,
    },
    /// The payload is not JSON, or the data cannot be written as JSON.
    #[error("the payload is not JSON: {0}")]
    PayloadNotJson(#[source] serde_json::Error),
    /// The payload is too large.
    #[error("the payload has {bytes} bytes, the limit is {limit}")]
    PayloadTooLarge {
        /// Size of the payload.
        bytes: usize,
        /// Limit of the event, see [`Event::max_payload_bytes`](crate::Event::max_payload_bytes).
        limit: usize,
    },
}
