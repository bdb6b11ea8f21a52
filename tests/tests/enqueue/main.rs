//! Enqueueing, by the Rust crate and by SQL, under the role that applications have.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod batch;
mod errors;
mod idempotency;
mod privileges;
mod transaction;
mod wake;

use postrider_enqueue::{Event, EventId};
use postrider_tests::TestDatabase;
use sqlx::PgPool;

const TENANT: &str = "clp123chatbot456";

fn event() -> Event {
    Event::from_json(TENANT, "LEAD_CREATED", "{}").unwrap()
}

/// A migrated database as an application and as a superuser see it.
struct World {
    application: PgPool,
    superuser: PgPool,
    _database: TestDatabase,
}

impl World {
    async fn new() -> Self {
        let database = TestDatabase::new().await;
        Self {
            application: database.pool_as("postrider_enqueue"),
            superuser: database.pool(),
            _database: database,
        }
    }

    async fn ids(&self, statement: &'static str) -> Vec<EventId> {
        let ids: Vec<i64> = sqlx::query_scalar(statement).fetch_all(&self.superuser).await.unwrap();
        ids.into_iter().map(EventId::from).collect()
    }

    async fn events(&self) -> Vec<EventId> {
        self.ids("select id from postrider.event order by id").await
    }

    async fn outbox(&self) -> Vec<EventId> {
        self.ids("select event_id from postrider.outbox order by event_id")
            .await
    }

    async fn deferred(&self) -> Vec<EventId> {
        self.ids("select event_id from postrider.deferred order by event_id")
            .await
    }

    async fn payload(&self, id: EventId) -> String {
        sqlx::query_scalar("select payload::text from postrider.event where id = $1")
            .bind(i64::from(id))
            .fetch_one(&self.superuser)
            .await
            .unwrap()
    }
}

/// The SQLSTATE of an error of the database.
fn sqlstate(error: &sqlx::Error) -> String {
    let Some(error) = error.as_database_error() else {
        panic!("not an error of the database: {error}");
    };
    error.code().unwrap().into_owned()
}
