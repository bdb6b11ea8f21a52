//! The app's own tables and role.

use sqlx::{Connection, Executor, PgConnection};

/// The role the app connects as: its own schema, and EXECUTE of the enqueue functions through `postrider_enqueue`.
pub const ROLE: &str = "postrider_demo";

/// Makes the schema `demo`, or completes it. Needs a connection that may create schemas and roles, on a database with
/// the postrider schema.
///
/// # Errors
/// What the database says.
pub async fn setup(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    // One at a time: "if not exists" alone does not keep two from creating the same.
    sqlx::query("/* demo::setup */ select pg_advisory_xact_lock(hashtextextended('postrider demo setup', 0))")
        .execute(&mut *transaction)
        .await?;
    transaction.execute(include_str!("setup.sql")).await?;
    transaction.commit().await
}
