//! All faults mixed: several workers, some of them behind a proxy that cuts, killed, stopped and replaced, while
//! Postgres terminates sessions, freezes and crashes, and receivers fail, hang and come back.

mod fault;

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{SETTLE_WITHIN, finish_within};
use crate::options::Options;
use crate::outcome::Outcome;
use crate::proxy::{ByteLimits, Cut, Proxy};
use crate::random::{Random, mix};
use crate::receiver::Behaviour;
use crate::stage::{Stage, TENANTS, ordinary, ordinary_load};
use crate::webhooks::Wanted;
use crate::worker::{self, How};
use fault::Crew;

/// Longest that the long form with a million events may take.
const LONGEST: Duration = Duration::from_secs(2 * 3600);

pub(super) async fn play(options: &Options) -> Outcome {
    let mut outcome = Outcome::default();
    let mut wanted = ordinary();
    let bad = [
        Behaviour::Hang,
        Behaviour::ResetMidBody,
        Behaviour::BusyAtFirst,
        Behaviour::FailShare(60, Duration::from_millis(20)),
    ];
    wanted.extend((0_u16..).zip(bad).map(|(tenant, behaviour)| Wanted {
        max_retries: 1,
        // Few of the events: a receiver that hangs keeps one of a worker's slots for each.
        wants: crate::webhooks::Wants::OnlyLeadCreated,
        ..Wanted::of(tenant * (TENANTS / 4) + 1, behaviour)
    }));
    let mut stage = Stage::set(options, "mixed", &wanted).await;
    let proxy = cutting_proxy(&mut stage).await;
    let through = How {
        database_url: Some(stage.url_through(proxy.address)),
        ..How::default()
    };
    let workers = vec![worker::start(&stage).await, worker::start_with(&stage, through).await];
    let mut crew = Crew::new(workers, &proxy);

    let events = options.pick(options.events, 3000, 100_000);
    let rate = if events > 10_000 { 0 } else { 400 };
    let mut generator = stage.produce(&ordinary_load(Some(events), rate));
    proxy.enable(true);
    let begun = Instant::now();
    let least = Duration::from_secs(options.pick(options.seconds, 10, 60));
    while begun.elapsed() < least || !generator.is_done() || !crew.suffered_every_kind() {
        assert!(
            begun.elapsed() < LONGEST,
            "the producers did not commit {events} events within {LONGEST:?}"
        );
        sleep(stage.random.milliseconds(100, 1200)).await;
        crew.suffer(&mut stage).await;
    }
    proxy.enable(false);
    generator.wait(Duration::from_secs(60)).await;
    crew.report(&mut stage, &mut outcome);
    outcome.figure("connections cut", proxy.cuts() as f64);
    let workers = crew.workers;
    // Whoever is never well again keeps what waits for it. There are as many as the breakers held back.
    stage.receiver.recover();
    let within = SETTLE_WITHIN + Duration::from_millis(2 * events);
    finish_within(within, &stage, generator, workers, &mut outcome).await;
    outcome
}

/// Cuts one of some hundred statements, before or after Postgres carries it out.
async fn cutting_proxy(stage: &mut Stage) -> Proxy {
    let seed = stage.random.next();
    let decide =
        Box::new(
            move |statement: &str, before: u64| match Random::new(mix(seed ^ before), statement).below(1000) {
                0..=5 => Cut::BeforeAnswer,
                6..=8 => Cut::BeforeStatement,
                9..=11 => Cut::InAnswer(40),
                _ => Cut::Never,
            },
        );
    Proxy::start(stage.database_address(), decide, ByteLimits::default).await
}
