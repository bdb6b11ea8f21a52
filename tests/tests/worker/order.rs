//! Order: deliveries of one ordering key arrive in the order of the commits, one at a time.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use nix::sys::signal::Signal;
use postrider_tests::product::{Product, SOON};
use postrider_tests::receiver::{Answer, Request};
use postrider_tests::{Receiver, TestDatabase};
use sqlx::PgExecutor;

async fn enqueue(executor: impl PgExecutor<'_>, key: &str, number: usize) {
    sqlx::query("select postrider.enqueue('bot', 'LEAD_UPDATED', $1::text::json, ordering_key => $2)")
        .bind(format!(r#"{{"key":"{key}","number":{number}}}"#))
        .bind(key)
        .execute(executor)
        .await
        .unwrap();
}

fn key_and_number(request: &Request) -> (String, u64) {
    let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    (
        body["data"]["key"].as_str().unwrap().to_owned(),
        body["data"]["number"].as_u64().unwrap(),
    )
}

/// A receiver that refuses the first attempt of every third number, and takes a moment.
async fn moody() -> Receiver {
    let seen = Mutex::new(HashMap::new());
    Receiver::start_with(move |request| {
        let mut seen = seen.lock().unwrap();
        let (key, number) = key_and_number(request);
        let times: &mut u32 = seen.entry((key, number)).or_default();
        *times += 1;
        let status = if number % 3 == 0 && *times == 1 { 500 } else { 200 };
        Answer::After(Duration::from_millis(2), Box::new(Answer::Status(status)))
    })
    .await
}

/// Checks that no request of a key came after one with a higher number, and that none was left out.
fn assert_in_order(receiver: &Receiver, keys: usize, each: u64) {
    let mut highest: HashMap<String, u64> = HashMap::new();
    for request in receiver.requests() {
        let (key, number) = key_and_number(&request);
        let last = highest.entry(key.clone()).or_default();
        assert!(
            number == *last || number == *last + 1,
            "{key}: {number} came after {last}"
        );
        *last = number;
    }
    assert_eq!(highest.len(), keys);
    assert!(highest.values().all(|last| *last == each), "{highest:?}");
}

const ORDERED: &str = "ordering = 'key', retry_delay_ms = 100";

#[tokio::test]
async fn deliveries_of_a_key_come_in_order_over_retries_and_several_workers() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let receiver = moody().await;
    let unordered = Receiver::start().await;
    product.webhook_with("bot", &receiver.url(), ORDERED).await;
    product.webhook("bot", &unordered.url()).await;
    let _workers = (product.worker().await, product.worker().await, product.worker().await);
    for number in 1..=20 {
        for key in ["a", "b", "c", "d"] {
            enqueue(&product.pool, key, number).await;
        }
    }
    product.wait_until_idle().await;
    assert_in_order(&receiver, 4, 20);
    // The other webhook of the tenant gets each of them once, in any order.
    assert_eq!(unordered.count(), 80);
    product.wait_for(0, "select count(*) from postrider.ordered_key").await;
}

#[tokio::test]
async fn order_is_kept_when_workers_are_killed() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let receiver = moody().await;
    product
        .webhook_with(
            "bot",
            &receiver.url(),
            "ordering = 'key', retry_delay_ms = 100, timeout_ms = 1000",
        )
        .await;
    for number in 1..=8 {
        for key in ["a", "b"] {
            enqueue(&product.pool, key, number).await;
        }
    }
    let mut expected = 5;
    for _ in 0..2 {
        let mut worker = product.worker().await;
        receiver.wait_for(expected, SOON).await;
        worker.signal(Signal::SIGKILL);
        worker.wait(SOON).await;
        expected = receiver.count() + 3;
    }
    let _last = product.worker().await;
    receiver
        .wait_until(SOON * 2, |requests| {
            let last = |key: &str| {
                requests
                    .iter()
                    .any(|request| key_and_number(request) == (key.to_owned(), 8))
            };
            last("a") && last("b")
        })
        .await;
    product.wait_until_idle().await;
    assert_in_order(&receiver, 2, 8);
}

