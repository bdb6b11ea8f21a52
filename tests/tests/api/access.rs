use postrider_api::{Access, Route, routes};
use serde_json::json;

use crate::app::{Answer, App, MINE, send};
use crate::rows::{event, given_up, webhook_id};

/// The path of a route with real ids of mine in it.
async fn concrete(app: &App) -> impl Fn(&Route) -> String + use<> {
    let webhook = webhook_id(&app.webhook().await);
    let event = event(&app.pool, 5).await;
    given_up(&app.pool, webhook, event, 1).await;
    let recovery: i64 = sqlx::query_scalar(
        "insert into postrider.job (kind, webhook_id, since) values ('recover', $1, '2026-01-01') returning id",
    )
    .bind(webhook.0)
    .fetch_one(&app.pool)
    .await
    .unwrap();
    move |route| {
        route
            .path
            .replace("{chatbotId}", "clp123chatbot456")
            .replace("{webhookId}", &webhook.to_string())
            .replace("{deliveryId}", &event.to_string())
            .replace("{recoveryId}", &format!("recovery_{recovery}"))
    }
}

fn guarded() -> Vec<Route> {
    let guarded: Vec<Route> = routes()
        .into_iter()
        .filter(|route| route.access != Access::Public)
        .collect();
    assert!(guarded.len() > 15);
    guarded
}

async fn call(app: &App, route: &Route, path: &str, session: Option<&str>) -> Answer {
    let mut request = app.request(route.method.as_str(), path);
    if let Some(session) = session {
        request = request.bearer_auth(session);
    }
    if !route.method.is_safe() {
        request = request.header("content-type", "application/json").body("{}");
    }
    send(request).await
}

#[tokio::test]
async fn every_route_of_an_owner_is_closed_to_others() {
    let app = App::start().await;
    let path_of = concrete(&app).await;
    for route in guarded() {
        let path = path_of(&route);
        // An owner gets in, so what follows is not a 404 of a wrong path. The deletion would spoil the rest.
        if route.method != "DELETE" {
            let status = call(&app, &route, &path, Some("mine")).await.status;
            assert!(
                ![401, 403, 404, 405].contains(&status),
                "{} {path}: {status}",
                route.method
            );
        }
    }
    for route in guarded() {
        let path = path_of(&route);
        for absent in [None, Some("unknown"), Some("over"), Some("' or true --")] {
            let answer = call(&app, &route, &path, absent).await;
            assert_eq!(answer.status, 401, "{} {path} with session {absent:?}", route.method);
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
        }
        let foreign = call(&app, &route, &path, Some("theirs")).await;
        assert_eq!(foreign.status, 404, "{} {path}", route.method);

        // Somebody else's and what does not exist look the same, to the byte.
        let unknown = path.replace("clp123chatbot456", "clp123chatbot000");
        let mut unknown = call(&app, &route, &unknown, Some("theirs")).await;
        unknown.headers.insert("date".into(), foreign.headers["date"].clone());
        assert_eq!(
            (foreign.text, foreign.headers),
            (unknown.text, unknown.headers),
            "{} {path}",
            route.method
        );
    }
    app.wait_for(1, "select count(*) from postrider.webhook").await;
    app.wait_for(1, "select count(*) from postrider.webhook where paused_at is null")
        .await;
}

#[tokio::test]
async fn a_webhook_is_reached_through_its_own_chatbot_only() {
    let app = App::start().await;
    let path_of = concrete(&app).await;
    for route in guarded().into_iter().filter(|route| route.path.contains("{webhookId}")) {
        // The caller owns the chatbot of the path, and the webhook belongs to another one.
        let path = path_of(&route).replace("clp123chatbot456", "clp123chatbot789");
        let foreign = call(&app, &route, &path, Some("theirs")).await;
        assert_eq!(foreign.status, 404, "{} {path}: {}", route.method, foreign.text);
        for other in [
            "webhook_1",
            "webhook_01",
            "webhook_-1",
            "webhook_",
            "webhook_9223372036854775808",
            "1",
            "%00",
            "%ff",
        ] {
            let unknown = call(&app, &route, &route.path.replace("{webhookId}", other), Some("theirs")).await;
            assert_eq!(
                (unknown.status, &unknown.text),
                (404, &foreign.text),
                "{} {other}",
                route.method
            );
        }
    }
}

#[tokio::test]
async fn implausible_chatbots_are_not_found() {
    let app = App::start().await;
    let long = "a".repeat(300);
    for chatbot in ["%00", "a%00b", "%ff", "%0a", "'", "%25", long.as_str(), "..%2f"] {
        let path = format!("/api/v1/chatbots/{chatbot}/webhooks");
        assert_eq!(
            app.get(&path).await.expect(404)["error"]["code"],
            "not_found",
            "{chatbot}"
        );
        assert_eq!(send(app.request("GET", &path)).await.status, 401, "{chatbot}");
    }
}

#[tokio::test]
async fn a_cookie_works_for_pages_of_the_same_site_that_send_json() {
    let app = App::start().await;
    let path = app.webhook().await;
    let read = send(app.request("GET", MINE).header("cookie", "a=b; session=mine")).await;
    read.expect(200);
    let pause = || {
        let request = app
            .request("POST", &format!("{path}/pause"))
            .header("cookie", "session=mine")
            .body("{}");
        request.header("content-type", "application/json")
    };
    send(pause().header("sec-fetch-site", "same-origin")).await.expect(200);
    send(pause().header("origin", app.url.as_str())).await.expect(200);
    for forged in [
        pause(),
        pause().header("sec-fetch-site", "cross-site"),
        pause()
            .header("sec-fetch-site", "cross-site")
            .header("origin", app.url.as_str()),
        pause().header("origin", "https://evil.example.com"),
        pause().header("origin", "null"),
    ] {
        assert_eq!(send(forged).await.expect(403)["error"]["code"], "cross_site");
    }
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let form = app
            .request(method, &path)
            .header("cookie", "session=mine")
            .header("sec-fetch-site", "same-origin");
        let answer = send(form.header("content-type", "text/plain").body("{}")).await;
        // A path without that method says so before anything else.
        assert!([405, 415].contains(&answer.status), "{method}: {}", answer.text);
    }
    app.get(&path).await.expect(200);
}

#[tokio::test]
async fn a_bad_authorization_header_does_not_fall_back_on_the_cookie() {
    let app = App::start().await;
    let request = app.request("GET", MINE).header("cookie", "session=mine");
    assert_eq!(
        send(request.header("authorization", "Basic bWluZTptaW5l")).await.status,
        401
    );
}

#[tokio::test]
async fn other_methods_and_paths_fail_in_the_same_shape() {
    let app = App::start().await;
    let method = send(app.request("PUT", MINE).bearer_auth("mine")).await;
    assert_eq!(method.expect(405)["error"]["code"], "method_not_allowed");
    let path = app.get("/api/v1/chatbots").await;
    assert_eq!(path.expect(404)["error"]["code"], "not_found");
    for answer in [method, path, app.get(MINE).await] {
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    }
    assert_eq!(app.post("/api/v1/chatbots", &json!({})).await.status, 404);
}
