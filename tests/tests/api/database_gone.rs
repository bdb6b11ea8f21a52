use postrider_api::{Access, routes};
use serde_json::json;

use crate::app::{App, send};

#[tokio::test]
async fn without_the_database_calls_fail_politely_and_say_nothing_of_it() {
    let app =
        App::start_with(|settings| settings.database = settings.database.clone().database("no_such_database")).await;
    for route in routes().into_iter().filter(|route| route.access == Access::Owner) {
        let path = route
            .path
            .replace("{chatbotId}", "clp123chatbot456")
            .replace("{webhookId}", "webhook_1")
            .replace("{deliveryId}", "evt_1")
            .replace("{recoveryId}", "recovery_1");
        let body = match (route.method.as_str(), path.ends_with("/webhooks")) {
            ("POST", true) => json!({"name": "a", "url": "https://example.com", "eventTypes": ["*"]}),
            _ => json!({}),
        };
        let request = app.request(route.method.as_str(), &path).bearer_auth("mine");
        let answer = send(
            request
                .header("content-type", "application/json")
                .body(body.to_string()),
        )
        .await;
        let expected = json!({
            "error": {"code": "unavailable", "message": "This does not work at the moment; try again soon"}
        });
        assert_eq!(answer.expect(503), expected, "{} {path}", route.method);
        assert_eq!(answer.headers["retry-after"], "5");
    }
}
