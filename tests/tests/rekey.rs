//! Key rotation: `postrider rekey` puts all secrets under the first key, so that the old one can be removed.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::time::Duration;

use postrider_core::ids::WebhookId;
use postrider_core::secret::{KeyRing, Secret};
use postrider_core::signature::Signer;
use postrider_tests::process::{Finished, Postrider};
use postrider_tests::product::{Product, SOON};
use postrider_tests::{Receiver, TestDatabase};

/// The key under which [`Product`] stores secrets.
const OLD: &str = "test:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const NEW: &str = "new:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
const LOST: &str = "lost:AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";

/// Secrets that are under the old key, previous ones included.
const UNDER_OLD: &str =
    "select count(*) from postrider.webhook cross join unnest(array[secret, previous_secret]) stored
                          where substr(stored, 3, 4) = 'test'";

fn starting(database: &TestDatabase, keys: &str) -> Postrider {
    let url = database.url_as("postrider_api");
    Postrider::spawn(&["rekey"], &[("database_url", &url), ("encryption_keys", keys)])
}

async fn rekey(database: &TestDatabase, keys: &str) -> Finished {
    starting(database, keys).wait(SOON).await
}

async fn store_previous(product: &Product, webhook: WebhookId, keys: &str) -> Secret {
    let secret = Secret::generate();
    let stored = KeyRing::parse(keys).unwrap().encrypt(&secret, "tenant", webhook);
    sqlx::query(
        "update postrider.webhook set previous_secret = $2, previous_secret_expires_at = now() + interval '1 day'
          where id = $1",
    )
    .bind(webhook.0)
    .bind(stored)
    .execute(&product.pool)
    .await
    .unwrap();
    secret
}

type Row = (i64, Vec<u8>, Option<Vec<u8>>);

async fn rows(product: &Product) -> Vec<Row> {
    sqlx::query_as("select id, secret, previous_secret from postrider.webhook order by id")
        .fetch_all(&product.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn every_secret_moves_under_the_first_key_and_nothing_else_changes() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let mut secrets = Vec::new();
    // More than two batches.
    for _ in 0..205 {
        let webhook = product.webhook("tenant", "https://example.com").await;
        secrets.push((webhook.id, webhook.secret));
    }
    let previous = store_previous(&product, secrets[0].0, OLD).await;
    let finished = rekey(&database, &format!("{NEW},{OLD}")).await;
    assert!(finished.status.success(), "{}", finished.stderr);
    assert_eq!(
        finished.stdout,
        "encrypted 206 secrets again\nall secrets are under the first key: the others can be removed\n"
    );
    let new = KeyRing::parse(NEW).unwrap();
    let moved = rows(&product).await;
    assert_eq!(moved.len(), secrets.len());
    for ((id, stored, _), (webhook, secret)) in moved.iter().zip(&secrets) {
        assert_eq!(*id, webhook.0);
        assert_eq!(new.decrypt(stored, "tenant", *webhook).as_ref(), Ok(secret));
    }
    let stored = moved[0].2.as_ref().unwrap();
    assert_eq!(new.decrypt(stored, "tenant", secrets[0].0), Ok(previous));
    let unchanged = "select count(*) from postrider.webhook where version = 1 and updated_at = created_at";
    assert_eq!(product.number(unchanged).await, 205);

    let again = rekey(&database, &format!("{NEW},{OLD}")).await;
    assert!(again.status.success(), "{}", again.stderr);
    assert!(
        again.stdout.starts_with("encrypted 0 secrets again\n"),
        "{}",
        again.stdout
    );
    assert_eq!(rows(&product).await, moved);
}

#[tokio::test]
async fn what_cannot_be_decrypted_is_named_and_all_else_is_done() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let good = product.webhook("tenant", "https://example.com").await;
    let lost = product.webhook("tenant", "https://example.com").await;
    store_previous(&product, lost.id, LOST).await;
    let broken = product
        .webhook_with("tenant", "https://example.com", r"secret = secret || '\x00'")
        .await;
    let before = rows(&product).await;

    for changed in [2, 0] {
        let finished = rekey(&database, &format!("{NEW},{OLD}")).await;
        assert_eq!(finished.status.code(), Some(1), "{}", finished.stderr);
        assert_eq!(finished.stdout, format!("encrypted {changed} secrets again\n"));
        let missing = "the stored secret was encrypted with the key \"lost\", which is not in the key ring";
        let refused = "the stored secret does not belong to this webhook, or its key has changed";
        assert_eq!(
            finished.stderr,
            format!(
                "{}, previous_secret: {missing}\n{}, secret: {refused}\npostrider: 2 secrets could not be decrypted, \
                 0 webhooks stayed locked: keep all keys, and run this again\n",
                lost.id, broken.id
            )
        );
    }
    let after = rows(&product).await;
    let new = KeyRing::parse(NEW).unwrap();
    assert_eq!(new.decrypt(&after[0].1, "tenant", good.id), Ok(good.secret));
    assert_eq!(new.decrypt(&after[1].1, "tenant", lost.id), Ok(lost.secret));
    assert_eq!(after[1].2, before[1].2);
    assert_eq!(after[2], before[2]);

    let completed = rekey(&database, &format!("{NEW},{LOST}")).await;
    assert_eq!(completed.stdout, "encrypted 1 secrets again\n");
}

