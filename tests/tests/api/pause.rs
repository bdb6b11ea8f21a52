use std::time::Duration;

use postrider_tests::Receiver;
use serde_json::json;

use crate::app::App;
use crate::rows::webhook_id;

#[tokio::test]
async fn a_paused_webhook_keeps_its_events_and_they_flow_on_resume() {
    let app = App::start().await;
    let receiver = Receiver::start().await;
    let path = app.webhook().await;
    let other = app.webhook().await;
    // The API of this test keeps the strict rules; its worker may reach the receiver.
    sqlx::query("update postrider.webhook set url = $1")
        .bind(receiver.url())
        .execute(&app.pool)
        .await
        .unwrap();

    let paused = app.post(&format!("{path}/pause"), &json!({})).await.expect(200);
    assert_eq!(paused["message"], "Webhook paused successfully");
    assert!(paused["webhook"]["pausedAt"].is_string() && paused["webhook"]["isActive"] == true);
    let again = app.post(&format!("{path}/pause"), &json!({})).await.expect(200);
    assert_eq!(again["webhook"], paused["webhook"], "pausing twice changes nothing");

    let product = app.product();
    let _worker = product.worker().await;
    let event = product.commit("clp123chatbot456", "LEAD_CREATED", "{}").await;
    receiver.wait_for(1, Duration::from_secs(30)).await;
    // The lane is put off until it is resumed: nothing looks at it again and again.
    app.wait_for(1, "select count(*) from postrider.lane where due_at = 'infinity'")
        .await;
    let waiting = app.get(&format!("{path}/deliveries")).await.expect(200);
    assert_eq!(waiting["deliveries"][0]["state"], "pending");
    assert_eq!(receiver.count(), 1, "only {other} got it");

    let resumed = app.post(&format!("{path}/resume"), &json!({})).await.expect(200);
    assert_eq!(resumed["webhook"]["pausedAt"], json!(null));
    let requests = receiver.wait_for(2, Duration::from_secs(30)).await;
    assert_eq!(requests[0].body, requests[1].body);
    product.wait_until_idle().await;
    let delivered = app.get(&format!("{path}/deliveries/{event}")).await.expect(200);
    assert_eq!(delivered["delivery"]["state"], "delivered");
    assert_eq!(webhook_id(&path).to_string(), resumed["webhook"]["id"]);
}
