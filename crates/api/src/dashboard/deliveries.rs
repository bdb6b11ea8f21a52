//! `GET /chatbots/{chatbotId}/webhooks/{webhookId}/deliveries`

use axum::extract::State as Shared;
use axum::response::Response;
use maud::{Markup, html};
use postrider_core::ids::{EventId, WebhookId};
use serde_json::Value;

use super::PageError;
use super::ago::{ago, due};
use super::badge::{failure_words, state_badge};
use super::layout::page_below;
use super::links::Links;
use crate::api::Api;
use crate::auth::Tenant;
use crate::deliveries::list::read;
use crate::deliveries::page::{Delivery, page};
use crate::deliveries::state::State;
use crate::moment::Moment;
use crate::query::{QueryFields, WebhookParam};
use crate::webhooks::view;

/// The deliveries with their filters.
pub(crate) async fn deliveries(
    Shared(api): Shared<Api>,
    tenant: Tenant,
    WebhookParam(webhook): WebhookParam,
    QueryFields(mut fields): QueryFields,
) -> Result<Response, PageError> {
    let row = view::one(&api.pool, &tenant, webhook).await?;
    // A form sends its empty fields too, and moments without a zone.
    fields.forget(|value| value == "");
    let shown: [(&str, String); 2] = ["since", "until"].map(|name| (name, fields.peek(name).to_owned()));
    for name in ["since", "until"] {
        fields.change(name, with_zone);
    }
    let wanted = read(webhook, fields)?;
    let page = page(&api.pool, wanted).await?;
    let links = Links::new(&tenant);
    let now = Moment::now();
    let content = html! {
        h1 { "Deliveries of " bdi { (row.name) } }
        (filters(wanted.state, &shown))
        @if page.deliveries.is_empty() {
            div.empty {
                @if page.next_below.is_some() {
                    p { "None among the newest ones. Older ones may fit." }
                } @else {
                    p { "No deliveries here. Change the filters, or send a test event from the webhook's page." }
                }
            }
        } @else {
            (table(&page.deliveries, webhook, &links, now))
        }
        @if let Some(below) = page.next_below {
            nav.pages aria-label="Pages" {
                a.button rel="next" href=(older(&links.deliveries(webhook), wanted.state, &shown, below)) { "Older" }
            }
        }
    };
    let way = [("Webhooks", links.list()), (row.name.as_str(), links.webhook(webhook))];
    Ok(page_below(&way, "Deliveries", &content))
}

/// `2026-11-23T14:05`, as browsers send it, taken as UTC.
fn with_zone(value: Value) -> Value {
    match value.as_str() {
        Some(text) if text.len() == 16 => format!("{text}:00Z").into(),
        Some(text) if text.len() == 19 => format!("{text}Z").into(),
        _ => value,
    }
}

fn filters(state: Option<State>, shown: &[(&str, String); 2]) -> Markup {
    html! {
        form.filters method="get" {
            div.field {
                label for="state" { "State" }
                select id="state" name="state" {
                    option value="" { "All" }
                    @for one in State::ALL {
                        option value=(one.as_str()) selected[state == Some(one)] { (one.as_str()) }
                    }
                }
            }
            @for ((name, value), label) in shown.iter().zip(["From (UTC)", "Before (UTC)"]) {
                div.field {
                    label for=(name) { (label) }
                    input id=(name) name=(name) type="datetime-local" value=(value);
                }
            }
            div.actions { button type="submit" { "Filter" } a.button href="?" { "Clear" } }
        }
    }
}

fn older(base: &str, state: Option<State>, shown: &[(&str, String); 2], below: i64) -> String {
    let mut link = format!("{base}?cursor={}", EventId(below));
    if let Some(state) = state {
        link += &format!("&state={}", state.as_str());
    }
    for (name, value) in shown.iter().filter(|(_, value)| !value.is_empty()) {
        link += &format!("&{name}={}", super::links::segment(value));
    }
    link
}

/// A table of deliveries; on a narrow screen each row becomes a card.
pub(super) fn table(deliveries: &[Delivery], webhook: WebhookId, links: &Links, now: Moment) -> Markup {
    html! {
        table.rows {
            thead {
                tr {
                    @for title in ["Event", "State", "Attempts", "Last answer", "Next attempt", "Happened"] {
                        th scope="col" { (title) }
                    }
                }
            }
            tbody {
                @for delivery in deliveries {
                    tr {
                        th scope="row" {
                            a href=(links.delivery(webhook, delivery.id)) {
                                (delivery.event.as_deref().unwrap_or("no longer kept"))
                                span.id { (delivery.id) }
                            }
                        }
                        td data-label="State" { (state_badge(delivery.state)) }
                        td data-label="Attempts" { (delivery.attempts) }
                        td data-label="Last answer" { (answer(delivery)) }
                        td data-label="Next attempt" { (due(delivery.next_attempt_at, now)) }
                        td data-label="Happened" { (ago(delivery.created_at, now)) }
                    }
                }
            }
        }
    }
}

fn answer(delivery: &Delivery) -> Markup {
    match (delivery.last_status, delivery.last_error.as_deref()) {
        (Some(status), _) => html! { (status) },
        (None, Some(kind)) => html! { (failure_words(kind)) },
        (None, None) => html! { "–" },
    }
}
