use std::time::Duration;

use postrider_tests::Receiver;
use postrider_tests::receiver::Answer;
use serde_json::json;

use crate::app::App;
use crate::rows::{attempt, event, given_up, waiting, webhook_id};

#[tokio::test]
async fn a_delivery_that_was_given_up_is_sent_again_with_the_same_body() {
    let app = App::start().await;
    let receiver = Receiver::start_with(|_| Answer::Status(500)).await;
    let path = app.webhook().await;
    sqlx::query("update postrider.webhook set url = $1, max_retries = 1, retry_delay_ms = 1")
        .bind(receiver.url())
        .execute(&app.pool)
        .await
        .unwrap();
    let product = app.product();
    let _worker = product.worker().await;
    let event = product.commit("clp123chatbot456", "LEAD_CREATED", r#"{"a": 1}"#).await;
    app.wait_for(1, "select count(*) from postrider.dead_letter").await;
    let delivery = format!("{path}/deliveries/{event}");
    assert_eq!(app.get(&delivery).await.expect(200)["delivery"]["state"], "failed");

    receiver.answer_with(|_| Answer::Status(200));
    let answer = app.post(&format!("{delivery}/resend"), &json!({})).await.expect(202);
    assert_eq!(answer["message"], "Delivery will be sent again");
    assert_eq!(answer["delivery"]["id"], event.to_string());
    let requests = receiver.wait_for(3, Duration::from_secs(30)).await;
    assert!(requests.iter().all(|request| request.body == requests[0].body));
    assert!(
        requests
            .iter()
            .all(|request| request.header("webhook-id") == Some(event.to_string().as_str()))
    );
    product.wait_until_idle().await;

    let shown = app.get(&delivery).await.expect(200);
    assert_eq!(
        (&shown["delivery"]["state"], &shown["delivery"]["attempts"]),
        (&json!("delivered"), &json!(3))
    );
    let log: Vec<_> = shown["attempts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|attempt| (&attempt["number"], &attempt["status"]))
        .collect();
    assert_eq!(
        log,
        [
            (&json!(1), &json!(500)),
            (&json!(2), &json!(500)),
            (&json!(1), &json!(200))
        ],
        "the retries begin anew"
    );
    app.wait_for(0, "select count(*) from postrider.dead_letter").await;
}

#[tokio::test]
async fn one_that_was_delivered_can_be_sent_again() {
    let app = App::start().await;
    let path = app.webhook().await;
    let event = event(&app.pool, 5).await;
    attempt(&app.pool, webhook_id(&path), event, 1, Some(200)).await;
    for _ in 0..2 {
        let answer = app
            .post(&format!("{path}/deliveries/{event}/resend"), &json!({}))
            .await
            .expect(202);
        assert_eq!(
            (&answer["delivery"]["state"], &answer["delivery"]["attempts"]),
            (&json!("pending"), &json!(1))
        );
    }
    app.wait_for(
        1,
        "select count(*) from postrider.delivery where due_at <= now() and attempts = 0 and bucket = 7",
    )
    .await;
    app.wait_for(1, "select count(*) from postrider.lane where due_at <= now()")
        .await;
}

#[tokio::test]
async fn one_that_waits_is_brought_forward_and_one_in_flight_is_left_alone() {
    let app = App::start().await;
    let path = app.webhook().await;
    let (waits, in_flight) = (event(&app.pool, 5).await, event(&app.pool, 4).await);
    for event in [waits, in_flight] {
        waiting(&app.pool, webhook_id(&path), event, 2).await;
    }
    let claim = "update postrider.delivery set token = 9 where event_id = $1";
    sqlx::query(claim).bind(in_flight.0).execute(&app.pool).await.unwrap();
    for event in [waits, in_flight] {
        app.post(&format!("{path}/deliveries/{event}/resend"), &json!({}))
            .await
            .expect(202);
    }
    app.wait_for(
        1,
        "select count(*) from postrider.delivery where due_at <= now() and token is null and attempts = 2",
    )
    .await;
    app.wait_for(
        1,
        "select count(*) from postrider.delivery where due_at > now() and token = 9",
    )
    .await;
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_with_the_reason() {
    let app = App::start().await;
    let path = app.webhook().await;
    let event = event(&app.pool, 5).await;
    given_up(&app.pool, webhook_id(&path), event, 1).await;
    sqlx::query("delete from postrider.event")
        .execute(&app.pool)
        .await
        .unwrap();
    let resend = format!("{path}/deliveries/{event}/resend");
    assert_eq!(
        app.post(&resend, &json!({})).await.expect(409)["error"]["code"],
        "event_expired"
    );
    assert_eq!(
        app.get(&format!("{path}/deliveries")).await.expect(200)["deliveries"][0]["event"],
        json!(null)
    );

    app.call("PATCH", &path, &json!({"isActive": false})).await.expect(200);
    for call in [resend, format!("{path}/test")] {
        assert_eq!(
            app.post(&call, &json!({})).await.expect(409)["error"]["code"],
            "webhook_inactive"
        );
    }
    let since = json!({"since": "2026-01-01T00:00:00Z"});
    app.post(&format!("{path}/recover"), &since).await.expect(409);
    app.wait_for(1, "select count(*) from postrider.dead_letter").await;
}
