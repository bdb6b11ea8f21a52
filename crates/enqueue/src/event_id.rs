//! Ids of events.

use std::fmt;

/// Id of an event. Later events have higher ids, to the millisecond. Its text, `evt_<number>`, is what receivers see as
/// `webhook-id`.
///
/// ```
/// use postrider_enqueue::EventId;
///
/// let id = EventId::from(382_252_089_802_752_001);
/// assert_eq!(id.to_string(), "evt_382252089802752001");
/// assert_eq!(i64::from(id), 382_252_089_802_752_001);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId(i64);

impl From<i64> for EventId {
    fn from(id: i64) -> Self {
        Self(id)
    }
}

impl From<EventId> for i64 {
    fn from(id: EventId) -> Self {
        id.0
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "evt_{}", self.0)
    }
}
