//! Statements whose request or whose answer is lost: nothing may be lost with them, and nothing sent twice.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::finish;
use crate::options::Options;
use crate::outcome::Outcome;
use crate::proxy::{ByteLimits, Cut, Proxy};
use crate::random::{Random, mix};
use crate::stage::{Stage, ordinary, ordinary_load};
use crate::worker::{self, How};

/// Claims of both workers together of which every third loses its answer, and how long events gather before.
const EARLY_CLAIMS: u64 = 30;
const BACKLOG: Duration = Duration::from_secs(2);

/// Answers that must be lost, and how much longer than planned that may take on a busy machine.
const LEAST: u64 = 10;
const LONGER: Duration = Duration::from_secs(60);

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
        // Among the first claims, which have a backlog to take: later ones mostly find little or nothing.
        if statement == "claim" && before < EARLY_CLAIMS && before % 3 == 2 {
            return Cut::BeforeAnswer;
        }
        let drawn = Random::new(mix(seed ^ before), statement).below(1000);
        let rare = if COMMITS.contains(&statement) { 1 } else { 10 };
        match drawn * rare {
            0..=29 => Cut::BeforeAnswer,
            30..=44 => Cut::BeforeStatement,
            45..=59 => Cut::InAnswer(1 + drawn as usize),
            _ => Cut::Never,
        }
    });
    let generator = stage.produce(&ordinary_load(options.events, 300));
    sleep(BACKLOG).await;
    let proxy = Arc::new(Proxy::start(stage.database_address(), decide, ByteLimits::default).await);
    let through = || How {
        database_url: Some(stage.url_through(proxy.address)),
        ..How::default()
    };
    proxy.enable(true);
    let workers = vec![
        worker::start_with(&stage, through()).await,
        worker::start_with(&stage, through()).await,
    ];
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end || (proxy.cuts() < LEAST && Instant::now() < end + LONGER) {
        sleep(Duration::from_millis(100)).await;
    }
    proxy.enable(false);
    outcome.figure("answers lost", proxy.cuts() as f64);
    outcome.check("answers were lost", proxy.cuts() >= LEAST, proxy.cuts());
    finish(&stage, generator, workers, &mut outcome).await;
    outcome
}
