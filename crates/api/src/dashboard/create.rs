//! `GET /chatbots/{chatbotId}/webhooks/new`

use axum::extract::State;
use axum::response::Response;
use maud::html;

use super::form::fields;
use super::layout::page_below;
use super::links::Links;
use crate::api::Api;
use crate::auth::Tenant;

/// The form of a new webhook. Its secret takes the place of the form once it is created.
pub(crate) async fn create(State(_): State<Api>, tenant: Tenant) -> Response {
    let links = Links::new(&tenant);
    let content = html! {
        h1 { "New webhook" }
        form.panel method="post" action=(links.api()) data-api="POST" data-then="secret" novalidate {
            (fields(None))
            div.actions {
                button.primary type="submit" { "Create webhook" }
                a.button href=(links.list()) { "Cancel" }
            }
        }
        (secret_panel("Webhook created", &links.list()))
    };
    page_below(&[("Webhooks", links.list())], "New webhook", &content)
}

/// Where the script shows a new secret, once.
pub(super) fn secret_panel(title: &str, links_base: &str) -> maud::Markup {
    html! {
        section.panel data-secret-panel data-base=(links_base) hidden tabindex="-1" aria-labelledby="secret-title" {
            h2 id="secret-title" { (title) }
            p { strong { "Store this secret now. It will not be shown again." } }
            div.secret {
                code data-secret {}
                button type="button" data-copy { "Copy" }
                span role="status" data-copied {}
            }
            p {
                "Your receiver verifies the header " code { "X-Webhook-Signature" } ": it is " code { "sha256=" }
                " and the HMAC-SHA256 of the raw body, in hexadecimal, with this whole text as the key."
            }
            p { a.button.primary data-continue { "Continue" } }
        }
    }
}
