//! The breaker: a receiver that only fails is given a rest, and what waits for it meanwhile loses nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::Signal;
use postrider_tests::product::{Product, SOON};
use postrider_tests::receiver::Answer;
use postrider_tests::{Receiver, TestDatabase};

use crate::monitoring;

/// A receiver that fails until it is told to be well.
async fn sick() -> (Receiver, Arc<AtomicBool>) {
    let is_well = Arc::new(AtomicBool::new(false));
    let asked = is_well.clone();
    let receiver =
        Receiver::start_with(move |_| Answer::Status(if asked.load(Ordering::SeqCst) { 200 } else { 503 })).await;
    (receiver, is_well)
}

#[tokio::test]
async fn a_receiver_that_only_fails_gets_a_rest_and_what_waits_uses_up_no_retry() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let (receiver, is_well) = sick().await;
    // Without retries every failure that counts is a dead letter.
    product.webhook_with("bot", &receiver.url(), "max_retries = 0").await;
    let mut worker = product
        .worker_with(&[
            ("worker_breaker_failures", "5"),
            ("worker_breaker_open_ms", "200"),
            ("worker_breaker_longest_open_ms", "400"),
        ])
        .await;
    product.commit_many("bot", 20).await;
    worker.wait_for_stderr(SOON, |log| log.contains("breaker opened")).await;
    product
        .wait_for(
            1,
            "select count(*) from postrider.lane where opened_at is not null and failing_since is not null",
        )
        .await;
    product.commit_many("bot", 50).await;
    product
        .wait_for(
            0,
            "select (select count(*) from postrider.outbox) + (select count(*) from postrider.lease)",
        )
        .await;
    let dead = product.number("select count(*) from postrider.dead_letter").await;
    assert!((5..20).contains(&dead), "{dead} dead letters before it opened");

    // Two more rounds of probes, which fail.
    worker
        .wait_for_stderr(SOON, |log| log.matches("breaker opened").count() >= 3)
        .await;
    assert_eq!(product.number("select count(*) from postrider.dead_letter").await, dead);
    assert!(
        product
            .number("select count(*) from postrider.delivery where probes > 0 and attempts = probes")
            .await
            > 0
    );

    is_well.store(true, Ordering::SeqCst);
    product.wait_until_idle().await;
    assert_eq!(product.number("select count(*) from postrider.dead_letter").await, dead);
    let delivered = product
        .number("select count(distinct event_id) from postrider.attempt where error is null")
        .await;
    assert_eq!(delivered, 70 - dead);
    product
        .wait_for(
            1,
            "select count(*) from postrider.lane
              where opened_at is null and open_until is null and trips = 0 and failing_since is null and not is_probing",
        )
        .await;
    let log = worker.wait_for_stderr(SOON, |log| log.contains("breaker closed")).await;
    assert!(log.contains("breaker lets probes through"), "{log}");
    for (metric, words) in [
        ("postrider_breaker_opened_total", "breaker opened"),
        ("postrider_breaker_probed_total", "breaker lets probes through"),
        ("postrider_breaker_closed_total", "breaker closed"),
    ] {
        assert_eq!(
            monitoring::value(&mut worker, metric).await,
            log.matches(words).count() as f64,
            "{metric}\n{log}"
        );
    }
}

#[tokio::test]
async fn the_eleventh_probe_that_fails_uses_up_a_retry() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let (receiver, _) = sick().await;
    product.webhook_with("bot", &receiver.url(), "max_retries = 0").await;
    let _worker = product
        .worker_with(&[
            ("worker_breaker_failures", "1"),
            ("worker_breaker_open_ms", "100"),
            ("worker_breaker_longest_open_ms", "100"),
        ])
        .await;
    // Its only attempt fails and opens the breaker.
    product.commit("bot", "LEAD_CREATED", "{}").await;
    product
        .wait_for(1, "select count(*) from postrider.lane where opened_at is not null")
        .await;
    let probed = product.commit("bot", "LEAD_CREATED", "{}").await;
    product.wait_until_idle().await;
    let (attempts, reason): (i16, String) =
        sqlx::query_as("select attempts, reason from postrider.dead_letter where event_id = $1")
            .bind(probed.0)
            .fetch_one(&product.pool)
            .await
            .unwrap();
    assert_eq!((attempts, reason.as_str()), (11, "exhausted"));
}

#[tokio::test]
async fn an_open_breaker_outlives_the_worker_that_opened_it() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let (receiver, is_well) = sick().await;
    product.webhook("bot", &receiver.url()).await;
    let settings = [("worker_breaker_failures", "3"), ("worker_breaker_open_ms", "5000")];
    let mut first = product.worker_with(&settings).await;
    product.commit_many("bot", 3).await;
    product
        .wait_for(1, "select count(*) from postrider.lane where opened_at is not null")
        .await;
    first.signal(Signal::SIGKILL);
    first.wait(SOON).await;
    is_well.store(true, Ordering::SeqCst);

    let _second = product.worker_with(&settings).await;
    product.commit("bot", "LEAD_CREATED", "{}").await;
    // The open time as it was, before the first probe changes it.
    let too_early =
        "select count(*) from postrider.attempt a, breaker b where a.error is null and a.started_at < b.open_until";
    sqlx::query("create table breaker as select open_until from postrider.lane")
        .execute(&product.pool)
        .await
        .unwrap();
    product.wait_until_idle().await;
    assert_eq!(
        product
            .number("select count(*) from postrider.attempt where error is null")
            .await,
        4
    );
    assert_eq!(product.number(too_early).await, 0);
}

#[tokio::test]
async fn a_lane_made_due_by_hand_is_probed_at_once() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let (receiver, is_well) = sick().await;
    product.webhook("bot", &receiver.url()).await;
    let _worker = product
        .worker_with(&[("worker_breaker_failures", "3"), ("worker_breaker_open_ms", "3600000")])
        .await;
    product.commit_many("bot", 10).await;
    product
        .wait_for(1, "select count(*) from postrider.lane where opened_at is not null")
        .await;
    product
        .wait_for(
            0,
            "select (select count(*) from postrider.outbox) + (select count(*) from postrider.lease)",
        )
        .await;
    is_well.store(true, Ordering::SeqCst);
    sqlx::query("update postrider.lane set due_at = now()")
        .execute(&product.pool)
        .await
        .unwrap();
    product.wait_until_idle().await;
    assert_eq!(
        product
            .number("select count(distinct event_id) from postrider.attempt where error is null")
            .await,
        10
    );
}
