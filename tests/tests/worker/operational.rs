//! Operational events: a tenant is told what postrider did to its webhooks.

use postrider_tests::product::{Product, SOON};
use postrider_tests::receiver::{Answer, Request};
use postrider_tests::{Receiver, TestDatabase};
use serde_json::Value;

fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

#[tokio::test]
async fn a_webhook_that_is_gone_is_told_to_the_others_of_its_tenant() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let gone = Receiver::start_with(|_| Answer::Status(410)).await;
    let other = Receiver::start().await;
    let stranger = Receiver::start().await;
    let webhook = product.webhook("bot", &gone.url()).await;
    product.webhook("bot", &other.url()).await;
    product.webhook("another-bot", &stranger.url()).await;
    let _worker = product.worker().await;
    product.commit("bot", "LEAD_CREATED", "{}").await;
    let requests = other.wait_for(2, SOON).await;
    let told = body(&requests[1]);
    assert_eq!(told["event"], "WEBHOOK_DISABLED");
    assert_eq!(told["chatbotId"], "bot");
    assert_eq!(told["data"]["webhookId"], webhook.id.to_string());
    assert_eq!(told["data"]["reason"], "gone");
    assert_eq!(told["data"]["url"], gone.url());
    product.wait_until_idle().await;
    assert_eq!((gone.count(), stranger.count()), (1, 0));
}

#[tokio::test]
async fn an_exhausted_delivery_is_told_to_others_and_such_events_do_not_feed_on_themselves() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let failing = Receiver::start_with(|_| Answer::Status(500)).await;
    let webhook = product.webhook_with("bot", &failing.url(), "max_retries = 0").await;
    let also_failing = Receiver::start_with(|_| Answer::Status(500)).await;
    product
        .webhook_with("bot", &also_failing.url(), "max_retries = 0")
        .await;
    let _worker = product.worker().await;
    let event = product.commit("bot", "LEAD_CREATED", "{}").await;
    // One for the event and one for what is told of the other; telling that this failed too would never end.
    let requests = also_failing.wait_for(2, SOON).await;
    product.wait_until_idle().await;
    product.wait_for(4, "select count(*) from postrider.dead_letter").await;
    assert_eq!(product.number("select count(*) from postrider.event").await, 3);
    assert_eq!((failing.count(), also_failing.count()), (2, 2));
    let told = requests
        .iter()
        .map(|request| body(request))
        .find(|told| told["event"] == "DELIVERY_EXHAUSTED");
    let data = &told.unwrap()["data"];
    assert_eq!(data["webhookId"], webhook.id.to_string());
    assert_eq!(data["deliveryId"], event.to_string());
    assert_eq!(data["event"], "LEAD_CREATED");
    assert_eq!(data["attempts"], 1);
    assert_eq!(data["reason"], "exhausted");
}

#[tokio::test]
async fn nothing_is_written_that_nobody_wants_to_know() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let failing = Receiver::start_with(|_| Answer::Status(500)).await;
    product.webhook_with("bot", &failing.url(), "max_retries = 0").await;
    product
        .webhook_with("bot", &failing.url(), "event_types = '{CONVERSATION_STARTED}'")
        .await;
    let _worker = product.worker().await;
    product.commit("bot", "LEAD_CREATED", "{}").await;
    product.wait_for(1, "select count(*) from postrider.dead_letter").await;
    assert_eq!(product.number("select count(*) from postrider.event").await, 1);
}
