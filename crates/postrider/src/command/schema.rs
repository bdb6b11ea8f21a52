//! The check of the schema before a part starts, waiting for a database that is away.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgConnection};

use crate::migrate::{SchemaError, check_schema};

const LONGEST_DELAY: Duration = Duration::from_secs(2);

/// Waits until the database answers, and checks its schema.
///
/// # Errors
/// When the schema does not fit, or the database refuses us for a reason that waiting does not change.
pub(super) async fn wait_and_check(database: &PgConnectOptions) -> Result<(), SchemaError> {
    let mut said = false;
    let mut delays = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(200))
        .with_max_delay(LONGEST_DELAY)
        .with_jitter()
        .without_max_times()
        .build();
    loop {
        let error = match check(database).await {
            Err(SchemaError::Database(error)) if is_away(&error) => error,
            checked => return checked,
        };
        if !said {
            tracing::error!(%error, "the database does not answer; trying again until it does");
            said = true;
        }
        tokio::time::sleep(delays.next().unwrap_or(LONGEST_DELAY)).await;
    }
}

async fn check(database: &PgConnectOptions) -> Result<(), SchemaError> {
    let mut connection = PgConnection::connect_with(database).await?;
    check_schema(&mut connection).await?;
    Ok(connection.close().await?)
}

/// Whether the database may be back after a while. A wrong password or a missing database stays wrong.
fn is_away(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::Protocol(_) => true,
        // operator_intervention (starting up, shutting down), too_many_connections, connection failures
        sqlx::Error::Database(error) => error
            .code()
            .is_some_and(|code| code.starts_with("57P") || code == "53300" || code.starts_with("08")),
        _ => false,
    }
}
