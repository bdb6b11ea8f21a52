//! The figures that were promised, against what was measured.

use serde::Serialize;

use crate::outcome::Outcome;

enum Aim {
    AtMost(f64),
    AtLeast(f64),
}

use Aim::{AtLeast, AtMost};

/// One promise: what, the scenario that measures it, its figure there, the aim, and the figure that says how much was
/// measured.
struct Target(&'static str, &'static str, &'static str, Aim, &'static str);

const TARGETS: &[Target] = &[
    Target(
        "events lost, all faults mixed",
        "mixed",
        "lost",
        AtMost(0.0),
        "committed",
    ),
    Target(
        "rolled-back events sent",
        "mixed",
        "rolled-back events sent",
        AtMost(0.0),
        "rolled back",
    ),
    Target(
        "duplicates without a fault",
        "slow_answers",
        "duplicates",
        AtMost(0.0),
        "requests",
    ),
    Target(
        "duplicates over rounds of SIGTERM",
        "sigterm",
        "duplicates",
        AtMost(0.0),
        "rounds",
    ),
    Target(
        "duplicates of one SIGKILL: in flight and one unflushed batch",
        "kill",
        "most duplicates of one kill",
        AtMost((crate::worker::CONCURRENCY + crate::worker::FLUSH) as f64),
        "kills",
    ),
    Target(
        "delivering again after Postgres returns, s",
        "restart_postgres",
        "longest time to deliver again, s",
        AtMost(5.0),
        "restarts",
    ),
    Target(
        "rows of a killed worker delivered again, s beyond the lease time",
        "lost_worker",
        "beyond the lease time, s",
        AtMost(1.0),
        "leased to killed workers",
    ),
    Target(
        "healthy p99 beside bad webhooks, ms",
        "isolation",
        "beside bad ones: p99, ms",
        AtMost(250.0),
        "events of the flooded tenant",
    ),
    Target(
        "healthy p99 beside bad webhooks, against the baseline",
        "isolation",
        "p99 against the baseline",
        AtMost(2.0),
        "events of the flooded tenant",
    ),
    Target(
        "rate of the last tenth against the first, a transaction held open",
        "held_transaction",
        "last tenth against the first",
        AtLeast(0.9),
        "events",
    ),
    Target(
        "worker memory beside many bad receivers, MB",
        "many_bad",
        "worker peak memory, MB",
        AtMost(200.0),
        "waiting",
    ),
    Target(
        "the same at the end, against before",
        "many_bad",
        "memory at the end against before",
        AtMost(1.1),
        "measured, s",
    ),
    Target(
        "draining a lane against the fast path",
        "backlog_returns",
        "lane against fast path",
        AtLeast(0.8),
        "events",
    ),
];

/// The promise that every scenario measures in which nobody is kept from ending a transaction.
const TRANSACTION: &str = "longest transaction of a worker, ms";
const TRANSACTION_AIM_MS: f64 = 1000.0;

/// A target and what came of it.
#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    what: &'static str,
    aim: String,
    measured: f64,
    is_met: bool,
    /// How much was measured, such as `committed 1000000`.
    over: String,
    scenario: String,
}

/// The targets whose scenarios were played.
pub(crate) fn measured(outcomes: &[Outcome]) -> Vec<Measured> {
    let mut all = Vec::new();
    for Target(what, scenario, figure, aim, size) in TARGETS {
        let Some(outcome) = outcomes.iter().find(|outcome| outcome.scenario == *scenario) else {
            continue;
        };
        let Some(measured) = outcome.figures.get(*figure).copied() else {
            continue;
        };
        let (aim, is_met) = match aim {
            AtMost(most) => (format!("≤ {most}"), measured <= *most),
            AtLeast(least) => (format!("≥ {least}"), measured >= *least),
        };
        let over = outcome.figures.get(*size).copied().unwrap_or(f64::NAN);
        all.push(Measured {
            what,
            aim,
            measured,
            is_met,
            over: format!("{size} {over:.0}"),
            scenario: outcome.scenario.clone(),
        });
    }
    all.extend(longest_transaction(outcomes));
    all
}

fn longest_transaction(outcomes: &[Outcome]) -> Option<Measured> {
    let found = outcomes.iter().filter_map(|outcome| {
        let longest_ms = outcome.figures.get("longest transaction, ms")?;
        let counts = outcome.figures.get("transactions can be kept open") == Some(&0.0);
        counts.then_some((outcome, *longest_ms))
    });
    let count = found.clone().count();
    let (outcome, longest_ms) = found.max_by(|(_, one), (_, other)| one.total_cmp(other))?;
    Some(Measured {
        what: TRANSACTION,
        aim: format!("< {TRANSACTION_AIM_MS}"),
        measured: longest_ms,
        is_met: longest_ms < TRANSACTION_AIM_MS,
        over: format!("scenarios {count}"),
        scenario: outcome.scenario.clone(),
    })
}

/// Prints them as a table.
pub(crate) fn print(measured: &[Measured]) {
    let header = ("figures against targets", "aim", "measured", "", "over", "scenario");
    let (what, aim, value, met, over, scenario) = header;
    println!("\n{what:<66} {aim:>8} {value:>10} {met:>5}  {over:<38} {scenario}");
    for one in measured {
        let met = if one.is_met { "met" } else { "SHORT" };
        println!(
            "{:<66} {:>8} {:>10.2} {met:>5}  {:<38} {}",
            one.what, one.aim, one.measured, one.over, one.scenario
        );
    }
}
