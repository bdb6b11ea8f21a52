//! The command line.

use std::path::PathBuf;

/// What may be given.
pub(crate) const USAGE: &str =
    "usage: faults [short | long | list | SCENARIO...] [--seed N] [--json FILE] [--events N] [--kills N]
              [--sigterm-rounds N] [--seconds N] [--jobs N] [--old-binary PATH]";

/// Sizes of the scenarios.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    Short,
    Long,
}

/// What is asked for. A count that is not given is left to the scenario and the length.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) scenarios: Vec<String>,
    pub(crate) length: Length,
    pub(crate) seed: u64,
    pub(crate) json: Option<PathBuf>,
    pub(crate) events: Option<u64>,
    pub(crate) kills: Option<u64>,
    pub(crate) sigterm_rounds: Option<u64>,
    pub(crate) seconds: Option<u64>,
    /// Scenarios played at a time.
    pub(crate) jobs: Option<usize>,
    pub(crate) old_binary: Option<PathBuf>,
}

impl Options {
    /// Reads the arguments after the program's name.
    pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            scenarios: Vec::new(),
            length: Length::Short,
            seed: 1,
            json: None,
            events: None,
            kills: None,
            sigterm_rounds: None,
            seconds: None,
            jobs: None,
            old_binary: None,
        };
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
            match argument.as_str() {
                "--seed" => options.seed = number(&value()?)?,
                "--json" => options.json = Some(value()?.into()),
                "--events" => options.events = Some(number(&value()?)?),
                "--kills" => options.kills = Some(number(&value()?)?),
                "--sigterm-rounds" => options.sigterm_rounds = Some(number(&value()?)?),
                "--seconds" => options.seconds = Some(number(&value()?)?),
                "--jobs" => options.jobs = Some(number(&value()?)? as usize),
                "--old-binary" => options.old_binary = Some(value()?.into()),
                "short" => options.length = Length::Short,
                "long" => options.length = Length::Long,
                other if other.starts_with('-') => return Err(format!("unknown option {other}")),
                other => options.scenarios.push(other.to_owned()),
            }
        }
        Ok(options)
    }

    /// The arguments with which another process plays the same.
    pub(crate) fn again(&self) -> Vec<String> {
        let length = match self.length {
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
        given.unwrap_or(match self.length {
            Length::Short => short,
            Length::Long => long,
        })
    }
}

fn number(text: &str) -> Result<u64, String> {
    text.replace('_', "")
        .parse()
        .map_err(|_| format!("{text} is not a whole number"))
}
