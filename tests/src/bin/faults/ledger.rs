//! The ledger: what the producers did, remembered outside the database.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::key::Key;

/// What became of the transaction of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Its transaction goes on.
    Open,
    /// The commit was confirmed.
    Committed,
    /// Rolled back, as a whole or to a savepoint, or its connection ended before the commit was sent.
    RolledBack,
    /// The commit was sent and its answer lost: only the database knows.
    Unknown,
}

/// One event of a producer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    /// Its id; zero while no answer told it.
    pub(crate) event: i64,
    pub(crate) tenant: u16,
    /// The producer that wrote it.
    pub(crate) producer: u16,
    pub(crate) key: Option<Key>,
    pub(crate) fate: Fate,
    /// When its transaction sent its commit, in microseconds since 1970; zero while it has not. With the producer, this
    /// is also the name of the transaction.
    pub(crate) sent_us: u64,
    /// When the commit was confirmed, in microseconds since 1970.
    pub(crate) committed_us: u64,
}

impl Entry {
    /// Whether its commit was confirmed.
    pub(crate) fn is_committed(&self) -> bool {
        self.fate == Fate::Committed
    }
}

/// Every event that a producer ever began to write. The place of an entry is the token in its payload.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Vec<Entry>>);

impl Ledger {
    /// A new token.
    pub(crate) fn open(&self, tenant: u16, producer: u16, key: Option<Key>) -> u64 {
        let mut entries = self.entries();
        entries.push(Entry {
            event: 0,
            tenant,
            producer,
            key,
            fate: Fate::Open,
            sent_us: 0,
            committed_us: 0,
        });
        entries.len() as u64 - 1
    }

    /// Notes the id that `enqueue` returned.
    pub(crate) fn name(&self, token: u64, event: i64) {
        self.entries()[token as usize].event = event;
    }

    /// Notes that the commit of these is about to be sent.
    pub(crate) fn sending(&self, tokens: &[u64]) {
        let now = now_us();
        let mut entries = self.entries();
        for token in tokens {
            entries[*token as usize].sent_us = now;
        }
    }

    /// Notes how the transaction ended.
    pub(crate) fn close(&self, tokens: &[u64], fate: Fate) {
        let now = now_us();
        let mut entries = self.entries();
        for token in tokens {
            let entry = &mut entries[*token as usize];
            entry.fate = fate;
            entry.committed_us = now;
        }
    }

    /// All entries; the place of each is its token.
    pub(crate) fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Microseconds since 1970.
pub(crate) fn now_us() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_micros() as u64)
}
