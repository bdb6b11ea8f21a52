//! `GET /chatbots/{chatbotId}/webhooks/{webhookId}/edit`

use axum::extract::State;
use axum::response::Response;
use maud::html;

use super::PageError;
use super::form::fields;
use super::layout::page_below;
use super::links::Links;
use crate::api::Api;
use crate::auth::Tenant;
use crate::query::WebhookParam;
use crate::webhooks::view;

/// The form with the settings of a webhook.
pub(crate) async fn edit(
    State(api): State<Api>,
    tenant: Tenant,
    WebhookParam(webhook): WebhookParam,
) -> Result<Response, PageError> {
    let row = view::one(&api.pool, &tenant, webhook).await?;
    let links = Links::new(&tenant);
    let content = html! {
        h1 { "Edit " bdi { (row.name) } }
        form.panel method="post" action=(links.webhook_api(webhook)) data-api="PATCH" data-then=(links.webhook(webhook))
            data-notice="Saved." novalidate {
            (fields(Some(&row)))
            div.actions {
                button.primary type="submit" { "Save" }
                a.button href=(links.webhook(webhook)) { "Cancel" }
            }
        }
    };
    let way = [("Webhooks", links.list()), (row.name.as_str(), links.webhook(webhook))];
    Ok(page_below(&way, "Edit", &content))
}
