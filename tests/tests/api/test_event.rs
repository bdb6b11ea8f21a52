use std::time::Duration;

use postrider_core::event_type::{KNOWN, OPERATIONAL};
use postrider_tests::Receiver;
use serde_json::{Value, json};

use crate::app::{App, MINE};
use crate::snapshot::stable;

#[tokio::test]
async fn a_test_event_goes_to_this_webhook_only_and_is_recorded() {
    let app = App::start().await;
    let (receiver, other) = (Receiver::start().await, Receiver::start().await);
    let path = app.webhook().await;
    app.webhook().await;
    let id = path.rsplit('_').next().unwrap();
    sqlx::query("update postrider.webhook set url = case id when $3::bigint then $1 else $2 end, event_types = '{*}'")
        .bind(receiver.url())
        .bind(other.url())
        .bind(id.parse::<i64>().unwrap())
        .execute(&app.pool)
        .await
        .unwrap();

    let answer = app.post(&format!("{path}/test"), &json!({})).await;
    let delivery = answer.expect(202)["delivery"]["id"].as_str().unwrap().to_owned();
    insta::assert_snapshot!(stable(&answer.text));
    let product = app.product();
    let _worker = product.worker().await;
    let request = receiver.wait_for(1, Duration::from_secs(30)).await[0].clone();
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(
        (&body["event"], &body["chatbotId"]),
        (&json!("LEAD_CREATED"), &json!("clp123chatbot456"))
    );
    assert_eq!(request.header("webhook-id"), Some(delivery.as_str()));
    insta::assert_snapshot!(
        "sample_lead",
        stable(std::str::from_utf8(&request.body).unwrap()).replace(&body["timestamp"].to_string(), "[seconds]")
    );

    product.wait_until_idle().await;
    let shown = app.get(&format!("{path}/deliveries/{delivery}")).await.expect(200);
    assert_eq!(shown["delivery"]["state"], "delivered");
    assert_eq!(app.get(MINE).await.expect(200)["webhooks"][0]["successCount"], 1);
    assert_eq!(other.count(), 0, "other webhooks of the chatbot do not get it");
}

#[tokio::test]
async fn the_type_is_the_first_subscribed_one_unless_told() {
    let app = App::start().await;
    let body =
        json!({"name": "a", "url": "https://example.com", "eventTypes": ["CONVERSATION_RESOLVED", "LEAD_CREATED"]});
    let created = app.post(MINE, &body).await.expect(201);
    let path = format!("{MINE}/{}/test", created["webhook"]["id"].as_str().unwrap());
    assert_eq!(
        app.post(&path, &json!({})).await.expect(202)["delivery"]["event"],
        "CONVERSATION_RESOLVED"
    );
    for event in KNOWN.into_iter().chain(OPERATIONAL).chain(["ANYTHING_ELSE"]) {
        let answer = app.post(&path, &json!({"event": event})).await.expect(202);
        assert_eq!(answer["delivery"]["event"], event);
    }
}

#[tokio::test]
async fn samples_of_what_postrider_itself_says_look_like_the_real_ones() {
    let app = App::start().await;
    let path = app.webhook().await;
    for event in OPERATIONAL {
        app.post(&format!("{path}/test"), &json!({"event": event}))
            .await
            .expect(202);
    }
    let samples: Vec<String> = sqlx::query_scalar("select payload::text from postrider.event order by id")
        .fetch_all(&app.pool)
        .await
        .unwrap();
    insta::assert_snapshot!(stable(&samples.join("\n")));
}
