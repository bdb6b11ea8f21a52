//! People who log in.

use sqlx::PgPool;

use crate::id::new_id;

/// Makes a user and returns the id.
///
/// # Errors
/// What the database says.
pub async fn create_user(pool: &PgPool, email: &str) -> Result<String, sqlx::Error> {
    let id = new_id();
    sqlx::query("/* demo::create_user */ insert into demo.users (id, email) values ($1, $2)")
        .bind(&id)
        .bind(email)
        .execute(pool)
        .await?;
    Ok(id)
}
