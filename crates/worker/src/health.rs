//! Health: how the receiver of a webhook does, as this worker sees it. Outlives the versions of the webhook.
//!
//! It decides how much of the worker a webhook may take: a receiver that answers fast may have a long queue, one that
//! hangs only a few requests, and one that is down none. Losing it loses nothing: it is learnt again.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::breaker::{Breaker, BreakerPolicy, Change};
use crate::judge::Outcome;

/// Requests that a receiver may have open before it has answered one well: many receivers that hang must not take every
/// slot before it is known that they do.
pub(crate) const PROBATION: usize = 4;

/// Deliveries wait in memory for about so long at most; what would wait longer stays where it is or goes to its lane.
const QUEUE_TIME: Duration = Duration::from_millis(250);

/// Most deliveries of one webhook in memory, however fast its receiver.
const MOST_HELD: usize = 512;

/// Of a receiver that nothing is known of.
const FIRST_DURATION: Duration = Duration::from_millis(1);

/// See the module.
#[derive(Debug)]
pub(crate) struct Health {
    breaker: Mutex<Breaker>,
    /// Whether the breaker is open, to be asked for each delivery.
    is_open: AtomicBool,
    /// Whether the last attempt succeeded.
    is_proven: AtomicBool,
    became_proven: Notify,
    /// Whether the last attempt failed.
    is_failing: AtomicBool,
    /// Whether the last request outlived its batch.
    is_slow: AtomicBool,
    /// Whether its lane had more than this worker took.
    lane_waits: AtomicBool,
    /// Moving average of the duration of attempts, in microseconds.
    duration_us: AtomicU32,
    /// Deliveries in this worker.
    held: AtomicUsize,
    probation: Arc<Semaphore>,
}

impl Health {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            breaker: Mutex::new(Breaker::new()),
            is_open: AtomicBool::new(false),
            is_proven: AtomicBool::new(false),
            became_proven: Notify::new(),
            is_failing: AtomicBool::new(false),
            is_slow: AtomicBool::new(false),
            lane_waits: AtomicBool::new(false),
            duration_us: AtomicU32::new(FIRST_DURATION.as_micros() as u32),
            held: AtomicUsize::new(0),
            probation: Arc::new(Semaphore::new(PROBATION)),
        })
    }

    /// Changes or asks the breaker.
    pub(crate) fn breaker<T>(&self, with: impl FnOnce(&mut Breaker) -> T) -> T {
        let mut breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        let result = with(&mut breaker);
        self.is_open.store(breaker.is_open(), Ordering::Relaxed);
        result
    }

    /// Whether the breaker is open.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Relaxed)
    }

    /// Whether deliveries take the way through the lane: the receiver is down or slow.
    pub(crate) fn is_off_the_fast_path(&self) -> bool {
        self.is_slow() || self.is_open()
    }

    pub(crate) fn is_slow(&self) -> bool {
        self.is_slow.load(Ordering::Relaxed)
    }

    pub(crate) fn is_proven(&self) -> bool {
        self.is_proven.load(Ordering::Relaxed)
    }

    pub(crate) fn is_failing(&self) -> bool {
        self.is_failing.load(Ordering::Relaxed)
    }

    /// Requests that may be open, of so many that the webhook allows.
    pub(crate) fn cap(&self, max_in_flight: usize) -> usize {
        if self.is_proven() {
            max_in_flight
        } else {
            max_in_flight.min(PROBATION)
        }
    }

    /// How many more deliveries this worker should take for it, if its rate limit allows so many.
    pub(crate) fn room(&self, max_in_flight: usize, paced: usize) -> usize {
        self.most_held(max_in_flight)
            .min(paced)
            .saturating_sub(self.held.load(Ordering::Relaxed))
    }

    /// Whether most of what this worker took for it is done.
    pub(crate) fn has_caught_up(&self, max_in_flight: usize, paced: usize) -> bool {
        self.held.load(Ordering::Relaxed) <= self.most_held(max_in_flight).min(paced) / 2
    }

    /// How many deliveries it may have in this worker.
    pub(crate) fn most_held(&self, max_in_flight: usize) -> usize {
        let cap = self.cap(max_in_flight);
        let duration_us = self.duration_us.load(Ordering::Relaxed).max(1) as usize;
        (cap + cap * QUEUE_TIME.as_micros() as usize / duration_us).min(MOST_HELD)
    }

    /// Counts a delivery in this worker, until the guard is dropped.
    pub(crate) fn hold(self: &Arc<Self>) -> Held {
        self.held.fetch_add(1, Ordering::Relaxed);
        Held(self.clone())
    }

    /// A place among the few requests of an unproven receiver; `None` for one that is, or becomes, proven.
    pub(crate) async fn probation(&self) -> Option<OwnedSemaphorePermit> {
        let became_proven = self.became_proven.notified();
        if self.is_proven() {
            return None;
        }
        tokio::select! {
            permit = self.probation.clone().acquire_owned() => permit.ok(),
            () = became_proven => None,
        }
    }

    /// The same without waiting. `Err` when there is none.
    pub(crate) fn try_probation(&self) -> Result<Option<OwnedSemaphorePermit>, tokio::sync::TryAcquireError> {
        if self.is_proven() {
            return Ok(None);
        }
        self.probation.clone().try_acquire_owned().map(Some)
    }

    /// Notes a request that goes on for so long already.
    pub(crate) fn still_open(&self, so_far: Duration, outlived_its_batch: bool) {
        self.average(so_far);
        if outlived_its_batch {
            self.is_slow.store(true, Ordering::Relaxed);
        }
    }

    /// Notes a finished attempt, and says what it changes.
    pub(crate) fn after(
        &self,
        policy: &BreakerPolicy,
        max_in_flight: usize,
        outcome: &Outcome,
        duration: Duration,
        outlived_its_batch: bool,
        random: impl FnOnce() -> f64,
    ) -> Option<Change> {
        self.average(duration);
        self.is_slow.store(outlived_its_batch, Ordering::Relaxed);
        let succeeded = matches!(outcome, Outcome::Response { error: None, .. });
        self.is_failing.store(!succeeded, Ordering::Relaxed);
        if self.is_proven.swap(succeeded, Ordering::Relaxed) != succeeded && succeeded {
            self.became_proven.notify_waiters();
        }
        let cap = max_in_flight.clamp(2, PROBATION) as u32;
        self.breaker(|breaker| breaker.after(policy, cap, outcome, Instant::now(), random))
    }

    fn average(&self, duration: Duration) {
        let sample = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX).min(60_000_000);
        let before = i64::from(self.duration_us.load(Ordering::Relaxed));
        // Two samples at once may lose one: it is an average.
        let after = before + (sample - before) / 8;
        self.duration_us.store(after.max(1) as u32, Ordering::Relaxed);
    }

    /// Notes whether the lane has more than was taken.
    pub(crate) fn set_lane_waits(&self, waits: bool) {
        self.lane_waits.store(waits, Ordering::Relaxed);
    }

    /// True once, when the lane has more and there is room for it again.
    pub(crate) fn wants_lane(&self, max_in_flight: usize, paced: usize) -> bool {
        self.lane_waits.load(Ordering::Relaxed)
            && self.has_caught_up(max_in_flight, paced)
            && self.lane_waits.swap(false, Ordering::Relaxed)
    }
}

