//! The loop that keeps the pipeline fed: look, hand out, and sleep when nothing waits.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::batch_size::BatchSize;
use crate::claim::{Batch, ClaimCursor, claim, claim_suspects};
use crate::context::{Context, places};
use crate::database::OwnConnection;
use crate::deferred::release_deferred;
use crate::deliver::{deliver, unless_parked};
use crate::fan_out::{Delivery, fan_out};
use crate::give_back::give_back_unknown;
use crate::lane::{claim_lanes, next_due, read_deliveries};
use crate::metrics;
use crate::order::place_ordered;
use crate::settings::Wake;
use crate::wake::{Gate, Sleeper};

/// Looks this often while a producer holds the gate open in the middle of its transaction.
const PRODUCER_POLL: Duration = Duration::from_millis(10);

/// Ordered events are looked for when nothing else was found, and this often all the same.
const ORDERED_INTERVAL: Duration = Duration::from_millis(20);

/// Suspects are looked for this often, unless there were some.
const SUSPECT_INTERVAL: Duration = Duration::from_secs(1);

/// While suspects wait for those before them, it is looked this often whether they are done.
const SUSPECT_POLL: Duration = Duration::from_millis(10);

/// Of the events of a look, one in so many may come from lanes.
const LANE_SHARE: usize = 4;

/// Claims until told to drain.
pub(crate) async fn claim_until_drained(context: Arc<Context>) {
    let mut feeder = Feeder::new(context.clone());
    let mut backoff = context.database.backoff();
    while !context.stop.drain.is_cancelled() {
        match context.database.watch("claim", feeder.round()).await {
            Ok(()) => backoff = context.database.backoff(),
            Err(_) => {
                feeder.recover();
                tokio::select! {
                    () = backoff.wait() => {}
                    () = context.stop.drain.cancelled() => {}
                }
            }
        }
    }
}

/// What one look took.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    /// Events, from wherever producers write them.
    events: usize,
    /// Lanes that were due.
    lanes: usize,
}

struct Feeder {
    context: Arc<Context>,
    cursor: ClaimCursor,
    batch_size: BatchSize,
    connection: OwnConnection,
    /// Whether the last look failed, perhaps after its claim was carried out.
    has_failed: bool,
    sleeper: Option<Sleeper>,
    /// Whether producers know that this worker is about to sleep.
    gate: Option<Gate>,
    next_ordered: Instant,
    next_suspect: Instant,
}

impl Feeder {
    fn new(context: Arc<Context>) -> Self {
        let batch_size = BatchSize::new(context.settings.claim_batch, places(&context.settings));
        Self {
            context,
            cursor: ClaimCursor::new(),
            batch_size,
            connection: OwnConnection::default(),
            has_failed: false,
            sleeper: None,
            gate: None,
            next_ordered: Instant::now(),
            next_suspect: Instant::now(),
        }
    }

    fn recover(&mut self) {
        self.has_failed = true;
        self.context.lane_clock.due_within(Duration::ZERO);
        self.connection = OwnConnection::default();
        self.sleeper = None;
        self.gate = None;
    }

    /// Looks once; then either is ready for the next look, or has slept. Draining cuts the waits short but never a
    /// statement: what a claim takes must reach its deliveries.
    async fn round(&mut self) -> sqlx::Result<()> {
        let found = self.look().await?;
        if found.events > 0 {
            self.gate = None;
            if let Some(sleeper) = &mut self.sleeper {
                sleeper.open_gate().await?;
            }
        }
        if found != Found::default() {
            // Lanes alone leave the gate as it is: it is no producer that they come from.
            return Ok(());
        }
        match self.context.settings.wake {
            Wake::Poll => {
                self.doze(self.context.settings.poll_interval).await;
                Ok(())
            }
            Wake::Gate => self.sleep_behind_gate().await,
        }
    }

