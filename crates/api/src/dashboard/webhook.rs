//! `GET /chatbots/{chatbotId}/webhooks/{webhookId}`

mod actions;
mod charts;
mod condition;
mod facts;
mod halted;
mod recover;

use axum::extract::State;
use axum::response::Response;
use maud::html;
use postrider_core::ids::WebhookId;

use super::PageError;
use super::activity::activity;
use super::badge::health_badge;
use super::create::secret_panel;
use super::deliveries::table;
use super::layout::page_below;
use super::links::Links;
use crate::api::Api;
use crate::auth::Tenant;
use crate::deliveries::page::{Page, Wanted, page};
use crate::halted_keys::list::longest_halted;
use crate::moment::Moment;
use crate::query::{QueryFields, WebhookParam};
use crate::recoveries::list::latest;
use crate::webhooks::view;

/// Deliveries shown here.
const RECENT: u8 = 10;

/// One webhook: how it does, what can be done, and its last deliveries.
pub(crate) async fn webhook(
    State(api): State<Api>,
    tenant: Tenant,
    WebhookParam(webhook): WebhookParam,
    QueryFields(mut fields): QueryFields,
) -> Result<Response, PageError> {
    let interval = charts::read(&mut fields);
    fields.finish()?;
    let row = view::one(&api.pool, &tenant, webhook).await?;
    let now = Moment::now();
    let stats = charts::stats(&api.pool, webhook, interval, now).await?;
    let recent = recent(&api, webhook).await?;
    let halted = longest_halted(&api.pool, webhook).await?;
    let recoveries = latest(&api.pool, webhook).await?;
    let failing_since = activity(&api.pool, &[row.id], now)
        .await?
        .remove(&row.id)
        .and_then(|found| found.failing_since);
    let links = Links::new(&tenant);
    let content = html! {
        div.heading {
            h1 data-live { bdi { (row.name) } " " (health_badge(&row, failing_since, now)) }
            (actions::actions(&row, &links))
        }
        (condition::condition(&row, now))
        p.problem role="alert" data-problem {}
        (actions::test_result())
        (secret_panel("New secret", ""))
        (facts::facts(&row, now))
        (halted::section(&halted, &row, &links, now))
        (charts::section(&stats))
        section aria-labelledby="recent" data-live {
            div.heading {
                h2 id="recent" { "Last deliveries" }
                @if !recent.deliveries.is_empty() {
                    div.actions { a.button href=(links.deliveries(webhook)) { "All deliveries" } }
                }
            }
            @if recent.deliveries.is_empty() {
                div.empty {
                    p { "Nothing was sent yet. Send a test event to see whether your receiver takes it." }
                }
            } @else {
                (table(&recent.deliveries, webhook, &links, now))
            }
        }
        (recover::section(&recoveries, &row, &links, now))
        (actions::dialogs(&row, &links))
    };
    Ok(page_below(&[("Webhooks", links.list())], &row.name, &content))
}

async fn recent(api: &Api, webhook: WebhookId) -> Result<Page, PageError> {
    let wanted = Wanted {
        webhook,
        from: 0,
        below: i64::MAX,
        state: None,
        limit: RECENT,
    };
    Ok(page(&api.pool, wanted).await?)
}
