//! Who this worker is: a row with a fresh random id, which is also the fencing epoch of all it claims.

use std::sync::{Mutex, PoisonError};

use sqlx::PgConnection;
use uuid::Uuid;

use crate::database::Database;

#[derive(Debug, Clone, Copy)]
struct State {
    worker: Uuid,
    /// Number of the last flush known to be recorded.
    flushed: i64,
}

/// What tokens and lease ids carry of the worker that drew them, in the 30 bits above the lowest 32: when it dies, what it
/// held is found by this.
pub(crate) fn mark(worker: Uuid) -> i64 {
    (worker.as_u128() & 0x3fff_ffff) as i64
}

/// The worker's id and the number of its last flush.
#[derive(Debug)]
pub(crate) struct Identity(Mutex<State>);

impl Identity {
    /// A new id, not registered yet.
    pub(crate) fn new() -> Self {
        Self(Mutex::new(State {
            worker: Uuid::new_v4(),
            flushed: 0,
        }))
    }

    pub(crate) fn worker(&self) -> Uuid {
        self.state().worker
    }

    /// The number the next flush must carry.
    pub(crate) fn next_flush(&self) -> (Uuid, i64) {
        let state = self.state();
        (state.worker, state.flushed + 1)
    }

    /// Notes that this flush is recorded.
    pub(crate) fn flushed(&self, worker: Uuid, number: i64) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.worker == worker {
            state.flushed = number;
        }
    }

    /// Writes the worker's row.
    pub(crate) async fn register(&self, database: &Database) -> sqlx::Result<()> {
        let worker = self.worker();
        database
            .connection()
            .await?
            .run(|connection| register(connection, worker))
            .await
    }

    /// Takes a fresh id after `dead` was declared dead and what it held was given back.
    pub(crate) async fn register_again(&self, database: &Database, dead: Uuid) -> sqlx::Result<()> {
        {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if state.worker != dead {
                return Ok(());
            }
            *state = State {
                worker: Uuid::new_v4(),
                flushed: 0,
            };
        }
        tracing::warn!(
            worker = %dead,
            "was silent longer than the lease time and declared dead; going on under a new id, what it held is delivered again"
        );
        self.register(database).await
    }

    fn state(&self) -> State {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn register(connection: &mut PgConnection, worker: Uuid) -> sqlx::Result<()> {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_else(|_| "unknown".to_owned());
    sqlx::query(
        "-- register
         insert into postrider.worker (id, name, version) values ($1, $2, $3) on conflict (id) do nothing",
    )
    .bind(worker)
    .bind(format!("{}:{}", host.trim(), std::process::id()))
    .bind(env!("CARGO_PKG_VERSION"))
    .execute(connection)
    .await?;
    Ok(())
}

/// Shows a sign of life. False when the worker was declared dead.
pub(crate) async fn heartbeat(connection: &mut PgConnection, worker: Uuid) -> sqlx::Result<bool> {
    let beaten = sqlx::query("-- heartbeat\n update postrider.worker set heartbeat_at = now() where id = $1")
        .bind(worker)
        .execute(connection)
        .await?;
    Ok(beaten.rows_affected() == 1)
}

/// Leaves in good order, holding nothing.
pub(crate) async fn deregister(connection: &mut PgConnection, worker: Uuid) -> sqlx::Result<()> {
    sqlx::query(
        "-- deregister: a lease that could not be finished keeps the row, so that it is given back as any dead worker's
         delete from postrider.worker w
          where w.id = $1 and not exists (select from postrider.lease l where l.worker_id = w.id)",
    )
    .bind(worker)
    .execute(connection)
    .await?;
    Ok(())
}
