use serde_json::json;

use crate::app::{App, THEIRS};
use crate::rows::{event, halted_key, key, keyed_event, waiting_in_order, webhook_id};
use crate::snapshot::stable;

const FREE: &str = "select count(*) from postrider.ordered_key where halted_at is null and due_at <= now()";
const HALTED: &str = "select count(*) from postrider.ordered_key where halted_at is not null and due_at = 'infinity'";

#[tokio::test]
async fn halted_keys_are_listed_the_longest_halted_first() {
    let app = App::start().await;
    let path = app.webhook().await;
    let webhook = webhook_id(&path);
    let keys = format!("{path}/halted-keys");
    assert_eq!(app.get(&keys).await.expect(200), json!({"haltedKeys": [], "total": 0}));

    key(&app.pool, webhook, "flows").await;
    halted_key(&app.pool, webhook, "late", 1).await;
    halted_key(&app.pool, webhook, "early", 60).await;
    for place in 1..=2 {
        waiting_in_order(&app.pool, webhook, event(&app.pool, 5).await, "early", place).await;
    }
    waiting_in_order(&app.pool, webhook, event(&app.pool, 5).await, "flows", 3).await;
    let list = app.get(&keys).await;
    list.expect(200);
    insta::assert_snapshot!(stable(&list.text));
    assert_eq!(app.get(&path).await.expect(200)["webhook"]["haltedKeyCount"], 2);
    // Another webhook has none of them.
    let other = app.webhook().await;
    assert_eq!(app.get(&format!("{other}/halted-keys")).await.expect(200)["total"], 0);
}

#[tokio::test]
async fn a_hundred_keys_are_shown_and_a_thousand_deliveries_counted() {
    let app = App::start().await;
    let path = app.webhook().await;
    let webhook = webhook_id(&path);
    sqlx::query(
        "with k as (
            insert into postrider.ordered_key (webhook_id, ordering_key, due_at, halted_at)
            select $1, 'key ' || n, 'infinity', now() - n * interval '1 minute' from generate_series(1, 101) n
         )
         insert into postrider.delivery (webhook_id, event_id, bucket, attempts, due_at, ordering_key, place)
         select $1, n, 7, 0, 'infinity', 'key 101', n from generate_series(1, 1001) n",
    )
    .bind(webhook.0)
    .execute(&app.pool)
    .await
    .unwrap();
    let list = app.get(&format!("{path}/halted-keys")).await.expect(200);
    let keys = list["haltedKeys"].as_array().unwrap();
    assert_eq!((keys.len(), &list["total"]), (100, &json!(101)));
    assert_eq!(
        (&keys[0]["orderingKey"], &keys[0]["waitingCount"]),
        (&json!("key 101"), &json!(1000))
    );
    assert_eq!(keys[99]["orderingKey"], "key 2");
}

#[tokio::test]
async fn one_key_is_released_or_all_of_them() {
    let app = App::start().await;
    let path = app.webhook().await;
    let webhook = webhook_id(&path);
    let other = webhook_id(&app.webhook().await);
    for (minutes, name) in [(1, "a"), (2, "b"), (3, "ü \"'")] {
        halted_key(&app.pool, webhook, name, minutes).await;
    }
    halted_key(&app.pool, other, "a", 1).await;
    key(&app.pool, webhook, "flows").await;
    let release = format!("{path}/halted-keys/release");

    let answer = app.post(&release, &json!({"orderingKey": "ü \"'"})).await.expect(200);
    assert_eq!(answer, json!({"message": "Halted keys released", "released": 1}));
    app.wait_for(1, FREE).await;
    app.wait_for(1, "select count(*) from postrider.lane where due_at <= now()")
        .await;
    // Not halted any more, never halted, unknown, not even a text that the database could hold.
    for name in ["ü \"'", "flows", "c", "a\u{0}"] {
        app.post(&release, &json!({"orderingKey": name})).await.expect(404);
    }
    assert_eq!(
        app.post(&release, &json!({"orderingKey": 1, "key": "a"}))
            .await
            .refused_fields(),
        ["orderingKey", "key"]
    );
    app.wait_for(3, HALTED).await;

    assert_eq!(app.call_raw("POST", &release, "").await.expect(200)["released"], 2);
    app.wait_for(3, FREE).await;
    app.wait_for(1, HALTED).await;
    // The one that was not halted keeps its time.
    app.wait_for(
        1,
        "select count(*) from postrider.ordered_key where ordering_key = 'flows' and due_at > now()",
    )
    .await;
    assert_eq!(app.post(&release, &json!({})).await.expect(200)["released"], 0);
    let theirs = format!("{THEIRS}/{other}/halted-keys/release");
    app.post(&theirs, &json!({})).await.expect(404);
    app.wait_for(1, HALTED).await;
}

#[tokio::test]
async fn a_release_finds_a_webhook_without_a_lane() {
    let app = App::start().await;
    let path = app.webhook().await;
    halted_key(&app.pool, webhook_id(&path), "a", 1).await;
    sqlx::query("delete from postrider.lane")
        .execute(&app.pool)
        .await
        .unwrap();
    app.post(&format!("{path}/halted-keys/release"), &json!({}))
        .await
        .expect(200);
    app.wait_for(1, "select count(*) from postrider.lane where due_at <= now()")
        .await;
}

#[tokio::test]
async fn giving_up_halting_releases_what_is_halted() {
    let app = App::start().await;
    let path = app.webhook().await;
    let webhook = webhook_id(&path);
    halted_key(&app.pool, webhook_id(&app.webhook().await), "a", 1).await;
    for (kept, change) in [
        (
            json!({"ordering": "key", "onGiveUp": "halt"}),
            json!({"onGiveUp": "skip"}),
        ),
        (json!({"onGiveUp": "halt", "name": "b"}), json!({"ordering": "none"})),
    ] {
        app.call("PATCH", &path, &kept).await.expect(200);
        halted_key(&app.pool, webhook, "a", 1).await;
        waiting_in_order(&app.pool, webhook, keyed_event(&app.pool, 5, "a").await, "a", 1).await;
        app.call("PATCH", &path, &kept).await.expect(200);
        app.wait_for(2, HALTED).await;

        let changed = app.call("PATCH", &path, &change).await.expect(200);
        assert_eq!(changed["webhook"]["haltedKeyCount"], 0);
        app.wait_for(1, FREE).await;
        app.wait_for(1, HALTED).await;
        app.wait_for(1, "select count(*) from postrider.lane where due_at <= now()")
            .await;
        sqlx::query("delete from postrider.ordered_key where halted_at is null")
            .execute(&app.pool)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_bad_word_about_order_is_answered_with_the_good_ones() {
    let app = App::start().await;
    let path = app.webhook().await;
    let body = json!({"ordering": "KEY", "onGiveUp": null});
    let answer = app.call("PATCH", &path, &body).await.expect(422);
    assert_eq!(
        answer["error"]["fields"],
        json!([{"field": "ordering", "message": "must be none or key"}, {"field": "onGiveUp", "message": "must be a text"}])
    );
    let answer = app.call("PATCH", &path, &json!({"onGiveUp": "stop"})).await.expect(422);
    assert_eq!(answer["error"]["fields"][0]["message"], "must be skip or halt");
}