    /// Gives back the leases of claims that failed half-way: the answer was lost, or the way to the deliveries. None is
    /// under way now, so what is not known is lost.
    async fn give_back_lost_claims(&mut self) -> sqlx::Result<()> {
        let connection = self.connection.get(&self.context.database).await?;
        let worker = self.context.identity.worker();
        let known = self.context.leases.known();
        let events = connection
            .run(|connection| give_back_unknown(connection, worker, &known, Duration::ZERO))
            .await?;
        metrics::given_back(events);
        self.cursor.sweep();
        self.has_failed = false;
        Ok(())
    }

    /// Takes what waits in the outbox and in the lanes.
    async fn look(&mut self) -> sqlx::Result<Found> {
        if self.has_failed {
            self.give_back_lost_claims().await?;
        }
        if self.context.gave_back.swap(false, Ordering::Relaxed) {
            self.cursor.sweep();
        }
        let Some(mut permits) = self.places(self.batch_size.next().max(LANE_SHARE)).await else {
            return Ok(Found::default());
        };
        let lane_permits = permits
            .split(permits.num_permits() / LANE_SHARE)
            .expect("a share is not more than the whole");
        let mut found = Found {
            events: self.look_at_outbox(permits).await?,
            lanes: 0,
        };
        if found.events == 0 || self.next_ordered <= Instant::now() {
            found.events += self.look_at_ordered().await?;
        }
        if self.next_suspect <= Instant::now() {
            found.events += self.look_at_suspects().await?;
        }
        if self.context.lane_clock.is_due() {
            found.lanes = self.look_at_lanes(lane_permits).await?;
        }
        Ok(found)
    }

    /// Places for so many deliveries; `None` when draining begins first.
    async fn places(&self, count: usize) -> Option<OwnedSemaphorePermit> {
        tokio::select! {
            permits = self.context.places.clone().acquire_many_owned(count as u32) => permits.ok(),
            () = self.context.stop.drain.cancelled() => None,
        }
    }

    async fn look_at_outbox(&mut self, permits: OwnedSemaphorePermit) -> sqlx::Result<usize> {
        let context = &self.context;
        let connection = self.connection.get(&context.database).await?;
        let begun = Instant::now();
        let worker = context.identity.worker();
        let cursor = &mut self.cursor;
        let batch = connection
            .run(|connection| claim(connection, worker, cursor, permits.num_permits()))
            .await?;
        let Some(batch) = batch else { return Ok(0) };
        metrics::claimed(batch.events, begun.elapsed());
        let (events, payload_bytes) = (batch.events, batch.payload_bytes);
        let deliveries = self.spread(batch, permits, None).await?;
        self.batch_size.learn(events, payload_bytes, deliveries.len());
        self.cursor.floods.learn(&deliveries);
        self.hand_out(deliveries);
        Ok(events)
    }

    /// The deliveries of a claimed batch.
    async fn spread(
        &mut self,
        batch: Batch,
        permits: OwnedSemaphorePermit,
        alone: Option<OwnedSemaphorePermit>,
    ) -> sqlx::Result<Vec<Delivery>> {
        let context = &self.context;
        let remembered = context.leases.remember(batch.lease_id);
        let connection = self.connection.get(&context.database).await?;
        let deliveries = connection
            .run(|connection| fan_out(context, connection, batch, permits, alone))
            .await?;
        remembered.keep();
        Ok(deliveries)
    }

    async fn look_at_ordered(&mut self) -> sqlx::Result<usize> {
        let connection = self.connection.get(&self.context.database).await?;
        let moved = connection.run(place_ordered).await?;
        self.next_ordered = Instant::now() + ORDERED_INTERVAL;
        if moved > 0 {
            // Those that go on to the outbox have ids below the low-water mark.
            self.cursor.sweep();
            self.context.lane_clock.due_within(Duration::ZERO);
        }
        Ok(moved as usize)
    }

