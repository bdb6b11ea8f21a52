//! Workers killed at each step: before and after Postgres commits each of their statements.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::finish;
use crate::options::Options;
use crate::outcome::Outcome;
use crate::proxy::{ByteLimits, Cut, Proxy};
use crate::stage::{Stage, ordinary, ordinary_load};
use crate::worker::{self, How};

/// Statement, and whether Postgres carries it out before the worker dies.
const STEPS: [(&str, Cut); 9] = [
    ("claim", Cut::BeforeStatement),
    ("claim", Cut::BeforeAnswer),
    ("record", Cut::BeforeStatement),
    ("record", Cut::BeforeAnswer),
    ("take due deliveries", Cut::BeforeAnswer),
    ("commit", Cut::BeforeStatement),
    ("commit", Cut::BeforeAnswer),
    ("fold_stats", Cut::BeforeAnswer),
    ("give_back_of_dead_workers", Cut::BeforeAnswer),
];

pub(super) async fn play(options: &Options) -> Outcome {
    let mut outcome = Outcome::default();
    let mut stage = Stage::set(options, "kill_at_step", &ordinary()).await;
    let generator = stage.produce(&ordinary_load(options.events, 150));
    let rounds = options.pick(options.kills.map(|kills| kills.div_ceil(STEPS.len() as u64)), 1, 5);
    let mut kills = 0;
    for _ in 0..rounds {
        for (statement, cut) in STEPS {
            // Not at the first execution: something shall be in flight.
            let nth = 1 + stage.random.below(3);
            kill_at(&stage, statement, cut, nth, &mut outcome).await;
            kills += 1;
        }
    }
    stage.allowed.duplicates = kills * (worker::CONCURRENCY + worker::FLUSH);
    stage.allowed.unrecorded = stage.allowed.duplicates;
    outcome.figure("kills", kills as f64);
    let last = worker::start(&stage).await;
    finish(&stage, generator, vec![last], &mut outcome).await;
    outcome
}

async fn kill_at(stage: &Stage, statement: &'static str, cut: Cut, nth: u64, outcome: &mut Outcome) {
    let decide = Box::new(move |executed: &str, before: u64| {
        if executed == statement && before == nth {
            cut
        } else {
            Cut::Never
        }
    });
    let proxy = Proxy::start(stage.database_address(), decide, ByteLimits::default).await;
    let through = How {
        database_url: Some(stage.url_through(proxy.address)),
        ..How::default()
    };
    let mut worker = worker::spawn(stage, through);
    proxy.state.victim.store(worker.pid(), Ordering::Relaxed);
    proxy.enable(true);
    let ended = tokio::time::timeout(Duration::from_secs(30), worker.wait(Duration::from_secs(60))).await;
    let reached = ended.is_ok() && proxy.cuts() == 1;
    outcome.check(
        &format!("killed at {statement}, {cut:?}"),
        reached,
        format!("{} cuts", proxy.cuts()),
    );
}
