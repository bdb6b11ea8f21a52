//! Receivers that misbehave: each ends as a recorded failed attempt, in time and in little memory.

use std::fs;
use std::time::{Duration, Instant};

use postrider_tests::product::{Product, SOON};
use postrider_tests::receiver::Answer;
use postrider_tests::{Receiver, TestDatabase};
use tokio::net::TcpListener;

/// One attempt against `url`; returns the recorded error and how long the attempt took.
async fn fail(product: &Product, url: &str) -> (String, Option<i16>, Duration) {
    let webhook = product
        .webhook_with("bot", url, "max_retries = 0, timeout_ms = 1500")
        .await;
    product.commit("bot", "LEAD_CREATED", "{}").await;
    let deadline = Instant::now() + SOON;
    loop {
        let found: Option<(String, Option<i16>, i32)> = sqlx::query_as(
            "select a.error, a.status, a.duration_us from postrider.attempt a
               join postrider.dead_letter using (webhook_id, event_id) where a.webhook_id = $1",
        )
        .bind(webhook.id.0)
        .fetch_optional(&product.pool)
        .await
        .unwrap();
        if let Some((error, status, duration_us)) = found {
            return (error, status, Duration::from_micros(duration_us.unsigned_abs().into()));
        }
        assert!(Instant::now() < deadline, "no failed attempt on {url}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn each_kind_of_failure_is_recorded_as_what_it_is() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let _worker = product.worker().await;
    let elsewhere = Receiver::start().await;
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    for (answer, error, status) in [
        (Answer::Hang, "timeout", None),
        (Answer::Drip, "timeout", None),
        (Answer::Flood(100_000_000), "response_too_large", Some(200)),
        (Answer::Redirect(elsewhere.url()), "status", Some(302)),
        (Answer::Reset, "protocol", Some(200)),
        (Answer::Close, "protocol", None),
        (Answer::Garbage, "protocol", None),
        (Answer::Status(404), "status", Some(404)),
    ] {
        let about = format!("{answer:?}");
        let receiver = Receiver::start_with(move |_| answer.clone()).await;
        let (found, found_status, duration) = fail(&product, &receiver.url()).await;
        assert_eq!((found.as_str(), found_status), (error, status), "{about}");
        assert!(duration < Duration::from_millis(2500), "{about} took {duration:?}");
        sqlx::query("delete from postrider.webhook")
            .execute(&product.pool)
            .await
            .unwrap();
    }
    assert_eq!(elsewhere.count(), 0, "a redirect was followed");

    for (url, error) in [
        (format!("http://{closed}/"), "connect"),
        (format!("https://{}/", elsewhere.address()), "tls"),
        ("http://does-not-exist.postrider-tests.example/".to_owned(), "dns"),
        ("http://10.1.2.3/".to_owned(), "invalid_url"),
        ("ftp://example.com/".to_owned(), "invalid_url"),
    ] {
        let (found, _, _) = fail(&product, &url).await;
        assert_eq!(found, error, "{url}");
        sqlx::query("delete from postrider.webhook")
            .execute(&product.pool)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_name_that_resolves_to_a_refused_address_is_not_connected_to() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let receiver = Receiver::start().await;
    // Names are allowed because loopback is; what localhost resolves to, 127.0.0.1, is not in the opened network.
    let _worker = product.worker_with(&[("allow_networks", "::1/128")]).await;
    let url = format!("http://localhost:{}/", receiver.address().port());
    let (error, _, _) = fail(&product, &url).await;
    assert_eq!(error, "refused_address");
    assert_eq!(receiver.count(), 0);
}

#[tokio::test]
async fn memory_stays_flat_under_receivers_that_answer_without_end() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let worker = product.worker_with(&[("worker_breaker_failures", "1000")]).await;
    let flood = Receiver::start_with(|_| Answer::Flood(1_000_000_000)).await;
    product.webhook_with("bot", &flood.url(), "max_retries = 0").await;
    product.commit_many("bot", 300).await;
    product
        .wait_for(300, "select count(*) from postrider.dead_letter")
        .await;
    let status = fs::read_to_string(format!("/proc/{}/status", worker.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak_kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak_kib < 150_000, "{peak_kib} KiB");
}

#[tokio::test]
async fn a_receiver_that_hangs_does_not_hold_up_others() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let hanging = Receiver::start_with(|_| Answer::Hang).await;
    let healthy = Receiver::start().await;
    product.webhook("hanging", &hanging.url()).await;
    product.webhook("healthy", &healthy.url()).await;
    let _worker = product.worker().await;
    product.commit_many("hanging", 2000).await;
    hanging.wait_for(4, SOON).await;
    let begun = Instant::now();
    product.commit_many("healthy", 100).await;
    healthy.wait_for(100, SOON).await;
    // Well before the hanging requests end, after 15 s.
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    // One that has never answered has few slots, and it had them twice at most.
    assert!(hanging.count() <= 8, "more than its slots: {}", hanging.count());
}
