//! `GET /chatbots/{chatbotId}/webhooks/{webhookId}/deliveries/{deliveryId}`

mod request;

use axum::extract::State as Shared;
use axum::response::Response;
use maud::{Markup, html};

use super::PageError;
use super::ago::{ago, exact};
use super::badge::{failure_words, reason_words, state_badge};
use super::chart::milliseconds;
use super::layout::page_below;
use super::links::Links;
use crate::api::Api;
use crate::auth::Tenant;
use crate::deliveries::attempts::{Attempt, attempts};
use crate::deliveries::page::{self, Delivery};
use crate::deliveries::state::State;
use crate::moment::Moment;
use crate::query::{DeliveryParam, WebhookParam};
use crate::webhooks::view;

/// One delivery: what was sent, and what came of each attempt.
pub(crate) async fn delivery(
    Shared(api): Shared<Api>,
    tenant: Tenant,
    WebhookParam(webhook): WebhookParam,
    DeliveryParam(event): DeliveryParam,
) -> Result<Response, PageError> {
    let row = view::one(&api.pool, &tenant, webhook).await?;
    let delivery = page::one(&api.pool, webhook, event).await?;
    let attempts = attempts(&api.pool, webhook, event).await?;
    let body = request::body(&api.pool, &tenant, event).await?;
    let links = Links::new(&tenant);
    let call = format!("{}/deliveries/{event}/resend", links.webhook_api(webhook));
    let now = Moment::now();
    let title = delivery.event.as_deref().unwrap_or("Delivery");
    let content = html! {
        div.heading {
            h1 { (title) " " (state_badge(delivery.state)) }
            div.actions {
                a.button href="" { "Refresh" }
                @if body.is_some() && row.is_active {
                    button.primary type="button" data-call=(call) data-notice="It is sent again." { "Send again" }
                }
            }
        }
        (summary(&delivery, now, row.paused_at.is_some()))
        p.problem role="alert" data-problem {}
        h2 { "Attempts" }
        @if attempts.is_empty() {
            p { "None yet." }
        } @else {
            ol.attempts {
                @for (place, attempt) in attempts.iter().enumerate().rev() {
                    // Numbers begin anew when a delivery is sent again.
                    @let before = place.checked_sub(1).map(|place| &attempts[place]);
                    (attempt_card(attempt, before))
                }
            }
        }
        h2 { "Request" }
        (request::section(&delivery, body.as_deref(), &row.url))
    };
    let way = [
        ("Webhooks", links.list()),
        (row.name.as_str(), links.webhook(webhook)),
        ("Deliveries", links.deliveries(webhook)),
    ];
    Ok(page_below(&way, title, &content))
}

fn summary(delivery: &Delivery, now: Moment, is_paused: bool) -> Markup {
    html! {
        p {
            @match (delivery.state, delivery.next_attempt_at) {
                (State::Pending | State::Retrying, _) if is_paused => "It waits until the webhook is resumed.",
                (State::Pending | State::Retrying, Some(next)) if next > now => { "The next attempt is due " (ago(next, now)) "." }
                (State::Pending | State::Retrying, Some(_)) => "The next attempt is due now.",
                (State::Pending | State::Retrying, None) => {
                    "It waits its turn: events before it with the same ordering key come first, and a halted key waits \
                     until it is released."
                }
                (State::Delivered, _) => "The receiver took it.",
                (State::Failed, _) => {
                    "It was given up"
                    @if let Some(reason) = &delivery.reason { ": " (reason_words(reason)) }
                    ". Send it again once the receiver is mended."
                }
            }
        }
        dl.facts {
            dt { "Id" } dd { code { (delivery.id) } }
            dt { "Happened" } dd { (exact(delivery.created_at)) }
            dt { "Attempts" } dd { (delivery.attempts) }
            @if let Some(key) = &delivery.ordering_key { dt { "Ordering key" } dd { code { bdi { (key) } } } }
        }
    }
}

fn attempt_card(attempt: &Attempt, before: Option<&Attempt>) -> Markup {
    let is_anew = before.is_some_and(|before| attempt.number <= before.number);
    html! {
        li.attempt {
            div.attempt-head {
                strong { "Attempt " (attempt.number) @if is_anew { ", sent again" } }
                @match (attempt.status, attempt.error.as_deref()) {
                    (status, None) => span.badge.good { (status.unwrap_or_default()) },
                    (Some(status), Some(_)) => span.badge.bad { (status) },
                    (None, Some(kind)) => span.badge.bad { (failure_words(kind)) },
                }
                span { (exact(attempt.started_at)) }
                span { "took " (milliseconds(attempt.duration_ms)) }
            }
            @if let Some(detail) = &attempt.error_detail { p.detail { (detail) } }
            @match &attempt.response {
                Some(response) => {
                    p.hint { "Start of the response" }
                    pre tabindex="0" { (response) }
                }
                None => @if attempt.status.is_some() { p.hint { "The response was empty." } },
            }
        }
    }
}