#[tokio::test]
async fn the_order_is_that_of_the_commits_not_of_the_writes() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let receiver = Receiver::start().await;
    product.webhook_with("bot", &receiver.url(), ORDERED).await;
    let mut first_to_write = product.pool.begin().await.unwrap();
    enqueue(&mut *first_to_write, "a", 2).await;
    let mut first_to_commit = product.pool.begin().await.unwrap();
    enqueue(&mut *first_to_commit, "b", 1).await;
    enqueue(&mut *first_to_commit, "a", 1).await;
    enqueue(&mut *first_to_write, "b", 2).await;
    first_to_commit.commit().await.unwrap();
    first_to_write.commit().await.unwrap();
    let _worker = product.worker().await;
    receiver.wait_for(4, SOON).await;
    assert_in_order(&receiver, 2, 2);
}

#[tokio::test]
async fn what_moves_events_to_lanes_locks_keys_before_lanes() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let receiver = Receiver::start_with(|_| Answer::Hang).await;
    product.webhook_with("bot", &receiver.url(), ORDERED).await;
    let _worker = product.worker().await;
    enqueue(&product.pool, "a", 1).await;
    receiver.wait_for(1, SOON).await;
    // Like a worker that records a result: the key first, then the lane.
    let mut recording = product.pool.begin().await.unwrap();
    sqlx::query("select from postrider.ordered_key for update")
        .execute(&mut *recording)
        .await
        .unwrap();
    enqueue(&product.pool, "a", 2).await;
    product
        .wait_for(
            1,
            "select count(*) from pg_stat_activity
              where datname = current_database() and wait_event_type = 'Lock' and query like '%move_to_lanes%'",
        )
        .await;
    sqlx::query("select from postrider.lane for update nowait")
        .execute(&mut *recording)
        .await
        .unwrap();
}

/// The event with number 2 of key `a` is refused for good.
async fn refusing_the_second_of_a() -> Receiver {
    Receiver::start_with(|request| {
        let refused = key_and_number(request) == ("a".to_owned(), 2);
        Answer::Status(if refused { 400 } else { 200 })
    })
    .await
}

#[tokio::test]
async fn a_key_halts_at_a_delivery_given_up_while_others_flow_and_goes_on_when_released() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let receiver = refusing_the_second_of_a().await;
    product
        .webhook_with(
            "bot",
            &receiver.url(),
            "ordering = 'key', on_give_up = 'halt', max_retries = 0",
        )
        .await;
    let _worker = product.worker().await;
    for number in 1..=4 {
        enqueue(&product.pool, "a", number).await;
        enqueue(&product.pool, "b", number).await;
    }
    product
        .wait_for(
            1,
            "select count(*) from postrider.ordered_key where ordering_key = 'a' and halted_at is not null",
        )
        .await;
    product.wait_for(2, "select count(*) from postrider.delivery").await;
    assert_eq!(receiver.count(), 6);
    assert_eq!(
        product
            .number("select count(*) from postrider.dead_letter where place is not null and reason = 'exhausted'")
            .await,
        1
    );
    sqlx::query(
        "with released as (update postrider.ordered_key set halted_at = null, due_at = now() returning webhook_id)
         update postrider.lane set due_at = now() where webhook_id in (select webhook_id from released)",
    )
    .execute(&product.pool)
    .await
    .unwrap();
    product.wait_until_idle().await;
    assert_in_order(&receiver, 2, 4);
}

#[tokio::test]
async fn a_key_that_skips_goes_on_after_a_delivery_given_up() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let receiver = refusing_the_second_of_a().await;
    product
        .webhook_with("bot", &receiver.url(), "ordering = 'key', max_retries = 0")
        .await;
    let _worker = product.worker().await;
    for number in 1..=4 {
        enqueue(&product.pool, "a", number).await;
    }
    product.wait_until_idle().await;
    assert_in_order(&receiver, 1, 4);
    assert_eq!(product.number("select count(*) from postrider.dead_letter").await, 1);
}

#[tokio::test]
async fn an_ordered_event_for_later_takes_its_place_when_it_is_due() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let receiver = Receiver::start().await;
    product.webhook_with("bot", &receiver.url(), ORDERED).await;
    let _worker = product.worker().await;
    sqlx::query(
        r#"select postrider.enqueue('bot', 'LEAD_UPDATED', '{"key":"a","number":2}', ordering_key => 'a',
                                    deliver_after => now() + interval '1 second')"#,
    )
    .execute(&product.pool)
    .await
    .unwrap();
    enqueue(&product.pool, "a", 1).await;
    receiver.wait_for(2, SOON).await;
    assert_in_order(&receiver, 1, 2);
}
