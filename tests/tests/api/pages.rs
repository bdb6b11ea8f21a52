use std::time::Duration;

use postrider_api::{Access, routes};
use postrider_tests::Receiver;
use postrider_tests::receiver::Answer as Reply;
use serde_json::{Value, json};

use crate::app::{Answer, App, MINE, send};
use crate::rows::{
    attempt, event, given_up, halted_key, keyed_event, open_breaker, waiting, waiting_in_order, webhook_id,
};

const PAGES: &str = "/chatbots/clp123chatbot456/webhooks";

/// The path of the page of a webhook, from its path in the API.
fn page(path: &str) -> String {
    path.replace("/api/v1", "")
}

async fn visit(app: &App, path: &str) -> Answer {
    let page = send(app.request("GET", path).header("cookie", "session=mine")).await;
    assert_eq!(page.status, 200, "{path}: {}", page.text);
    page
}

#[tokio::test]
async fn every_page_is_locked_down() {
    let app = App::start().await;
    let path = app.webhook().await;
    let event = event(&app.pool, 5).await;
    given_up(&app.pool, webhook_id(&path), event, 1).await;
    for route in routes().into_iter().filter(|route| route.access == Access::OwnerPage) {
        let path = route
            .path
            .replace("{chatbotId}", "clp123chatbot456")
            .replace("{webhookId}", path.rsplit('/').next().unwrap())
            .replace("{deliveryId}", &event.to_string());
        let page = visit(&app, &path).await;
        assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
        assert_eq!(page.headers["cache-control"], "no-store");
        let policy = &page.headers["content-security-policy"];
        assert!(
            policy.contains("default-src 'none'") && !policy.contains("unsafe"),
            "{policy}"
        );
        assert!(policy.contains("frame-ancestors 'none'"));
        // Nothing inline, and nothing from elsewhere.
        for forbidden in [
            "<style",
            " style=",
            "<script>",
            " onclick=",
            "src=\"http",
            "href=\"http",
        ] {
            assert!(!page.text.contains(forbidden), "{path} has {forbidden}");
        }
        assert!(
            page.text.contains("<html lang=\"en\">") && page.text.contains("<h1"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn strangers_see_a_page_that_says_why() {
    let app = App::start().await;
    let logged_out = send(app.request("GET", PAGES)).await;
    assert_eq!(logged_out.status, 401);
    assert!(logged_out.text.contains("Log in first") && logged_out.headers["content-type"].starts_with("text/html"));
    let foreign = send(app.request("GET", PAGES).header("cookie", "session=theirs")).await;
    assert_eq!(foreign.status, 404);
    assert!(foreign.text.contains("Not found"));
    let bad = send(
        app.request("GET", &format!("{PAGES}?page=x&y=1"))
            .header("cookie", "session=mine"),
    )
    .await;
    assert_eq!(bad.status, 422);
    assert!(bad.text.contains("<code>page</code> must be a number") && bad.text.contains("<code>y</code>"));
}

#[tokio::test]
async fn without_the_database_a_page_says_so() {
    let app =
        App::start_with(|settings| settings.database = settings.database.clone().database("no_such_database")).await;
    let page = send(app.request("GET", PAGES).header("cookie", "session=mine")).await;
    assert_eq!(page.status, 503);
    assert!(page.text.contains("This does not work at the moment"), "{}", page.text);
}

#[tokio::test]
async fn everything_hostile_is_shown_as_text() {
    let app = App::start().await;
    let hostile = "</title><script>alert('1')</script>\"'&<img src=x onerror=alert(2)>";
    let body = json!({"name": hostile, "url": "https://example.com/?a=<script>", "eventTypes": ["LEAD_CREATED"],
                      "headers": {"x-a": "\"><script>alert(3)</script>"}});
    let created = app.post(MINE, &body).await.expect(201);
    let webhook = created["webhook"]["id"].as_str().unwrap().to_owned();
    let path = format!("{PAGES}/{webhook}");
    let id = webhook_id(&webhook);
    let event = event(&app.pool, 5).await;
    attempt(&app.pool, id, event, 1, Some(500)).await;
    given_up(&app.pool, id, event, 1).await;
    sqlx::query(
        "with a as (update postrider.attempt set response = '<script>alert(4)</script>', error_detail = '<b onclick=x>'),
              d as (update postrider.dead_letter set reason = '<i>'),
              e as (update postrider.event set type = '<u>', bucket = hashtextextended(tenant, 0) & 255,
                           payload = '{\"a\":\"</pre><script>alert(5)</script>\"}')
         update postrider.webhook set disabled_reason = '<s>', disabled_at = now(), is_active = false",
    )
    .execute(&app.pool)
    .await
    .unwrap();
    let message = json!({"event": "<script>alert(6)</script>", "chatbotId": "clp123chatbot456"}).to_string();
    let request = app
        .request("POST", "/api/test-webhook")
        .header("webhook-id", "<script>alert(7)</script>");
    send(request.body(message)).await.expect(200);

    for page in [
        PAGES.to_owned(),
        path.clone(),
        format!("{path}/edit"),
        format!("{path}/deliveries?since=2026-01-01T00:00"),
        format!("{path}/deliveries/{event}"),
        format!("{PAGES}/test-receiver"),
    ] {
        let page = visit(&app, &page).await.text;
        for forbidden in [
            "<script>",
            "<img",
            "onerror=alert(2)>\"",
            "<b onclick",
            "<i>",
            "<u>",
            "<s>",
            "</pre><script",
        ] {
            assert!(!page.contains(forbidden), "{forbidden} in {page}");
        }
        assert!(page.contains("&lt;"), "{page}");
    }
}

#[tokio::test]
async fn the_state_of_each_webhook_is_seen_at_a_glance() {
    let app = App::start().await;
    let states = [
        "No delivery yet",
        "Healthy",
        "Failing since",
        "Paused",
        "Inactive",
        "Disabled",
        "Down, next try <time",
        "Down, trying again now",
    ];
    for (place, change) in [
        "name = name",
        "name = name",
        "name = name",
        "paused_at = now()",
        "is_active = false",
        "is_active = false, disabled_at = now(), disabled_reason = 'gone'",
        "name = name",
        "name = name",
    ]
    .into_iter()
    .enumerate()
    {
        let id = webhook_id(&app.webhook().await);
        sqlx::query(sqlx::AssertSqlSafe(format!(
            "update postrider.webhook set {change} where id = {}",
            id.0
        )))
        .execute(&app.pool)
        .await
        .unwrap();
        // A webhook that is paused or off is so whatever its breaker does.
        if place >= 3 {
            open_breaker(&app.pool, id, if place == 7 { -1 } else { 150 }).await;
        }
        let event = event(&app.pool, 30).await;
        for (number, status) in [(1, 200), (2, 500)].into_iter().take(place) {
            attempt(&app.pool, id, event, number, Some(status)).await;
        }
        sqlx::query(
            "insert into postrider.webhook_stats (webhook_id, last_triggered_at, last_success_at)
             select $1, max(started_at), max(started_at) filter (where error is null)
               from postrider.attempt where webhook_id = $1",
        )
        .bind(id.0)
        .execute(&app.pool)
        .await
        .unwrap();
    }
    let list = visit(&app, PAGES).await.text;
    // Newest first.
    let places: Vec<usize> = states
        .iter()
        .rev()
        .map(|state| list.find(&format!(">{state}")).expect(state))
        .collect();
    assert!(places.is_sorted(), "{list}");
    assert!(
        list.contains("1 delivered, 1 attempts failed") && list.contains("50 % of attempts succeeded"),
        "{list}"
    );
    assert!(list.contains(">29 min ago<"), "since when it fails");
    assert!(list.contains(">in 2 min<"), "when it is tried again");
}

#[tokio::test]
async fn a_webhook_that_is_down_says_what_happens_and_what_to_do() {
    let app = App::start().await;
    let path = app.webhook().await;
    let id = webhook_id(&path);
    let up = visit(&app, &page(&path)).await.text;
    assert!(!up.contains("use up no retry") && !up.contains("Halted keys"), "{up}");

    open_breaker(&app.pool, id, 150).await;
    let down = visit(&app, &page(&path)).await.text;
    for expected in [
        "The receiver is down",
        ">2 h ago<",
        "use up no retry",
        ">in 2 min<",
        "Send a test event: that tries now",
    ] {
        assert!(down.contains(expected), "{expected} is not in {down}");
    }
    assert!(
        down.contains("<div data-live><div class=\"caution boxed\">"),
        "the script renews it"
    );
    open_breaker(&app.pool, id, -1).await;
    let probing = visit(&app, &page(&path)).await.text;
    assert!(
        probing.contains("Is the receiver back?") && !probing.contains("The receiver is down"),
        "{probing}"
    );
    sqlx::query("update postrider.webhook set is_active = false, disabled_at = now(), disabled_reason = 'failing'")
        .execute(&app.pool)
        .await
        .unwrap();
    let disabled = visit(&app, &page(&path)).await.text;
    assert!(
        disabled.contains("for days every attempt failed") && disabled.contains("href=\"#recover\""),
        "{disabled}"
    );
    assert!(!disabled.contains("Is the receiver back?"));
    // The script renews these by their position, so there are as many whatever the state.
    let renewed = |page: &str| page.matches("data-live").count();
    assert_eq!(
        [renewed(&down), renewed(&probing), renewed(&disabled)],
        [renewed(&up); 3]
    );
}

#[tokio::test]
async fn halted_keys_can_be_released_on_the_page() {
    let app = App::start().await;
    let path = app.webhook().await;
    let id = webhook_id(&path);
    app.call("PATCH", &path, &json!({"ordering": "key", "onGiveUp": "halt"}))
        .await
        .expect(200);
    let hostile = "\"'><script>alert(1)</script>";
    halted_key(&app.pool, id, hostile, 61).await;
    let waits = keyed_event(&app.pool, 60, hostile).await;
    waiting_in_order(&app.pool, id, waits, hostile, 1).await;
    let shown = visit(&app, &page(&path)).await.text;
    assert!(shown.contains("Halted keys") && shown.contains("one that is given up halts its key"));
    assert!(
        shown.contains(">1 h ago<") && !shown.contains("<script>alert"),
        "{shown}"
    );
    // What the button sends is what releases the key.
    let body = shown.split("data-body=\"").nth(1).unwrap().split('"').next().unwrap();
    let body = body
        .replace("&quot;", "\"")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&");
    let mut calls = shown.split("data-call=\"").filter_map(|rest| rest.split('"').next());
    let call = calls.find(|call| call.ends_with("/release")).unwrap();
    let delivery = visit(&app, &format!("{}/deliveries/{waits}", page(&path))).await.text;
    assert!(delivery.contains("It waits its turn") && delivery.contains("Ordering key"));

    let released = app.call_raw("POST", call, body).await.expect(200);
    assert_eq!(released["released"], 1);
    assert!(!visit(&app, &page(&path)).await.text.contains("Halted keys"));
}

#[tokio::test]
async fn the_form_offers_order_and_the_events_of_postrider_itself() {
    let app = App::start().await;
    let path = app.webhook().await;
    let new = visit(&app, &format!("{PAGES}/new")).await.text;
    for expected in [
        "value=\"WEBHOOK_DISABLED\"",
        "value=\"DELIVERY_EXHAUSTED\"",
        "aria-describedby=\"ordering-hint ordering-problem\"",
        "id=\"onGiveUp-problem\"",
    ] {
        assert!(new.contains(expected), "{expected} is not in {new}");
    }
    assert!(!new.contains("selected"), "the first of each is the default: {new}");
    let change = json!({"ordering": "key", "onGiveUp": "halt", "eventTypes": ["WEBHOOK_DISABLED"]});
    app.call("PATCH", &path, &change).await.expect(200);
    let edit = visit(&app, &format!("{}/edit", page(&path))).await.text;
    for expected in [
        "<option value=\"key\" selected>",
        "<option value=\"halt\" selected>",
        "value=\"WEBHOOK_DISABLED\" checked>",
        "value=\"\">", // Nothing is among the others.
    ] {
        assert!(edit.contains(expected), "{expected} is not in {edit}");
    }
    assert!(!edit.contains("value=\"LEAD_CREATED\" checked"));
}

#[tokio::test]
async fn a_long_list_has_pages() {
    let app = App::start().await;
    sqlx::query(
        "insert into postrider.webhook (tenant, name, url, event_types, secret)
         select 'clp123chatbot456', 'hook ' || n || ' ', 'https://example.com', '{*}', '' from generate_series(1, 60) n",
    )
    .execute(&app.pool)
    .await
    .unwrap();
    for (query, newest, oldest) in [("", 60, 36), ("?page=2", 35, 11), ("?page=3", 10, 1)] {
        let page = visit(&app, &format!("{PAGES}{query}")).await.text;
        assert!(page.contains(&format!("hook {newest} ")) && page.contains(&format!("hook {oldest} ")));
        assert_eq!(page.matches("class=\"card\"").count(), newest - oldest + 1);
    }
    for query in ["?page=0", "?page=4"] {
        assert_eq!(
            send(app.request("GET", &format!("{PAGES}{query}")).bearer_auth("mine"))
                .await
                .status,
            404
        );
    }
}

#[tokio::test]
async fn the_deliveries_are_filtered_and_lead_to_older_ones() {
    let app = App::start().await;
    let path = app.webhook().await;
    let id = webhook_id(&path);
    for minutes in 1..=60 {
        waiting(&app.pool, id, event(&app.pool, minutes).await, 0).await;
    }
    let first = visit(&app, &format!("{}/deliveries?state=pending&since=&until=", page(&path)))
        .await
        .text;
    assert_eq!(first.matches(">Pending<").count(), 50);
    let older = first
        .split("rel=\"next\" href=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .replace("&amp;", "&");
    assert!(older.contains("state=pending"), "{older}");
    let second = visit(&app, &older).await.text;
    assert_eq!(second.matches(">Pending<").count(), 10);
    assert!(!second.contains("rel=\"next\""));
    let none = visit(&app, &format!("{}/deliveries?until=2026-01-01T00:00:30", page(&path)))
        .await
        .text;
    assert!(none.contains("No deliveries here"));
}

#[tokio::test]
async fn a_delivery_shows_the_request_that_the_receiver_got() {
    let app = App::start().await;
    let receiver = Receiver::start_with(|_| Reply::Response(503, Vec::new(), "come back later".into())).await;
    let path = app.webhook().await;
    sqlx::query("update postrider.webhook set url = $1, max_retries = 0")
        .bind(receiver.url())
        .execute(&app.pool)
        .await
        .unwrap();
    let product = app.product();
    let _worker = product.worker().await;
    let event = product
        .commit("clp123chatbot456", "LEAD_CREATED", r#"{"b": 1.0, "a": "ü & <"}"#)
        .await;
    let sent = receiver.wait_for(1, Duration::from_secs(30)).await[0].body.clone();
    app.wait_for(1, "select count(*) from postrider.dead_letter").await;

    let shown = visit(&app, &format!("{}/deliveries/{event}", page(&path))).await.text;
    assert!(
        shown.contains("come back later") && shown.contains(">Failed<"),
        "{shown}"
    );
    let request = shown.rsplit("<pre").next().unwrap().split("</pre>").next().unwrap();
    let body = &request[request.find("\n\n").unwrap()..];
    let body = body
        .replace("&quot;", "\"")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&");
    let without_space = |text: &str| text.split_whitespace().collect::<String>();
    assert_eq!(without_space(&body), without_space(std::str::from_utf8(&sent).unwrap()));
}

#[tokio::test]
async fn the_test_receiver_shows_the_requests_of_this_chatbot_only() {
    let app = App::start().await;
    let path = format!("{PAGES}/test-receiver");
    assert!(visit(&app, &path).await.text.contains("Nothing was received"));
    for (chatbot, name) in [("clp123chatbot456", "mine alone"), ("clp123chatbot789", "theirs alone")] {
        let body = json!({"event": "LEAD_CREATED", "chatbotId": chatbot, "data": {"name": name}});
        send(app.request("POST", "/api/test-webhook").body(body.to_string()))
            .await
            .expect(200);
    }
    send(
        app.request("POST", "/api/test-webhook")
            .body(Value::from("of nobody").to_string()),
    )
    .await
    .expect(200);
    let shown = visit(&app, &path).await.text;
    assert!(
        shown.contains("mine alone") && !shown.contains("theirs alone") && !shown.contains("of nobody"),
        "{shown}"
    );
}

#[tokio::test]
async fn the_files_of_the_pages_are_served_to_everybody() {
    let app = App::start().await;
    for (path, expected) in [
        ("/postrider/dashboard.css", "text/css; charset=utf-8"),
        ("/postrider/dashboard.js", "text/javascript; charset=utf-8"),
        ("/postrider/icon.svg", "image/svg+xml"),
    ] {
        let file = send(app.request("GET", path)).await;
        assert_eq!((file.status, file.headers["content-type"].as_str()), (200, expected));
        assert_eq!(file.headers["cache-control"], "public, max-age=300");
        assert!(visit(&app, PAGES).await.text.contains(path));
    }
}
