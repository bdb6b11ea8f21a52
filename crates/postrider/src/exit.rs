//! How the process ends, in numbers.

use std::process::ExitCode;

use crate::config::BadConfig;
use crate::migrate::SchemaError;

/// Shown by `postrider --help`.
pub(crate) const DOCUMENTATION: &str = "\
Exit codes:
  0  done, or stopped by the first SIGTERM or SIGINT with nothing lost
  1  failed; the last line of standard error says why
  2  wrong arguments or settings
  3  the schema of the database does not fit this program
  4  stopped at once by a second signal";

/// What an exit code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Failed = 1,
    BadSettings = 2,
    BadSchema = 3,
    StoppedAtOnce = 4,
}

impl Exit {
    /// The code for an error.
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        let bad_schema = |error: &SchemaError| {
            matches!(
                error,
                SchemaError::Missing { .. }
                    | SchemaError::Older { .. }
                    | SchemaError::Newer { .. }
                    | SchemaError::Changed { .. }
            )
        };
        if error.is::<BadConfig>() {
            Self::BadSettings
        } else if error.downcast_ref().is_some_and(bad_schema) {
            Self::BadSchema
        } else {
            Self::Failed
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
