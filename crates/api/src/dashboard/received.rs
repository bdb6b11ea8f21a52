//! `GET /chatbots/{chatbotId}/webhooks/test-receiver`

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use super::PageError;
use super::layout::page_below;
use super::links::Links;
use crate::api::Api;
use crate::auth::Tenant;
use crate::error::ApiError;
use crate::test_receiver::Received;

/// What the test receiver got for this chatbot. Never for another: leads are personal data.
pub(crate) async fn received(State(api): State<Api>, tenant: Tenant) -> Result<Response, PageError> {
    let receiver = api.test_receiver.as_ref().ok_or(ApiError::NotFound)?;
    let requests: Vec<Received> = receiver
        .requests()
        .into_iter()
        .filter(|request| request.chatbot.as_deref() == Some(tenant.as_str()))
        .collect();
    let links = Links::new(&tenant);
    let content = html! {
        div.heading {
            h1 { "Test receiver" }
            div.actions { a.button href="" { "Refresh" } }
        }
        p {
            "A place to send events to while you develop. Use the address " code { "/api/test-webhook" }
            " of this server as the URL of a webhook."
        }
        @if requests.is_empty() {
            div.empty {
                p { "Nothing was received since the server started. Send a test event from the page of a webhook." }
                p { a.button href=(links.list()) { "Webhooks" } }
            }
        } @else {
            ol.attempts { @for request in &requests { (card(request)) } }
        }
    };
    Ok(page_below(&[("Webhooks", links.list())], "Test receiver", &content))
}

fn card(request: &Received) -> Markup {
    html! {
        li.attempt {
            div.attempt-head {
                strong { (request.event.as_deref().unwrap_or("No event type")) }
                time datetime=(request.time) data-local { (request.time) }
                @if let Some(attempt) = &request.attempt { span { "attempt " (attempt) } }
                @if let Some(delivery) = &request.delivery { code { (delivery) } }
            }
            p.detail { (request.signature.as_deref().unwrap_or("Not signed")) }
            pre tabindex="0" { (request.pretty) }
        }
    }
}
