use serde_json::json;

use crate::app::{App, send};

#[tokio::test]
async fn a_lead_is_printed_as_documented() {
    let app = App::start().await;
    let body = r#"{"event":"LEAD_CREATED","timestamp":1728573045,"data":{"name":"John Doe","email":"john@example.com",
        "phone":"+1234567890"},"chatbotId":"clp123chatbot456"}"#;
    // Nobody logs in to receive.
    let request = app
        .request("POST", "/api/test-webhook")
        .header("x-webhook-signature", "sha256=abc123");
    assert_eq!(
        send(request.body(body)).await.expect(200),
        json!({"message": "Webhook received"})
    );
    let printed = app.printed.lock().unwrap().clone();
    insta::assert_snapshot!(crate::snapshot::stable(&printed));
}

#[tokio::test]
async fn any_json_is_taken_and_nothing_else() {
    let app = App::start().await;
    let large = format!("\"{}\"", "a".repeat(500 * 1024));
    for body in ["{}", "[]", "null", "1e400", r#"{"a":1,"a":"\u0000"}"#, large.as_str()] {
        let request = app.request("POST", "/api/test-webhook").body(body.to_owned());
        send(request).await.expect(200);
    }
    for body in ["", "{", "\u{feff}{}"] {
        let answer = send(app.request("POST", "/api/test-webhook").body(body)).await;
        assert_eq!(answer.expect(400)["error"]["code"], "malformed_json");
    }
    let huge = format!("\"{}\"", "a".repeat(1024 * 1024));
    assert_eq!(
        send(app.request("POST", "/api/test-webhook").body(huge)).await.status,
        413
    );
}

#[tokio::test]
async fn the_last_fifty_requests_are_remembered() {
    let receiver = postrider_api::test_receiver::TestReceiver::new(|_| {});
    let app = App::start_with(|settings| settings.test_receiver = Some(receiver.clone())).await;
    for n in 0..60 {
        let body = json!({"event": "LEAD_CREATED", "n": n, "chatbotId": "clp123chatbot456"});
        send(
            app.request("POST", "/api/test-webhook")
                .header("webhook-id", format!("evt_{n}"))
                .body(body.to_string()),
        )
        .await;
    }
    let requests = receiver.requests();
    assert_eq!(requests.len(), 50);
    assert_eq!(requests[0].delivery.as_deref(), Some("evt_59"));
    assert_eq!(requests[49].delivery.as_deref(), Some("evt_10"));
    assert_eq!(requests[0].chatbot.as_deref(), Some("clp123chatbot456"));
}

#[tokio::test]
async fn it_can_be_left_out() {
    let app = App::start_with(|settings| settings.test_receiver = None).await;
    assert_eq!(
        send(app.request("POST", "/api/test-webhook").body("{}")).await.status,
        404
    );
}
