//! What the receiver notes of each request: some numbers, never the body.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sha2::{Digest as _, Sha256};

/// Problems beyond this many are only counted.
const KEPT_PROBLEMS: usize = 20;

/// One request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    /// From `webhook-id`; zero when it is not one of ours.
    pub(crate) event: i64,
    /// From the payload.
    pub(crate) token: u64,
    /// Place of the webhook.
    pub(crate) hook: u16,
    /// From `X-Webhook-Attempt`.
    pub(crate) attempt: u16,
    /// When its last byte came, in microseconds since 1970.
    pub(crate) at_us: u64,
    /// Start of the SHA-256 of the body.
    pub(crate) body: u64,
    /// Whether the receiver accepted it: a complete 2xx was or is about to be written.
    pub(crate) accepted: bool,
}

/// All requests so far.
#[derive(Debug, Default)]
pub(crate) struct Log {
    arrivals: Mutex<Vec<Arrival>>,
    problems: Mutex<Vec<String>>,
    problem_count: AtomicU64,
}

impl Log {
    pub(super) fn note(&self, arrival: Arrival) {
        self.arrivals().push(arrival);
    }

    pub(super) fn note_problem(&self, problem: String) {
        self.problem_count.fetch_add(1, Ordering::Relaxed);
        let mut problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        if problems.len() < KEPT_PROBLEMS {
            problems.push(problem);
        }
    }

    /// Requests in the order in which they came.
    pub(crate) fn arrivals(&self) -> MutexGuard<'_, Vec<Arrival>> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Number of requests so far.
    pub(crate) fn count(&self) -> u64 {
        self.arrivals().len() as u64
    }

    /// How many requests were not what they should be, and the first of them.
    pub(crate) fn problems(&self) -> (u64, Vec<String>) {
        let kept = self.problems.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (self.problem_count.load(Ordering::Relaxed), kept)
    }
}

/// A short hash that tells bodies apart.
pub(crate) fn hash(body: &[u8]) -> u64 {
    let digest = Sha256::digest(body);
    u64::from_be_bytes(digest[..8].try_into().unwrap())
}
