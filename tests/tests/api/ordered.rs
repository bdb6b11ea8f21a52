//! Deliveries in order: what is shown of them, and how they are sent again.

use std::time::Duration;

use postrider_core::ids::{EventId, WebhookId};
use postrider_tests::Receiver;
use postrider_tests::receiver::Answer;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor, PgConnection, PgPool};

use crate::app::App;
use crate::rows::{attempt, event, given_up_in_order, halted_key, key, keyed_event, waiting_in_order, webhook_id};

/// Each delivery in order: its event, key and place. It must never be due itself.
async fn in_order(pool: &PgPool, webhook: WebhookId) -> Vec<(i64, String, i64)> {
    sqlx::query_as(
        "select event_id, ordering_key, place from postrider.delivery
          where webhook_id = $1 and due_at = 'infinity' order by ordering_key, place",
    )
    .bind(webhook.0)
    .fetch_all(pool)
    .await
    .unwrap()
}

/// Whether a key is due, and whether it is halted.
async fn state_of(pool: &PgPool, name: &str) -> (bool, bool) {
    sqlx::query_as("select due_at <= now(), halted_at is not null from postrider.ordered_key where ordering_key = $1")
        .bind(name)
        .fetch_one(pool)
        .await
        .unwrap()
}

/// A worker takes the first delivery of this place.
async fn hold(pool: &PgPool, place: i64) {
    sqlx::query("update postrider.delivery set token = 9 where place = $1")
        .bind(place)
        .execute(pool)
        .await
        .unwrap();
}

async fn due_lanes(pool: &PgPool) -> i64 {
    sqlx::query_scalar("select count(*) from postrider.lane where due_at <= now()")
        .fetch_one(pool)
        .await
        .unwrap()
}

async fn resend(app: &App, path: &str, event: EventId) -> Value {
    let answer = app.post(&format!("{path}/deliveries/{event}/resend"), &json!({})).await;
    answer.expect(202)["delivery"].clone()
}

#[tokio::test]
async fn only_the_first_of_a_key_has_a_time() {
    let app = App::start().await;
    let path = app.webhook().await;
    let webhook = webhook_id(&path);
    key(&app.pool, webhook, "a").await;
    halted_key(&app.pool, webhook, "b", 1).await;
    let mut events = Vec::new();
    for (place, name) in [(2, "a"), (1, "a"), (3, "b")] {
        let event = keyed_event(&app.pool, 10, name).await;
        waiting_in_order(&app.pool, webhook, event, name, place).await;
        events.push(event);
    }
    let shown = async |event: EventId| {
        let answer = app.get(&format!("{path}/deliveries/{event}")).await.expect(200);
        answer["delivery"].clone()
    };
    let first = shown(events[1]).await;
    assert!(first["nextAttemptAt"].is_string(), "{first}");
    assert_eq!(
        (&first["state"], &first["orderingKey"]),
        (&json!("pending"), &json!("a"))
    );
    for later in [events[0], events[2]] {
        assert_eq!(shown(later).await["nextAttemptAt"], json!(null));
    }
    let list = app.get(&format!("{path}/deliveries")).await;
    assert!(list.expect(200)["deliveries"].as_array().unwrap().len() == 3 && !list.text.contains("infinity"));
    // An event without a key says so.
    let plain = event(&app.pool, 3).await;
    attempt(&app.pool, webhook, plain, 1, Some(200)).await;
    assert_eq!(shown(plain).await["orderingKey"], json!(null));
}

