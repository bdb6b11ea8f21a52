//! Maintenance: heartbeat, what the dead left, statistics, partitions. Every worker does it; every step is safe beside
//! the same step of another worker.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use crate::backlog::measure_backlog;
use crate::context::Context;
use crate::disable::disable_failing;
use crate::give_back::{GivenBack, database_time, give_back_of_dead_workers, give_back_unknown};
use crate::identity::heartbeat;
use crate::metrics;
use crate::retention::{Partitions, keep_partitions};
use crate::stats::fold_stats;

/// What the dead held is given back within the lease time and this.
const TICK: Duration = Duration::from_millis(500);
const FOLD_INTERVAL: Duration = Duration::from_secs(1);
const BACKLOG_INTERVAL: Duration = Duration::from_secs(10);
/// Counting a long backlog takes its time: no more than a twentieth of it is spent on that.
const BACKLOG_PAUSE: u32 = 20;
const DISABLE_INTERVAL: Duration = Duration::from_secs(60);
const PARTITION_INTERVAL: Duration = Duration::from_secs(3600);
const PARTITION_RETRY: Duration = Duration::from_secs(60);

/// A claim without an answer is over by then, one way or the other.
const UNKNOWN_LEASE_AGE: Duration = Duration::from_secs(12);

/// Does every chore in its interval until cancelled.
pub(crate) async fn maintain(context: Arc<Context>) {
    let mut chores = Chores::default();
    let mut backoff = context.database.backoff();
    loop {
        match context.database.watch("maintenance", chores.tick(&context)).await {
            Ok(()) => {
                backoff = context.database.backoff();
                tokio::time::sleep(TICK).await;
            }
            Err(_) => backoff.wait().await,
        }
    }
}

#[derive(Debug, Default)]
struct Chores {
    heartbeat: Timer,
    fold: Timer,
    backlog: Timer,
    disable: Timer,
    partitions: Timer,
    steadiness: Steadiness,
}

impl Chores {
    async fn tick(&mut self, context: &Context) -> sqlx::Result<()> {
        let settings = &context.settings;
        let mut connection = context.database.connection().await?;
        let worker = context.identity.worker();
        metrics::requests_in_flight(context.requests_in_flight());

        if self.heartbeat.is_due() {
            if !connection.run(|connection| heartbeat(connection, worker)).await? {
                context.identity.register_again(&context.database, worker).await?;
            }
            self.heartbeat.again_in(settings.heartbeat_interval);
        }
        let just_now = connection.run(database_time).await?;
        let of_dead = if self
            .steadiness
            .may_judge_others(settings.heartbeat_interval, settings.lease_time)
        {
            let lease_time = settings.lease_time;
            connection
                .run(|connection| give_back_of_dead_workers(connection, worker, lease_time, just_now))
                .await?
        } else {
            GivenBack::default()
        };
        let GivenBack { events, deliveries } = of_dead;
        if events + deliveries > 0 {
            tracing::warn!(events, deliveries, "gave back what a dead worker held");
        }
        let known = context.leases.known();
        let unknown = connection
            .run(|connection| give_back_unknown(connection, worker, &known, UNKNOWN_LEASE_AGE))
            .await?;
        metrics::given_back(events + unknown);
        if events + unknown > 0 {
            context.gave_back.store(true, Ordering::Relaxed);
        }
        if events + deliveries + unknown > 0 {
            context.lane_clock.due_within(Duration::ZERO);
        }
        if self.fold.is_due() {
            connection.run(fold_stats).await?;
            self.fold.again_in(FOLD_INTERVAL);
        }

        if self.backlog.is_due() {
            let begun = Instant::now();
            connection.run(measure_backlog).await?;
            self.backlog
                .again_in(BACKLOG_INTERVAL.max(begun.elapsed() * BACKLOG_PAUSE));
        }
        if settings.disable_after_days > 0 && self.disable.is_due() {
            let days = settings.disable_after_days;
            connection.run(|connection| disable_failing(connection, days)).await?;
            self.disable.again_in(DISABLE_INTERVAL);
        }
        if self.partitions.is_due() {
            match connection.run(|connection| keep_partitions(connection, settings)).await {
                Ok(done) => {
                    if done != Partitions::default() {
                        tracing::info!(created = done.created, dropped = done.dropped, "partitions kept");
                    }
                    self.partitions.again_in(PARTITION_INTERVAL);
                }
                // A lock it did not get in time. Partitions exist days ahead, so there is time to try again.
                Err(error) if error.as_database_error().is_some() => {
                    tracing::warn!(%error, "partitions not kept, trying again in a minute");
                    self.partitions.again_in(PARTITION_RETRY);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Whether this worker may declare others dead. After it or the database stood still, everybody's last sign of life
/// looks old; the others first get a whole lease time to show a new one.
#[derive(Debug)]
struct Steadiness {
    last_tick: Instant,
    unsteady_until: Option<Instant>,
}

impl Default for Steadiness {
    fn default() -> Self {
        Self {
            last_tick: Instant::now(),
            unsteady_until: None,
        }
    }
}

impl Steadiness {
    /// To be asked once a tick.
    fn may_judge_others(&mut self, heartbeat_interval: Duration, lease_time: Duration) -> bool {
        let now = Instant::now();
        let stood_still = now - self.last_tick > TICK + heartbeat_interval;
        self.last_tick = now;
        if stood_still {
            self.unsteady_until = Some(now + lease_time);
        }
        self.unsteady_until.is_none_or(|until| now >= until)
    }
}

/// When a chore is due again; at once at first.
#[derive(Debug, Default)]
struct Timer(Option<Instant>);

impl Timer {
    fn is_due(&self) -> bool {
        self.0.is_none_or(|due| Instant::now() >= due)
    }

    /// Notes that the chore was done or tried.
    fn again_in(&mut self, delay: Duration) {
        self.0 = Some(Instant::now() + delay);
    }
}
