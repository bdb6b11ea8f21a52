//! Settings: flat keys from one TOML file and from the environment, where `POSTRIDER_<KEY>` wins over the file.
//!
//! Every setting that is wrong is named in one error, with where it came from. Secrets are never printed.

mod api;
mod keys;
mod print;
mod reader;
mod rekey;
mod source;
mod worker;

use std::path::Path;

pub use api::ApiConfig;
pub use keys::{KEYS, Key};
pub use print::table;
pub use rekey::RekeyConfig;
pub use source::Environment;
pub use worker::WorkerConfig;

use reader::Reader;
use sqlx::postgres::PgConnectOptions;

/// Settings that are wrong, all of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", describe(.0))]
pub struct BadConfig(pub Vec<Problem>);

/// One setting that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key, or the file that cannot be read.
    pub subject: String,
    /// Where the value came from: a file, an environment variable; empty for a missing setting.
    pub origin: String,
    /// What is wrong, and what is allowed.
    pub message: String,
}

fn describe(problems: &[Problem]) -> String {
    let mut text = match problems.len() {
        1 => "one setting is wrong:".to_owned(),
        count => format!("{count} settings are wrong:"),
    };
    for problem in problems {
        let origin = if problem.origin.is_empty() {
            String::new()
        } else {
            format!(" ({})", problem.origin)
        };
        text.push_str(&format!("\n  {}{origin}: {}", problem.subject, problem.message));
    }
    text.push_str("\nrun `postrider config` to see all settings");
    text
}

/// The settings as given, before they are read for one command.
#[derive(Debug, Clone)]
pub struct Config {
    source: source::Source,
}

impl Config {
    /// Reads the file, if any, and the environment.
    #[must_use]
    pub fn load(file: Option<&Path>, environment: Environment) -> Self {
        Self {
            source: source::Source::load(file, environment),
        }
    }

    /// What `postrider worker` needs.
    ///
    /// # Errors
    /// Every setting that is wrong.
    pub fn worker(&self) -> Result<WorkerConfig, BadConfig> {
        let mut reader = Reader::new(&self.source);
        let config = worker::read(&mut reader);
        reader.finish(config)
    }

    /// What `postrider api` needs.
    ///
    /// # Errors
    /// Every setting that is wrong.
    pub fn api(&self) -> Result<ApiConfig, BadConfig> {
        let mut reader = Reader::new(&self.source);
        let config = api::read(&mut reader);
        reader.finish(config)
    }

    /// What `postrider migrate` needs: the database, as a user that may make schemas and roles.
    ///
    /// # Errors
    /// Every setting that is wrong.
    pub fn migrate(&self) -> Result<PgConnectOptions, BadConfig> {
        let mut reader = Reader::new(&self.source);
        let config = reader.database();
        reader.finish(config)
    }

    /// What `postrider rekey` needs.
    ///
    /// # Errors
    /// Every setting that is wrong.
    pub fn rekey(&self) -> Result<RekeyConfig, BadConfig> {
        let mut reader = Reader::new(&self.source);
        let config = rekey::read(&mut reader);
        reader.finish(config)
    }

    /// What `postrider dev` needs of a worker: these values in place of what was given, and all else as given.
    ///
    /// # Errors
    /// Every setting that is wrong.
    pub fn worker_with(&self, values: &[(&str, &str)]) -> Result<WorkerConfig, BadConfig> {
        let mut source = self.source.clone();
        source.put(values);
        Self { source }.worker()
    }

    /// How to log; for every command. What is wrong here is reported by the settings of the command too.
    #[must_use]
    pub fn log(&self) -> LogConfig {
        self.log_with("info")
    }

    /// How to log, with another default filter.
    #[must_use]
    pub fn log_with(&self, default_filter: &str) -> LogConfig {
        let mut reader = Reader::new(&self.source);
        LogConfig {
            filter: reader.given("log").unwrap_or_else(|| default_filter.to_owned()),
            format: log_format(&mut reader).unwrap_or(LogFormat::Text),
        }
    }
}

/// How to log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// Filter directives of tracing-subscriber, such as `info,postrider_worker=debug`.
    pub filter: String,
    /// Form of a line.
    pub format: LogFormat,
}

/// Form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

fn log_format(reader: &mut Reader<'_>) -> Option<LogFormat> {
    reader.choice("log_format", &[("text", LogFormat::Text), ("json", LogFormat::Json)])
}

#[cfg(test)]
mod tests;
