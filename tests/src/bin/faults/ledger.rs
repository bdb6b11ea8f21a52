//! The ledger: what the producers did, remembered outside the database.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

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
    /// The producer that wrote it, which is also its ordering key.
    pub(crate) producer: u16,
    pub(crate) fate: Fate,
    /// When the commit was confirmed, in microseconds since 1970.
    pub(crate) committed_us: u64,
}

/// Every event that a producer ever began to write. The place of an entry is the token in its payload.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Vec<Entry>>);

impl Ledger {
    /// A new token.
    pub(crate) fn open(&self, tenant: u16, producer: u16) -> u64 {
        let mut entries = self.entries();
        entries.push(Entry {
            event: 0,
            tenant,
            producer,
            fate: Fate::Open,
            committed_us: 0,
        });
        entries.len() as u64 - 1
    }

    /// Notes the id that `enqueue` returned.
    pub(crate) fn name(&self, token: u64, event: i64) {
        self.entries()[token as usize].event = event;
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