#[tokio::test]
async fn one_that_was_given_up_takes_its_place_again_and_its_key_goes_on() {
    let app = App::start().await;
    let path = app.webhook().await;
    let webhook = webhook_id(&path);
    // Halted, waiting for a retry, and with nothing else left.
    halted_key(&app.pool, webhook, "a", 1).await;
    key(&app.pool, webhook, "b").await;
    for (place, name) in [(1, "a"), (2, "b"), (3, "c")] {
        let lost = keyed_event(&app.pool, 10, name).await;
        given_up_in_order(&app.pool, webhook, lost, 1, place).await;
        let mut expected = in_order(&app.pool, webhook).await;
        expected.push((lost.0, name.to_owned(), place));
        if name != "c" {
            let later = keyed_event(&app.pool, 5, name).await;
            waiting_in_order(&app.pool, webhook, later, name, place + 10).await;
            expected.push((later.0, name.to_owned(), place + 10));
        }
        sqlx::query("update postrider.lane set due_at = 'infinity'")
            .execute(&app.pool)
            .await
            .unwrap();

        let delivery = resend(&app, &path, lost).await;
        assert_eq!(delivery["state"], "pending");
        assert!(delivery["nextAttemptAt"].is_string(), "it is the first: {delivery}");
        assert_eq!(in_order(&app.pool, webhook).await, expected);
        assert_eq!(state_of(&app.pool, name).await, (true, false), "{name}");
        assert_eq!(due_lanes(&app.pool).await, 1);
    }
    app.wait_for(0, "select count(*) from postrider.dead_letter").await;
    app.wait_for(
        3,
        "select count(*) from postrider.delivery where place < 10 and attempts = 0 and redelivery = 0 and probes = 0",
    )
    .await;
}

#[tokio::test]
async fn a_key_that_a_worker_holds_keeps_its_time() {
    let app = App::start().await;
    let path = app.webhook().await;
    let webhook = webhook_id(&path);
    key(&app.pool, webhook, "a").await;
    let lost = keyed_event(&app.pool, 10, "a").await;
    given_up_in_order(&app.pool, webhook, lost, 1, 1).await;
    let held = keyed_event(&app.pool, 9, "a").await;
    waiting_in_order(&app.pool, webhook, held, "a", 2).await;
    hold(&app.pool, 2).await;
    // One that is held itself, and one that stands before the held one.
    for event in [held, lost, lost] {
        resend(&app, &path, event).await;
        assert_eq!(state_of(&app.pool, "a").await, (false, false));
    }
    assert_eq!(
        in_order(&app.pool, webhook).await,
        [(lost.0, "a".into(), 1), (held.0, "a".into(), 2)]
    );
}

#[tokio::test]
async fn a_worker_that_died_does_not_keep_a_halted_key() {
    let app = App::start().await;
    let path = app.webhook().await;
    let webhook = webhook_id(&path);
    halted_key(&app.pool, webhook, "a", 1).await;
    let lost = keyed_event(&app.pool, 10, "a").await;
    given_up_in_order(&app.pool, webhook, lost, 1, 1).await;
    waiting_in_order(&app.pool, webhook, keyed_event(&app.pool, 9, "a").await, "a", 2).await;
    hold(&app.pool, 2).await;
    resend(&app, &path, lost).await;
    assert_eq!(state_of(&app.pool, "a").await, (true, false));
}

#[tokio::test]
async fn a_waiting_one_is_brought_forward_only_at_the_head() {
    let app = App::start().await;
    let path = app.webhook().await;
    let webhook = webhook_id(&path);
    key(&app.pool, webhook, "a").await;
    halted_key(&app.pool, webhook, "b", 1).await;
    let mut events = Vec::new();
    for (place, name) in [(1, "a"), (2, "a"), (3, "b")] {
        let event = keyed_event(&app.pool, 10, name).await;
        waiting_in_order(&app.pool, webhook, event, name, place).await;
        events.push(event);
    }
    let before = in_order(&app.pool, webhook).await;
    for behind in [events[1], events[2]] {
        assert_eq!(resend(&app, &path, behind).await["nextAttemptAt"], json!(null));
        assert_eq!(state_of(&app.pool, "a").await, (false, false));
        assert_eq!(state_of(&app.pool, "b").await, (false, true));
        assert_eq!(due_lanes(&app.pool).await, 0);
    }
    resend(&app, &path, events[0]).await;
    assert_eq!(state_of(&app.pool, "a").await, (true, false));
    assert_eq!(due_lanes(&app.pool).await, 1);
    assert_eq!(in_order(&app.pool, webhook).await, before);
}

#[tokio::test]
async fn one_that_was_delivered_goes_again_outside_the_order() {
    let app = App::start().await;
    let path = app.webhook().await;
    let webhook = webhook_id(&path);
    key(&app.pool, webhook, "a").await;
    let delivered = keyed_event(&app.pool, 10, "a").await;
    attempt(&app.pool, webhook, delivered, 1, Some(200)).await;
    resend(&app, &path, delivered).await;
    app.wait_for(
        1,
        "select count(*) from postrider.delivery where place is null and ordering_key is null and due_at <= now()",
    )
    .await;
    assert_eq!(state_of(&app.pool, "a").await, (false, false));
}

