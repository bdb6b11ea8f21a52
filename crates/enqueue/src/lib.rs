#![doc = include_str!("../README.md")]
#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test"))]

mod enqueue;
mod event;
mod event_id;
mod invalid_event;
mod lead;
mod open_word;

pub use self::enqueue::{EnqueueError, enqueue, enqueue_many};
pub use self::event::{
    CONVERSATION_RESOLVED, CONVERSATION_STARTED, DEFAULT_MAX_PAYLOAD_BYTES, Event, LEAD_CREATED, LEAD_UPDATED,
};
pub use self::event_id::EventId;
pub use self::invalid_event::InvalidEvent;
pub use self::lead::{ContactMethod, Lead, LeadPriority, LeadSource, LeadStatus, Urgency};
