//! Start, monitoring, stop.

use std::time::Duration;

use nix::sys::signal::Signal;
use postrider_tests::product::{Product, SOON};
use postrider_tests::receiver::Answer;
use postrider_tests::{PrivateCluster, Receiver, TestDatabase};

use crate::monitoring;

#[tokio::test]
async fn the_monitoring_port_tells_health_readiness_and_metrics() {
    let mut cluster = PrivateCluster::start().await;
    let product = Product::on_cluster(&cluster);
    let receiver = Receiver::start_with(|_| Answer::Status(500)).await;
    product.webhook_with("bot", &receiver.url(), "max_retries = 0").await;
    let mut worker = product.worker().await;
    let address = monitoring::address(&mut worker).await;
    product.commit_many("bot", 7).await;
    product.wait_until_idle().await;

    assert_eq!(monitoring::get(&address, "/healthz").await.0, 200);
    assert_eq!(monitoring::get(&address, "/readyz").await.0, 200);
    let (status, metrics) = monitoring::get(&address, "/metrics").await;
    assert_eq!(status, 200);
    for line in [
        "postrider_events_claimed_total 7",
        "postrider_attempts_failed_total{reason=\"status\"} 7",
        "postrider_dead_letters_total{reason=\"exhausted\"} 7",
        "postrider_request_duration_seconds_count 7",
    ] {
        assert!(
            metrics.lines().any(|found| found == line),
            "{line} is not in\n{metrics}"
        );
    }

    cluster.crash(Signal::SIGKILL).await;
    worker
        .wait_for_stderr(SOON, |log| log.contains("database does not answer"))
        .await;
    assert_eq!(monitoring::get(&address, "/healthz").await.0, 200);
    assert_eq!(monitoring::get(&address, "/readyz").await.0, 503);
}

#[tokio::test]
async fn what_waits_is_counted_however_much_it_is() {
    const WAITING: i64 = 230_000;
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let webhook = product
        .webhook_with("bot", "http://127.0.0.1:9/", "paused_at = now()")
        .await;
    sqlx::query(
        "insert into postrider.delivery (webhook_id, event_id, bucket, attempts, due_at)
         select $1, n, 0, 0, now() from generate_series(1, $2) n",
    )
    .bind(webhook.id.0)
    .bind(WAITING)
    .execute(&product.pool)
    .await
    .unwrap();
    let mut worker = product.worker().await;
    monitoring::wait_for(&mut worker, "postrider_waiting_deliveries", WAITING as f64).await;
    assert_eq!(monitoring::value(&mut worker, "postrider_backlog_events").await, 0.0);
}

#[tokio::test]
async fn an_idle_worker_stops_at_once_on_sigterm_and_leaves_nothing() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let mut worker = product.worker().await;
    assert_eq!(product.number("select count(*) from postrider.worker").await, 1);
    worker.signal(Signal::SIGTERM);
    let ended = worker.wait(Duration::from_secs(5)).await;
    assert!(ended.status.success(), "{}", ended.stderr);
    assert_eq!(product.number("select count(*) from postrider.worker").await, 0);
}

#[tokio::test]
async fn a_stopping_worker_cuts_off_requests_that_take_too_long_and_they_are_retried() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let receiver = Receiver::start_with(|_| Answer::Hang).await;
    product.webhook_with("bot", &receiver.url(), "timeout_ms = 30000").await;
    let mut worker = product.worker_with(&[("worker_drain_timeout_ms", "1000")]).await;
    product.commit_many("bot", 3).await;
    receiver.wait_for(3, SOON).await;
    worker.signal(Signal::SIGTERM);
    let ended = worker.wait(Duration::from_secs(20)).await;
    assert!(ended.status.success(), "{}", ended.stderr);
    assert_eq!(
        product
            .number("select count(*) from postrider.attempt where error = 'aborted'")
            .await,
        3
    );
    assert_eq!(product.number("select count(*) from postrider.lease").await, 0);

    receiver.answer_with(|_| Answer::Status(200));
    let _next = product.worker().await;
    receiver.wait_for(6, SOON).await;
    product.wait_until_idle().await;
}

#[tokio::test]
async fn a_stopping_worker_lets_open_requests_finish() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let receiver = Receiver::start_with(|_| Answer::After(Duration::from_secs(3), Box::new(Answer::Status(200)))).await;
    let webhook = product.webhook("bot", &receiver.url()).await;
    let mut worker = product.worker().await;
    product.commit_many("bot", 10).await;
    receiver.wait_for(10, SOON).await;
    worker.signal(Signal::SIGTERM);
    let ended = worker.wait(Duration::from_secs(20)).await;
    assert!(ended.status.success(), "{}", ended.stderr);
    assert_eq!(product.counts(&webhook).await.delivered, 10);
    product.wait_until_idle().await;
}