#[tokio::test]
async fn a_recovery_keeps_the_order() {
    let app = App::start().await;
    let path = app.webhook().await;
    let webhook = webhook_id(&path);
    halted_key(&app.pool, webhook, "a", 1).await;
    key(&app.pool, webhook, "held").await;
    let mut expected = Vec::new();
    for (place, name) in [(1, "a"), (2, "a"), (3, "held"), (4, "new")] {
        let lost = keyed_event(&app.pool, 10, name).await;
        given_up_in_order(&app.pool, webhook, lost, 5, place).await;
        expected.push((lost.0, name.to_owned(), place));
    }
    let held = keyed_event(&app.pool, 9, "held").await;
    waiting_in_order(&app.pool, webhook, held, "held", 9).await;
    hold(&app.pool, 9).await;
    expected.insert(3, (held.0, "held".into(), 9));
    // One whose event is no longer kept has no key any more, so it goes as it can.
    let forgotten = event(&app.pool, 10).await;
    given_up_in_order(&app.pool, webhook, forgotten, 5, 5).await;
    sqlx::query("delete from postrider.event where id = $1")
        .bind(forgotten.0)
        .execute(&app.pool)
        .await
        .unwrap();

    let since = json!({"since": "2026-01-01T00:00:00Z"});
    app.post(&format!("{path}/recover"), &since).await.expect(202);
    app.wait_for(
        1,
        "select count(*) from postrider.job where finished_at is not null and moved = 5",
    )
    .await;
    assert_eq!(in_order(&app.pool, webhook).await, expected);
    for (name, is_due) in [("a", true), ("held", false), ("new", true)] {
        assert_eq!(state_of(&app.pool, name).await, (is_due, false), "{name}");
    }
    assert_eq!(due_lanes(&app.pool).await, 1);
    app.wait_for(
        1,
        "select count(*) from postrider.delivery where place is null and due_at <= now()",
    )
    .await;
}

/// What a worker has locked of a webhook, in the order that everybody keeps.
async fn lock(connection: &mut PgConnection, table: &'static str) {
    let lock = format!("select from postrider.{table} for update");
    connection.execute(AssertSqlSafe(lock)).await.unwrap();
}

#[tokio::test]
async fn keys_are_locked_before_the_lane_and_the_lane_before_the_webhook() {
    let app = App::start().await;
    let path = app.webhook().await;
    let webhook = webhook_id(&path);
    for (method, tail, body) in [
        ("POST", "/deliveries/{lost}/resend", json!({})),
        ("POST", "/deliveries/{first}/resend", json!({})),
        ("POST", "/halted-keys/release", json!({})),
        (
            "PATCH",
            "",
            json!({"onGiveUp": "skip", "isActive": true, "url": "https://example.org"}),
        ),
        ("POST", "/recover", json!({"since": "2026-01-01T00:00:00Z"})),
    ] {
        app.pool
            .execute("truncate postrider.ordered_key, postrider.delivery, postrider.dead_letter")
            .await
            .unwrap();
        halted_key(&app.pool, webhook, "a", 1).await;
        key(&app.pool, webhook, "b").await;
        let (lost, first) = (
            keyed_event(&app.pool, 10, "a").await,
            keyed_event(&app.pool, 9, "b").await,
        );
        given_up_in_order(&app.pool, webhook, lost, 5, 1).await;
        waiting_in_order(&app.pool, webhook, first, "b", 2).await;
        let tail = tail
            .replace("{lost}", &lost.to_string())
            .replace("{first}", &first.to_string());
        let called = format!("{path}{tail}");

        let mut worker = app.pool.begin().await.unwrap();
        lock(&mut worker, "ordered_key").await;
        let call = app.call(method, &called, &body);
        let work = async {
            app.wait_for(
                1,
                "select count(*) from pg_stat_activity
                  where datname = current_database() and application_name = 'postrider-api' and wait_event_type = 'Lock'",
            )
            .await;
            lock(&mut worker, "lane").await;
            lock(&mut worker, "webhook").await;
            worker.commit().await.unwrap();
        };
        let (answer, ()) = tokio::join!(call, work);
        assert!((200..300).contains(&answer.status), "{method} {called}: {answer:?}");
        app.wait_for(0, "select count(*) from postrider.job where finished_at is null")
            .await;
    }
}