#[tokio::test]
async fn a_row_that_another_transaction_holds_is_waited_for_without_holding_up_the_rest() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let held = product.webhook("tenant", "https://example.com").await;
    product.webhook("tenant", "https://example.com").await;
    let mut holder = product.pool.begin().await.unwrap();
    // What a rotation does at this moment, with the old key still in front.
    let secret = Secret::generate();
    sqlx::query("update postrider.webhook set previous_secret = secret, secret = $2 where id = $1")
        .bind(held.id.0)
        .bind(KeyRing::parse(OLD).unwrap().encrypt(&secret, "tenant", held.id))
        .execute(&mut *holder)
        .await
        .unwrap();

    let mut rekeying = starting(&database, &format!("{NEW},{OLD}"));
    product.wait_for(1, UNDER_OLD).await;
    assert_eq!(rekeying.stdout(), "");
    holder.commit().await.unwrap();
    let finished = rekeying.wait(SOON).await;
    assert!(finished.status.success(), "{}", finished.stderr);
    assert!(
        finished.stdout.starts_with("encrypted 3 secrets again\n"),
        "{}",
        finished.stdout
    );
    let new = KeyRing::parse(NEW).unwrap();
    let (_, stored, previous) = &rows(&product).await[0];
    assert_eq!(new.decrypt(stored, "tenant", held.id), Ok(secret));
    assert_eq!(
        new.decrypt(previous.as_ref().unwrap(), "tenant", held.id),
        Ok(held.secret)
    );
}

#[tokio::test]
async fn workers_sign_before_during_and_after_a_rotation_of_keys() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let receiver = Receiver::start().await;
    let webhook = product.webhook("tenant", &receiver.url()).await;
    let keys = format!("{NEW},{OLD}");
    let worker = product.worker_with(&[("encryption_keys", &keys)]).await;
    product.commit("tenant", "LEAD_CREATED", "{}").await;
    receiver.wait_for(1, SOON).await;

    assert!(rekey(&database, &keys).await.status.success());
    product.commit("tenant", "LEAD_CREATED", "{}").await;
    receiver.wait_for(2, SOON).await;
    product.wait_until_idle().await;

    drop(worker);
    let _worker = product.worker_with(&[("encryption_keys", NEW)]).await;
    product.commit("tenant", "LEAD_CREATED", "{}").await;
    let requests = receiver.wait_for(3, Duration::from_secs(60)).await;
    let signer = Signer::new(&webhook.secret);
    for request in &requests[..3] {
        let expected = signer.sign_body(&request.body);
        assert_eq!(request.header("x-webhook-signature"), Some(expected.as_str()));
    }
}

#[tokio::test]
async fn it_needs_the_schema_and_the_keys() {
    let database = TestDatabase::empty().await;
    let url = database.url();
    let finished = Postrider::spawn(&["rekey"], &[("database_url", &url), ("encryption_keys", NEW)])
        .wait(SOON)
        .await;
    assert_eq!(finished.status.code(), Some(3), "{}", finished.stderr);
    let finished = Postrider::spawn(&["rekey"], &[("database_url", &url)]).wait(SOON).await;
    assert_eq!(finished.status.code(), Some(2), "{}", finished.stderr);
    assert!(finished.stderr.contains("encryption_keys"), "{}", finished.stderr);
}
