//! The command line.

use std::path::PathBuf;

/// Sizes of the scenarios.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    Short,
    Long,
}

/// Plays faults against real workers on a real Postgres, and reconciles what was committed with what arrived.
///
/// Exit code 0: every check passed; 1: one failed; 2: the command line was wrong.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "faults")]
pub(crate) struct Options {
    /// Names of scenarios, all without one; `long` plays them in their long form; `list` only names them
    #[arg(value_name = "short | long | list | SCENARIO")]
    words: Vec<String>,

    /// Seed of the plan
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = number)]
    pub(crate) seed: u64,

    /// Writes every check and figure, and the figures against their targets
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// Events to commit, where a scenario counts them
    #[arg(long, value_name = "N", value_parser = number)]
    pub(crate) events: Option<u64>,

    /// Kills, stops, restarts or rounds, where a scenario counts them
    #[arg(long, value_name = "N", value_parser = number)]
    pub(crate) kills: Option<u64>,

    /// Workers that `sigterm` stops
    #[arg(long, value_name = "N", value_parser = number)]
    pub(crate) sigterm_rounds: Option<u64>,

    /// Duration, where a scenario goes by time
    #[arg(long, value_name = "N", value_parser = number)]
    pub(crate) seconds: Option<u64>,

    /// Scenarios played at a time: 3 for `short`, 1 for `long`
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<usize>,

    /// The old build in `upgrade`; without it the same build plays both
    #[arg(long, value_name = "PATH")]
    pub(crate) old_binary: Option<PathBuf>,
}

impl Options {
    pub(crate) fn length(&self) -> Length {
        if self.words.iter().any(|word| word == "long") {
            Length::Long
        } else {
            Length::Short
        }
    }

    pub(crate) fn is_list(&self) -> bool {
        self.words.iter().any(|word| word == "list")
    }

    /// The scenarios named; none stands for all.
    pub(crate) fn scenarios(&self) -> impl Iterator<Item = &str> {
        let is_length = |word: &&str| matches!(*word, "short" | "long");
        self.words
            .iter()
            .map(String::as_str)
            .filter(move |word| !is_length(word))
    }

    /// The arguments with which another process plays the same.
    pub(crate) fn again(&self) -> Vec<String> {
        let length = match self.length() {
            Length::Short => "short",
            Length::Long => "long",
        };
        let mut arguments = vec![length.to_owned(), "--seed".to_owned(), self.seed.to_string()];
        for (name, value) in [
            ("--events", self.events),
            ("--kills", self.kills),
            ("--seconds", self.seconds),
        ] {
            arguments.extend(value.iter().flat_map(|value| [name.to_owned(), value.to_string()]));
        }
        arguments
    }

    /// This count if given, else the one of the length.
    pub(crate) fn pick(&self, given: Option<u64>, short: u64, long: u64) -> u64 {
        given.unwrap_or(match self.length() {
            Length::Short => short,
            Length::Long => long,
        })
    }
}

/// A whole number, which may be grouped: `1_000_000`.
fn number(text: &str) -> Result<u64, &'static str> {
    text.replace('_', "").parse().map_err(|_| "not a whole number")
}
