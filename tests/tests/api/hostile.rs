use postrider_api::{Access, routes};
use serde_json::json;

use crate::app::{App, send};
use crate::rows::{event, given_up, webhook_id};

/// What no well-meaning caller sends.
fn bodies() -> Vec<Vec<u8>> {
    let odd_values = [
        json!(null),
        json!("\u{0}\u{fffd}\u{202e}'; drop table postrider.webhook; --"),
        json!("9999-12-31T23:59:59.999999999Z"),
        json!("-262143-01-01T00:00:00Z"),
        json!("0000-01-01T00:00:00Z"),
        json!(i64::MAX),
        json!(-1.5e308),
        json!([[[[[[]]]]]]),
        json!({"": {"": {}}}),
        json!(["*", "\u{0}"]),
    ];
    let fields = [
        "name",
        "url",
        "eventTypes",
        "isActive",
        "maxRetries",
        "retryDelay",
        "timeoutMs",
        "maxInFlight",
        "rateLimitPerSecond",
        "headers",
        "since",
        "event",
        "overlapSeconds",
    ];
    let filled = |value: &serde_json::Value| {
        serde_json::Value::Object(
            fields
                .iter()
                .map(|field| ((*field).to_owned(), value.clone()))
                .collect(),
        )
    };
    let mut bodies: Vec<Vec<u8>> = odd_values
        .iter()
        .map(|value| filled(value).to_string().into_bytes())
        .collect();
    bodies.extend(
        odd_values
            .iter()
            .map(|value| json!({"since": value, "event": value}).to_string().into_bytes()),
    );
    bodies.extend([
        b"".to_vec(),
        b"\0".to_vec(),
        b"\xff\xfe".to_vec(),
        br#"{"name":"\ud800"}"#.to_vec(),
    ]);
    bodies
}

const QUERIES: [&str; 8] = [
    "",
    "?%00=%ff&=&&;",
    "?since=0001-01-01T00:00:00Z&until=9999-12-31T23:59:59Z",
    "?since=-262143-01-01T00:00:00Z&interval=day",
    "?since=1969-12-31T23:59:59Z&until=1970-01-01T00:00:00Z&interval=minute",
    "?cursor=evt_9223372036854775807&limit=100&page=1",
    "?until=2262-04-11T23:47:16.854775807Z&state=failed",
    "?page=18446744073709551615&since=%27&state=%00",
];

#[tokio::test]
async fn nothing_that_is_sent_breaks_a_call() {
    let app = App::start().await;
    let webhook = app.webhook().await;
    let event = event(&app.pool, 5).await;
    given_up(&app.pool, webhook_id(&webhook), event, 1).await;
    let bodies = bodies();
    // The deletion would spoil the rest.
    for route in routes()
        .into_iter()
        .filter(|route| route.access != Access::Public && route.method != "DELETE")
    {
        let path = route
            .path
            .replace("{chatbotId}", "clp123chatbot456")
            .replace("{webhookId}", webhook.rsplit('/').next().unwrap())
            .replace("{deliveryId}", &event.to_string());
        for query in QUERIES {
            let body = if route.method == "GET" {
                &[Vec::new()][..]
            } else {
                &bodies
            };
            for body in body {
                let request = app
                    .request(route.method.as_str(), &format!("{path}{query}"))
                    .bearer_auth("mine");
                let answer = send(request.header("content-type", "application/json").body(body.clone())).await;
                let shown = String::from_utf8_lossy(body);
                assert!(
                    answer.status < 500,
                    "{} {path}{query} {shown}: {}",
                    route.method,
                    answer.text
                );
                assert!(!answer.text.contains("postrider."), "{}", answer.text);
            }
        }
    }
}
