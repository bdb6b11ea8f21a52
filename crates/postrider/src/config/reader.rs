//! Reads settings into types, and collects what is wrong.

use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;

use super::keys::{self, Key};
use super::source::{Given, Source};
use super::{BadConfig, Problem, log_format};

/// A reader for one command. A method that returns `None` has noted the problem.
pub(super) struct Reader<'a> {
    source: &'a Source,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(source: &'a Source) -> Self {
        Self {
            source,
            problems: source.problems.clone(),
        }
    }

    /// The settings, unless anything was wrong.
    pub(super) fn finish<T>(mut self, config: Option<T>) -> Result<T, BadConfig> {
        // Every command logs.
        if let Some(filter) = self.text("log") {
            self.check("log", tracing_subscriber::EnvFilter::try_new(filter).map(|_| ()));
        }
        log_format(&mut self);
        match config {
            Some(config) if self.problems.is_empty() => Ok(config),
            _ => Err(BadConfig(self.problems)),
        }
    }

    /// The text of a setting; its default when not given.
    pub(super) fn text(&mut self, name: &'static str) -> Option<String> {
        match (self.source.values.get(name), self.key(name).default) {
            (Some(given), _) => Some(given.text.clone()),
            (None, Some(default)) => Some(default.to_owned()),
            (None, None) => {
                let message = format!("must be set, in the file or as POSTRIDER_{}", name.to_uppercase());
                self.problems.push(Problem {
                    subject: name.to_owned(),
                    origin: String::new(),
                    message,
                });
                None
            }
        }
    }

    /// The text of a setting that was given.
    pub(super) fn given(&self, name: &str) -> Option<String> {
        self.source.values.get(name).map(|given| given.text.clone())
    }

    /// The text, or `None` for an empty one: a setting that may be left out.
    pub(super) fn optional(&mut self, name: &'static str) -> Option<Option<String>> {
        self.text(name).map(|text| Some(text).filter(|text| !text.is_empty()))
    }

    /// A parsed text. `expected` completes "must be".
    pub(super) fn parse<T: FromStr>(&mut self, name: &'static str, expected: &str) -> Option<T> {
        let text = self.text(name)?;
        match text.trim().parse() {
            Ok(value) => Some(value),
            Err(_) => self.wrong(name, format!("must be {expected}")),
        }
    }

    pub(super) fn number<T>(&mut self, name: &'static str, range: RangeInclusive<T>) -> Option<T>
    where
        T: FromStr + PartialOrd + Display,
    {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        let number = self.parse(name, &expected)?;
        if range.contains(&number) {
            Some(number)
        } else {
            self.wrong(name, format!("must be {expected}"))
        }
    }

    pub(super) fn milliseconds(&mut self, name: &'static str, range: RangeInclusive<u64>) -> Option<Duration> {
        self.number(name, range).map(Duration::from_millis)
    }

    pub(super) fn choice<T: Copy>(&mut self, name: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(name)?;
        if let Some((_, value)) = choices.iter().find(|(word, _)| text.trim().eq_ignore_ascii_case(word)) {
            return Some(*value);
        }
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        self.wrong(name, format!("must be {}", words.join(" or ")))
    }

    pub(super) fn boolean(&mut self, name: &'static str) -> Option<bool> {
        self.choice(name, &[("true", true), ("false", false)])
    }

    pub(super) fn listen(&mut self, name: &'static str) -> Option<SocketAddr> {
        self.parse(
            name,
            "an address and a port, such as 127.0.0.1:3000, 0.0.0.0:3000 or [::]:3000",
        )
    }

    /// A list with commas; spaces around its items do not count.
    pub(super) fn list<T: FromStr>(&mut self, name: &'static str, expected: &str) -> Option<Vec<T>> {
        let text = self.text(name)?;
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        match items.map(str::parse).collect() {
            Ok(items) => Some(items),
            Err(_) => self.wrong(name, format!("must be {expected}")),
        }
    }

    /// A file that exists, or `None` for an empty text.
    pub(super) fn file(&mut self, name: &'static str) -> Option<Option<PathBuf>> {
        let Some(path) = self.optional(name)?.map(PathBuf::from) else {
            return Some(None);
        };
        match std::fs::File::open(&path) {
            Ok(_) => Some(Some(path)),
            Err(error) => self.wrong(name, format!("must be a file that can be read: {error}")),
        }
    }

    /// The database of `database_url` under `database_role`.
    pub(super) fn database(&mut self) -> Option<PgConnectOptions> {
        let role = self.optional("database_role")?;
        let url = self.text("database_url")?;
        self.connection("database_url", &url, role)
    }

    /// Options for the URL that was read from this key.
    pub(super) fn connection(
        &mut self,
        name: &'static str,
        url: &str,
        role: Option<String>,
    ) -> Option<PgConnectOptions> {
        let expected = "must be postgres://USER:PASSWORD@HOST:PORT/DATABASE, with special characters of the password \
                        percent-encoded";
        connection(url, role).or_else(|| self.wrong(name, expected.to_owned()))
    }

    /// Notes that the value of a setting is wrong.
    pub(super) fn wrong<T>(&mut self, name: &'static str, message: String) -> Option<T> {
        let given: Option<&Given> = self.source.values.get(name);
        let message = match given {
            Some(given) if !self.key(name).secret => format!("{message}; got {:?}", given.text),
            _ => message,
        };
        let origin = given.map(|given| given.origin.clone()).unwrap_or_default();
        self.problems.push(Problem {
            subject: name.to_owned(),
            origin,
            message,
        });
        None
    }

    fn check<E: Display>(&mut self, name: &'static str, result: Result<(), E>) {
        if let Err(error) = result {
            self.wrong::<()>(name, error.to_string());
        }
    }

    fn key(&self, name: &'static str) -> &'static Key {
        keys::find(name).unwrap_or_else(|| unreachable!("{name} is read, but not listed"))
    }
}

/// Options for a URL, under a role if one is given.
pub(super) fn connection(url: &str, role: Option<String>) -> Option<PgConnectOptions> {
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return None;
    }
    let options: PgConnectOptions = url.parse().ok()?;
    Some(match role {
        Some(role) => options.options([("role", role)]),
        None => options,
    })
}
