//! The request on the wire, header by header and byte by byte.

use std::time::{SystemTime, UNIX_EPOCH};

use postrider_core::signature::Signer;
use postrider_tests::product::{Product, SOON};
use postrider_tests::receiver::{Answer, in_turn, refusing_address};
use postrider_tests::{Postrider, Receiver, TestDatabase};

#[tokio::test]
async fn the_request_is_exactly_as_the_contract_says() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let receiver = Receiver::start().await;
    let webhook = product
        .webhook_with("clp123", &receiver.url(), r#"headers = '{"X-Team":"sales"}'"#)
        .await;
    let _worker = product.worker().await;
    let event = product
        .commit("clp123", "LEAD_CREATED", r#"{"id":"clp1", "name":"Jörg"}"#)
        .await;
    let request = receiver.wait_for(1, SOON).await.remove(0);

    let body = format!(
        r#"{{"event":"LEAD_CREATED","timestamp":{},"data":{{"id":"clp1", "name":"Jörg"}},"chatbotId":"clp123"}}"#,
        event.unix_seconds()
    );
    assert_eq!(request.body, body);
    assert_eq!(request.method, "POST");
    assert_eq!(request.path, "/webhook");
    let timestamp: i64 = request.header("webhook-timestamp").unwrap().parse().unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    assert!((now - timestamp).abs() < 30, "{timestamp} is not about {now}");
    let signer = Signer::new(&webhook.secret);
    for (name, expected) in [
        ("content-type", "application/json".to_owned()),
        (
            "user-agent",
            concat!("postrider/", env!("CARGO_PKG_VERSION")).to_owned(),
        ),
        ("x-webhook-signature", signer.sign_body(body.as_bytes())),
        ("x-webhook-event", "LEAD_CREATED".to_owned()),
        ("x-webhook-attempt", "1".to_owned()),
        ("webhook-id", event.to_string()),
        (
            "webhook-signature",
            signer.sign_standard(&event.to_string(), timestamp, body.as_bytes()),
        ),
        ("x-team", "sales".to_owned()),
    ] {
        assert_eq!(request.header(name), Some(expected.as_str()), "{name}");
    }
    for absent in ["cookie", "referer", "accept-encoding"] {
        assert_eq!(request.header(absent), None, "{absent}");
    }
}

#[tokio::test]
async fn every_attempt_carries_the_same_body_and_id_and_its_own_number() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let receiver = Receiver::start_with(in_turn([Answer::Status(500), Answer::Close, Answer::Status(200)])).await;
    product
        .webhook_with("bot", &receiver.url(), "retry_delay_ms = 1500")
        .await;
    let _worker = product.worker().await;
    // Numbers no machine can hold, a key twice, a NUL and odd blanks: all of it must come back each time.
    let payload = "{ \"a\":1e400, \"a\" : \"\\u0000\", \"name\":\"\u{1f3a3}\\ud83c\\udfa3\",\n \"b\":0.10 }";
    let event = product.commit("bot", "LEAD_CREATED", payload).await;
    let requests = receiver.wait_for(3, SOON).await;
    for (number, request) in (1..).zip(&requests) {
        assert_eq!(request.body, requests[0].body);
        assert_eq!(request.header("webhook-id"), Some(event.to_string().as_str()));
        assert_eq!(request.header("x-webhook-attempt"), Some(format!("{number}").as_str()));
    }
    assert!(std::str::from_utf8(&requests[0].body).unwrap().contains(payload));
    product.wait_until_idle().await;
    assert_eq!(receiver.count(), 3);
}

#[tokio::test]
async fn payloads_arrive_byte_for_byte() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let receiver = Receiver::start().await;
    product.webhook("bot", &receiver.url()).await;
    let _worker = product.worker().await;
    let large = format!("{{\"text\":\"{}\"}}", "ü".repeat(125 * 1024));
    for payload in [
        "null",
        "[]",
        " 1 ",
        "\"\\u0000\"",
        "{\"a\":1,\"a\":2}",
        "1e400",
        "{\"\":{}}",
        "\"\u{2028}</script>\"",
        &large,
    ] {
        let before = receiver.count();
        let event = product.commit("bot", "LEAD_CREATED", payload).await;
        let request = receiver.wait_for(before + 1, SOON).await.remove(before);
        let expected = format!(
            "{{\"event\":\"LEAD_CREATED\",\"timestamp\":{},\"data\":{payload},\"chatbotId\":\"bot\"}}",
            event.unix_seconds()
        );
        assert!(
            request.body == expected,
            "{} arrived changed",
            payload.chars().take(40).collect::<String>()
        );
    }
}

#[tokio::test]
async fn during_a_rotation_both_secrets_sign() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let receiver = Receiver::start().await;
    // The stored previous secret is the same as the current one: what counts is that both signatures are there.
    product
        .webhook_with(
            "bot",
            &receiver.url(),
            "previous_secret = secret, previous_secret_expires_at = now() + interval '1 day'",
        )
        .await;
    product
        .webhook_with(
            "bot",
            &receiver.url(),
            "previous_secret = secret, previous_secret_expires_at = now() - interval '1 s'",
        )
        .await;
    let _worker = product.worker().await;
    product.commit("bot", "LEAD_CREATED", "{}").await;
    let requests = receiver.wait_for(2, SOON).await;
    let mut counts: Vec<usize> = requests
        .iter()
        .map(|request| request.header("webhook-signature").unwrap().split(' ').count())
        .collect();
    counts.sort_unstable();
    assert_eq!(counts, [1, 2]);
}

#[tokio::test]
async fn a_proxy_of_the_environment_is_not_used() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let receiver = Receiver::start().await;
    product.webhook("bot", &receiver.url()).await;
    let mut command = product.worker_command(&[]);
    let nowhere = format!("http://{}", refusing_address().await);
    command.env_remove("NO_PROXY").env_remove("no_proxy");
    for name in [
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
    ] {
        command.env(name, &nowhere);
    }
    let _worker = Postrider::spawn_command(command);
    product.commit("bot", "LEAD_CREATED", "{}").await;
    receiver.wait_for(1, SOON).await;
    product.wait_until_idle().await;
    assert_eq!(product.number("select count(*) from postrider.attempt").await, 1);
}
