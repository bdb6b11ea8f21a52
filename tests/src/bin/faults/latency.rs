//! Latency: from the confirmed commit of an event to its first arrival, in milliseconds.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::generator::Load;
use crate::stage::Stage;

/// How long what was committed last may take to arrive before it counts as never arrived.
const LATEST: Duration = Duration::from_secs(60);

/// Quantiles of one measurement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Latency {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// Infinite when a delivery did not arrive at all.
    pub(crate) max: f64,
}

/// Commits events of this load for so many seconds. Every delivery counts, also one that comes long afterwards.
pub(crate) async fn measure(stage: &Stage, load: &Load, seconds: u64) -> Latency {
    // Neither of two measurements shall meet the checkpoint that the load before it left behind.
    sqlx::query("checkpoint").execute(&stage.pool).await.unwrap();
    let first = stage.ledger.entries().len();
    let generator = stage.produce(load);
    sleep(Duration::from_secs(seconds)).await;
    generator.stop().await;
    // Its guard must be gone before the delays are looked at.
    let end = stage.ledger.entries().len();
    let deadline = Instant::now() + LATEST;
    loop {
        let delays = delays(stage, load, first..end);
        if delays.last().is_none_or(|last| last.is_finite()) || Instant::now() > deadline {
            return quantiles(&delays);
        }
        sleep(Duration::from_millis(200)).await;
    }
}

/// Of every committed event of the load's tenants among these tokens, and every webhook subscribed to it, in order;
/// infinite while it has not arrived.
fn delays(stage: &Stage, load: &Load, tokens: std::ops::Range<usize>) -> Vec<f64> {
    let entries = stage.ledger.entries();
    let mut delays: HashMap<(u64, u16), f64> = HashMap::new();
    let is_measured = |token: &usize| entries[*token].is_committed() && load.tenants.contains(&entries[*token].tenant);
    for token in tokens.filter(is_measured).map(|token| token as u64) {
        let tenant = entries[token as usize].tenant;
        let subscribed = (0_u16..)
            .zip(&stage.hooks)
            .filter(|(_, hook)| hook.is_subscribed_to(token, tenant));
        delays.extend(subscribed.map(|(place, _)| ((token, place), f64::INFINITY)));
    }
    for arrival in stage.receiver.shared.log.arrivals().iter().rev() {
        // Of several arrivals the first stays.
        if let Some(delay) = delays.get_mut(&(arrival.token, arrival.hook)) {
            // It may come before the answer to the commit.
            let committed_us = entries[arrival.token as usize].committed_us;
            *delay = arrival.at_us.saturating_sub(committed_us) as f64 / 1000.0;
        }
    }
    let mut delays: Vec<f64> = delays.into_values().collect();
    delays.sort_by(f64::total_cmp);
    delays
}

fn quantiles(delays: &[f64]) -> Latency {
    assert!(!delays.is_empty(), "nothing was committed");
    let quantile = |q: f64| delays[((delays.len() - 1) as f64 * q).round() as usize];
    Latency {
        p50: quantile(0.5),
        p99: quantile(0.99),
        max: quantile(1.0),
    }
}
