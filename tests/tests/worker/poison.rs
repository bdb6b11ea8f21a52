//! Poison: an event that workers die with is found, and takes no other with it.

use nix::sys::signal::Signal;
use postrider_tests::product::{Product, SOON};
use postrider_tests::receiver::{Answer, Request};
use postrider_tests::{Receiver, TestDatabase};

const EVENTS: i32 = 30;

fn is_poison(request: &Request) -> bool {
    String::from_utf8_lossy(&request.body).contains(r#"{"number":7}"#)
}

/// Takes everything, but never answers the poison.
async fn receiver() -> Receiver {
    Receiver::start_with(|request| {
        if is_poison(request) {
            Answer::Hang
        } else {
            Answer::Status(200)
        }
    })
    .await
}

/// Kills workers each time the poison arrives, until one gives it up.
async fn kill_until_given_up(product: &Product, receiver: &Receiver, after_each: &'static str) {
    let settings = [
        ("worker_lease_time_ms", "1000"),
        ("worker_heartbeat_interval_ms", "100"),
        ("worker_breaker_failures", "1000"),
    ];
    for kills in 1..=5 {
        let mut worker = product.worker_with(&settings).await;
        receiver
            .wait_until(SOON, |requests| {
                requests.iter().filter(|request| is_poison(request)).count() == kills
            })
            .await;
        worker.signal(Signal::SIGKILL);
        worker.wait(SOON).await;
        sqlx::query(after_each).execute(&product.pool).await.unwrap();
    }
    let mut last = product.worker_with(&settings).await;
    let log = last
        .wait_for_stderr(SOON, |log| log.contains("workers died holding it"))
        .await;
    let named: String = sqlx::query_scalar("select 'evt_' || id from postrider.event where payload::text like '%:7}'")
        .fetch_one(&product.pool)
        .await
        .unwrap();
    assert!(log.contains(&named), "{named} is not named in {log}");
    product.wait_until_idle().await;
}

async fn assert_only_the_poison_is_dead(product: &Product, receiver: &Receiver) {
    assert_eq!(product.number("select count(*) from postrider.dead_letter").await, 1);
    assert_eq!(
        product
            .number(
                "select count(*) from postrider.dead_letter d join postrider.event e on e.id = d.event_id
                  where d.reason = 'poison' and e.payload::text like '%:7}'"
            )
            .await,
        1
    );
    let delivered = product
        .number("select count(distinct event_id) from postrider.attempt where error is null")
        .await;
    assert_eq!(delivered, i64::from(EVENTS) - 1);
    let times = receiver.requests().iter().filter(|request| is_poison(request)).count();
    assert_eq!(times, 5);
}

#[tokio::test]
async fn an_event_that_kills_five_workers_is_given_up_and_the_others_of_its_lease_arrive() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let receiver = receiver().await;
    product.webhook("bot", &receiver.url()).await;
    product.commit_many("bot", EVENTS).await;
    kill_until_given_up(&product, &receiver, "select").await;
    assert_only_the_poison_is_dead(&product, &receiver).await;
}

#[tokio::test]
async fn a_delivery_of_a_lane_that_kills_five_workers_is_given_up_too() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let receiver = receiver().await;
    // Paused, so that all of it comes from the lane.
    product
        .webhook_with("bot", &receiver.url(), "paused_at = now(), timeout_ms = 1000")
        .await;
    product.commit_many("bot", EVENTS).await;
    let mut first = product.worker().await;
    product
        .wait_for(i64::from(EVENTS), "select count(*) from postrider.delivery")
        .await;
    first.signal(Signal::SIGTERM);
    first.wait(SOON).await;
    for statement in [
        "update postrider.lane set due_at = now()",
        "update postrider.webhook set paused_at = null, version = version + 1",
    ] {
        sqlx::query(statement).execute(&product.pool).await.unwrap();
    }
    // A claim from a lane ends ten seconds after the timeout; the test does not wait for it.
    let end_claims = "with lost as (update postrider.delivery set due_at = now() where token is not null)
                      update postrider.lane set due_at = now()";
    kill_until_given_up(&product, &receiver, end_claims).await;
    assert_only_the_poison_is_dead(&product, &receiver).await;
}
