//! A worker that dies, and one that is told to stop.

use std::collections::HashMap;
use std::time::Duration;

use nix::sys::signal::Signal;
use postrider_tests::product::{Product, SOON};
use postrider_tests::receiver::{Answer, in_turn};
use postrider_tests::{Receiver, TestDatabase};

const EVENTS: usize = 2000;

/// Most requests a worker of these tests has open.
const CONCURRENCY: usize = 64;

/// Most results of one flush.
const FLUSH: usize = 500;

fn times_sent(receiver: &Receiver) -> HashMap<String, usize> {
    let mut times = HashMap::new();
    for request in receiver.requests() {
        *times
            .entry(request.header("webhook-id").unwrap().to_owned())
            .or_default() += 1;
    }
    times
}

/// A receiver that takes its time, so that a signal comes in the middle.
async fn unhurried() -> Receiver {
    Receiver::start_with(|_| Answer::After(Duration::from_millis(5), Box::new(Answer::Status(200)))).await
}

#[tokio::test]
async fn after_kill_9_in_the_middle_all_arrive_and_few_twice() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let receiver = unhurried().await;
    product.webhook("bot", &receiver.url()).await;
    let settings = [
        ("worker_concurrency", "64"),
        ("worker_lease_time_ms", "5000"),
        ("worker_heartbeat_interval_ms", "500"),
    ];
    let mut first = product.worker_with(&settings).await;
    product.commit_many("bot", EVENTS as i32).await;
    receiver.wait_for(EVENTS / 3, SOON).await;
    first.signal(Signal::SIGKILL);
    first.wait(SOON).await;
    let in_time = receiver.count();
    assert!(in_time < EVENTS, "killed too late to prove anything");

    let _second = product.worker_with(&settings).await;
    receiver
        .wait_until(SOON * 2, |_| times_sent(&receiver).len() == EVENTS)
        .await;
    product.wait_until_idle().await;
    let times = times_sent(&receiver);
    let repeated = times.values().filter(|times| **times > 1).count();
    assert_eq!(times.len(), EVENTS);
    assert!(repeated <= CONCURRENCY + FLUSH, "{repeated} were sent again");
    assert!(times.values().all(|times| *times <= 2));
}

#[tokio::test]
async fn after_sigterm_in_the_middle_all_arrive_once() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let receiver = unhurried().await;
    product.webhook("bot", &receiver.url()).await;
    product.commit_many("bot", EVENTS as i32).await;
    let mut workers = 0;
    while receiver.count() < EVENTS {
        let before = receiver.count();
        let mut worker = product.worker().await;
        receiver.wait_for((before + EVENTS / 4).min(EVENTS), SOON).await;
        worker.signal(Signal::SIGTERM);
        let ended = worker.wait(Duration::from_secs(20)).await;
        assert!(ended.status.success(), "{}", ended.stderr);
        assert_eq!(
            product.number("select count(*) from postrider.lease").await,
            0,
            "it kept a lease"
        );
        workers += 1;
    }
    assert!(workers > 1, "stopped too late to prove anything");
    let times = times_sent(&receiver);
    assert_eq!(times.len(), EVENTS);
    assert_eq!(receiver.count(), EVENTS, "something was sent twice");
    assert_eq!(
        product.number("select count(*) from postrider.attempt").await,
        EVENTS as i64
    );
}

