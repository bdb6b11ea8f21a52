//! Where settings come from.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use config::{File, FileFormat, Map, Value};

use super::Problem;
use super::keys;

const PREFIX: &str = "POSTRIDER_";

/// Variables with our prefix that are no settings: `postrider dev` writes the first four for scripts, the last names the
/// file.
const NOT_SETTINGS: [&str; 5] = ["url", "metrics_url", "chatbot_id", "session_token", "config"];

/// Environment variables by name.
pub type Environment = HashMap<String, String>;

/// A value as written, and where.
#[derive(Clone)]
pub(super) struct Given {
    pub(super) text: String,
    pub(super) origin: String,
}

// Settings may be secret.
impl std::fmt::Debug for Given {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Given")
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

/// What was given, and what was wrong with that already.
#[derive(Debug, Clone, Default)]
pub(super) struct Source {
    pub(super) values: HashMap<String, Given>,
    pub(super) problems: Vec<Problem>,
}

impl Source {
    pub(super) fn load(file: Option<&Path>, environment: Environment) -> Self {
        let mut source = Self::default();
        if let Some(path) = file {
            source.read_file(path);
        }
        source.read_environment(environment);
        source
    }

    /// Replaces values.
    pub(super) fn put(&mut self, values: &[(&str, &str)]) {
        for (name, text) in values {
            let given = Given {
                text: (*text).to_owned(),
                origin: String::new(),
            };
            self.values.insert((*name).to_owned(), given);
        }
    }

    fn read_file(&mut self, path: &Path) {
        let origin = path.display().to_string();
        let loaded = config::Config::builder()
            .add_source(File::from(path).format(FileFormat::Toml).required(true))
            .build()
            .and_then(config::Config::try_deserialize::<Map<String, Value>>);
        let values = match loaded {
            Ok(values) => values,
            Err(error) => {
                // The text of a TOML error quotes the line, which may hold a secret.
                let message = match std::fs::read_to_string(path) {
                    Err(error) => format!("cannot be read: {error}"),
                    Ok(_) => format!("is not TOML: {}", without_quote(&error.to_string())),
                };
                self.problems.push(Problem {
                    subject: origin,
                    origin: String::new(),
                    message,
                });
                return;
            }
        };
        for (name, value) in values.into_iter().collect::<BTreeMap<_, _>>() {
            match value.clone().into_array() {
                Ok(items) => {
                    let items: Result<Vec<String>, _> = items.into_iter().map(Value::into_string).collect();
                    self.give(name, items.map(|items| items.join(",")).ok(), origin.clone());
                }
                Err(_) => self.give(name, value.into_string().ok(), origin.clone()),
            }
        }
    }

    fn read_environment(&mut self, environment: Environment) {
        for (variable, text) in environment.into_iter().collect::<BTreeMap<_, _>>() {
            let Some(name) = variable.strip_prefix(PREFIX).map(str::to_lowercase) else {
                continue;
            };
            // An empty variable is how compose files and shells spell "not set".
            if NOT_SETTINGS.contains(&name.as_str()) || text.is_empty() {
                continue;
            }
            self.give(name, Some(text), format!("environment variable {variable}"));
        }
    }

    fn give(&mut self, name: String, text: Option<String>, origin: String) {
        let message = match text {
            _ if keys::find(&name).is_none() => "there is no such setting",
            None => "must be a text, a number, a truth value or a list of those",
            Some(text) => {
                self.values.insert(name, Given { text, origin });
                return;
            }
        };
        self.problems.push(Problem {
            subject: name,
            origin,
            message: message.to_owned(),
        });
    }
}

/// The place and the reason of a TOML error, without the line it quotes.
fn without_quote(error: &str) -> String {
    let lines = error
        .lines()
        .filter(|line| !line.trim_start().starts_with('|') && !line.contains(" | "));
    lines
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(", ")
}
