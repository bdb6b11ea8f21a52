//! The proof: a lead is created, and its event arrives, signed and counted.

use std::time::Duration;

use anyhow::Context;
use postrider_api::test_receiver::{Received, TestReceiver};
use postrider_core::ids::WebhookId;
use postrider_core::secret::Secret;
use postrider_core::signature::Signer;
use postrider_demo::lead::{self, NewLead};
use sqlx::PgPool;
use tokio::time::{Instant, sleep};

use super::LOOK_AGAIN_AFTER;
use super::client::Client;
use super::owner::Owner;
use super::webhook::success_count;

/// The first start on a slow machine compiles a few plans first.
const WITHIN: Duration = Duration::from_secs(20);

/// How the lead went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Delivered {
    /// It arrived this long after its commit, with a valid signature, and the API counts it.
    Arrived { after: Duration, success_count: i64 },
    /// There is no webhook to deliver it to; why.
    Refused(String),
}

/// Creates a lead and waits until the receiver has its event and the API counts the success.
pub(super) async fn deliver(
    demo: &PgPool,
    client: &Client,
    owner: &Owner,
    receiver: &TestReceiver,
    secret: &Secret,
    webhook: WebhookId,
) -> anyhow::Result<Delivered> {
    let before = success_count(client, owner, webhook).await?;
    let lead = lead::create(demo, &owner.chatbot_id, sample()).await?;
    let committed = Instant::now();

    let received = loop {
        if let Some(received) = receiver
            .requests()
            .into_iter()
            .find(|received| received.body.contains(&lead.id))
        {
            break received;
        }
        anyhow::ensure!(
            committed.elapsed() < WITHIN,
            "nothing arrived within {} s",
            WITHIN.as_secs()
        );
        sleep(LOOK_AGAIN_AFTER).await;
    };
    let after = committed.elapsed();
    check_signature(&received, secret)?;

    loop {
        let success_count = success_count(client, owner, webhook).await?;
        if success_count == before + 1 {
            return Ok(Delivered::Arrived { after, success_count });
        }
        anyhow::ensure!(
            success_count <= before + 1 && committed.elapsed() < WITHIN,
            "one delivery arrived, but successCount went from {before} to {success_count}"
        );
        sleep(LOOK_AGAIN_AFTER).await;
    }
}

fn check_signature(received: &Received, secret: &Secret) -> anyhow::Result<()> {
    let signature = received
        .signature
        .as_deref()
        .context("the delivery has no X-Webhook-Signature")?;
    let expected = Signer::new(secret).sign_body(received.body.as_bytes());
    anyhow::ensure!(signature == expected, "the signature of the delivery is wrong");
    Ok(())
}

/// The lead of the product's documents.
fn sample() -> NewLead {
    NewLead {
        name: Some("John Doe".to_owned()),
        email: Some("john@example.com".to_owned()),
        phone: Some("+1234567890".to_owned()),
        company: Some("Acme Corp".to_owned()),
        message: Some("Interested in your services".to_owned()),
        preferred_method: Some("email".to_owned()),
        urgency: Some("medium".to_owned()),
        tags: vec!["website".to_owned(), "inquiry".to_owned()],
        ..NewLead::default()
    }
}
