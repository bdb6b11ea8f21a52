//! Chatbots, and whose they are.

use sqlx::PgPool;

use crate::id::new_id;

/// Makes a chatbot of this user and returns its id.
///
/// # Errors
/// What the database says.
pub async fn create_chatbot(pool: &PgPool, owner_id: &str, name: &str) -> Result<String, sqlx::Error> {
    let id = new_id();
    sqlx::query("/* demo::create_chatbot */ insert into demo.chatbots (id, owner_id, name) values ($1, $2, $3)")
        .bind(&id)
        .bind(owner_id)
        .bind(name)
        .execute(pool)
        .await?;
    Ok(id)
}
