//! Leads: how a main app writes a row and its event in one transaction.

mod new_lead;

use postrider_enqueue::{EnqueueError, Event, InvalidEvent, enqueue, enqueue_many};
use sqlx::{PgConnection, PgPool};
use thiserror::Error;

pub use crate::error::FieldError;
pub use new_lead::NewLead;
pub use postrider_enqueue::Lead;

/// Why no lead was created. Nothing was written, no event either.
#[derive(Debug, Error)]
pub enum LeadError {
    /// Fields that are not as they must be.
    #[error("Some fields are not valid")]
    Invalid(Vec<FieldError>),
    /// The event would be refused, in practice because the lead is too large.
    #[error("The lead cannot be announced: {0}")]
    Event(InvalidEvent),
    /// The database failed.
    #[error("the database failed")]
    Database(#[source] sqlx::Error),
}

impl From<sqlx::Error> for LeadError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl From<EnqueueError> for LeadError {
    fn from(error: EnqueueError) -> Self {
        match error {
            EnqueueError::Invalid(reason) | EnqueueError::InvalidInBatch { reason, .. } => Self::Event(reason),
            EnqueueError::Database(error) => Self::Database(error),
        }
    }
}

/// Creates a lead, and the event that tells of it, in one transaction: both or neither.
///
/// # Errors
/// See [`LeadError`].
pub async fn create(pool: &PgPool, chatbot_id: &str, new: NewLead) -> Result<Lead, LeadError> {
    new.check("").map_err(LeadError::Invalid)?;
    let lead = new.into_lead(chatbot_id);

    let mut transaction = pool.begin().await?;
    insert(&mut transaction, std::slice::from_ref(&lead)).await?;
    enqueue(&mut *transaction, &Event::lead_created(&lead)).await?;
    transaction.commit().await?;
    Ok(lead)
}

/// Creates many leads with their events in one transaction: all or none.
///
/// # Errors
/// See [`LeadError`].
pub async fn create_many(pool: &PgPool, chatbot_id: &str, new: Vec<NewLead>) -> Result<Vec<Lead>, LeadError> {
    let wrong = new
        .iter()
        .enumerate()
        .filter_map(|(place, lead)| lead.check(&format!("{place}.")).err());
    let wrong: Vec<FieldError> = wrong.flatten().collect();
    if !wrong.is_empty() {
        return Err(LeadError::Invalid(wrong));
    }
    let leads: Vec<Lead> = new.into_iter().map(|new| new.into_lead(chatbot_id)).collect();
    let events: Vec<Event> = leads.iter().map(Event::lead_created).collect();

    let mut transaction = pool.begin().await?;
    insert(&mut transaction, &leads).await?;
    enqueue_many(&mut *transaction, &events).await?;
    transaction.commit().await?;
    Ok(leads)
}

async fn insert(connection: &mut PgConnection, leads: &[Lead]) -> Result<(), sqlx::Error> {
    let leads = serde_json::to_string(leads).map_err(|error| sqlx::Error::Encode(error.into()))?;
    sqlx::query(
        r#"/* demo::lead::insert */
        insert into demo.leads (id, chatbot_id, name, email, phone, company, message, preferred_method, urgency, source,
                                status, priority, tags, custom_fields, created_at, updated_at)
        select id, "chatbotId", name, email, phone, company, message, "preferredMethod", urgency, source,
               status, priority, tags, "customFields", "createdAt", "updatedAt"
          from json_to_recordset($1::text::json)
               as lead (id text, "chatbotId" text, name text, email text, phone text, company text, message text,
                        "preferredMethod" text, urgency text, source text, status text, priority text, tags text[],
                        "customFields" json, "createdAt" timestamptz, "updatedAt" timestamptz)"#,
    )
    .bind(leads)
    .execute(connection)
    .await?;
    Ok(())
}
