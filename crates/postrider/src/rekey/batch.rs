//! One transaction: a bounded number of webhooks, their rows locked.

use anyhow::Context;
use postrider_core::ids::WebhookId;
use postrider_core::secret::KeyRing;
use sqlx::Connection;
use sqlx::postgres::PgConnection;

use super::{Rekeyed, Undecryptable};

/// Most webhooks of one transaction. Their owners wait for it when they change them.
const BATCH: i64 = 100;

/// What was done to some webhooks.
pub(super) struct Batch {
    /// The webhook to go on behind.
    pub(super) last: WebhookId,
    /// Secrets encrypted again.
    pub(super) changed: u64,
    /// What cannot be decrypted.
    pub(super) undecryptable: Vec<(WebhookId, Vec<Undecryptable>)>,
}

#[derive(sqlx::FromRow)]
struct Stored {
    id: i64,
    tenant: String,
    secret: Vec<u8>,
    previous_secret: Option<Vec<u8>>,
}

/// Encrypts secrets of the next webhooks behind `after` again; `None` when there is none left. Skips locked rows.
pub(super) async fn rekey_batch(
    connection: &mut PgConnection,
    key_ring: &KeyRing,
    after: WebhookId,
) -> anyhow::Result<Option<Batch>> {
    let mut transaction = connection.begin().await.context("cannot begin a transaction")?;
    let stored: Vec<Stored> = sqlx::query_as(
        "-- rekey::batch::rekey_batch
         select id, tenant, secret, previous_secret
           from postrider.webhook
          where id > $1
            and (substr(secret, 1, length($2)) <> $2 or substr(previous_secret, 1, length($2)) <> $2)
          order by id
          limit $3
            for no key update skip locked",
    )
    .bind(after.0)
    .bind(key_ring.current_header())
    .bind(BATCH)
    .fetch_all(&mut *transaction)
    .await
    .context("cannot read webhooks")?;
    let Some(last) = stored.last() else {
        return Ok(None);
    };
    let mut batch = Batch {
        last: WebhookId(last.id),
        changed: 0,
        undecryptable: Vec::new(),
    };
    for webhook in &stored {
        rekey_webhook(&mut transaction, key_ring, webhook, &mut batch).await?;
    }
    transaction.commit().await.context("cannot commit")?;
    Ok(Some(batch))
}

async fn rekey_webhook(
    connection: &mut PgConnection,
    key_ring: &KeyRing,
    webhook: &Stored,
    batch: &mut Batch,
) -> anyhow::Result<()> {
    let id = WebhookId(webhook.id);
    let header = key_ring.current_header();
    let columns = [
        ("secret", Some(&webhook.secret)),
        ("previous_secret", webhook.previous_secret.as_ref()),
    ];
    let mut undecryptable = Vec::new();
    let [secret, previous_secret] = columns.map(|(column, stored)| {
        let stored = stored.filter(|stored| !stored.starts_with(&header))?;
        match key_ring.decrypt(stored, &webhook.tenant, id) {
            Ok(secret) => Some(key_ring.encrypt(&secret, &webhook.tenant, id)),
            Err(error) => {
                undecryptable.push(Undecryptable { column, error });
                None
            }
        }
    });
    if !undecryptable.is_empty() {
        batch.undecryptable.push((id, undecryptable));
    }
    let changed = [&secret, &previous_secret].into_iter().flatten().count();
    if changed == 0 {
        return Ok(());
    }
    // Neither version nor updated_at: the secrets are the same, so no worker needs to read them again.
    let updated = sqlx::query(
        "-- rekey::batch::rekey_webhook
         update postrider.webhook
            set secret = coalesce($2, secret), previous_secret = coalesce($3, previous_secret)
          where id = $1",
    )
    .bind(webhook.id)
    .bind(secret)
    .bind(previous_secret)
    .execute(connection)
    .await
    .with_context(|| format!("cannot change {id}"))?;
    anyhow::ensure!(updated.rows_affected() == 1, "{id} is gone although its row was locked");
    batch.changed += changed as u64;
    Ok(())
}

/// Webhooks with a secret that is not under the first key, apart from those whose secrets cannot be decrypted. A batch
/// skips them only while others have locked their rows.
pub(super) async fn left(
    connection: &mut PgConnection,
    key_ring: &KeyRing,
    done: &Rekeyed,
) -> anyhow::Result<Vec<WebhookId>> {
    let undecryptable: Vec<i64> = done.undecryptable.keys().map(|id| id.0).collect();
    let left: Vec<i64> = sqlx::query_scalar(
        "-- rekey::batch::left
         select id
           from postrider.webhook
          where (substr(secret, 1, length($1)) <> $1 or substr(previous_secret, 1, length($1)) <> $1)
            and not exists (select from unnest($2) as undecryptable (id) where undecryptable.id = webhook.id)
          order by id",
    )
    .bind(key_ring.current_header())
    .bind(undecryptable)
    .fetch_all(connection)
    .await
    .context("cannot read webhooks")?;
    Ok(left.into_iter().map(WebhookId).collect())
}
