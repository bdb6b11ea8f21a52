//! Looks ten times a second how long transactions of workers have been open, and remembers the longest.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};
use tokio::task::AbortHandle;
use tokio::time::sleep;

/// Between two looks.
const INTERVAL: Duration = Duration::from_millis(100);

/// A session that waits for its next statement inside a transaction counts; one without a transaction does not. That one
/// shows a moment of the past while it hands out a notice, for which Postgres begins a transaction of its own.
const LOOK: &str = "select (extract(epoch from clock_timestamp() - xact_start) * 1000)::float8, state || ': ' || query
       from pg_stat_activity
      where application_name = 'postrider worker' and xact_start is not null and state <> 'idle'
      order by xact_start limit 1";

/// The longest transaction seen: milliseconds, and what it was at.
pub(crate) type Longest = (f64, String);

/// The running look-out; ends when dropped.
#[derive(Debug)]
pub(crate) struct LongestTransaction {
    longest: Arc<Mutex<Longest>>,
    looking: AbortHandle,
}

impl LongestTransaction {
    pub(super) fn watch(options: PgConnectOptions) -> Self {
        let longest = Arc::new(Mutex::new(Longest::default()));
        let seen = longest.clone();
        let looking = tokio::spawn(async move {
            loop {
                // The database may be away: that is what some scenarios are about.
                if let Ok(connection) = options.connect().await {
                    look_on(connection, &seen).await;
                }
                sleep(INTERVAL).await;
            }
        });
        Self {
            longest,
            looking: looking.abort_handle(),
        }
    }

    pub(crate) fn so_far(&self) -> Longest {
        self.longest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for LongestTransaction {
    fn drop(&mut self) {
        self.looking.abort();
    }
}

/// Goes on until the connection fails.
async fn look_on(mut connection: PgConnection, seen: &Mutex<Longest>) {
    while let Ok(found) = sqlx::query_as::<_, Longest>(LOOK).fetch_optional(&mut connection).await {
        if let Some(found) = found {
            let mut longest = seen.lock().unwrap_or_else(PoisonError::into_inner);
            if found.0 > longest.0 {
                *longest = found;
            }
        }
        sleep(INTERVAL).await;
    }
}
