//! Flood: tenants that have more events than their receivers take. What they cannot use now stays in the outbox, where
//! it costs nothing, and the tenants that share their bucket are looked for behind it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use postrider_core::ids::EventId;
use sqlx::PgConnection;
use tokio::time::Instant;

use crate::claim::Range;
use crate::fan_out::Delivery;
use crate::webhook::Webhook;

/// Events of a bucket that are taken at a time only to be parked. Moving a flood to its lane is no hurry; the others'
/// deliveries are.
const PARKED_AT_ONCE: usize = 64;

/// The time between.
const PARKING_INTERVAL: Duration = Duration::from_millis(25);

/// How soon a receiver may have room again.
const ROOM_INTERVAL: Duration = Duration::from_millis(10);

/// Outbox rows looked through at a time for events of other tenants: of a bucket ...
const LOOKED_THROUGH: usize = 2000;

/// ... and of all together: the statement stays short when every bucket is flooded.
const LOOKED_THROUGH_OF_ALL: usize = 40_000;

/// Ids are made before their commits, so what was looked through may get more rows. The ids of so much time are looked
/// through all the time ...
const RECENT: Duration = Duration::from_secs(2);

/// ... and all of them this often, for commits that come later still.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// A bucket whose events come faster than their receivers take them.
#[derive(Debug)]
struct Flood {
    tenants: HashSet<String>,
    webhooks: Vec<Arc<Webhook>>,
    parked_at: Option<Instant>,
    /// Looks through what was never looked through.
    ahead: Look,
    /// Looks through what `ahead` has passed already: the last of it, and all of it.
    recent: Look,
    again: Look,
    next_again: Instant,
}

/// How far a bucket was looked through for events of other tenants.
#[derive(Debug, Default)]
struct Look {
    after: i64,
    /// Whether it ended before the last row.
    goes_on: bool,
}

/// The flooded buckets.
#[derive(Debug, Default)]
pub(crate) struct Floods(HashMap<i16, Flood>);

impl Floods {
    /// How many events to take of a bucket; `None` for as many as there are.
    pub(crate) fn limit(&self, bucket: i16) -> Option<usize> {
        let flood = self.0.get(&bucket)?;
        match flood.parked_at {
            Some(at) if at.elapsed() < PARKING_INTERVAL => Some(0),
            Some(_) => Some(PARKED_AT_ONCE),
            None => flood.webhooks.iter().map(|webhook| webhook.worthwhile_room()).max(),
        }
    }

    /// Until a flooded bucket is worth a look; `None` when there is none.
    pub(crate) fn next_look(&self) -> Option<Duration> {
        let wait = |flood: &Flood| match flood.parked_at {
            _ if flood.ahead.goes_on || flood.recent.goes_on => Duration::ZERO,
            Some(at) => PARKING_INTERVAL.saturating_sub(at.elapsed()),
            None => ROOM_INTERVAL,
        };
        self.0.values().map(wait).min()
    }

    /// Learns from the deliveries of a batch. A tenant floods its bucket when there is room for none of its deliveries: as
    /// long as one of its receivers keeps up, its events flow, and those of the others are parked.
    pub(crate) fn learn(&mut self, deliveries: &[Delivery]) {
        let mut tenants: HashMap<&str, Tenant<'_>> = HashMap::new();
        let mut last = None;
        for delivery in deliveries {
            // A batch comes sorted by tenant: nearly every delivery is like the one before.
            if last.replace(delivery.webhook.id) != Some(delivery.webhook.id) {
                let tenant = tenants
                    .entry(&delivery.webhook.tenant)
                    .or_insert_with(|| Tenant::of(delivery));
                tenant.add(&delivery.webhook);
            }
        }
        for (name, tenant) in tenants {
            match self.0.get_mut(&tenant.bucket) {
                Some(flood) if tenant.keeps_up => {
                    flood.tenants.remove(name);
                    if flood.tenants.is_empty() {
                        self.0.remove(&tenant.bucket);
                    }
                }
                None if tenant.keeps_up => {}
                _ => self
                    .0
                    .entry(tenant.bucket)
                    .or_insert_with(Flood::new)
                    .add(name, &tenant),
            }
        }
    }

    /// Notes that a bucket was looked at and had nothing.
    pub(crate) fn ran_dry(&mut self, bucket: i16) {
        self.0.remove(&bucket);
    }

