//! When lanes are worth a look: lets the claim loop skip the statement while none can be due.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// Other workers and the API change lanes too; what they say is found by looking this often.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// The earliest moment a lane may be due, as far as this worker knows.
#[derive(Debug)]
pub(crate) struct LaneClock {
    due: Mutex<Instant>,
    earlier: Notify,
}

impl LaneClock {
    pub(crate) fn new() -> Self {
        Self {
            due: Mutex::new(Instant::now()),
            earlier: Notify::new(),
        }
    }

    pub(crate) fn is_due(&self) -> bool {
        self.time_left().is_zero()
    }

    /// Until the next look.
    pub(crate) fn time_left(&self) -> Duration {
        self.due
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .saturating_duration_since(Instant::now())
    }

    /// Sets the clock to what the database says.
    pub(crate) fn set(&self, next_due: Option<Duration>) {
        let wait = next_due.unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT);
        *self.due.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now() + wait;
    }

    /// A delivery will be due this soon.
    pub(crate) fn due_within(&self, delay: Duration) {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        // Saturates: a delay of years is never earlier.
        if let Some(at) = Instant::now().checked_add(delay)
            && at < *due
        {
            *due = at;
            drop(due);
            self.earlier.notify_one();
        }
    }

    /// Completes when the clock was set to an earlier time.
    pub(crate) async fn moved_earlier(&self) {
        self.earlier.notified().await;
    }
}
