//! The worker's connections: bounded waits, one message per outage, back-off with jitter.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgConnection, PgPool, Postgres};

use crate::metrics;
use crate::settings::{Settings, Wake};

/// Claim, record, lanes, maintenance, wake gate, listener.
const CONNECTIONS: u32 = 6;

/// A statement without an answer for this long counts as lost, and its connection is closed. Longer than any statement
/// of ours takes, shorter than the lease time.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);

const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);

/// Access to Postgres, and whether it answers.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) pool: PgPool,
    answering: AtomicBool,
    /// Number of statements answered so far.
    answers: AtomicU64,
    /// Number of outages so far: what was opened before the last one is of no use.
    outages: AtomicU64,
}

impl Database {
    /// Opens no connection yet.
    pub(crate) fn new(settings: &Settings) -> Self {
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_lazy_with(connect_options(settings));
        Self {
            pool,
            answering: AtomicBool::new(false),
            answers: AtomicU64::new(0),
            outages: AtomicU64::new(0),
        }
    }

    pub(crate) async fn connection(&self) -> sqlx::Result<Connection> {
        Ok(Connection {
            connection: Some(self.pool.acquire().await?),
            clean: true,
        })
    }

    /// Whether the last statement was answered.
    pub(crate) fn is_answering(&self) -> bool {
        self.answering.load(Ordering::Relaxed)
    }

    /// To be called before a statement that may end in [`failed`](Self::failed).
    pub(crate) fn attempt(&self) -> Attempt {
        Attempt {
            answers: self.answers.load(Ordering::Relaxed),
        }
    }

    /// Notes a statement that was answered.
    pub(crate) fn answered(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
        if !self.answering.load(Ordering::Relaxed) && !self.answering.swap(true, Ordering::Relaxed) {
            tracing::info!("database answers");
        }
    }

    /// Notes a statement that failed. Says so once per outage.
    pub(crate) fn failed(&self, attempt: Attempt, statement: &'static str, error: &sqlx::Error) {
        metrics::database_error(statement);
        if self.answers.load(Ordering::Relaxed) != attempt.answers {
            tracing::warn!(statement, %error, "statement failed, though others were answered since it began; trying again");
        } else if self.answering.swap(false, Ordering::Relaxed) {
            self.outages.fetch_add(1, Ordering::Relaxed);
            tracing::error!(statement, %error, "database does not answer, trying again until it does");
        } else {
            tracing::debug!(statement, %error, "database still does not answer");
        }
    }

    pub(crate) fn backoff(&self) -> Backoff {
        Backoff(
            ExponentialBuilder::default()
                .with_min_delay(Duration::from_millis(50))
                .with_max_delay(Duration::from_secs(1))
                .with_jitter()
                .without_max_times()
                .build(),
        )
    }
}

/// The begin of a statement. One that waited in vain for a connection fails seconds later, when the database may long
/// answer others again: that is no outage.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempt {
    answers: u64,
}

fn connect_options(settings: &Settings) -> PgConnectOptions {
    let options = settings.database.clone().application_name("postrider worker");
    match settings.wake {
        // Every table is read by its index. Left to guess from stale statistics of tables that fill and empty all the
        // time, the planner falls back to scanning them whole.
        Wake::Gate => options.options([
            ("enable_seqscan", "off"),
            ("plan_cache_mode", "force_generic_plan"),
            ("jit", "off"),
        ]),
        // A transaction pooler refuses start-up options.
        Wake::Poll => options,
    }
}

/// A loop's own connection, opened when first needed and again after a failure. A loop that took one from the pool for
/// each statement would make the pool ping it at each return.
#[derive(Debug, Default)]
pub(crate) struct OwnConnection {
    connection: Option<Connection>,
    outages: u64,
}

impl OwnConnection {
    pub(crate) async fn get(&mut self, database: &Database) -> sqlx::Result<&mut Connection> {
        let outages = database.outages.load(Ordering::Relaxed);
        if self.outages != outages || self.connection.as_ref().is_none_or(|connection| !connection.clean) {
            self.connection = None;
            self.connection = Some(database.connection().await?);
            self.outages = outages;
        }
        Ok(self.connection.as_mut().expect("set above"))
    }
}

/// A pooled connection that is closed, not reused, when a statement on it was cut short.
#[derive(Debug)]
pub(crate) struct Connection {
    connection: Option<PoolConnection<Postgres>>,
    clean: bool,
}

impl Connection {
    /// Runs one statement, or several, within the time limit.
    pub(crate) async fn run<'a, T, F>(
        &'a mut self,
        statement: impl FnOnce(&'a mut PgConnection) -> F,
    ) -> sqlx::Result<T>
    where
        F: Future<Output = sqlx::Result<T>> + 'a,
    {
        let Self { connection, clean } = self;
        let connection = connection.as_mut().expect("taken only when dropped");
        *clean = false;
        let answer = tokio::time::timeout(STATEMENT_TIMEOUT, statement(connection)).await;
        let answer = answer.unwrap_or_else(|_| {
            Err(sqlx::Error::Io(std::io::Error::new(
                std::io::ErrorKind::TimedOut,
                "no answer from the database",
            )))
        });
        *clean = answer.is_ok();
        answer
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && !self.clean
        {
            // Leaves the pool; dropping it closes the socket.
            drop(connection.detach());
        }
    }
}

/// Growing waits between tries.
pub(crate) struct Backoff(ExponentialBackoff);

impl Backoff {
    pub(crate) async fn wait(&mut self) {
        tokio::time::sleep(self.0.next().unwrap_or(Duration::from_secs(1))).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database() -> Database {
        Database {
            pool: PgPoolOptions::new().connect_lazy_with(PgConnectOptions::new_without_pgpass()),
            answering: AtomicBool::new(true),
            answers: AtomicU64::new(0),
            outages: AtomicU64::new(0),
        }
    }

    #[tokio::test]
    async fn a_failure_with_nothing_answered_since_it_began_is_an_outage() {
        let database = database();
        database.failed(database.attempt(), "claim", &sqlx::Error::PoolTimedOut);
        assert!(!database.is_answering());
        assert_eq!(database.outages.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_failure_of_a_statement_begun_before_the_last_answer_is_none() {
        let database = database();
        let waiting = database.attempt();
        database.failed(database.attempt(), "claim", &sqlx::Error::PoolTimedOut);
        database.answered();
        database.failed(waiting, "maintenance", &sqlx::Error::PoolTimedOut);
        assert!(database.is_answering());
        assert_eq!(database.outages.load(Ordering::Relaxed), 1);
    }
}
