//! Wake: sleep until there is something to do, without making every producer pay for it.
//!
//! A NOTIFY takes a cluster-wide lock at commit, so producers send one only when every worker sleeps. They find out by
//! trying to share the wake lock: a worker about to sleep takes it exclusively, looks once more, and only then sleeps.
//! A producer in flight shares the lock until it commits, so nothing can slip in between the last look and the sleep.

use std::time::Duration;

use sqlx::postgres::PgListener;
use sqlx::{PgConnection, PgPool};

/// The wake lock; `postrider.wake_workers()` shares it.
const WAKE_LOCK: i64 = 8_103_510_517_862_818_085;

const CHANNEL: &str = "postrider";

/// What a worker that found nothing may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    /// The lock is ours: look once more, then sleep.
    Held,
    /// Another worker holds it asleep, so producers send notices to all: look once more, then sleep.
    HeldByOther,
    /// A producer is in the middle of its transaction and will send no notice: look again soon.
    ProducerInFlight,
}

/// The connections needed to sleep: one listens, one holds the lock.
#[derive(Debug)]
pub(crate) struct Sleeper {
    listener: PgListener,
    gate: sqlx::pool::PoolConnection<sqlx::Postgres>,
    holds_lock: bool,
}

impl Sleeper {
    /// Opens both connections and listens.
    pub(crate) async fn connect(pool: &PgPool) -> sqlx::Result<Self> {
        let mut listener = PgListener::connect_with(pool).await?;
        listener.listen(CHANNEL).await?;
        // A lost connection must surface as an error, not be replaced in silence: notices were missed.
        listener.eager_reconnect(false);
        Ok(Self {
            listener,
            gate: pool.acquire().await?,
            holds_lock: false,
        })
    }

    /// Tries to close the gate behind which producers must send a notice.
    pub(crate) async fn close_gate(&mut self) -> sqlx::Result<Gate> {
        if self.holds_lock {
            return Ok(Gate::Held);
        }
        let (ours, shareable) = try_gate(&mut self.gate).await?;
        self.holds_lock = ours;
        Ok(match (ours, shareable) {
            (true, _) => Gate::Held,
            (false, true) => Gate::ProducerInFlight,
            (false, false) => Gate::HeldByOther,
        })
    }

    /// Opens the gate: producers need not send notices while this worker is awake.
    pub(crate) async fn open_gate(&mut self) -> sqlx::Result<()> {
        if self.holds_lock {
            sqlx::query("-- open_gate\n select pg_advisory_unlock($1)")
                .bind(WAKE_LOCK)
                .execute(&mut *self.gate)
                .await?;
            self.holds_lock = false;
        }
        Ok(())
    }

    /// Sleeps until a notice or for this long.
    pub(crate) async fn sleep(&mut self, longest: Duration) -> sqlx::Result<()> {
        match tokio::time::timeout(longest, self.listener.try_recv()).await {
            Ok(Ok(Some(_))) | Err(_) => Ok(()),
            Ok(Ok(None)) => Err(sqlx::Error::Io(std::io::ErrorKind::ConnectionAborted.into())),
            Ok(Err(error)) => Err(error),
        }
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        // A session that goes back to the pool with the lock would keep the gate closed for good.
        self.gate.close_on_drop();
    }
}

async fn try_gate(connection: &mut PgConnection) -> sqlx::Result<(bool, bool)> {
    sqlx::query_as(
        "-- close_gate: a lock that can be shared but not taken is in the hands of producers
         select g.ours, not g.ours and pg_try_advisory_lock_shared($1)
                        and pg_advisory_unlock_shared($1)
           from (select pg_try_advisory_lock($1) as ours offset 0) g",
    )
    .bind(WAKE_LOCK)
    .fetch_one(connection)
    .await
}
