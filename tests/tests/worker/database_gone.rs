//! The database goes away and comes back.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use postrider_tests::product::{Product, SOON};
use postrider_tests::receiver::{Answer, in_turn};
use postrider_tests::{PrivateCluster, Receiver};
use tokio::sync::watch;

#[tokio::test]
async fn a_worker_says_once_that_the_database_is_gone_and_goes_on_within_five_seconds_of_its_return() {
    let mut cluster = PrivateCluster::start().await;
    let product = Product::on_cluster(&cluster);
    let receiver = Receiver::start().await;
    let webhook = product.webhook("bot", &receiver.url()).await;
    let mut worker = product.worker().await;
    product.commit("bot", "LEAD_CREATED", "{}").await;
    receiver.wait_for(1, SOON).await;
    product.commit_many("bot", 1000).await;

    cluster.crash(Signal::SIGQUIT).await;
    worker
        .wait_for_stderr(SOON, |log| log.contains("database does not answer"))
        .await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    cluster.start_again().await;
    let returned = Instant::now();
    let product = Product::on_cluster(&cluster);
    let event = product.commit("bot", "LEAD_CREATED", "{}").await.to_string();
    let requests = receiver
        .wait_until(SOON, |requests| {
            requests
                .iter()
                .any(|request| request.header("webhook-id") == Some(&event))
        })
        .await;
    let first = requests
        .iter()
        .find(|request| request.header("webhook-id") == Some(&event))
        .unwrap();
    assert!(
        first.at - returned < Duration::from_secs(5),
        "{:?}",
        first.at - returned
    );

    product.wait_until_idle().await;
    assert_eq!(
        product.counts(&webhook).await.delivered as u64,
        product.number("select count(*) from postrider.attempt").await as u64
    );
    assert_eq!(
        product
            .number("select count(distinct event_id) from postrider.attempt")
            .await,
        1002
    );
    let log = worker.stderr();
    assert_eq!(log.matches("database does not answer").count(), 1, "{log}");
    assert_eq!(log.matches("database answers").count(), 2, "{log}");
}

#[tokio::test]
async fn a_frozen_database_loses_nothing_and_declares_nobody_dead() {
    let mut cluster = PrivateCluster::start().await;
    let product = Product::on_cluster(&cluster);
    let receiver = Receiver::start().await;
    product.webhook("bot", &receiver.url()).await;
    let settings = [
        ("worker_lease_time_ms", "6000"),
        ("worker_heartbeat_interval_ms", "500"),
    ];
    let workers = [
        product.worker_with(&settings).await,
        product.worker_with(&settings).await,
    ];
    product.commit_many("bot", 500).await;
    cluster.signal_all(Signal::SIGSTOP);
    tokio::time::sleep(Duration::from_secs(8)).await;
    cluster.signal_all(Signal::SIGCONT);
    receiver.wait_until(SOON, |requests| requests.len() >= 500).await;
    product.wait_until_idle().await;
    let logs = workers.each_ref().map(|worker| worker.stderr()).join("\n");
    assert!(!logs.contains("going on under a new id"), "{logs}");
    assert_eq!(receiver.count(), 500, "something was sent twice\n{logs}");
}

#[tokio::test]
async fn cut_connections_lose_and_double_nothing() {
    let cluster = PrivateCluster::start().await;
    let product = Product::on_cluster(&cluster);
    let receiver = Receiver::start().await;
    product.webhook("bot", &receiver.url()).await;
    let _worker = product.worker().await;
    for _ in 0..20 {
        product.commit_many("bot", 100).await;
        sqlx::query(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'postrider worker'",
        )
        .execute(&product.pool)
        .await
        .unwrap();
    }
    receiver.wait_for(2000, SOON).await;
    product.wait_until_idle().await;
    assert_eq!(receiver.count(), 2000);
    assert_eq!(product.number("select count(*) from postrider.attempt").await, 2000);
}

/// A claim does not wait for the disk, so a crash can undo it while its worker goes on with it. What comes of it then must
/// not end another claim: the rest of that one would be lost with the worker.
#[tokio::test]
async fn the_result_of_a_claim_that_a_crash_undid_ends_no_other_claim() {
    let mut cluster = PrivateCluster::start().await;
    let product = Product::on_cluster(&cluster);
    let gate = watch::Sender::new(false);
    let answer = Answer::When(gate.subscribe(), Box::new(Answer::Status(200)));
    let receiver = Receiver::start_with(in_turn([answer, Answer::Hang])).await;
    product.webhook("bot", &receiver.url()).await;
    let mut worker = product
        .worker_with(&[
            // Nothing of the worker's that waits for the disk comes after its claim.
            ("worker_heartbeat_interval_ms", "60000"),
            ("worker_lease_time_ms", "180000"),
            ("worker_park_after_ms", "60000"),
        ])
        .await;
    cluster.stop_wal_writer();
    product.commit("bot", "LEAD_CREATED", "{}").await;
    receiver.wait_for(1, SOON).await;
    product.wait_for(1, "select count(*) from postrider.lease").await;

    worker.signal(Signal::SIGSTOP);
    cluster.crash(Signal::SIGKILL).await;
    cluster.start_again().await;
    let product = Product::on_cluster(&cluster);
    assert_eq!(
        product.number("select count(*) from postrider.lease").await,
        0,
        "nothing was undone"
    );
    product.commit("bot", "LEAD_CREATED", "{}").await;
    worker.signal(Signal::SIGCONT);
    // The first again, under another claim, and the second. Only the request of the claim that was undone has an answer.
    receiver.wait_for(3, SOON).await;
    gate.send_replace(true);
    product.wait_for(1, "select count(*) from postrider.attempt").await;
    worker.signal(Signal::SIGKILL);
    worker.wait(SOON).await;

    receiver.answer_with(|_| Answer::Status(200));
    let _next = product
        .worker_with(&[
            ("worker_lease_time_ms", "1500"),
            ("worker_heartbeat_interval_ms", "500"),
        ])
        .await;
    product
        .wait_for(
            2,
            "select count(distinct event_id) from postrider.attempt where error is null",
        )
        .await;
}
