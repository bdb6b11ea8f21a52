//! No fault: receivers that answer, well or badly, about when the worker loses patience and parks the request while it is
//! in flight. What is parked and what came of it then meet in one flush.

use std::time::Duration;

use super::{SETTLE_WITHIN, finish_within};
use crate::options::Options;
use crate::outcome::Outcome;
use crate::receiver::Behaviour;
use crate::stage::{Stage, ordinary_load};
use crate::webhooks::Wanted;
use crate::worker::{self, How, NO_BREAKER};

/// The worker's default of `worker_park_after_ms`.
const PARK_AFTER: Duration = Duration::from_millis(1000);

/// Events committed in a second.
const PER_SECOND: u64 = 80;

pub(super) async fn play(options: &Options) -> Outcome {
    let mut outcome = Outcome::default();
    let wanted: Vec<Wanted> = (0..20)
        .map(|tenant| {
            let delay = PARK_AFTER - Duration::from_millis(10) + Duration::from_millis(2 * u64::from(tenant));
            let behaviour = match tenant % 4 {
                0 => Behaviour::Status(500, delay),
                1 => Behaviour::FailShare(50, delay),
                _ => Behaviour::Accept(delay),
            };
            Wanted {
                max_retries: i32::from(tenant % 3),
                timeout_ms: 5000,
                ..Wanted::of(tenant, behaviour)
            }
        })
        .collect();
    let stage = Stage::set(options, "slow_answers", &wanted).await;
    let how = How {
        settings: &[NO_BREAKER],
        ..How::default()
    };
    let worker = worker::start_with(&stage, how).await;
    let events = options.events.unwrap_or(400);
    let mut generator = stage.produce(&ordinary_load(Some(events), PER_SECOND));
    // Twice the time that they take.
    generator.wait(Duration::from_secs(60 + 2 * events / PER_SECOND)).await;
    // Those that are slow and fail have few requests open at a time, so what waits for them grows with the events.
    let within = SETTLE_WITHIN + Duration::from_millis(60 * events);
    finish_within(within, &stage, generator, vec![worker], &mut outcome).await;
    outcome
}