#[tokio::test]
async fn a_claim_that_comes_first_is_seen() {
    let app = App::start().await;
    let path = app.webhook().await;
    let webhook = webhook_id(&path);
    key(&app.pool, webhook, "a").await;
    let (lost, later) = (
        keyed_event(&app.pool, 10, "a").await,
        keyed_event(&app.pool, 9, "a").await,
    );
    given_up_in_order(&app.pool, webhook, lost, 5, 1).await;
    waiting_in_order(&app.pool, webhook, later, "a", 2).await;

    // The call has looked at everything else when it meets the lock.
    let mut worker = app.pool.begin().await.unwrap();
    lock(&mut worker, "ordered_key").await;
    let work = async {
        app.wait_for(
            1,
            "select count(*) from pg_stat_activity
              where datname = current_database() and application_name = 'postrider-api' and wait_event_type = 'Lock'",
        )
        .await;
        worker
            .execute("update postrider.delivery set token = 9 where place = 2")
            .await
            .unwrap();
        worker
            .execute("update postrider.ordered_key set due_at = now() + interval '25 seconds'")
            .await
            .unwrap();
        worker.commit().await.unwrap();
    };
    tokio::join!(resend(&app, &path, lost), work);
    assert_eq!(state_of(&app.pool, "a").await, (false, false));
    assert_eq!(
        in_order(&app.pool, webhook).await,
        [(lost.0, "a".into(), 1), (later.0, "a".into(), 2)]
    );
}

#[tokio::test]
async fn a_halted_key_goes_on_in_order_when_the_lost_one_is_sent_again_or_without_it() {
    let app = App::start().await;
    let receiver = Receiver::start_with(|_| Answer::Status(500)).await;
    let path = app.webhook().await;
    let order = json!({"ordering": "key", "onGiveUp": "halt", "maxRetries": 0});
    app.call("PATCH", &path, &order).await.expect(200);
    sqlx::query("update postrider.webhook set url = $1")
        .bind(receiver.url())
        .execute(&app.pool)
        .await
        .unwrap();
    let product = app.product();
    let _worker = product.worker().await;
    let mut events = Vec::new();
    for name in ["a", "a", "b", "b"] {
        let id: i64 = sqlx::query_scalar(
            "select postrider.enqueue('clp123chatbot456', 'LEAD_CREATED', '{}', ordering_key => $1)",
        )
        .bind(name)
        .fetch_one(&app.pool)
        .await
        .unwrap();
        events.push(EventId(id).to_string());
    }
    app.wait_for(
        2,
        "select count(*) from postrider.ordered_key where halted_at is not null",
    )
    .await;
    let halted = app.get(&format!("{path}/halted-keys")).await.expect(200);
    assert_eq!(halted["total"], 2);
    assert_eq!(halted["haltedKeys"][0]["waitingCount"], 1);

    receiver.answer_with(|_| Answer::Status(200));
    app.post(&format!("{path}/deliveries/{}/resend", events[0]), &json!({}))
        .await
        .expect(202);
    receiver.wait_for(4, Duration::from_secs(30)).await;
    let one = json!({"orderingKey": "b"});
    app.post(&format!("{path}/halted-keys/release"), &one).await.expect(200);
    receiver.wait_for(5, Duration::from_secs(30)).await;
    product.wait_until_idle().await;
    let got: Vec<String> = receiver
        .requests()
        .iter()
        .map(|request| request.header("webhook-id").unwrap().to_owned())
        .collect();
    let mut lost = got[..2].to_vec();
    lost.sort();
    assert_eq!(lost, [events[0].clone(), events[2].clone()]);
    assert_eq!(got[2..], [events[0].clone(), events[1].clone(), events[3].clone()]);
    app.wait_for(1, "select count(*) from postrider.dead_letter").await;
}
