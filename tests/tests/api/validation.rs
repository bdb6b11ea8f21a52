use serde_json::{Value, json};

use crate::app::{App, MINE};

fn good() -> Value {
    json!({"name": "a", "url": "https://example.com", "eventTypes": ["LEAD_CREATED"]})
}

/// Words of the database and of our code that no caller may see.
const INNER_WORDS: [&str; 9] = [
    "sql",
    "postgres",
    "database",
    "constraint",
    "relation",
    "bigint",
    "serde",
    "panick",
    "tokio",
];

#[tokio::test]
async fn every_bad_field_is_named_in_one_answer() {
    let app = App::start().await;
    let body = json!({
        "name": "", "url": "http://10.0.0.1/", "eventTypes": ["lead"], "isActive": "yes", "maxRetries": -1,
        "retryDelay": 1e9, "timeoutMs": null, "maxInFlight": 0, "rateLimitPerSecond": 0, "headers": {"Host": "a"},
        "ordering": "strict", "onGiveUp": "panic",
        "secret": "whsec_x", "id": "webhook_1",
    });
    let answer = app.post(MINE, &body).await;
    answer.expect(422);
    insta::assert_snapshot!(crate::snapshot::stable(&answer.text));
    // The same rules hold for a change.
    let path = app.webhook().await;
    assert_eq!(app.call("PATCH", &path, &body).await.text, answer.text);
}

#[tokio::test]
async fn one_bad_field_is_refused_and_named() {
    let app = App::start().await;
    let path = app.webhook().await;
    let before = app.get(&path).await.text;
    for (field, value) in [
        ("name", json!(null)),
        ("name", json!(7)),
        ("name", json!("")),
        ("name", json!("   ")),
        ("name", json!("a".repeat(201))),
        ("name", json!("a\nb")),
        ("name", json!("a\u{0}b")),
        ("name", json!("a\u{9b}b")),
        ("url", json!(null)),
        ("url", json!("")),
        ("url", json!("example.com")),
        ("url", json!("ftp://example.com")),
        ("url", json!("javascript:alert(1)")),
        ("url", json!("https://user:password@example.com")),
        ("url", json!("https://example.com/\r\nHost: evil")),
        ("url", json!("https://example.com/\u{0}")),
        ("url", json!("https://localhost/")),
        ("url", json!("https://127.0.0.1/")),
        ("url", json!("https://0x7f.1/")),
        ("url", json!("https://2130706433/")),
        ("url", json!("https://[::1]/")),
        ("url", json!("https://169.254.169.254/latest/meta-data")),
        ("url", json!("https://private.example.com/")),
        ("url", json!(format!("https://example.com/{}", "a".repeat(2100)))),
        ("eventTypes", json!(null)),
        ("eventTypes", json!("LEAD_CREATED")),
        ("eventTypes", json!([])),
        ("eventTypes", json!([1])),
        ("eventTypes", json!(["lead_created"])),
        ("eventTypes", json!(["LEAD_CREATED", "LEAD_CREATED"])),
        ("eventTypes", json!(["*", "LEAD_CREATED"])),
        (
            "eventTypes",
            json!((0..51).map(|n| format!("A{n}")).collect::<Vec<_>>()),
        ),
        ("isActive", json!(null)),
        ("isActive", json!(1)),
        ("maxRetries", json!(-1)),
        ("maxRetries", json!(21)),
        ("maxRetries", json!(1.5)),
        ("maxRetries", json!("3")),
        ("maxRetries", json!(u64::MAX)),
        ("maxRetries", json!(i64::MIN)),
        ("retryDelay", json!(-1000)),
        ("retryDelay", json!(3_600_001)),
        ("timeoutMs", json!(0)),
        ("timeoutMs", json!(30_001)),
        ("maxInFlight", json!(1001)),
        ("rateLimitPerSecond", json!(-1)),
        ("headers", json!(null)),
        ("ordering", json!(null)),
        ("ordering", json!("Key")),
        ("ordering", json!("")),
        ("ordering", json!(true)),
        ("onGiveUp", json!("stop")),
        ("onGiveUp", json!("none")),
        ("onGiveUp", json!(0)),
        ("headers", json!({"x": "a\r\nHost: evil"})),
        ("tenant", json!("clp123chatbot789")),
        ("successCount", json!(1)),
        ("__proto__", json!({})),
    ] {
        let mut created = good();
        created[field] = value.clone();
        assert_eq!(app.post(MINE, &created).await.refused_fields(), [field], "{value}");
        let answer = app.call("PATCH", &path, &json!({field: value})).await;
        assert_eq!(answer.refused_fields(), [field], "{value}");
        assert_no_inner_words(&answer.text);
    }
    assert_eq!(app.get(&path).await.text, before, "nothing was changed");
    app.wait_for(1, "select count(*) from postrider.webhook").await;
}

#[tokio::test]
async fn the_egress_rules_say_why_a_url_is_refused() {
    let app = App::start().await;
    for (url, expected) in [
        (
            "https://127.0.0.1/",
            "address 127.0.0.1 is in 127.0.0.0/8 (loopback, RFC 1122), which webhooks may not reach",
        ),
        (
            "https://private.example.com/",
            "the host resolves to an address that webhooks may not reach (private use, RFC 1918)",
        ),
    ] {
        let mut body = good();
        body["url"] = url.into();
        let answer = app.post(MINE, &body).await.expect(422);
        assert_eq!(
            answer["error"]["fields"],
            json!([{"field": "url", "message": expected}])
        );
    }
}

