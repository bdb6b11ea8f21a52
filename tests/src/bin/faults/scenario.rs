//! The scenarios: one file for each.

mod backlog_returns;
mod bad_receivers;
mod breaker;
mod clock;
mod cut_connections;
mod disk_full;
mod dns;
mod freeze_postgres;
mod held_transaction;
mod isolation;
mod kill;
mod kill_at_step;
mod lost_answers;
mod lost_worker;
mod many_bad;
mod mixed;
mod order;
mod partition;
mod poison;
mod pooler;
mod restart_postgres;
mod sigterm;
mod slow_answers;
mod stop_worker;
mod terminate;
mod tls;
mod upgrade;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use postrider_tests::Postrider;

use crate::check;
use crate::generator::Generator;
use crate::options::Options;
use crate::outcome::Outcome;
use crate::stage::Stage;
use crate::worker;

type Playing = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// A scenario that can be asked for by name.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// Whether the short form plays it.
    pub(crate) in_short: bool,
    pub(crate) play: fn(Arc<Options>) -> Playing,
}

macro_rules! scenarios {
    ($($module:ident $in_short:literal $about:literal),+ $(,)?) => {
        &[$(Scenario {
            name: stringify!($module),
            about: $about,
            in_short: $in_short,
            play: |options| Box::pin(async move { $module::play(&options).await }),
        }),+]
    };
}

/// All of them; the longest first, so that the short form plays them beside the others.
pub(crate) const SCENARIOS: &[Scenario] = scenarios![
    lost_answers true "Statements whose request or answer is lost, at chosen statements",
    kill_at_step true "Workers killed before and after the commit of each statement",
    stop_worker true "Two workers, one of them stopped and continued (SIGSTOP, SIGCONT)",
    order true "Webhooks that want order, with several workers, retries, kills and keys that halt",
    poison true "An event that kills every worker that sends it",
    freeze_postgres true "Postgres frozen, then going on",
    kill true "Workers killed with SIGKILL at random moments",
    partition true "No traffic between worker and Postgres for a while, connections open",
    cut_connections true "Connections between worker and Postgres cut at random bytes",
    restart_postgres true "Postgres stopped with mode immediate and started again",
    sigterm true "Workers stopped with SIGTERM under load, one after the other",
    slow_answers true "Receivers that answer at the moment at which the worker parks the request",
    breaker true "Receivers that are down for a while, then back: events wait, and burn no retries",
    lost_worker true "How soon what a killed worker held is delivered again",
    many_bad true "Very many bad receivers with events waiting: memory, and healthy webhooks beside",
    bad_receivers true "Receivers that refuse, reset, hang, drip, flood, answer garbage or without end, beside good ones",
    dns true "Name lookup that fails, is silent, or flips between an allowed and a refused address (needs root)",
    clock true "Workers whose clocks are two hours ahead and behind (needs libfaketime)",
    pooler true "PgBouncer before producers and workers (needs pgbouncer)",
    tls true "Receivers with certificates that are expired, of another name or of an unknown authority",
    upgrade true "Workers of an old and a new build side by side",
    mixed true "All of them mixed, drawn by chance",
    disk_full true "Postgres without disk space, then with some again (needs root)",
    isolation false "How much bad webhooks slow down healthy ones",
    held_transaction true "Throughput while somebody keeps a transaction open",
    backlog_returns true "How fast a lane drains whose receiver is back",
    terminate true "Storms of pg_terminate_backend against workers and producers",
];

/// The scenario of this name.
pub(crate) fn find(name: &str) -> Option<&'static Scenario> {
    SCENARIOS.iter().find(|scenario| scenario.name == name)
}

/// How long what is left after the last commit may take to end.
const SETTLE_WITHIN: Duration = Duration::from_secs(120);

/// Waits for what is left to be delivered, stops the workers and reconciles. Returns the ended workers.
pub(crate) async fn finish(
    stage: &Stage,
    generator: Generator,
    workers: Vec<Postrider>,
    outcome: &mut Outcome,
) -> Vec<Postrider> {
    finish_within(SETTLE_WITHIN, stage, generator, workers, outcome).await
}

/// The same for a scenario whose bad receivers take their time.
async fn finish_within(
    within: Duration,
    stage: &Stage,
    generator: Generator,
    mut workers: Vec<Postrider>,
    outcome: &mut Outcome,
) -> Vec<Postrider> {
    generator.stop().await;
    let settled = stage.settle(within).await;
    outcome.check(
        "settled in time after the last commit",
        settled,
        format!("within {within:?}: {settled}"),
    );
    if !settled {
        for left in stage.left_over().await {
            outcome.note(left);
        }
    }
    for worker in &mut workers {
        let stopped = worker::stop(worker).await;
        outcome.check("a worker ends well on SIGTERM", stopped.is_ok(), format!("{stopped:?}"));
    }
    check::reconcile(stage, outcome).await;
    if outcome.failed() {
        for (number, worker) in workers.iter().enumerate() {
            let said = worker.stderr();
            let lines: Vec<&str> = said.lines().collect();
            for line in lines.iter().skip(lines.len().saturating_sub(20)) {
                outcome.note(format!("worker {number}: {line}"));
            }
        }
    }
    workers
}

/// Stops a worker of a scenario in which events may go on waiting.
async fn finish_worker(mut worker: Postrider, outcome: &mut Outcome) {
    let stopped = worker::stop(&mut worker).await;
    outcome.check(
        "the worker ends well on SIGTERM",
        stopped.is_ok(),
        format!("{stopped:?}"),
    );
}
