//! The worker's connections: bounded waits, one message per outage, back-off with jitter.

use std::sync::{Mutex, MutexGuard, PoisonError};
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
    contact: Mutex<Contact>,
}

#[derive(Debug, Default)]
struct Contact {
    is_answering: bool,
    known: Known,
}

/// What is known of the database. The end of a statement that began when less was known tells nothing: one that
/// waited in vain for a connection fails seconds after the database has returned, and an answer may be read after the
/// outage behind it was noticed.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    /// Number of answers so far.
    answers: u64,
    /// Number of outages so far: what was opened before the last one is of no use.
    outages: u64,
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
            contact: Mutex::default(),
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
        self.contact().is_answering
    }

    /// Runs it, and notes whether it was answered.
    pub(crate) async fn watch<T>(
        &self,
        statement: &'static str,
        running: impl Future<Output = sqlx::Result<T>>,
    ) -> sqlx::Result<T> {
        let known = self.known();
        let answer = running.await;
        match &answer {
            Ok(_) => self.answered(known),
            Err(error) => self.failed(known, statement, error),
        }
        answer
    }

    fn known(&self) -> Known {
        self.contact().known
    }

    fn answered(&self, known: Known) {
        let mut contact = self.contact();
        if known.outages != contact.known.outages {
            return;
        }
        contact.known.answers += 1;
        if !contact.is_answering {
            contact.is_answering = true;
            tracing::info!("database answers");
        }
    }

    /// Says so once per outage.
    fn failed(&self, known: Known, statement: &'static str, error: &sqlx::Error) {
        metrics::database_error(statement);
        let mut contact = self.contact();
        if !contact.is_answering {
            tracing::debug!(statement, %error, "database still does not answer");
        } else if known.answers != contact.known.answers {
            tracing::warn!(statement, %error, "statement failed, though others were answered since it began; trying again");
        } else {
            contact.is_answering = false;
            contact.known.outages += 1;
            tracing::error!(statement, %error, "database does not answer, trying again until it does");
        }
    }

    fn contact(&self) -> MutexGuard<'_, Contact> {
        self.contact.lock().unwrap_or_else(PoisonError::into_inner)
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
        let outages = database.known().outages;
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
        let contact = Contact {
            is_answering: true,
            known: Known::default(),
        };
        Database {
            pool: PgPoolOptions::new().connect_lazy_with(PgConnectOptions::new_without_pgpass()),
            contact: Mutex::new(contact),
        }
    }

    fn fail(database: &Database, known: Known) {
        database.failed(known, "claim", &sqlx::Error::PoolTimedOut);
    }

    #[tokio::test]
    async fn a_failure_with_nothing_answered_since_it_began_is_an_outage_until_the_next_answer() {
        let database = database();
        fail(&database, database.known());
        fail(&database, database.known());
        assert!(!database.is_answering());
        assert_eq!(database.known().outages, 1);
        database.answered(database.known());
        assert!(database.is_answering());
    }

    #[tokio::test]
    async fn a_failure_of_a_statement_begun_before_the_last_answer_is_none() {
        let database = database();
        let waiting = database.known();
        fail(&database, waiting);
        database.answered(database.known());
        fail(&database, waiting);
        assert!(database.is_answering());
        assert_eq!(database.known().outages, 1);
    }

    #[tokio::test]
    async fn an_answer_to_a_statement_begun_before_an_outage_does_not_end_it() {
        let database = database();
        let early = database.known();
        fail(&database, database.known());
        database.answered(early);
        assert!(!database.is_answering());
    }
}
