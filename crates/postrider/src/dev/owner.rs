//! The person at the keyboard, in the demo app: a user with a chatbot, logged in.

use anyhow::Context;
use sqlx::PgPool;

/// A logged-in user and the chatbot.
#[derive(Debug)]
pub(super) struct Owner {
    pub(super) chatbot_id: String,
    pub(super) session_token: String,
}

impl Owner {
    /// Logs in the user of this data folder, made together with the chatbot at the first start.
    pub(super) async fn log_in(demo: &PgPool) -> anyhow::Result<Self> {
        let known: Option<(String, String)> = sqlx::query_as(
            "/* dev::owner */ select u.id, c.id from demo.users u join demo.chatbots c on c.owner_id = u.id
              order by c.created_at limit 1",
        )
        .fetch_optional(demo)
        .await
        .context("cannot look for the user of the demo app")?;
        let (user_id, chatbot_id) = match known {
            Some(known) => known,
            None => {
                let user_id = postrider_demo::create_user(demo, "owner@example.com").await?;
                let chatbot_id = postrider_demo::create_chatbot(demo, &user_id, "Demo chatbot").await?;
                (user_id, chatbot_id)
            }
        };
        let session_token = postrider_demo::create_session(demo, &user_id).await?;
        Ok(Self {
            chatbot_id,
            session_token,
        })
    }
}