/// See [`Health::hold`].
#[derive(Debug)]
pub(crate) struct Held(Arc<Health>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.held.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use postrider_core::failure::FailureKind;

    use super::*;
    use crate::judge::Failure;

    const POLICY: BreakerPolicy = BreakerPolicy {
        failures: 10,
        open: Duration::from_secs(10),
        longest_open: Duration::from_secs(3600),
    };

    const SUCCESS: Outcome = Outcome::Response {
        status: 200,
        retry_after: None,
        error: None,
    };

    fn timeout() -> Outcome {
        Outcome::Failed(Failure {
            kind: FailureKind::Timeout,
            detail: String::new(),
        })
    }

    fn attempts(health: &Health, outcome: &Outcome, duration: Duration, count: usize) {
        for _ in 0..count {
            health.after(
                &POLICY,
                32,
                outcome,
                duration,
                duration > Duration::from_secs(1),
                || 0.0,
            );
        }
    }

    #[test]
    fn a_fast_receiver_may_have_a_long_queue_and_a_slow_one_a_short_one() {
        let health = Health::new();
        attempts(&health, &SUCCESS, Duration::from_millis(1), 100);
        assert_eq!(health.room(32, usize::MAX), MOST_HELD);
        attempts(&health, &SUCCESS, Duration::from_millis(100), 100);
        assert!(
            (100..130).contains(&health.room(32, usize::MAX)),
            "{}",
            health.room(32, usize::MAX)
        );
        attempts(&health, &SUCCESS, Duration::from_secs(30), 100);
        assert_eq!(health.room(32, usize::MAX), 32);
        assert!(health.is_off_the_fast_path());
    }

    #[test]
    fn a_receiver_that_does_not_answer_well_has_few_requests() {
        let health = Health::new();
        assert_eq!(health.cap(32), PROBATION);
        attempts(&health, &SUCCESS, Duration::from_millis(1), 1);
        assert_eq!(health.cap(32), 32);
        attempts(&health, &timeout(), Duration::from_secs(15), 1);
        assert_eq!(health.cap(32), PROBATION);
        assert_eq!(health.cap(2), 2);
    }

    #[test]
    fn what_is_held_takes_room_until_it_is_let_go() {
        let health = Health::new();
        attempts(&health, &SUCCESS, Duration::from_secs(10), 100);
        let held: Vec<Held> = (0..30).map(|_| health.hold()).collect();
        assert_eq!(health.room(32, usize::MAX), 2);
        assert!(!health.has_caught_up(32, usize::MAX));
        drop(held);
        assert_eq!(health.room(32, usize::MAX), 32);
        assert!(health.has_caught_up(32, usize::MAX));
    }

    #[test]
    fn a_lane_that_waits_is_asked_for_once() {
        let health = Health::new();
        assert!(!health.wants_lane(32, usize::MAX));
        health.set_lane_waits(true);
        assert!(health.wants_lane(32, usize::MAX));
        assert!(!health.wants_lane(32, usize::MAX));
    }
}