#[tokio::test]
async fn a_name_that_stands_twice_is_refused() {
    let app = App::start().await;
    let body = r#"{"name": "a", "url": "https://example.com", "eventTypes": ["*"], "name": "b", "x": 1, "x": 2}"#;
    assert_eq!(app.call_raw("POST", MINE, body).await.refused_fields(), ["name", "x"]);
}

#[tokio::test]
async fn required_fields_are_named() {
    let app = App::start().await;
    for body in ["{}", ""] {
        assert_eq!(
            app.call_raw("POST", MINE, body).await.refused_fields(),
            ["name", "url", "eventTypes"]
        );
    }
}

#[tokio::test]
async fn what_is_no_json_object_is_refused() {
    let app = App::start().await;
    let deep = "[".repeat(10_000);
    let not_utf8: &[u8] = b"{\"name\": \"\xff\"}";
    let bodies: [&[u8]; 8] = [
        b"{",
        b"null",
        b"[]",
        b"\"a\"",
        b"{} {}",
        b"{\"maxRetries\": 1e400}",
        deep.as_bytes(),
        not_utf8,
    ];
    for body in bodies {
        let answer = app.call_raw("POST", MINE, body.to_vec()).await;
        assert_eq!(answer.expect(400)["error"]["code"], "malformed_json", "{}", answer.text);
        assert_no_inner_words(&answer.text);
    }
}

#[tokio::test]
async fn a_long_body_is_refused() {
    let app = App::start().await;
    let fitting = format!("{{\"name\": \"{}\"}}", "a".repeat(64 * 1024 - 12));
    assert_eq!(fitting.len(), 64 * 1024);
    assert!(
        app.call_raw("POST", MINE, fitting.clone())
            .await
            .refused_fields()
            .contains(&"name".to_owned())
    );
    let answer = app.call_raw("POST", MINE, format!("{fitting} ")).await;
    assert_eq!(answer.expect(413)["error"]["code"], "body_too_large");
}

#[tokio::test]
async fn a_body_must_be_declared_as_json() {
    let app = App::start().await;
    for declared in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp"] {
        let request = app
            .request("POST", MINE)
            .bearer_auth("mine")
            .header("content-type", declared);
        let answer = crate::app::send(request.body(good().to_string())).await;
        assert_eq!(answer.expect(415)["error"]["code"], "unsupported_media_type");
    }
}

#[tokio::test]
async fn bad_queries_are_refused_and_named() {
    let app = App::start().await;
    let path = app.webhook().await;
    for (query, fields) in [
        (
            "deliveries?state=lost&since=yesterday&limit=0&cursor=1&x=1",
            &["state", "since", "limit", "cursor", "x"][..],
        ),
        ("deliveries?limit=101&until=2023-11-04", &["until", "limit"]),
        ("deliveries?state=failed&state=pending", &["state"]),
        ("deliveries?limit=-1&cursor=%00", &["limit", "cursor"]),
        (
            "stats?interval=year&since=2023-11-04T15:30:56.789Z",
            &["interval", "since"],
        ),
        (
            "stats?since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z",
            &["since"],
        ),
        (
            "stats?interval=minute&since=2026-01-01T00:00:00Z&until=2026-02-01T00:00:00Z",
            &["since"],
        ),
    ] {
        let answer = app.get(&format!("{path}/{query}")).await;
        assert_eq!(answer.refused_fields(), fields, "{query}");
        assert_no_inner_words(&answer.text);
    }
}

#[tokio::test]
async fn calls_without_fields_take_none() {
    let app = App::start().await;
    let path = app.webhook().await;
    for call in ["pause", "resume"] {
        assert_eq!(
            app.post(&format!("{path}/{call}"), &json!({"until": "tomorrow"}))
                .await
                .refused_fields(),
            ["until"]
        );
        app.call_raw("POST", &format!("{path}/{call}"), "").await.expect(200);
    }
    assert_eq!(
        app.post(&format!("{path}/test"), &json!({"event": "lead"}))
            .await
            .refused_fields(),
        ["event"]
    );
    for (since, field) in [
        (json!(1), "since"),
        (json!("soon"), "since"),
        (json!("2999-01-01T00:00:00Z"), "since"),
    ] {
        assert_eq!(
            app.post(&format!("{path}/recover"), &json!({"since": since}))
                .await
                .refused_fields(),
            [field]
        );
    }
    for overlap in [json!(-1), json!(604_801), json!("1"), json!(null)] {
        let body = json!({"overlapSeconds": overlap});
        assert_eq!(
            app.post(&format!("{path}/rotate-secret"), &body).await.refused_fields(),
            ["overlapSeconds"]
        );
    }
}

fn assert_no_inner_words(text: &str) {
    let lower = text.to_lowercase();
    for word in INNER_WORDS {
        assert!(!lower.contains(word), "{word} in {text}");
    }
}
