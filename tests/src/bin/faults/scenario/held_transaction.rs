//! Somebody keeps a transaction open while many events are delivered: nothing that was claimed can be cleaned up, and the
//! last events must go as fast as the first. The transaction wrote an event, too, which must arrive when it commits.

use std::time::Duration;

use sqlx::{Connection as _, PgConnection};
use tokio::time::{Instant, sleep};

use super::finish;
use crate::generator::{Generator, commit_in_bulk};
use crate::ledger::Fate;
use crate::options::{Length, Options};
use crate::outcome::Outcome;
use crate::payload::{event_type, payload};
use crate::rate::per_second;
use crate::receiver::Behaviour;
use crate::stage::{Stage, TENANTS};
use crate::webhooks::{Wanted, tenant_name};
use crate::worker::{self, How, PRODUCTION};

/// The promise.
const LEAST: f64 = 0.9;

/// How long all of it may take.
const LONGEST: Duration = Duration::from_secs(1800);

pub(super) async fn play(options: &Options) -> Outcome {
    let mut outcome = Outcome::default();
    let wanted: Vec<Wanted> = (0..TENANTS)
        .map(|tenant| Wanted::of(tenant, Behaviour::Accept(Duration::ZERO)))
        .collect();
    let stage = Stage::set(options, "held_transaction", &wanted).await;
    let events = options.pick(options.events, 5000, 200_000);
    let part = (events / 10) as usize;

    let mut connection = PgConnection::connect_with(&stage.cluster.options()).await.unwrap();
    let mut held = connection.begin().await.unwrap();
    let token = stage.ledger.open(0, 0, None);
    let id: i64 = sqlx::query_scalar("select postrider.enqueue($1, $2, $3::text::json)")
        .bind(tenant_name(0))
        .bind(event_type(token))
        .bind(payload(token))
        .fetch_one(&mut *held)
        .await
        .unwrap();
    stage.ledger.name(token, id);

    commit_in_bulk(&stage.pool, &stage.ledger, 0..TENANTS, events).await;
    let how = How {
        settings: &PRODUCTION,
        ..How::default()
    };
    let worker = worker::start_with(&stage, how).await;
    let deadline = Instant::now() + LONGEST;
    while stage.receiver.shared.log.count() < events {
        assert!(Instant::now() < deadline, "not delivered within {LONGEST:?}");
        sleep(Duration::from_millis(50)).await;
    }
    let moments: Vec<u64> = {
        let arrivals = stage.receiver.shared.log.arrivals();
        arrivals.iter().map(|arrival| arrival.at_us).collect()
    };
    stage.ledger.sending(&[token]);
    held.commit().await.unwrap();
    stage.ledger.close(&[token], Fate::Committed);

    let first = per_second(&moments[..part]);
    let last = per_second(&moments[moments.len() - part..]);
    outcome.figure("events", events as f64);
    outcome.figure("first tenth, per second", first);
    outcome.figure("last tenth, per second", last);
    outcome.figure("last tenth against the first", last / first);
    // A short run is over before anything could pile up.
    if options.length() == Length::Long {
        outcome.check(
            "the last tenth goes at 0.9 of the rate of the first, or faster",
            last >= LEAST * first,
            format!("{last:.0} and {first:.0} per second"),
        );
    }
    finish(&stage, Generator::none(), vec![worker], &mut outcome).await;
    outcome
}
