//! Starting and ending a part: a database that is away, ports, signals, logs.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::time::Duration;

use nix::sys::signal::Signal;
use postrider_tests::http::client;
use postrider_tests::process::run;
use postrider_tests::receiver::Answer;
use postrider_tests::{Postrider, PrivateCluster, Receiver, TestDatabase};
use sqlx::Executor;

const SOON: Duration = Duration::from_secs(60);

const KEYS: &str = "k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

fn worker(url: &str, more: &[(&str, &str)]) -> Postrider {
    let mut settings = vec![
        ("database_url", url),
        ("encryption_keys", KEYS),
        ("worker_monitoring_listen", "127.0.0.1:0"),
    ];
    settings.extend(more);
    Postrider::spawn(&["worker"], &settings)
}

/// The URL of the monitoring port, from the log.
async fn monitoring(worker: &mut Postrider) -> String {
    let log = worker
        .wait_for_stderr(SOON, |log| log.contains("serving health and metrics"))
        .await;
    let address = log.lines().find_map(|line| line.split("address=").nth(1)).unwrap();
    format!("http://{}", address.trim())
}

async fn status(url: &str) -> u16 {
    client().get(url).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_worker_waits_for_a_database_that_is_away_alive_but_not_ready() {
    let mut cluster = PrivateCluster::start().await;
    cluster.crash(Signal::SIGQUIT).await;
    let mut worker = worker(&cluster.url_as("postrider_worker"), &[]);
    let url = monitoring(&mut worker).await;
    worker
        .wait_for_stderr(SOON, |log| log.contains("the database does not answer"))
        .await;
    assert_eq!(
        (
            status(&format!("{url}/healthz")).await,
            status(&format!("{url}/readyz")).await
        ),
        (200, 503)
    );

    cluster.start_again().await;
    worker.wait_for_stderr(SOON, |log| log.contains("worker runs")).await;
    assert_eq!(
        (
            status(&format!("{url}/healthz")).await,
            status(&format!("{url}/readyz")).await
        ),
        (200, 200)
    );
    assert_eq!(
        worker.stderr().matches("the database does not answer").count(),
        1,
        "{}",
        worker.stderr()
    );
    worker.signal(Signal::SIGTERM);
    assert_eq!(worker.wait(SOON).await.status.code(), Some(0));
}

#[tokio::test]
async fn a_worker_that_waits_for_its_database_ends_at_the_first_signal() {
    let mut waiting = worker("postgres://nobody@127.0.0.1:1/nothing", &[]);
    waiting
        .wait_for_stderr(SOON, |log| log.contains("the database does not answer"))
        .await;
    waiting.signal(Signal::SIGINT);
    assert_eq!(waiting.wait(SOON).await.status.code(), Some(0));
}

#[tokio::test]
async fn what_waiting_does_not_change_ends_a_worker_at_once() {
    let database = TestDatabase::new().await;
    let nowhere = database.url().replace(database.name(), "no_such_database");
    let finished = worker(&nowhere, &[]).wait(SOON).await;
    assert_eq!(finished.status.code(), Some(1));
    assert!(
        finished.stderr.contains("\"no_such_database\" does not exist"),
        "{}",
        finished.stderr
    );

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let finished = worker(&database.url(), &[("worker_monitoring_listen", &address)])
        .wait(SOON)
        .await;
    assert_eq!(finished.status.code(), Some(1));
    assert!(
        finished.stderr.contains(&format!("cannot listen on {address}")),
        "{}",
        finished.stderr
    );
}

#[tokio::test]
async fn a_second_signal_stops_at_once_with_a_failing_code() {
    let database = TestDatabase::new().await;
    let product = postrider_tests::product::Product::on(&database);
    let receiver = Receiver::start_with(|_| Answer::Hang).await;
    product.webhook("tenant", &receiver.url()).await;
    let mut worker = product.worker().await;
    product.commit("tenant", "LEAD_CREATED", "{}").await;
    receiver.wait_for(1, SOON).await;

    worker.signal(Signal::SIGTERM);
    worker
        .wait_for_stderr(SOON, |log| log.contains("a second signal stops at once"))
        .await;
    worker.signal(Signal::SIGTERM);
    let finished = worker.wait(Duration::from_secs(5)).await;
    assert_eq!(finished.status.code(), Some(4), "{}", finished.stderr);
}

#[tokio::test]
async fn the_log_is_json_on_request_and_never_shows_a_secret() {
    let database = TestDatabase::new().await;
    let more = [("log_format", "json"), ("log", "trace,hyper=info,mio=info")];
    let mut worker = worker(&database.url_as("postrider_worker"), &more);
    worker.wait_for_stderr(SOON, |log| log.contains("worker runs")).await;
    worker.signal(Signal::SIGTERM);
    let finished = worker.wait(SOON).await;
    assert_eq!(finished.status.code(), Some(0));
    for line in finished.stderr.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(line["level"].is_string(), "{line}");
    }
    let url = database.url();
    let password = url.split([':', '@']).nth(2).unwrap();
    for secret in [password, KEYS.split(':').nth(1).unwrap()] {
        assert!(!finished.stderr.contains(secret), "{}", finished.stderr);
    }
}

