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

    /// Forgets what was asked for: a look at the lanes begins, which finds it. What is asked for from now on it may miss.
    pub(crate) fn begin_look(&self) {
        *self.due.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now() + LONGEST_WAIT;
    }

    /// Notes when, as the look found, the next lane is due.
    pub(crate) fn end_look(&self, next_due: Option<Duration>) {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = next_due.unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT);
        *due = (*due).min(Instant::now() + wait);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_during_a_look_is_not_forgotten() {
        let clock = LaneClock::new();
        assert!(clock.is_due());
        clock.begin_look();
        clock.due_within(Duration::ZERO);
        clock.end_look(None);
        assert!(clock.is_due());
    }

    #[test]
    fn it_waits_for_the_next_lane_but_never_for_long() {
        let clock = LaneClock::new();
        for (next, longest) in [
            (Some(Duration::from_millis(200)), Duration::from_millis(200)),
            (Some(Duration::from_secs(3600)), LONGEST_WAIT),
            (None, LONGEST_WAIT),
        ] {
            clock.begin_look();
            clock.end_look(next);
            assert!(clock.time_left() <= longest, "for {next:?}");
        }
    }
}
