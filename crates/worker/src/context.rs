//! What the steps of one worker share.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::database::Database;
use crate::egress::Egress;
use crate::identity::Identity;
use crate::lane_clock::LaneClock;
use crate::record::Recorder;
use crate::settings::Settings;
use crate::stop::Stop;
use crate::webhook::Webhooks;

/// Requests that outlived their batch may number so many times the normal ones.
const SLOW_FACTOR: usize = 4;

/// The worker's parts.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) settings: Settings,
    pub(crate) stop: Stop,
    pub(crate) database: Arc<Database>,
    pub(crate) identity: Identity,
    pub(crate) egress: Egress,
    pub(crate) webhooks: Webhooks,
    pub(crate) leases: Leases,
    pub(crate) recorder: Recorder,
    pub(crate) lane_clock: LaneClock,
    /// Set when events went back to the outbox, below the ids that claims look at.
    pub(crate) gave_back: AtomicBool,
    /// The tasks that carry one delivery each.
    pub(crate) deliveries: TaskTracker,
    /// Cancelled when draining takes too long: open requests are cut off.
    pub(crate) cut_off: CancellationToken,
    /// Cancelled when one of them dies.
    pub(crate) failed: CancellationToken,
    /// Places for claimed deliveries that are not recorded yet: bounds memory, and what a crash may repeat.
    pub(crate) places: Arc<Semaphore>,
    /// Requests that may be open at a time.
    pub(crate) slots: Arc<Semaphore>,
    /// Requests open beyond these, because their receivers are slow.
    pub(crate) slow_slots: Arc<Semaphore>,
    requests: AtomicUsize,
    /// The right to try a suspect, an event that workers died with: one at a time, so that it is known which it was.
    pub(crate) alone: Arc<Semaphore>,
}

impl Context {
    pub(crate) fn new(
        settings: Settings,
        stop: Stop,
        recorder: Recorder,
        database: Arc<Database>,
    ) -> anyhow::Result<Self> {
        let egress = Egress::new(
            settings.address_policy.clone(),
            settings.connect_timeout,
            settings.tls_ca_file.as_deref(),
        )?;
        Ok(Self {
            stop,
            egress,
            database,
            identity: Identity::new(),
            webhooks: Webhooks::default(),
            leases: Leases::default(),
            recorder,
            lane_clock: LaneClock::new(),
            gave_back: AtomicBool::new(false),
            deliveries: TaskTracker::new(),
            cut_off: CancellationToken::new(),
            failed: CancellationToken::new(),
            places: Arc::new(Semaphore::new(places(&settings))),
            slots: Arc::new(Semaphore::new(settings.concurrency)),
            slow_slots: Arc::new(Semaphore::new(settings.concurrency * SLOW_FACTOR)),
            requests: AtomicUsize::new(0),
            alone: Arc::new(Semaphore::new(1)),
            settings,
        })
    }

    /// Requests open now, those that hold no slot included.
    pub(crate) fn requests_in_flight(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    /// Counts a request as open, until the guard is dropped.
    pub(crate) fn open_request(&self) -> OpenRequest<'_> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        OpenRequest(&self.requests)
    }

    /// A guard that ends the worker when the task holding it panics.
    pub(crate) fn end_on_panic(&self) -> EndOnPanic {
        EndOnPanic(self.failed.clone())
    }
}

/// See [`Context::open_request`].
#[derive(Debug)]
pub(crate) struct OpenRequest<'a>(&'a AtomicUsize);

impl Drop for OpenRequest<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// See [`Context::end_on_panic`].
#[derive(Debug)]
pub(crate) struct EndOnPanic(CancellationToken);

impl Drop for EndOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.cancel();
        }
    }
}

/// Enough to send one batch while the next is claimed and the last recorded.
pub(crate) fn places(settings: &Settings) -> usize {
    settings.concurrency + 2 * settings.claim_batch
}

/// Ids of the leases this worker knows it holds.
#[derive(Debug, Default)]
pub(crate) struct Leases(Mutex<HashSet<i64>>);

impl Leases {
    /// Holds a lease until the guard is dropped, or kept: then until it is forgotten.
    pub(crate) fn remember(&self, id: i64) -> Remembered<'_> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        Remembered { leases: self, id }
    }

    pub(crate) fn forget(&self, ids: &[i64]) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for id in ids {
            known.remove(id);
        }
    }

    /// The others are given back.
    pub(crate) fn known(&self) -> Vec<i64> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .copied()
            .collect()
    }
}

/// See [`Leases::remember`]. Whatever breaks off the way from a claim to its deliveries drops it, and the lease is given back.
#[derive(Debug)]
#[must_use = "dropped, it forgets the lease"]
pub(crate) struct Remembered<'a> {
    leases: &'a Leases,
    id: i64,
}

impl Remembered<'_> {
    /// The deliveries of the lease are under way.
    pub(crate) fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Remembered<'_> {
    fn drop(&mut self) {
        self.leases.forget(&[self.id]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_known_once_its_deliveries_are_under_way_and_not_when_the_way_there_broke_off() {
        let leases = Leases::default();
        leases.remember(1).keep();
        let broken_off = leases.remember(2);
        drop(broken_off);
        assert_eq!(leases.known(), [1]);
        leases.forget(&[1]);
        assert!(leases.known().is_empty());
    }
}
