//! Ordering keys of events: half of the events have none, the others one of a producer's own or one that all share.

use crate::random::Random;

/// Keys that every producer writes under.
const SHARED: u64 = 6;

/// An ordering key. Keys of different tenants have nothing to do with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    /// All producers write under it, in transactions that overlap.
    Shared(u16),
    /// Only the producer of this number does, in one transaction after the other.
    Own(u16),
}

impl Key {
    /// The key of the next event of a producer.
    pub(crate) fn draw(random: &mut Random, producer: u16) -> Option<Self> {
        match random.below(4) {
            0 => Some(Self::Own(producer)),
            1 => Some(Self::Shared(random.below(SHARED) as u16)),
            _ => None,
        }
    }

    /// Its name in the database.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Shared(number) => format!("shared-{number}"),
            Self::Own(producer) => format!("producer-{producer}"),
        }
    }
}
