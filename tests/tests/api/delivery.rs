use serde_json::json;

use crate::app::App;
use crate::rows::{attempt, event, waiting, webhook_id};
use crate::snapshot::stable;

#[tokio::test]
async fn one_delivery_is_shown_with_every_attempt() {
    let app = App::start().await;
    let path = app.webhook().await;
    let webhook = webhook_id(&path);
    let event = event(&app.pool, 5).await;
    attempt(&app.pool, webhook, event, 1, None).await;
    attempt(&app.pool, webhook, event, 2, Some(503)).await;
    waiting(&app.pool, webhook, event, 2).await;
    let answer = app.get(&format!("{path}/deliveries/{event}")).await;
    answer.expect(200);
    insta::assert_snapshot!(stable(&answer.text));
}

#[tokio::test]
async fn a_response_that_is_no_text_is_shown_as_far_as_it_can_be() {
    let app = App::start().await;
    let path = app.webhook().await;
    let webhook = webhook_id(&path);
    let event = event(&app.pool, 5).await;
    attempt(&app.pool, webhook, event, 1, Some(200)).await;
    sqlx::query(r"update postrider.attempt set response = 'a\000<script>\377'::bytea")
        .execute(&app.pool)
        .await
        .unwrap();
    let answer = app.get(&format!("{path}/deliveries/{event}")).await.expect(200);
    assert_eq!(answer["attempts"][0]["response"], json!("a\0<script>\u{fffd}"));
}

#[tokio::test]
async fn an_event_that_was_never_meant_for_the_webhook_is_not_its_delivery() {
    let app = App::start().await;
    let path = app.webhook().await;
    let event = event(&app.pool, 5).await;
    for id in [
        event.to_string().as_str(),
        "evt_1",
        "evt_01",
        "webhook_1",
        "evt_9223372036854775807",
        "%00",
    ] {
        app.get(&format!("{path}/deliveries/{id}")).await.expect(404);
        app.post(&format!("{path}/deliveries/{id}/resend"), &json!({}))
            .await
            .expect(404);
    }
}
