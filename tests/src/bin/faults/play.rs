//! Plays the chosen scenarios, some at a time, and reports.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;

use crate::namespace;
use crate::options::{Length, Options};
use crate::outcome::Outcome;
use crate::report;
use crate::scenario::{self, SCENARIOS, Scenario};
use crate::targets;

/// Longest time for one scenario of the long form. The short ones have less to do.
const LONGEST: Duration = Duration::from_secs(3 * 3600);

/// Plays them and returns the exit code: failure when a check failed.
pub(crate) async fn play(options: Options) -> ExitCode {
    if options.is_list() {
        for scenario in SCENARIOS {
            println!("{:<16} {}", scenario.name, scenario.about);
        }
        return ExitCode::SUCCESS;
    }
    let chosen = match choose(&options) {
        Ok(chosen) => chosen,
        Err(unknown) => {
            eprintln!("there is no scenario {unknown}; `list` names them");
            return ExitCode::from(2);
        }
    };
    let jobs = options.jobs.unwrap_or(match options.length() {
        Length::Short => 3,
        Length::Long => 1,
    });
    let begun = Instant::now();
    let options = Arc::new(options);
    let played = futures_util::stream::iter(chosen.into_iter().map(|scenario| one(scenario, options.clone())));
    let outcomes: Vec<Outcome> = played
        .buffer_unordered(jobs.max(1))
        .inspect(|outcome| {
            if !namespace::is_inside() {
                report::print_one(outcome);
            }
        })
        .collect()
        .await;
    if namespace::is_inside() {
        outcomes.iter().for_each(namespace::hand_out);
        return ExitCode::SUCCESS;
    }
    let passed = report::print_table(&outcomes, options.seed, begun.elapsed());
    let measured = targets::measured(&outcomes);
    if options.length() == Length::Long {
        targets::print(&measured);
    }
    if let Some(path) = &options.json {
        report::write_json(path, &outcomes, &measured, &options);
    }
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn choose(options: &Options) -> Result<Vec<&'static Scenario>, String> {
    if options.scenarios().next().is_none() {
        let is_wanted = |scenario: &&Scenario| options.length() == Length::Long || scenario.in_short;
        return Ok(SCENARIOS.iter().filter(is_wanted).collect());
    }
    let find = |name: &str| scenario::find(name).ok_or_else(|| name.to_owned());
    options.scenarios().map(find).collect()
}

async fn one(scenario: &'static Scenario, options: Arc<Options>) -> Outcome {
    let begun = Instant::now();
    let playing = tokio::spawn((scenario.play)(options));
    let mut outcome = match tokio::time::timeout(LONGEST, playing).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(died)) => broken(format!("the scenario died: {died}")),
        Err(_) => broken(format!("the scenario did not end within {LONGEST:?}")),
    };
    scenario.name.clone_into(&mut outcome.scenario);
    outcome.seconds = begun.elapsed().as_secs_f64();
    outcome
}

fn broken(what: String) -> Outcome {
    let mut outcome = Outcome::default();
    outcome.check("played to its end", false, what);
    outcome
}