    /// Tries events that more than one worker died with, unless some are on their way.
    async fn look_at_suspects(&mut self) -> sqlx::Result<usize> {
        let Ok(alone) = self.context.alone.clone().try_acquire_owned() else {
            return Ok(0);
        };
        let Some(permits) = self.places(1).await else {
            return Ok(0);
        };
        let connection = self.connection.get(&self.context.database).await?;
        let worker = self.context.identity.worker();
        let batch = connection.run(|connection| claim_suspects(connection, worker)).await?;
        let Some(batch) = batch else {
            self.next_suspect = Instant::now() + SUSPECT_INTERVAL;
            return Ok(0);
        };
        let events = batch.events;
        let deliveries = self.spread(batch, permits, Some(alone)).await?;
        self.hand_out(deliveries);
        Ok(events)
    }

    /// How long to sleep at most when something is expected that nobody gives notice of.
    fn longest_sleep(&self) -> Duration {
        let floods = self.cursor.floods.next_look().unwrap_or(Duration::MAX);
        let suspects = if self.next_suspect <= Instant::now() {
            SUSPECT_POLL
        } else {
            Duration::MAX
        };
        floods.min(suspects)
    }

    async fn look_at_lanes(&mut self, permits: OwnedSemaphorePermit) -> sqlx::Result<usize> {
        let context = &self.context;
        let connection = self.connection.get(&context.database).await?;
        if connection.run(release_deferred).await? > 0 {
            // Their ids lie below the low-water mark.
            self.cursor.sweep();
        }
        context.lane_clock.begin_look();
        let saturated = context.webhooks.saturated();
        let limit = permits.num_permits();
        let claimed = connection
            .run(|connection| claim_lanes(context, connection, &saturated, limit))
            .await?;
        let lanes = claimed.lanes;
        if lanes == 0 {
            let next = connection.run(|connection| next_due(connection, &saturated)).await?;
            context.lane_clock.end_look(next);
            return Ok(0);
        }
        context.lane_clock.end_look(Some(Duration::ZERO));
        let deliveries = connection
            .run(|connection| read_deliveries(context, connection, claimed, permits))
            .await?;
        self.hand_out(deliveries);
        Ok(lanes)
    }

    fn hand_out(&self, deliveries: Vec<Delivery>) {
        for delivery in deliveries {
            let Some(delivery) = unless_parked(&self.context, delivery) else {
                continue;
            };
            let context = self.context.clone();
            self.context.deliveries.spawn(async move {
                let _end_with_me = context.end_on_panic();
                deliver(context.clone(), delivery).await;
            });
        }
    }

    async fn sleep_behind_gate(&mut self) -> sqlx::Result<()> {
        let expected = self.longest_sleep();
        let sleeper = match &mut self.sleeper {
            Some(sleeper) => sleeper,
            none => none.insert(Sleeper::connect(&self.context.database.pool).await?),
        };
        let longest = match self.gate {
            // The look just done was not behind the gate yet: do one that is.
            None => {
                self.gate = match sleeper.close_gate().await? {
                    Gate::ProducerInFlight => None,
                    closed => Some(closed),
                };
                if self.gate.is_some() {
                    self.cursor.sweep();
                    return Ok(());
                }
                PRODUCER_POLL
            }
            Some(_) => self.context.settings.poll_interval,
        };
        let context = &self.context;
        tokio::select! {
            slept = sleeper.sleep(longest.min(expected).min(context.lane_clock.time_left())) => slept?,
            () = context.lane_clock.moved_earlier() => {}
            () = context.stop.drain.cancelled() => {}
        }
        if self.gate == Some(Gate::HeldByOther) {
            // The other may have woken meanwhile and opened it.
            self.gate = None;
        }
        Ok(())
    }

    async fn doze(&self, longest: Duration) {
        let clock = &self.context.lane_clock;
        let longest = longest.min(self.longest_sleep());
        tokio::select! {
            () = tokio::time::sleep(longest.min(clock.time_left())) => {}
            () = clock.moved_earlier() => {}
            () = self.context.stop.drain.cancelled() => {}
        }
    }
}
