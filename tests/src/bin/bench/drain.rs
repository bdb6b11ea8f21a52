//! How fast a backlog drains, what WAL and memory a delivery costs.

use std::time::{Duration, Instant};

use crate::process::{cpu_seconds, peak_memory_mb};
use nix::sys::signal::Signal;
use postrider_tests::product::SOON;

use crate::stage::Stage;

/// Measures a backlog of so many events.
pub(crate) async fn measure(events: u64) {
    let mut stage = Stage::start().await;
    let wal_at_first = wal_bytes(&stage).await;
    stage.fill(events as i32).await;
    sqlx::query("vacuum analyze")
        .execute(&stage.product.pool)
        .await
        .unwrap();
    let wal_before = wal_bytes(&stage).await;

    let mut worker = stage
        .product
        .worker_with(&[("log", "warn,postrider_worker=info")])
        .await;
    let begun = Instant::now();
    let mut slices = Vec::new();
    let mut last = (Instant::now(), 0);
    loop {
        let arrived = stage.receiver.count().await;
        if arrived - last.1 >= 20_000 {
            slices.push((arrived - last.1) as f64 / last.0.elapsed().as_secs_f64());
            last = (Instant::now(), arrived);
        }
        if arrived >= events {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let worker_cpu = cpu_seconds(worker.pid());
    let memory = peak_memory_mb(worker.pid());
    stage.product.wait_until_idle().await;
    let wal_after = wal_bytes(&stage).await;
    let arrived = stage.receiver.count().await;
    worker.signal(Signal::SIGTERM);
    worker.wait(SOON).await;

    println!("drain: {events} events");
    println!("  deliveries per second    {:>10.0}", events as f64 / seconds);
    println!("  by 20,000                {slices:.0?}");
    println!("  sent more than once      {:>10}", arrived - events);
    println!(
        "  worker CPU per delivery  {:>10.1} µs",
        worker_cpu / events as f64 * 1e6
    );
    println!("  worker peak memory       {memory:>10.1} MB");
    println!(
        "  WAL to enqueue in bulk   {:>10.0} bytes per event",
        (wal_before - wal_at_first) as f64 / events as f64
    );
    println!(
        "  WAL to deliver           {:>10.0} bytes per event",
        (wal_after - wal_before) as f64 / events as f64
    );
}

async fn wal_bytes(stage: &Stage) -> i64 {
    stage
        .product
        .number("select (pg_current_wal_insert_lsn() - '0/0')::int8")
        .await
}
