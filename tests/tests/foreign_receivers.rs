//! Receivers that nobody here wrote verify real deliveries of the real worker, and refuse what was tampered with.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName};
use postrider_core::ids::WebhookId;
use postrider_core::secret::{KeyRing, Secret};
use postrider_tests::product::Product;
use postrider_tests::receiver::Request;
use postrider_tests::{ForeignReceiver, Postrider, Receiver, TestDatabase};
use sha2::{Digest, Sha256};
use sqlx::PgPool;
use standardwebhooks::Webhook;

const TENANT: &str = "clp123 \"chätbot\"";
const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
async fn express_verifies_with_node_crypto() {
    verifies_and_refuses("node-express", "X-Webhook-Signature").await;
}

#[tokio::test]
async fn flask_verifies_with_python_hmac() {
    verifies_and_refuses("python-flask", "X-Webhook-Signature").await;
}

#[tokio::test]
async fn the_standard_webhooks_library_of_npm_verifies() {
    verifies_and_refuses("node-standardwebhooks", "webhook-signature").await;
}

#[tokio::test]
async fn the_standard_webhooks_library_of_pypi_verifies() {
    verifies_and_refuses("python-standardwebhooks", "webhook-signature").await;
}

#[tokio::test]
async fn the_standard_webhooks_library_of_crates_io_verifies() {
    let secret = Secret::generate();
    let delivered = deliver(&secret, &[]).await;
    let verifier = Webhook::new(secret.expose()).unwrap();
    for request in &delivered.requests {
        verifier.verify(&request.body, &header_map(request)).unwrap();
    }
    for (what, request, status) in tampered(&delivered, "webhook-signature") {
        let verified = verifier.verify(&request.body, &header_map(&request));
        assert_eq!(verified.is_ok(), status == 200, "{what}: {verified:?}");
    }
}

async fn verifies_and_refuses(receiver: &str, signature: &str) {
    let secret = Secret::generate();
    let receiver = ForeignReceiver::start(receiver, secret.expose()).await;
    let delivered = deliver(&secret, &[receiver.url()]).await;

    let reports = receiver.wait_for(delivered.bodies.len(), SOON).await;
    assert!(reports.iter().all(|report| report.accepted), "{reports:#?}");
    let mut arrived: Vec<String> = reports.into_iter().map(|report| report.sha256).collect();
    let mut sent: Vec<String> = delivered.bodies.iter().map(|body| sha256(body)).collect();
    arrived.sort_unstable();
    sent.sort_unstable();
    assert_eq!(arrived, sent);

    for (count, (what, request, status)) in tampered(&delivered, signature).into_iter().enumerate() {
        assert_eq!(request.replay(receiver.address()).await, status, "{what}");
        let reports = receiver.wait_for(sent.len() + count + 1, SOON).await;
        assert_eq!(reports.last().unwrap().accepted, status == 200, "{what}");
    }
}

/// What the worker sent: the bodies there should be, and the requests as they came.
struct Delivered {
    bodies: Vec<String>,
    requests: Vec<Arc<Request>>,
    with_another_secret: Arc<Request>,
}

/// Commits events, and has the worker deliver them to these URLs and to a receiver here, all with this secret.
async fn deliver(secret: &Secret, urls: &[String]) -> Delivered {
    let database = TestDatabase::new().await;
    let pool = database.pool();
    let key_ring = KeyRing::generate();
    let here = Receiver::start().await;
    let other = Receiver::start().await;
    for url in urls.iter().chain([&here.url()]) {
        subscribe(&pool, &key_ring, secret, url).await;
    }
    subscribe(&pool, &key_ring, &Secret::generate(), &other.url()).await;

    let enqueuer = database.pool_as("postrider_enqueue");
    let mut bodies = Vec::new();
    for payload in payloads() {
        bodies.push(commit(&enqueuer, &payload).await);
    }
    let _worker = Postrider::spawn(
        &["worker"],
        &[
            ("database_url", &database.url_as("postrider_worker")),
            ("encryption_keys", &key_ring.expose()),
            ("allow_http", "true"),
            ("allow_networks", "127.0.0.0/8"),
            ("worker_monitoring_listen", "127.0.0.1:0"),
        ],
    );

    let requests = here.wait_for(bodies.len(), SOON).await;
    // The other receivers may be slower.
    Product::on(&database).wait_until_idle().await;
    let mut arrived: Vec<&[u8]> = requests.iter().map(|request| &*request.body).collect();
    let mut sent: Vec<&[u8]> = bodies.iter().map(String::as_bytes).collect();
    arrived.sort_unstable();
    sent.sort_unstable();
    assert!(arrived == sent, "the bodies differ from what was committed");
    let with_another_secret = Arc::clone(&other.wait_for(1, SOON).await[0]);
    Delivered {
        bodies,
        requests,
        with_another_secret,
    }
}

