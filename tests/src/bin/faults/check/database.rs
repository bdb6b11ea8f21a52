//! What the database says.

use std::collections::{HashMap, HashSet};

use futures_util::TryStreamExt as _;
use postrider_core::ids::EventId;
use sqlx::PgPool;

/// One delivery: event and webhook.
pub(super) type Pair = (i64, i64);

/// Figures of one webhook.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Attempts {
    pub(super) succeeded: i64,
    pub(super) failed: i64,
    /// Of the failed ones, those without any answer in time: they may not even have been sent.
    pub(super) unanswered: i64,
}

/// All that matters of the tables.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Events, by the token of their payload.
    pub(super) events: HashMap<u64, EventId>,
    /// Events by which workers tell what they did to webhooks.
    pub(super) operational: HashSet<i64>,
    /// Events with two rows of the same token, or a payload without one.
    pub(super) odd_events: u64,
    /// Events not handed out to their webhooks yet.
    pub(super) queued: HashSet<i64>,
    pub(super) waiting: HashSet<Pair>,
    /// Of the waiting ones, those behind a delivery given up of their key, at a webhook that halts then.
    pub(super) halted: HashSet<Pair>,
    pub(super) dead: HashSet<Pair>,
    /// Deliveries that succeeded, according to the history.
    pub(super) succeeded: HashSet<Pair>,
    /// Attempts, by number, that ended because the answer was late: the receiver may have accepted them.
    pub(super) timed_out: HashSet<(i64, i64, u16)>,
    /// By webhook.
    pub(super) attempts: HashMap<i64, Attempts>,
    /// By webhook: delivered, failed attempts, given up.
    pub(super) statistics: HashMap<i64, (i64, i64, i64)>,
}

impl Found {
    pub(super) async fn read(pool: &PgPool) -> Self {
        let mut found = Self::default();
        let mut rows = sqlx::query_as::<_, (i64, Option<i64>)>(
            // The payloads hold numbers and escapes that the operators of json refuse.
            r#"select id, substring(payload::text from '"token":(\d+)')::int8 from postrider.event
                where type not in ('WEBHOOK_DISABLED', 'DELIVERY_EXHAUSTED')"#,
        )
        .fetch(pool);
        while let Some((id, token)) = rows.try_next().await.unwrap() {
            let is_first = token.is_some_and(|token| found.events.insert(token as u64, EventId(id)).is_none());
            found.odd_events += u64::from(!is_first);
        }
        drop(rows);
        found.operational = events(
            pool,
            "select id from postrider.event where type in ('WEBHOOK_DISABLED', 'DELIVERY_EXHAUSTED')",
        )
        .await;
        found.queued = events(
            pool,
            "select event_id from postrider.outbox union select event_id from postrider.ordered
             union select event_id from postrider.deferred union select unnest(event_ids) from postrider.lease",
        )
        .await;
        found.waiting = pairs(pool, "select event_id, webhook_id from postrider.delivery").await;
        found.halted = pairs(
            pool,
            "select d.event_id, d.webhook_id
               from postrider.delivery d
               join postrider.ordered_key k on k.webhook_id = d.webhook_id and k.ordering_key = d.ordering_key
              where k.halted_at is not null",
        )
        .await;
        found.dead = pairs(pool, "select event_id, webhook_id from postrider.dead_letter").await;
        found.succeeded = pairs(
            pool,
            // Without distinct: the planner guesses far too few of them, and its hash table takes forever.
            "select event_id, webhook_id from postrider.attempt where error is null",
        )
        .await;
        found.timed_out = timed_out(pool).await;
        found.read_figures(pool).await;
        found
    }

    async fn read_figures(&mut self, pool: &PgPool) {
        let attempts: Vec<(i64, i64, i64, i64)> = sqlx::query_as(
            "select webhook_id, count(*) filter (where error is null), count(*) filter (where error is not null),
                    count(*) filter (where error = 'timeout' and status is null)
               from postrider.attempt group by webhook_id",
        )
        .fetch_all(pool)
        .await
        .unwrap();
        self.attempts = attempts
            .into_iter()
            .map(|(webhook, succeeded, failed, unanswered)| {
                let attempts = Attempts {
                    succeeded,
                    failed,
                    unanswered,
                };
                (webhook, attempts)
            })
            .collect();
        let statistics: Vec<(i64, i64, i64, i64)> = sqlx::query_as(
            "select webhook_id, delivered::int8, failed_attempts::int8, given_up::int8
               from postrider.webhook_statistics",
        )
        .fetch_all(pool)
        .await
        .unwrap();
        self.statistics = statistics
            .into_iter()
            .map(|(webhook, delivered, failed, given_up)| (webhook, (delivered, failed, given_up)))
            .collect();
    }
}

async fn events(pool: &PgPool, query: &'static str) -> HashSet<i64> {
    let events: Vec<i64> = sqlx::query_scalar(query).fetch_all(pool).await.unwrap();
    events.into_iter().collect()
}

async fn timed_out(pool: &PgPool) -> HashSet<(i64, i64, u16)> {
    let rows: Vec<(i64, i64, i16)> =
        sqlx::query_as("select event_id, webhook_id, number from postrider.attempt where error = 'timeout'")
            .fetch_all(pool)
            .await
            .unwrap();
    rows.into_iter()
        .map(|(event, webhook, number)| (event, webhook, number.unsigned_abs()))
        .collect()
}

async fn pairs(pool: &PgPool, query: &'static str) -> HashSet<Pair> {
    let mut rows = sqlx::query_as::<_, Pair>(query).fetch(pool);
    let mut pairs = HashSet::new();
    while let Some(pair) = rows.try_next().await.unwrap() {
        pairs.insert(pair);
    }
    pairs
}
