//! Results for people, as a table, and for machines, as JSON.

use std::path::Path;
use std::time::Duration;

use crate::options::{Length, Options};
use crate::outcome::Outcome;
use crate::targets::Measured;

/// Says at once how a scenario ended.
pub(crate) fn print_one(outcome: &Outcome) {
    let verdict = match (&outcome.skipped, outcome.failed()) {
        (Some(why), _) => format!("SKIPPED: {why}"),
        (None, false) => "passed".to_owned(),
        (None, true) => "FAILED".to_owned(),
    };
    println!("{:<16} {:>6.1} s  {verdict}", outcome.scenario, outcome.seconds);
    for note in &outcome.notes {
        println!("    {note}");
    }
    for check in outcome.checks.iter().filter(|check| !check.passed) {
        println!("    FAILED  {}: {}", check.name, check.found);
    }
}

/// Prints the table. True when no check failed.
pub(crate) fn print_table(outcomes: &[Outcome], seed: u64, elapsed: Duration) -> bool {
    let columns = [
        "committed",
        "rolled back",
        "requests",
        "lost",
        "duplicates",
        "duplicates allowed",
        "dead letters",
    ];
    println!(
        "\n{:<16} {:>7} {:>8}  {}",
        "scenario",
        "seconds",
        "checks",
        columns.join("  ")
    );
    for outcome in outcomes.iter().filter(|outcome| outcome.skipped.is_none()) {
        let passed = outcome.checks.iter().filter(|check| check.passed).count();
        let checks = format!("{passed}/{}", outcome.checks.len());
        let cells = columns.map(|column| {
            let text = outcome
                .figures
                .get(column)
                .map_or("-".to_owned(), |value| format!("{value:.0}"));
            format!("{text:>width$}", width = column.len())
        });
        let name = &outcome.scenario;
        println!("{name:<16} {:>7.1} {checks:>8}  {}", outcome.seconds, cells.join("  "));
        let others = outcome.figures.iter().filter(|(name, _)| {
            !columns.contains(&name.as_str())
                && !name.starts_with("deliveries ")
                && ![
                    "commits without an answer",
                    "rolled-back events sent",
                    "transactions can be kept open",
                ]
                .contains(&name.as_str())
        });
        let others: Vec<String> = others.map(|(name, value)| format!("{name} {value:.2}")).collect();
        println!("{:<16} {}", "", others.join(", "));
    }
    let skipped = outcomes.iter().filter(|outcome| outcome.skipped.is_some()).count();
    let failed = outcomes.iter().filter(|outcome| outcome.failed()).count();
    let passed = outcomes.len() - skipped - failed;
    println!(
        "\nseed {seed}, {:.0} s: {passed} passed, {failed} failed, {skipped} skipped",
        elapsed.as_secs_f64()
    );
    failed == 0
}

/// Writes everything as JSON.
pub(crate) fn write_json(path: &Path, outcomes: &[Outcome], measured: &[Measured], options: &Options) {
    let report = serde_json::json!({
        "seed": options.seed,
        "length": match options.length() {
            Length::Short => "short",
            Length::Long => "long",
        },
        "build": if cfg!(debug_assertions) { "debug" } else { "release" },
        "scenarios": outcomes,
        "targets": measured,
    });
    std::fs::write(path, serde_json::to_string_pretty(&report).unwrap()).unwrap();
}
