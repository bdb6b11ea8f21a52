//! Receivers that misbehave in every way, beside good ones: each attempt is recorded as what it was, the good ones are
//! served, the worker stays small, and once all are well again, every delivery ends.

use std::time::Duration;

use tokio::time::sleep;

use super::finish;
use crate::memory;
use crate::options::Options;
use crate::outcome::Outcome;
use crate::receiver::{Behaviour, ClosedPort};
use crate::stage::{Stage, TENANTS, ordinary_load};
use crate::webhooks::Wanted;
use crate::worker;

/// The most memory a worker may take, in megabytes.
const MEMORY_MB: f64 = 200.0;

/// Each behaviour, and how its attempts may be recorded: none for success.
fn behaviours() -> Vec<(Behaviour, &'static [Option<&'static str>])> {
    let soon = Duration::ZERO;
    vec![
        (Behaviour::Accept(soon), &[None]),
        (Behaviour::Status(500, soon), &[Some("status")]),
        (Behaviour::Status(302, soon), &[Some("status")]),
        (Behaviour::BusyAtFirst, &[None, Some("status")]),
        (
            Behaviour::RetryAfter(503, "Thu, 01 Jan 1970 00:00:00 GMT"),
            &[Some("status")],
        ),
        (Behaviour::RetryAfter(429, "soon \u{1f3a3}"), &[Some("status")]),
        (Behaviour::Hang, &[Some("timeout")]),
        (Behaviour::Drip, &[Some("timeout")]),
        (Behaviour::Flood(1_000_000_000), &[Some("response_too_large")]),
        (Behaviour::GzipBomb, &[None]),
        (Behaviour::Informational, &[Some("timeout"), Some("protocol")]),
        (Behaviour::Garbage, &[Some("protocol")]),
        (Behaviour::ResetMidBody, &[Some("protocol")]),
        (Behaviour::Reset, &[Some("protocol")]),
        (Behaviour::Close, &[Some("protocol")]),
        (Behaviour::Accept(soon), &[None]),
    ]
}

pub(super) async fn play(options: &Options) -> Outcome {
    let mut outcome = Outcome::default();
    let behaviours = behaviours();
    let mut wanted: Vec<Wanted> = (0..TENANTS)
        .zip(&behaviours)
        .map(|(tenant, (behaviour, _))| Wanted {
            max_retries: 1,
            timeout_ms: 1500,
            ..Wanted::of(tenant, behaviour.clone())
        })
        .collect();
    // The last one refuses every connection.
    let refusing = ClosedPort::reserve();
    let tenant = wanted.len() as u16;
    wanted.push(Wanted {
        url: Some(format!("http://{}/{tenant}", refusing.address)),
        max_retries: 1,
        ..Wanted::of(tenant, Behaviour::Close)
    });
    let stage = Stage::set(options, "bad_receivers", &wanted).await;
    let worker = worker::start(&stage).await;
    let mut load = ordinary_load(Some(options.pick(options.events, 500, 20_000)), 200);
    load.tenants = 0..wanted.len() as u16;
    let mut generator = stage.produce(&load);
    generator.wait(Duration::from_secs(600)).await;
    // The last attempts to those that never answer.
    sleep(Duration::from_secs(3)).await;
    endings(&stage, &behaviours, &mut outcome).await;
    let memory = memory::peak_mb(worker.pid());
    outcome.figure("worker peak memory, MB", memory);
    outcome.check("the worker stays small", memory <= MEMORY_MB, format!("{memory:.0} MB"));
    // Whoever is never well again keeps what waits for it.
    stage.receiver.recover();
    let _listening = refusing.open(&stage.receiver);
    finish(&stage, generator, vec![worker], &mut outcome).await;
    outcome
}

/// Checks that each attempt so far is recorded as what it was.
async fn endings(stage: &Stage, behaviours: &[(Behaviour, &'static [Option<&'static str>])], outcome: &mut Outcome) {
    let mut endings: Vec<(String, &[Option<&str>])> = behaviours
        .iter()
        .map(|(behaviour, ends)| (format!("{behaviour:?}"), *ends))
        .collect();
    endings.push(("a refused connection".to_owned(), &[Some("connect")]));
    for (hook, (name, ends)) in stage.hooks.iter().zip(endings) {
        let found: Vec<Option<String>> =
            sqlx::query_scalar("select distinct error from postrider.attempt where webhook_id = $1")
                .bind(hook.id.0)
                .fetch_all(&stage.pool)
                .await
                .unwrap();
        let expected = !found.is_empty() && found.iter().all(|error| ends.contains(&error.as_deref()));
        outcome.check(&format!("{name} ends as it should"), expected, format!("{found:?}"));
    }
}
