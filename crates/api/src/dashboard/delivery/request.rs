//! The request of a delivery: the same at every attempt but for its time and number.

use maud::{Markup, html};
use postrider_core::envelope::envelope;
use postrider_core::ids::EventId;
use sqlx::PgPool;

use crate::auth::Tenant;
use crate::deliveries::page::Delivery;
use crate::error::ApiError;
use crate::pretty::pretty;

/// Longest body shown, in bytes.
const MAX_SHOWN: usize = 64 * 1024;

/// The body, indented for people. `None` when the event is no longer kept.
pub(super) async fn body(pool: &PgPool, tenant: &Tenant, event: EventId) -> Result<Option<String>, ApiError> {
    let found: Option<(String, String)> = sqlx::query_as(
        "-- dashboard::delivery::request
         select e.type, e.payload::text from postrider.event e
          where e.bucket = hashtextextended($1, 0) & 255 and e.id = $2 and e.tenant = $1",
    )
    .bind(tenant.as_str())
    .bind(event.0)
    .fetch_optional(pool)
    .await?;
    Ok(found.map(|(event_type, payload)| pretty(&envelope(&event_type, event, &payload, tenant.as_str()))))
}

/// The request as far as it can be shown: its signatures cannot, without the secret.
pub(super) fn section(delivery: &Delivery, body: Option<&str>, url: &str) -> Markup {
    let Some(body) = body else {
        return html! { p { "The event is no longer kept, so it cannot be shown or sent again." } };
    };
    html! {
        p.hint { "Indented here; sent without the white space, signed, and with the same bytes at every attempt." }
        pre tabindex="0" {
            "POST " (url) "\n"
            "Content-Type: application/json\n"
            "X-Webhook-Event: " (delivery.event.as_deref().unwrap_or_default()) "\n"
            "webhook-id: " (delivery.id) "\n\n"
            @match body.char_indices().nth(MAX_SHOWN) {
                Some((end, _)) => { (body[..end]) "\n… (" (body.len() - end) " more bytes)" }
                None => (body),
            }
        }
    }
}
