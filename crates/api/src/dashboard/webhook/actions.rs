//! What can be done with a webhook.

use maud::{Markup, html};
use postrider_core::ids::WebhookId;

use crate::dashboard::links::Links;
use crate::webhooks::view::WebhookRow;

/// The buttons.
pub(super) fn actions(row: &WebhookRow, links: &Links) -> Markup {
    let id = WebhookId(row.id);
    let api = links.webhook_api(id);
    html! {
        div.actions {
            @if row.is_active {
                button.primary type="button" data-test={ (api) "/test" } data-deliveries={ (api) "/deliveries" }
                    data-page=(links.deliveries(id)) { "Send test event" }
            }
            @if row.paused_at.is_some() {
                button type="button" data-call={ (api) "/resume" } data-notice="Resumed: what waited is sent now." { "Resume" }
            } @else if row.is_active {
                button type="button" data-call={ (api) "/pause" } data-notice="Paused: events wait until you resume." { "Pause" }
            }
            a.button href=(links.edit(id)) { "Edit" }
            button type="button" data-dialog="rotate" { "New secret" }
            button.danger type="button" data-dialog="delete" { "Delete" }
        }
    }
}

/// Where the script tells what becomes of a test event.
pub(super) fn test_result() -> Markup {
    html! {
        section.panel data-test-panel hidden tabindex="-1" aria-labelledby="test-title" {
            h2 id="test-title" { "Test event" }
            div role="status" data-test-state {}
            p.hint data-test-detail {}
            p { a data-test-link { "Show this delivery" } }
        }
    }
}

/// Questions before what cannot be undone.
pub(super) fn dialogs(row: &WebhookRow, links: &Links) -> Markup {
    let api = links.webhook_api(WebhookId(row.id));
    html! {
        dialog id="delete" aria-labelledby="delete-title" {
            h2 id="delete-title" { "Delete " bdi { (row.name) } "?" }
            p { "It gets no more events. Its waiting deliveries and its history are gone. This cannot be undone." }
            form method="post" action=(api) data-api="DELETE" data-then=(links.list()) data-notice="Deleted." {
                p.problem role="alert" data-problem {}
                div.actions {
                    button.danger type="submit" { "Delete it" }
                    button type="button" data-close { "Keep it" }
                }
            }
        }
        dialog id="rotate" aria-labelledby="rotate-title" {
            h2 id="rotate-title" { "New secret for " bdi { (row.name) } "?" }
            form method="post" action={ (api) "/rotate-secret" } data-api="POST" data-then="secret" {
                div.field {
                    label for="overlapSeconds" { "The old secret signs too for" }
                    select id="overlapSeconds" name="overlapSeconds" data-kind="number"
                        aria-describedby="overlapSeconds-problem" {
                        option value="86400" selected { "one day" }
                        option value="3600" { "one hour" }
                        option value="604800" { "one week" }
                        option value="0" { "no time: it has leaked" }
                    }
                    p.problem id="overlapSeconds-problem" {}
                }
                p.problem role="alert" data-problem {}
                div.actions {
                    button.primary type="submit" { "Make a new secret" }
                    button type="button" data-close { "Cancel" }
                }
            }
        }
    }
}
