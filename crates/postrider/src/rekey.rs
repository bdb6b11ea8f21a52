//! Puts every stored secret of a webhook under the first encryption key, so that older keys can be removed.

mod batch;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use postrider_core::ids::WebhookId;
use postrider_core::secret::{DecryptError, KeyRing};
use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use tokio::time::Instant;

use crate::migrate::check_schema;
use batch::{Batch, rekey_batch};

/// How long rows that others keep locked are waited for after the last change.
const PATIENCE: Duration = Duration::from_secs(30);

/// Between two looks at rows that others keep locked.
const PAUSE: Duration = Duration::from_millis(250);

/// What [`rekey()`] did.
#[derive(Debug, Default)]
pub(crate) struct Rekeyed {
    /// Secrets encrypted again, previous ones included.
    pub(crate) changed: u64,
    /// Secrets left as they are, because they cannot be decrypted.
    pub(crate) undecryptable: BTreeMap<WebhookId, Vec<Undecryptable>>,
    /// Webhooks left as they are, because their rows stayed locked.
    pub(crate) locked: Vec<WebhookId>,
}

/// A stored secret that cannot be decrypted.
#[derive(Debug)]
pub(crate) struct Undecryptable {
    /// Its column.
    pub(crate) column: &'static str,
    /// Why, with the id of the missing key.
    pub(crate) error: DecryptError,
}

/// Goes through all webhooks until nothing is left that could be changed. What it did stays done when it fails.
pub(crate) async fn rekey(database: &PgConnectOptions, key_ring: &KeyRing) -> anyhow::Result<Rekeyed> {
    let mut connection = PgConnection::connect_with(database)
        .await
        .context("cannot connect to the database")?;
    check_schema(&mut connection).await?;
    let mut done = Rekeyed::default();
    let mut deadline = Instant::now() + PATIENCE;
    loop {
        if pass(&mut connection, key_ring, &mut done).await? > 0 {
            deadline = Instant::now() + PATIENCE;
        }
        done.locked = batch::left(&mut connection, key_ring, &done).await?;
        if done.locked.is_empty() || Instant::now() >= deadline {
            connection.close().await?;
            return Ok(done);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// All webhooks once, batch by batch. Returns how many secrets it changed.
async fn pass(connection: &mut PgConnection, key_ring: &KeyRing, done: &mut Rekeyed) -> anyhow::Result<u64> {
    let before = done.changed;
    // Somebody may have rotated or removed them since the pass before.
    done.undecryptable.clear();
    let mut after = WebhookId(i64::MIN);
    while let Some(Batch {
        last,
        changed,
        undecryptable,
    }) = rekey_batch(connection, key_ring, after).await?
    {
        after = last;
        done.changed += changed;
        done.undecryptable.extend(undecryptable);
    }
    Ok(done.changed - before)
}
