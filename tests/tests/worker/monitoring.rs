//! What a worker says on its monitoring port.

use postrider_tests::Postrider;
use postrider_tests::http::client;
use postrider_tests::product::SOON;
use tokio::time::{Duration, Instant, sleep};

/// Where the worker says that it serves its monitoring pages.
pub(crate) async fn address(worker: &mut Postrider) -> String {
    let log = worker
        .wait_for_stderr(SOON, |log| log.contains("serving health and metrics"))
        .await;
    let at = log.find("127.0.0.1:").unwrap();
    log[at..]
        .chars()
        .take_while(|c| c.is_ascii_digit() || ".:".contains(*c))
        .collect()
}

/// Status and body of one of these pages.
pub(crate) async fn get(address: &str, path: &str) -> (u16, String) {
    let response = client().get(format!("http://{address}{path}")).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

/// A metric's value now.
pub(crate) async fn value(worker: &mut Postrider, metric: &str) -> f64 {
    let found = find(worker, metric).await;
    found.unwrap_or_else(|page| panic!("{metric} is not in\n{page}"))
}

/// Waits until a metric is there and has this value.
pub(crate) async fn wait_for(worker: &mut Postrider, metric: &str, expected: f64) {
    let deadline = Instant::now() + SOON;
    loop {
        let found = find(worker, metric).await;
        if found == Ok(expected) {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{metric} is {found:?}, and not {expected} within {SOON:?}"
        );
        sleep(Duration::from_millis(50)).await;
    }
}

/// The value, or the page when it has none.
async fn find(worker: &mut Postrider, metric: &str) -> Result<f64, String> {
    let (_, page) = get(&address(worker).await, "/metrics").await;
    let line = page
        .lines()
        .find_map(|line| line.strip_prefix(metric)?.strip_prefix(' '));
    line.map(|value| value.parse().unwrap()).ok_or_else(|| page.clone())
}