    /// Events of other tenants behind the floods, each as a range of its own.
    pub(crate) async fn look_behind(&mut self, connection: &mut PgConnection) -> sqlx::Result<Vec<Range>> {
        if self.0.is_empty() {
            return Ok(Vec::new());
        }
        let mut looks = Vec::with_capacity(3 * self.0.len());
        let mut tenants = Vec::new();
        for (bucket, flood) in &mut self.0 {
            tenants.extend(flood.tenants.iter().cloned());
            let passed = flood.ahead.after;
            looks.push((*bucket, passed, i64::MAX, false, &mut flood.ahead));
            let begin = if flood.recent.goes_on { flood.recent.after } else { 0 };
            looks.push((*bucket, begin, passed, true, &mut flood.recent));
            if flood.next_again <= Instant::now() {
                flood.next_again = Instant::now() + LOOK_AGAIN;
                flood.again = Look::begun();
            }
            if flood.again.goes_on {
                looks.push((*bucket, flood.again.after, passed, false, &mut flood.again));
            }
        }
        let most = rows_each(looks.len());
        let rows: Vec<(i64, i64, i64, Vec<i64>)> = sqlx::query_as(
            "-- look_behind: a flood
             select b.place, count(*), max(q.event_id),
                    coalesce(array_agg(q.event_id) filter (where q.tenant <> all ($4) and q.redelivery < 2), '{}')
               from unnest($1::smallint[], $2::bigint[], $3::bigint[], $6::boolean[]) with ordinality
                 as b (bucket, after, up_to, is_recent, place)
              cross join lateral (
                    select o.event_id, o.tenant, o.redelivery from postrider.outbox o
                     where o.bucket = b.bucket and o.event_id <= b.up_to
                       and o.event_id > greatest(b.after, case when b.is_recent
                               then postrider.first_id_at(now() - $7 * interval '1 millisecond') end)
                     order by o.event_id limit $5
                   ) q
              group by b.place",
        )
        .bind(looks.iter().map(|look| look.0).collect::<Vec<i16>>())
        .bind(looks.iter().map(|look| look.1).collect::<Vec<i64>>())
        .bind(looks.iter().map(|look| look.2).collect::<Vec<i64>>())
        .bind(tenants)
        .bind(most)
        .bind(looks.iter().map(|look| look.3).collect::<Vec<bool>>())
        .bind(RECENT.as_millis() as i64)
        .fetch_all(connection)
        .await?;
        for (.., look) in &mut looks {
            look.goes_on = false;
        }
        let mut found = Vec::new();
        for (place, count, last, events) in rows {
            let (bucket, .., look) = &mut looks[place as usize - 1];
            look.after = last;
            look.goes_on = count == most;
            found.extend(events.into_iter().map(|event| (event, *bucket)));
        }
        // Two looks may find the same event: it is to be taken once.
        found.sort_unstable();
        found.dedup();
        let ranges = found
            .into_iter()
            .map(|(event, bucket)| Range::only(bucket, EventId(event)));
        Ok(ranges.collect())
    }
}

/// How many rows each of so many looks may look through.
fn rows_each(looks: usize) -> i64 {
    (LOOKED_THROUGH_OF_ALL / looks).min(LOOKED_THROUGH) as i64
}

impl Look {
    fn begun() -> Self {
        Self {
            after: 0,
            goes_on: true,
        }
    }
}

impl Flood {
    fn new() -> Self {
        Self {
            tenants: HashSet::new(),
            webhooks: Vec::new(),
            parked_at: None,
            ahead: Look::begun(),
            recent: Look::default(),
            again: Look::default(),
            next_again: Instant::now() + LOOK_AGAIN,
        }
    }

    fn add(&mut self, name: &str, tenant: &Tenant<'_>) {
        self.tenants.insert(name.to_owned());
        for webhook in &tenant.webhooks {
            self.webhooks.retain(|known| known.id != webhook.id);
            self.webhooks.push((*webhook).clone());
        }
        self.parked_at = tenant.webhooks.iter().all(|webhook| webhook.parks()).then(Instant::now);
    }
}

/// The deliveries of one tenant in a batch.
#[derive(Debug)]
struct Tenant<'a> {
    bucket: i16,
    webhooks: Vec<&'a Arc<Webhook>>,
    /// Whether one of its receivers has most of what it was given behind it.
    keeps_up: bool,
}

impl<'a> Tenant<'a> {
    fn of(delivery: &Delivery) -> Self {
        Self {
            bucket: delivery.bucket,
            webhooks: Vec::new(),
            keeps_up: false,
        }
    }

    fn add(&mut self, webhook: &'a Arc<Webhook>) {
        self.keeps_up |= !webhook.parks() && webhook.has_caught_up();
        if !self.webhooks.iter().any(|known| known.id == webhook.id) {
            self.webhooks.push(webhook);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::BUCKETS;

    #[test]
    fn one_statement_looks_through_a_bounded_number_of_rows_however_many_buckets_are_flooded() {
        for buckets in 1..=BUCKETS {
            let looks = 3 * buckets;
            let rows = rows_each(looks);
            assert!(
                rows >= 50,
                "{rows} rows in each of {looks} looks: they would hardly get on"
            );
            assert!(rows * looks as i64 <= 40_000, "{rows} rows in each of {looks} looks");
        }
        assert_eq!(rows_each(1), 2000);
    }
}