/// Payloads that a careless copy through a JSON parser, a database type or a string type would change.
fn payloads() -> Vec<String> {
    let long = "0123456789abcdef".repeat(16 * 1024);
    vec![
        r#"{"id":"clp1","name":"Zoë 李 🎣","message":"a\u00e9\ud83c\udfa3\/b \"quoted\"\n"}"#.to_owned(),
        r#"{"nul":"\u0000","control":"\u001f"}"#.to_owned(),
        r#"{"twice":1,"twice":2,"twice":1}"#.to_owned(),
        r#"{"huge":1e400,"tiny":1E-400,"zero":-0.0,"exact":1.10,"long":123456789012345678901234567890}"#.to_owned(),
        " {\n  \"spaced\" :\t[ 1 , 2 ] }\n".to_owned(),
        format!(r#"{{"long":"{}"}}"#, &long[..250 * 1024 - 11]),
    ]
}

/// The same request with one thing changed, and the status it should be answered with.
fn tampered(delivered: &Delivered, signature: &str) -> Vec<(&'static str, Request, u16)> {
    let genuine = Request::clone(&delivered.requests[0]);
    let mut body = genuine.clone();
    body.body = [&body.body[..body.body.len() - 1], b" }"].concat().into();

    let mut flipped = genuine.clone();
    // Not the last: of the last base64 digit, some bits mean nothing.
    let digit = flipped.header(signature).unwrap().len() - 6;
    change(&mut flipped, signature, |value| {
        let other = if &value[digit..=digit] == "0" { "1" } else { "0" };
        value.replace_range(digit..=digit, other);
    });

    let mut unsigned = genuine.clone();
    unsigned
        .headers
        .retain(|(name, _)| !name.eq_ignore_ascii_case(signature));

    let other_secret = Request::clone(&delivered.with_another_secret);
    vec![
        ("a body with one more space", body, 401),
        ("a signature with another digit", flipped, 401),
        ("no signature", unsigned, 401),
        ("a delivery signed with another secret", other_secret, 401),
        ("the genuine request again", genuine, 200),
    ]
}

fn change(request: &mut Request, header: &str, how: impl FnOnce(&mut String)) {
    let found = request
        .headers
        .iter_mut()
        .find(|(name, _)| name.eq_ignore_ascii_case(header));
    how(&mut found.unwrap().1);
}

/// Inserts a webhook for everything that happens to the tenant.
async fn subscribe(pool: &PgPool, key_ring: &KeyRing, secret: &Secret, url: &str) {
    let id: i64 = sqlx::query_scalar("select postrider.next_id()")
        .fetch_one(pool)
        .await
        .unwrap();
    sqlx::query(
        "insert into postrider.webhook (id, tenant, name, url, event_types, secret) values ($1, $2, 'test', $3, '{*}', $4)",
    )
    .bind(id)
    .bind(TENANT)
    .bind(url)
    .bind(key_ring.encrypt(secret, TENANT, WebhookId(id)))
    .execute(pool)
    .await
    .unwrap();
}

/// Commits an event with this payload and returns the body its receivers should get.
async fn commit(pool: &PgPool, payload: &str) -> String {
    let (id, timestamp): (i64, i64) = sqlx::query_as(
        "select id, ((id >> 22) + 1704067200000) / 1000 from postrider.enqueue($1, 'LEAD_CREATED', $2::text::json) as id",
    )
    .bind(TENANT)
    .bind(payload)
    .fetch_one(pool)
    .await
    .unwrap();
    assert!(id > 0);
    let tenant = TENANT.replace('"', "\\\"");
    format!(r#"{{"event":"LEAD_CREATED","timestamp":{timestamp},"data":{payload},"chatbotId":"{tenant}"}}"#)
}

fn sha256(body: &str) -> String {
    hex::encode(Sha256::digest(body))
}

fn header_map(request: &Request) -> HeaderMap {
    let headers = request.headers.iter();
    headers
        .map(|(name, value)| (HeaderName::try_from(name).unwrap(), value.parse().unwrap()))
        .collect()
}
