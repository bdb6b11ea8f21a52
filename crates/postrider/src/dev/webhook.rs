//! The webhook that points at the test receiver, made through the API like any other.

use anyhow::Context;
use postrider_core::ids::WebhookId;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::client::Client;
use super::owner::Owner;

/// Its name, by which the next start finds it.
const NAME: &str = "Test receiver";

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Webhook {
    Created(WebhookId),
    /// The address rules refuse the receiver, as they must with `--strict-egress`; why.
    Refused(String),
}

/// Creates the webhook, or points the one of an earlier start at the port of this one.
pub(super) async fn create(client: &Client, owner: &Owner, url: &str) -> anyhow::Result<Webhook> {
    let (status, answer) = match find(client, owner).await? {
        Some(id) => {
            let changes = json!({ "url": url, "isActive": true });
            client
                .call(owner, Method::PATCH, &format!("/webhooks/{id}"), Some(&changes))
                .await?
        }
        None => {
            let webhook = json!({ "name": NAME, "url": url, "eventTypes": ["*"] });
            client.call(owner, Method::POST, "/webhooks", Some(&webhook)).await?
        }
    };
    if status == StatusCode::UNPROCESSABLE_ENTITY {
        let reason = answer["error"]["fields"][0]["message"]
            .as_str()
            .unwrap_or("the URL is refused");
        return Ok(Webhook::Refused(reason.to_owned()));
    }
    let id = answer["webhook"]["id"].as_str().and_then(|id| id.parse().ok());
    let id = id.with_context(|| format!("the API answered {status} to the webhook: {answer}"))?;
    Ok(Webhook::Created(id))
}

async fn find(client: &Client, owner: &Owner) -> anyhow::Result<Option<String>> {
    let webhooks = list(client, owner).await?;
    let found = webhooks.iter().find(|webhook| webhook["name"] == NAME);
    Ok(found.and_then(|webhook| webhook["id"].as_str()).map(str::to_owned))
}

/// Its `successCount`.
pub(super) async fn success_count(client: &Client, owner: &Owner, webhook: WebhookId) -> anyhow::Result<i64> {
    let webhooks = list(client, owner).await?;
    let found = webhooks.iter().find(|found| found["id"] == webhook.to_string());
    found
        .and_then(|found| found["successCount"].as_i64())
        .context("the API does not list the webhook")
}

async fn list(client: &Client, owner: &Owner) -> anyhow::Result<Vec<Value>> {
    let (status, answer) = client.call(owner, Method::GET, "/webhooks", None).await?;
    let webhooks = answer["webhooks"].as_array().cloned();
    webhooks.with_context(|| format!("the API answered {status} to the list of webhooks: {answer}"))
}