#[tokio::test]
async fn a_worker_stopped_for_longer_than_its_lease_goes_on_under_a_new_id() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let receiver = unhurried().await;
    let webhook = product.webhook("bot", &receiver.url()).await;
    let settings = [
        ("worker_concurrency", "64"),
        ("worker_lease_time_ms", "4000"),
        ("worker_heartbeat_interval_ms", "300"),
    ];
    let mut frozen = product.worker_with(&settings).await;
    product.commit_many("bot", EVENTS as i32).await;
    receiver.wait_for(EVENTS / 4, SOON).await;
    frozen.signal(Signal::SIGSTOP);
    let _other = product.worker_with(&settings).await;
    receiver
        .wait_until(SOON * 2, |_| times_sent(&receiver).len() == EVENTS)
        .await;
    // Should it have held nothing any more, it is declared dead all the same, only nobody had to wait for that.
    product.wait_for(1, "select count(*) from postrider.worker").await;
    frozen.signal(Signal::SIGCONT);
    frozen
        .wait_for_stderr(SOON, |log| log.contains("going on under a new id"))
        .await;
    product.wait_until_idle().await;
    product.wait_for(2, "select count(*) from postrider.worker").await;
    let requests = receiver.count();
    let repeated = times_sent(&receiver).values().filter(|times| **times > 1).count();
    assert!(repeated <= CONCURRENCY + FLUSH, "{repeated} were sent again");
    // What the frozen worker had sent counts too: history and figures agree with the wire.
    product
        .wait_for(requests as i64, "select count(*) from postrider.attempt")
        .await;
    let counts = product.counts(&webhook).await;
    assert_eq!(counts.delivered + counts.failed_attempts, requests as i64);
}

#[tokio::test]
async fn what_a_killed_worker_held_of_a_lane_is_sent_again_after_the_lease_time() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let receiver = Receiver::start_with(in_turn([Answer::Status(500), Answer::Hang])).await;
    // Claims of its lane last for 70 s.
    product
        .webhook_with("bot", &receiver.url(), "timeout_ms = 60000, retry_delay_ms = 1")
        .await;
    let settings = [
        ("worker_lease_time_ms", "4000"),
        ("worker_heartbeat_interval_ms", "500"),
        ("worker_park_after_ms", "200"),
    ];
    let mut first = product.worker_with(&settings).await;
    // One that is retried from its lane, and one that moves there while its request is open.
    product.commit("bot", "LEAD_CREATED", "{}").await;
    receiver.wait_for(2, SOON).await;
    product.commit("bot", "LEAD_CREATED", "{}").await;
    receiver.wait_for(3, SOON).await;
    product
        .wait_for(2, "select count(*) from postrider.delivery where token is not null")
        .await;
    product.wait_for(0, "select count(*) from postrider.lease").await;
    first.signal(Signal::SIGKILL);
    first.wait(SOON).await;

    receiver.answer_with(|_| Answer::Status(200));
    let mut second = product.worker_with(&settings).await;
    product.wait_until_idle().await;
    assert_eq!(receiver.count(), 5);
    second
        .wait_for_stderr(SOON, |log| log.contains("gave back what a dead worker held"))
        .await;
}

#[tokio::test]
async fn a_second_signal_stops_at_once_with_a_failing_code() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let receiver = Receiver::start_with(|_| Answer::Hang).await;
    product.webhook("bot", &receiver.url()).await;
    let mut worker = product.worker().await;
    product.commit_many("bot", 4).await;
    receiver.wait_for(4, SOON).await;
    worker.signal(Signal::SIGTERM);
    worker.wait_for_stderr(SOON, |log| log.contains("draining")).await;
    worker.signal(Signal::SIGTERM);
    let ended = worker.wait(Duration::from_secs(5)).await;
    assert!(!ended.status.success());
}

#[tokio::test]
async fn an_event_that_workers_keep_dying_with_becomes_a_dead_letter() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let receiver = Receiver::start().await;
    product.webhook("bot", &receiver.url()).await;
    product.commit_many("bot", 2).await;
    sqlx::query(
        "update postrider.outbox set redelivery = 5 where event_id = (select min(event_id) from postrider.outbox)",
    )
    .execute(&product.pool)
    .await
    .unwrap();
    let mut worker = product.worker().await;
    product
        .wait_for(1, "select count(*) from postrider.dead_letter where reason = 'poison'")
        .await;
    product.wait_until_idle().await;
    assert_eq!(receiver.count(), 1);
    worker
        .wait_for_stderr(SOON, |log| log.contains("workers died holding it"))
        .await;
}
