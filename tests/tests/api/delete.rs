use serde_json::json;

use crate::app::{App, MINE};
use crate::rows::{attempt, event, given_up, key, waiting, waiting_in_order, webhook_id};

#[tokio::test]
async fn a_deleted_webhook_is_gone_with_what_waited_for_it() {
    let app = App::start().await;
    let (path, other) = (app.webhook().await, app.webhook().await);
    let mut delivered = None;
    for path in [&path, &other] {
        let webhook = webhook_id(path);
        waiting(&app.pool, webhook, event(&app.pool, 3).await, 0).await;
        given_up(&app.pool, webhook, event(&app.pool, 2).await, 1).await;
        key(&app.pool, webhook, "a").await;
        waiting_in_order(&app.pool, webhook, event(&app.pool, 2).await, "a", 1).await;
        let event = event(&app.pool, 1).await;
        attempt(&app.pool, webhook, event, 1, Some(200)).await;
        delivered.get_or_insert(event);
        sqlx::query("insert into postrider.webhook_stats (webhook_id, delivered) values ($1, 1)")
            .bind(webhook.0)
            .execute(&app.pool)
            .await
            .unwrap();
    }
    let answer = app.call("DELETE", &path, &json!({})).await;
    assert_eq!(answer.expect(200), json!({"message": "Webhook deleted successfully"}));

    for tail in [
        "",
        "/deliveries",
        "/stats",
        &format!("/deliveries/{}", delivered.unwrap()),
    ] {
        app.get(&format!("{path}{tail}")).await.expect(404);
    }
    app.call("DELETE", &path, &json!({})).await.expect(404);
    assert_eq!(app.get(MINE).await.expect(200)["total"], 1);
    // What the other one has stays.
    for query in [
        "select count(*) from postrider.delivery where place is null",
        "select count(*) from postrider.delivery where place is not null",
        "select count(*) from postrider.ordered_key",
        "select count(*) from postrider.dead_letter",
        "select count(*) from postrider.lane",
        "select count(*) from postrider.webhook_stats",
        "select count(*) from postrider.webhook",
    ] {
        app.wait_for(1, query).await;
    }
    assert_eq!(
        app.get(&format!("{other}/deliveries")).await.expect(200)["deliveries"]
            .as_array()
            .unwrap()
            .len(),
        4
    );
}

#[tokio::test]
async fn what_a_worker_writes_down_late_is_removed_too() {
    let app = App::start().await;
    let path = app.webhook().await;
    app.call("DELETE", &path, &json!({})).await.expect(200);
    app.wait_for(
        1,
        "select count(*) from postrider.job where position = 1 and due_at > now()",
    )
    .await;
    given_up(&app.pool, webhook_id(&path), event(&app.pool, 2).await, 1).await;
    // More keys than two batches, so that the job does not end with the other rows.
    sqlx::query(
        "insert into postrider.ordered_key (webhook_id, ordering_key, due_at)
         select $1, n, 'infinity' from generate_series(1, 2001) n",
    )
    .bind(webhook_id(&path).0)
    .execute(&app.pool)
    .await
    .unwrap();
    sqlx::query("update postrider.job set due_at = now()")
        .execute(&app.pool)
        .await
        .unwrap();
    app.wait_for(1, "select count(*) from postrider.job where finished_at is not null")
        .await;
    app.wait_for(0, "select count(*) from postrider.dead_letter").await;
    app.wait_for(0, "select count(*) from postrider.ordered_key").await;
}
