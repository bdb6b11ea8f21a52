//! How long from commit to arrival at a gentle rate.

use std::time::Duration;

use nix::sys::signal::Signal;
use postrider_tests::product::SOON;

use crate::receiver::now_us;
use crate::stage::Stage;

const PER_SECOND: u64 = 50;

/// Commits 50 events a second for so many seconds. The clock starts when the commit was answered.
pub(crate) async fn measure(seconds: u64) {
    let mut stage = Stage::start().await;
    let mut worker = stage.product.worker().await;
    let mut connection = stage.product.pool.acquire().await.unwrap();
    let mut ticks = tokio::time::interval(Duration::from_micros(1_000_000 / PER_SECOND));
    // The first seconds warm caches and connections.
    let warm_up = 2 * PER_SECOND;
    let mut committed = Vec::new();
    for number in 0..(seconds * PER_SECOND + warm_up) {
        ticks.tick().await;
        let payload = format!("{{\"sent_us\":{number},\"message\":\"{}\"}}", "x".repeat(560));
        sqlx::query("select postrider.enqueue('tenant_1', 'LEAD_CREATED', $1::text::json)")
            .bind(payload)
            .execute(&mut *connection)
            .await
            .unwrap();
        committed.push(now_us());
    }
    stage.product.wait_until_idle().await;
    let mut delays: Vec<f64> = stage
        .receiver
        .arrivals()
        .await
        .into_iter()
        .filter(|(number, _)| *number >= warm_up)
        // An arrival may come before the commit's answer reaches us.
        .map(|(number, arrived)| arrived.saturating_sub(committed[number as usize]) as f64 / 1000.0)
        .collect();
    delays.sort_by(f64::total_cmp);
    worker.signal(Signal::SIGTERM);
    worker.wait(SOON).await;
    let quantile = |q: f64| delays[((delays.len() - 1) as f64 * q).round() as usize];
    println!("latency: {PER_SECOND} events per second for {seconds} s, commit answered → arrived");
    println!(
        "  p50 {:.2} ms, p90 {:.2} ms, p99 {:.2} ms, max {:.2} ms",
        quantile(0.5),
        quantile(0.9),
        quantile(0.99),
        quantile(1.0)
    );
}
