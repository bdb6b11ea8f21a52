//! Record: write down what came of deliveries, many at a time.

mod changes;
mod flush;
mod recorder;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use postrider_core::failure::DeadLetterReason;
use postrider_core::ids::{EventId, WebhookId};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::breaker::Change;
use crate::judge::Outcome;

pub(crate) use recorder::{Recorder, record_until_closed};

/// A claimed batch of events; removed when everything in it is recorded.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) id: i64,
    remaining: AtomicUsize,
}

impl Lease {
    pub(crate) fn new(id: i64, deliveries: usize) -> Self {
        Self {
            id,
            remaining: AtomicUsize::new(deliveries),
        }
    }

    /// Counts one delivery as recorded; true for the last one.
    fn finish_one(&self) -> bool {
        self.remaining.fetch_sub(1, Ordering::AcqRel) == 1
    }
}

/// What entitles this worker to a delivery.
#[derive(Debug, Clone)]
pub(crate) enum Hold {
    /// First attempt, claimed with the event: there is no `delivery` row.
    Lease(Arc<Lease>),
    /// A row of a lane, claimed under this token; in order when it is the first of its ordering key.
    Lane { token: i64, in_order: bool },
}

/// One request on the wire, finished.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) started: Instant,
    pub(crate) duration: Duration,
    pub(crate) outcome: Outcome,
    /// First bytes of the response body.
    pub(crate) response: Vec<u8>,
}

/// What becomes of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    Delivered,
    /// Waits in its lane, due after this delay.
    Wait(Duration),
    /// Still in flight, but leaves its lease; nobody else may take it for this long.
    StillInFlight(Duration),
    GiveUp(DeadLetterReason),
}

/// One line of a flush.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) event: EventId,
    pub(crate) webhook: WebhookId,
    pub(crate) bucket: i16,
    pub(crate) hold: Hold,
    /// Attempts made so far, this one included.
    pub(crate) attempts: i16,
    /// Those of them that were probes and do not count against the retries.
    pub(crate) probes: i16,
    /// Workers that died holding it, since its last result.
    pub(crate) redelivery: i16,
    pub(crate) attempt: Option<Attempt>,
    pub(crate) next: Next,
    /// What the attempt changes about the webhook.
    pub(crate) change: Option<Change>,
    /// The place it takes in the worker; free again once recorded.
    #[expect(dead_code, reason = "held, not read")]
    pub(crate) permit: Option<OwnedSemaphorePermit>,
    /// Of a suspect: the right to be tried.
    #[expect(dead_code, reason = "held, not read")]
    pub(crate) alone: Option<Arc<OwnedSemaphorePermit>>,
}
