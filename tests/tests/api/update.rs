use serde_json::json;

use crate::app::{App, MINE};
use crate::rows::{event, waiting, webhook_id};
use crate::snapshot::stable;

#[tokio::test]
async fn put_and_patch_change_what_is_sent_and_nothing_else() {
    let app = App::start().await;
    let path = app.webhook().await;
    let before = app.get(&path).await.expect(200)["webhook"].clone();

    let answer = app
        .call(
            "PUT",
            &path,
            &json!({"name": "Updated Lead Notifications", "isActive": false}),
        )
        .await;
    let body = answer.expect(200);
    let mut expected = before.clone();
    expected["name"] = "Updated Lead Notifications".into();
    expected["isActive"] = false.into();
    expected["updatedAt"] = body["webhook"]["updatedAt"].clone();
    assert_eq!(body["webhook"], expected);
    assert!(body["webhook"]["updatedAt"].as_str() > before["updatedAt"].as_str());
    insta::assert_snapshot!(stable(&answer.text));

    let all = json!({
        "name": "b", "url": "https://example.org/b", "eventTypes": ["LEAD_UPDATED", "LEAD_CREATED"], "isActive": true,
        "maxRetries": 0, "retryDelay": 100, "timeoutMs": 1000, "maxInFlight": 1000, "rateLimitPerSecond": 1,
        "headers": {"x-a": "b"}, "ordering": "key", "onGiveUp": "halt",
    });
    let changed = app.call("PATCH", &path, &all).await.expect(200)["webhook"].clone();
    for (field, value) in all.as_object().unwrap() {
        assert_eq!(&changed[field], value, "{field}");
    }
    let removed = app
        .call("PATCH", &path, &json!({"rateLimitPerSecond": null, "headers": {}}))
        .await
        .expect(200);
    assert_eq!(
        (
            &removed["webhook"]["rateLimitPerSecond"],
            &removed["webhook"]["headers"]
        ),
        (&json!(null), &json!({}))
    );
    assert_eq!(app.get(&path).await.expect(200)["webhook"], removed["webhook"]);
}

#[tokio::test]
async fn every_change_raises_the_version_that_workers_look_at() {
    let app = App::start().await;
    let path = app.webhook().await;
    let mut version = 1;
    for (method, tail, body) in [
        ("PATCH", "", json!({"name": "b"})),
        ("PUT", "", json!({"url": "https://example.org"})),
        ("POST", "/pause", json!({})),
        ("POST", "/resume", json!({})),
        ("POST", "/rotate-secret", json!({})),
    ] {
        app.call(method, &format!("{path}{tail}"), &body).await.expect(200);
        version += 1;
        let found: i64 = sqlx::query_scalar("select version from postrider.webhook")
            .fetch_one(&app.pool)
            .await
            .unwrap();
        assert_eq!(found, version, "{method} {tail}");
    }
}

#[tokio::test]
async fn deactivating_and_activating_lets_workers_look_at_what_waits() {
    let app = App::start().await;
    let path = app.webhook().await;
    waiting(&app.pool, webhook_id(&path), event(&app.pool, 5).await, 1).await;
    for is_active in [false, true] {
        sqlx::query("update postrider.lane set due_at = 'infinity'")
            .execute(&app.pool)
            .await
            .unwrap();
        app.call("PATCH", &path, &json!({"name": "b"})).await.expect(200);
        app.wait_for(0, "select count(*) from postrider.lane where due_at <= now()")
            .await;
        app.call("PATCH", &path, &json!({"isActive": is_active}))
            .await
            .expect(200);
        app.wait_for(1, "select count(*) from postrider.lane where due_at <= now()")
            .await;
    }
}

#[tokio::test]
async fn activating_takes_away_why_postrider_deactivated_it() {
    let app = App::start().await;
    let path = app.webhook().await;
    sqlx::query("update postrider.webhook set is_active = false, disabled_at = now(), disabled_reason = 'gone'")
        .execute(&app.pool)
        .await
        .unwrap();
    let renamed = app.call("PATCH", &path, &json!({"name": "b"})).await.expect(200);
    assert_eq!(renamed["webhook"]["disabledReason"], "gone");
    let active = app.call("PATCH", &path, &json!({"isActive": true})).await.expect(200);
    assert_eq!(
        (&active["webhook"]["disabledReason"], &active["webhook"]["disabledAt"]),
        (&json!(null), &json!(null))
    );
}

#[tokio::test]
async fn activating_forgets_the_failures_that_would_deactivate_it_again() {
    let app = App::start().await;
    let path = app.webhook().await;
    sqlx::query(
        "insert into postrider.lane (webhook_id, due_at, failing_since, last_failed_at)
         select id, 'infinity', now() - interval '6 days', now() from postrider.webhook",
    )
    .execute(&app.pool)
    .await
    .unwrap();
    let failing = app.call("PATCH", &path, &json!({"name": "b"})).await.expect(200);
    assert_ne!(failing["webhook"]["failingSince"], json!(null));
    let active = app.call("PATCH", &path, &json!({"isActive": true})).await.expect(200);
    assert_eq!(active["webhook"]["failingSince"], json!(null));
    let left: i64 = sqlx::query_scalar("select count(*) from postrider.lane where last_failed_at is not null")
        .fetch_one(&app.pool)
        .await
        .unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn an_unknown_webhook_is_not_found_whatever_is_sent() {
    let app = App::start().await;
    for body in [json!({"name": "b"}), json!({"name": ""}), json!({})] {
        app.call("PATCH", &format!("{MINE}/webhook_1"), &body).await.expect(404);
    }
}
