use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::app::App;
use crate::rows::{attempt, event, given_up, waiting, webhook_id};
use crate::snapshot::stable;

fn states(list: &Value) -> Vec<String> {
    let deliveries = list["deliveries"].as_array().unwrap().iter();
    deliveries
        .map(|delivery| format!("{} {}", delivery["state"].as_str().unwrap(), delivery["attempts"]))
        .collect()
}

#[tokio::test]
async fn a_webhook_without_deliveries_has_an_empty_list() {
    let app = App::start().await;
    let path = app.webhook().await;
    let empty = json!({"deliveries": [], "nextCursor": null});
    assert_eq!(app.get(&format!("{path}/deliveries")).await.expect(200), empty);
}

#[tokio::test]
async fn deliveries_are_listed_newest_first_with_their_state() {
    let app = App::start().await;
    let path = app.webhook().await;
    let webhook = webhook_id(&path);
    let pool = &app.pool;

    let failed = event(pool, 50).await;
    for number in 1..=4 {
        attempt(pool, webhook, failed, number, Some(500)).await;
    }
    given_up(pool, webhook, failed, 40).await;
    let delivered_late = event(pool, 40).await;
    attempt(pool, webhook, delivered_late, 1, None).await;
    attempt(pool, webhook, delivered_late, 2, Some(204)).await;
    let retrying = event(pool, 30).await;
    attempt(pool, webhook, retrying, 1, None).await;
    waiting(pool, webhook, retrying, 1).await;
    let delivered = event(pool, 20).await;
    attempt(pool, webhook, delivered, 1, Some(200)).await;
    let sent_again = event(pool, 15).await;
    attempt(pool, webhook, sent_again, 1, Some(200)).await;
    waiting(pool, webhook, sent_again, 0).await;
    let pending = event(pool, 10).await;
    waiting(pool, webhook, pending, 0).await;
    // Another webhook's are not among them.
    let other = webhook_id(&app.webhook().await);
    attempt(pool, other, delivered, 1, Some(200)).await;

    let list = app.get(&format!("{path}/deliveries")).await;
    let all = [
        "pending 0",
        "pending 1",
        "delivered 1",
        "retrying 1",
        "delivered 2",
        "failed 4",
    ];
    assert_eq!(states(&list.expect(200)), all);
    insta::assert_snapshot!(stable(&list.text));

    for (query, expected) in [
        ("state=pending", &["pending 0", "pending 1"][..]),
        ("state=retrying", &["retrying 1"]),
        ("state=delivered", &["delivered 1", "delivered 2"]),
        ("state=failed", &["failed 4"]),
    ] {
        let list = app.get(&format!("{path}/deliveries?{query}")).await.expect(200);
        assert_eq!(states(&list), expected, "{query}");
    }
    let moment = |event: postrider_core::ids::EventId| {
        let all = list.json();
        let mut deliveries = all["deliveries"].as_array().unwrap().iter();
        let found = deliveries.find(|delivery| delivery["id"] == event.to_string()).unwrap();
        found["createdAt"].as_str().unwrap().to_owned()
    };
    // From a moment on, and before a moment: an event of the moment itself is after it.
    let query = format!("since={}&until={}", moment(retrying), moment(pending));
    let list = app.get(&format!("{path}/deliveries?{query}")).await.expect(200);
    assert_eq!(states(&list), ["pending 1", "delivered 1", "retrying 1"]);
}

#[tokio::test]
async fn pages_together_have_every_delivery_once() {
    let app = App::start().await;
    let path = app.webhook().await;
    let webhook = webhook_id(&path);
    // More of each kind than one page looks through, mixed; some events have many attempts.
    sqlx::query(
        "with e as (
            select n, postrider.first_id_at(now() - interval '1 hour') + n as id from generate_series(1, 7000) n
         ), events as (
            insert into postrider.event (id, bucket, tenant, type, payload)
            select id, 7, 'clp123chatbot456', 'LEAD_CREATED', '{}' from e
         ), attempts as (
            insert into postrider.attempt (event_id, webhook_id, started_at, duration_us, bucket, number, status, error)
            select id, $1, now(), 1, 7, a, case when a = 3 then 200 else 500 end, case when a = 3 then null else 'status' end
              from e, generate_series(1, 3) a where n % 4 = 0 or (n % 4 = 1 and a < 3)
         ), waiting as (
            insert into postrider.delivery (webhook_id, event_id, bucket, attempts, due_at)
            select $1, id, 7, case n % 4 when 2 then 0 else 2 end, now() from e where n % 4 = 2 or n % 8 = 1
         )
         insert into postrider.dead_letter (webhook_id, event_id, bucket, attempts, reason)
         select $1, id, 7, 2, 'exhausted' from e where n % 4 = 3 or n % 8 = 5",
    )
    .bind(webhook.0)
    .execute(&app.pool)
    .await
    .unwrap();
    for (query, expected) in [
        ("limit=100", 7000),
        ("limit=97&state=pending", 1750),
        ("limit=97&state=retrying", 875),
        ("limit=97&state=delivered", 1750),
        ("limit=97&state=failed", 2625),
    ] {
        let mut seen = BTreeSet::new();
        let mut last = i64::MAX;
        let mut cursor = String::new();
        loop {
            let list = app.get(&format!("{path}/deliveries?{query}{cursor}")).await.expect(200);
            for delivery in list["deliveries"].as_array().unwrap() {
                let id: postrider_core::ids::EventId = delivery["id"].as_str().unwrap().parse().unwrap();
                assert!(id.0 < last, "{query}: {id} comes after {last}");
                last = id.0;
                assert!(query.len() < 10 || query.ends_with(delivery["state"].as_str().unwrap()));
                seen.insert(id.0);
            }
            match list["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen.len(), expected, "{query}");
    }
}

#[tokio::test]
async fn one_event_with_very_many_attempts_does_not_stop_the_pages() {
    let app = App::start().await;
    let path = app.webhook().await;
    let webhook = webhook_id(&path);
    let oldest = event(&app.pool, 30).await;
    attempt(&app.pool, webhook, oldest, 1, Some(200)).await;
    let sent_often = event(&app.pool, 20).await;
    sqlx::query(
        "insert into postrider.attempt (event_id, webhook_id, started_at, duration_us, bucket, number, status)
         select $1, $2, now(), 1, 7, 1, 200 from generate_series(1, 2500)",
    )
    .bind(sent_often.0)
    .bind(webhook.0)
    .execute(&app.pool)
    .await
    .unwrap();
    let first = app.get(&format!("{path}/deliveries")).await.expect(200);
    assert_eq!(states(&first), ["delivered 2500"]);
    let cursor = first["nextCursor"].as_str().unwrap();
    let second = app.get(&format!("{path}/deliveries?cursor={cursor}")).await.expect(200);
    assert_eq!(
        (states(&second), &second["nextCursor"]),
        (vec!["delivered 1".to_owned()], &json!(null))
    );
}
