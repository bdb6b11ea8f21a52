//! Workers killed at each step: before and after Postgres commits each of their statements, and when a request has gone
//! out and nothing has come back.

use std::sync::atomic::Ordering;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use postrider_tests::Postrider;
use tokio::time::timeout;

use super::finish;
use crate::options::Options;
use crate::outcome::Outcome;
use crate::proxy::{ByteLimits, Cut, Proxy};
use crate::stage::{Stage, ordinary, ordinary_load};
use crate::worker::{self, How};

/// Where a worker dies.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// Before Postgres sees a statement, or when it has committed it.
    At(&'static str, Cut),
    /// When the receiver has a request and has not answered it.
    Sent,
}

/// Before a claim commits and after it, after the send, before the flush and after it, and so on.
const STEPS: [Step; 10] = [
    Step::At("claim", Cut::BeforeStatement),
    Step::At("claim", Cut::BeforeAnswer),
    Step::Sent,
    Step::At("record", Cut::BeforeStatement),
    Step::At("record", Cut::BeforeAnswer),
    Step::At("take due deliveries", Cut::BeforeAnswer),
    Step::At("commit", Cut::BeforeStatement),
    Step::At("commit", Cut::BeforeAnswer),
    Step::At("fold_stats", Cut::BeforeAnswer),
    Step::At("give_back_of_dead_workers", Cut::BeforeAnswer),
];

pub(super) async fn play(options: &Options) -> Outcome {
    let mut outcome = Outcome::default();
    let mut stage = Stage::set(options, "kill_at_step", &ordinary()).await;
    let generator = stage.produce(&ordinary_load(options.events, 150));
    let rounds = options.pick(options.kills.map(|kills| kills.div_ceil(STEPS.len() as u64)), 1, 5);
    let mut kills = 0;
    for _ in 0..rounds {
        for step in STEPS {
            // Not at the first time: something shall be in flight.
            let before = 1 + stage.random.below(3);
            let died = match step {
                Step::At(statement, cut) => at_statement(&stage, statement, cut, before).await,
                Step::Sent => after_the_send(&stage, 20 * before).await,
            };
            outcome.check(&format!("killed at {step:?}"), died, died);
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

/// Kills a worker at a statement that it has carried out so often before. Whether it got there.
async fn at_statement(stage: &Stage, statement: &'static str, cut: Cut, times: u64) -> bool {
    let decide = Box::new(move |executed: &str, before: u64| {
        if executed == statement && before == times {
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
    ends(&mut worker).await && proxy.cuts() == 1
}

/// Kills a worker while the receiver holds its request after so many others.
async fn after_the_send(stage: &Stage, mut times: u64) -> bool {
    let mut worker = worker::spawn(stage, How::default());
    let victim = Pid::from_raw(worker.pid());
    stage.receiver.shared.watcher.act(move |_| {
        times = times.saturating_sub(1);
        if times == 0 {
            let _ = kill(victim, Signal::SIGKILL);
        }
    });
    let died = ends(&mut worker).await;
    stage.receiver.shared.watcher.act(|_| ());
    died
}

async fn ends(worker: &mut Postrider) -> bool {
    // On a busy machine a worker takes its time until it judges whether others are dead.
    timeout(Duration::from_secs(60), worker.wait(Duration::from_secs(120)))
        .await
        .is_ok()
}