#[tokio::test]
async fn the_api_runs_alone_with_two_queries_and_drains() {
    let database = TestDatabase::new().await;
    let mut admin = database.pool().acquire().await.unwrap();
    postrider_demo::setup(&mut admin).await.unwrap();
    let app = database.pool_as(postrider_demo::ROLE);
    let user = postrider_demo::create_user(&app, "owner@example.com").await.unwrap();
    let chatbot = postrider_demo::create_chatbot(&app, &user, "Chatbot").await.unwrap();
    let token = postrider_demo::create_session(&app, &user).await.unwrap();
    let mut api = Postrider::spawn(
        &["api"],
        &[
            ("database_url", &database.url()),
            ("database_role", "postrider_api"),
            ("encryption_keys", KEYS),
            ("api_listen", "127.0.0.1:0"),
            ("api_auth_database_role", postrider_demo::ROLE),
            ("api_session_query", postrider_demo::SESSION_QUERY),
            ("api_ownership_query", postrider_demo::OWNERSHIP_QUERY),
        ],
    );
    let log = api
        .wait_for_stderr(SOON, |log| log.contains("serving the management API"))
        .await;
    let address = log
        .lines()
        .find_map(|line| line.split("address=").nth(1))
        .unwrap()
        .trim()
        .to_owned();
    let url = format!("http://{address}/api/v1/chatbots/{chatbot}/webhooks");
    assert_eq!(
        client()
            .get(&url)
            .bearer_auth(&token)
            .send()
            .await
            .unwrap()
            .status()
            .as_u16(),
        200
    );
    assert_eq!(client().get(&url).send().await.unwrap().status().as_u16(), 401);

    admin
        .execute("revoke select on postrider.webhook from postrider_api")
        .await
        .unwrap();
    let status = client().get(&url).bearer_auth(&token).send().await.unwrap().status();
    assert!(status.is_server_error(), "the API has more than its role: {status}");
    api.signal(Signal::SIGTERM);
    assert_eq!(api.wait(SOON).await.status.code(), Some(0));
}

#[tokio::test]
async fn a_query_that_is_no_query_ends_the_api_with_its_name() {
    let database = TestDatabase::new().await;
    let url = database.url_as("postrider_api");
    let settings = [
        ("database_url", url.as_str()),
        ("encryption_keys", KEYS),
        ("api_listen", "127.0.0.1:0"),
        ("api_session_query", "select 1 from no_such_table where a = $1"),
        ("api_ownership_query", "select 1 where $1 = $2"),
    ];
    let finished = run(&["api"], &settings).await;
    assert_eq!(finished.status.code(), Some(1));
    assert!(
        finished.stderr.contains("the session query cannot be prepared"),
        "{}",
        finished.stderr
    );
}
