use serde_json::{Value, json};

use crate::app::{App, MINE};
use crate::rows::{event, open_breaker, waiting, webhook_id};
use crate::snapshot::stable;

const DUE_LANES: &str = "select count(*) from postrider.lane where due_at <= now()";

async fn detail(app: &App, path: &str) -> Value {
    app.get(path).await.expect(200)["webhook"].clone()
}

#[tokio::test]
async fn the_detail_says_what_the_breaker_does() {
    let app = App::start().await;
    let path = app.webhook().await;
    let closed = json!({"state": "closed", "openedAt": null, "nextProbeAt": null, "trips": 0});
    let fresh = detail(&app, &path).await;
    assert_eq!((&fresh["breaker"], &fresh["failingSince"]), (&closed, &json!(null)));

    open_breaker(&app.pool, webhook_id(&path), 120).await;
    let open = app.get(&path).await;
    insta::assert_snapshot!(stable(&open.text));
    let open = open.expect(200)["webhook"].clone();
    assert!(open["failingSince"].as_str() < open["breaker"]["openedAt"].as_str());
    assert!(open["breaker"]["openedAt"].as_str() < open["breaker"]["nextProbeAt"].as_str());

    // Its time is over, or its probes are on their way: then open_until is when their claim ends.
    for (seconds, is_probing) in [(-1, false), (-1, true), (25, true)] {
        open_breaker(&app.pool, webhook_id(&path), seconds).await;
        sqlx::query("update postrider.lane set is_probing = $1")
            .bind(is_probing)
            .execute(&app.pool)
            .await
            .unwrap();
        let probing = detail(&app, &path).await["breaker"].clone();
        assert_eq!(
            (&probing["state"], &probing["nextProbeAt"], &probing["trips"]),
            (&json!("probing"), &json!(null), &json!(3))
        );
        assert!(probing["openedAt"].is_string());
    }
    // The list has the shape of the contract, whatever the breaker does.
    let list = app.get(MINE).await.expect(200);
    assert!(list["webhooks"][0].get("breaker").is_none() && list["webhooks"][0].get("ordering").is_none());
}

#[tokio::test]
async fn another_url_or_activation_lets_an_open_breaker_try_now() {
    let app = App::start().await;
    let path = app.webhook().await;
    for change in [json!({"url": "https://example.org/mended"}), json!({"isActive": true})] {
        open_breaker(&app.pool, webhook_id(&path), 120).await;
        app.call("PATCH", &path, &json!({"name": "b"})).await.expect(200);
        app.wait_for(0, DUE_LANES).await;
        app.call("PATCH", &path, &change).await.expect(200);
        app.wait_for(1, DUE_LANES).await;
        assert_eq!(
            detail(&app, &path).await["breaker"]["state"],
            "open",
            "workers close it, not the API"
        );
    }
}

#[tokio::test]
async fn what_is_sent_by_hand_goes_before_what_waits() {
    let app = App::start().await;
    let path = app.webhook().await;
    let webhook = webhook_id(&path);
    let (long_due, later) = (event(&app.pool, 9).await, event(&app.pool, 8).await);
    for event in [long_due, later] {
        waiting(&app.pool, webhook, event, 1).await;
    }
    sqlx::query("update postrider.delivery set due_at = now() - interval '5 minutes', redelivery = 1, probes = 2")
        .execute(&app.pool)
        .await
        .unwrap();
    open_breaker(&app.pool, webhook, 120).await;

    let test = app.post(&format!("{path}/test"), &json!({})).await.expect(202);
    app.wait_for(1, DUE_LANES).await;
    app.post(&format!("{path}/deliveries/{later}/resend"), &json!({}))
        .await
        .expect(202);
    let order: Vec<(i64, i16, i16)> =
        sqlx::query_as("select event_id, redelivery, probes from postrider.delivery order by due_at")
            .fetch_all(&app.pool)
            .await
            .unwrap();
    let test: postrider_core::ids::EventId = test["delivery"]["id"].as_str().unwrap().parse().unwrap();
    // The last one asked for is the first; what waits already keeps its counts.
    assert_eq!(order, [(later.0, 1, 2), (test.0, 0, 0), (long_due.0, 1, 2)]);
}

#[tokio::test]
async fn nothing_is_said_to_be_due_before_the_next_probe() {
    let app = App::start().await;
    let path = app.webhook().await;
    let webhook = webhook_id(&path);
    let (waits, held, late) = (
        event(&app.pool, 9).await,
        event(&app.pool, 8).await,
        event(&app.pool, 7).await,
    );
    for event in [waits, held, late] {
        waiting(&app.pool, webhook, event, 1).await;
    }
    sqlx::query(
        "update postrider.delivery
            set due_at = case event_id when $3 then now() + interval '1 hour' else now() + interval '20 seconds' end,
                token = case event_id when $2 then 9 end
          where event_id in ($1, $2, $3)",
    )
    .bind(waits.0)
    .bind(held.0)
    .bind(late.0)
    .execute(&app.pool)
    .await
    .unwrap();
    let shown = async || -> Vec<String> {
        let list = app.get(&format!("{path}/deliveries")).await.expect(200);
        let deliveries = list["deliveries"].as_array().unwrap().iter().rev();
        deliveries
            .map(|one| one["nextAttemptAt"].as_str().unwrap().to_owned())
            .collect()
    };
    let closed = shown().await;
    assert!(closed[0] == closed[1] && closed[0] < closed[2]);

    open_breaker(&app.pool, webhook, 120).await;
    let next_probe = detail(&app, &path).await["breaker"]["nextProbeAt"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(shown().await, [next_probe, closed[1].clone(), closed[2].clone()]);
    // Something makes the lane due: then they are.
    sqlx::query("update postrider.lane set due_at = now()")
        .execute(&app.pool)
        .await
        .unwrap();
    assert_eq!(shown().await, closed);
    open_breaker(&app.pool, webhook, -1).await;
    assert_eq!(shown().await, closed);
}
