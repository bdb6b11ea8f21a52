//! The settings and totals of a webhook.

use maud::{Markup, html};

use crate::dashboard::ago::{ago_or, exact};
use crate::dashboard::badge::event_types;
use crate::moment::Moment;
use crate::webhooks::view::WebhookRow;

/// A list of facts.
pub(super) fn facts(row: &WebhookRow, now: Moment) -> Markup {
    html! {
        dl.facts.panel data-live {
            dt { "URL" } dd.url { (row.url) }
            dt { "Events" } dd { (event_types(&row.event_types)) }
            dt { "Delivered" } dd { (row.delivered) }
            dt { "Failed attempts" } dd { (row.failed_attempts) }
            dt { "Given up" } dd { (row.given_up) }
            dt { "Last attempt" } dd { (ago_or(row.last_triggered_at, now, "none yet")) }
            dt { "Last delivery" } dd { (ago_or(row.last_success_at, now, "none yet")) }
            dt { "Retries" } dd { (row.max_retries) ", the first after about " (row.retry_delay_ms) " ms" }
            dt { "Order" } dd { (order_words(&row.ordering, &row.on_give_up)) }
            @if let Some(paused) = row.paused_at { dt { "Paused since" } dd { (exact(paused)) } }
            @if let Some(expires) = row.previous_secret_expires_at {
                dt { "Old secret signs until" } dd { (exact(expires)) }
            }
        }
    }
}

/// What an owner chose about order, in words.
fn order_words(ordering: &str, on_give_up: &str) -> &'static str {
    match (ordering, on_give_up) {
        ("key", "halt") => "By ordering key; one that is given up halts its key",
        ("key", _) => "By ordering key; one that is given up is skipped",
        _ => "None: events are sent side by side",
    }
}
