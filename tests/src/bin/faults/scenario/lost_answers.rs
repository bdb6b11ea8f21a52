//! Statements whose request or whose answer is lost: nothing may be lost with them, and nothing sent twice.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::finish;
use crate::options::Options;
use crate::outcome::Outcome;
use crate::proxy::{ByteLimits, Cut, Proxy};
use crate::random::{Random, mix};
use crate::stage::{Stage, ordinary, ordinary_load};
use crate::worker::{self, How};

/// Statements whose loss matters most.
const COMMITS: [&str; 7] = [
    "claim",
    "record",
    "commit",
    "give_back_unknown",
    "give_back_of_dead_workers",
    "fold_stats",
    "heartbeat",
];

pub(super) async fn play(options: &Options) -> Outcome {
    let mut outcome = Outcome::default();
    let mut stage = Stage::set(options, "lost_answers", &ordinary()).await;
    let seconds = options.pick(options.seconds, 8, 120);
    let seed = stage.random.next();
    // By number of the execution and not by order of the connections, which differs from run to run.
    let decide = Box::new(move |statement: &str, before: u64| {
        let drawn = Random::new(mix(seed ^ before), statement).below(1000);
        let rare = if COMMITS.contains(&statement) { 1 } else { 10 };
        match drawn * rare {
            0..=29 => Cut::BeforeAnswer,
            30..=44 => Cut::BeforeStatement,
            45..=59 => Cut::InAnswer(1 + drawn as usize),
            _ => Cut::Never,
        }
    });
    let proxy = Arc::new(Proxy::start(stage.database_address(), decide, ByteLimits::default).await);
    let through = || How {
        database_url: Some(stage.url_through(proxy.address)),
        ..How::default()
    };
    let workers = vec![
        worker::start_with(&stage, through()).await,
        worker::start_with(&stage, through()).await,
    ];
    proxy.enable(true);
    let generator = stage.produce(&ordinary_load(options.events, 300));
    sleep(Duration::from_secs(seconds)).await;
    proxy.enable(false);
    outcome.figure("answers lost", proxy.cuts() as f64);
    outcome.check("answers were lost", proxy.cuts() >= 5, proxy.cuts());
    finish(&stage, generator, workers, &mut outcome).await;
    outcome
}
