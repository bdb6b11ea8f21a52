//! Ordering keys that wait for their owner.

use maud::{Markup, html};
use postrider_core::ids::WebhookId;
use serde_json::json;

use crate::dashboard::ago::ago;
use crate::dashboard::links::Links;
use crate::halted_keys::list::{HaltedKey, MAX_COUNTED};
use crate::moment::Moment;
use crate::webhooks::view::WebhookRow;

/// A table with a button for each key, when there are any. Always there, so that the script can renew it.
pub(super) fn section(keys: &[HaltedKey], row: &WebhookRow, links: &Links, now: Moment) -> Markup {
    let call = format!("{}/halted-keys/release", links.webhook_api(WebhookId(row.id)));
    html! {
        div data-live {
            @if !keys.is_empty() {
                section aria-labelledby="halted" {
                    div.heading {
                        h2 id="halted" { "Halted keys" }
                        div.actions {
                            button type="button" data-call=(call) data-notice="All keys go on." { "Release all" }
                        }
                    }
                    p {
                        "An event of each of these ordering keys was given up, so the later ones wait. Send "
                        a href={ (links.deliveries(WebhookId(row.id))) "?state=failed" } { "the one given up" }
                        " again to keep the order, or release the key to go on without it."
                    }
                    (table(keys, &call, now))
                    @if row.halted_keys > keys.len() as i64 {
                        p.hint { "The first " (keys.len()) " of " (row.halted_keys) "." }
                    }
                }
            }
        }
    }
}

fn table(keys: &[HaltedKey], call: &str, now: Moment) -> Markup {
    html! {
        table.rows {
            thead {
                tr { @for title in ["Ordering key", "Halted", "Waiting", "Release"] { th scope="col" { (title) } } }
            }
            tbody {
                @for key in keys {
                    tr {
                        th scope="row" { code { bdi { (key.ordering_key) } } }
                        td data-label="Halted" { (ago(key.halted_at, now)) }
                        td data-label="Waiting" {
                            (key.waiting_count) @if key.waiting_count >= MAX_COUNTED { " or more" }
                        }
                        td data-label="Release" {
                            button type="button" data-call=(call) data-body=(json!({"orderingKey": key.ordering_key}))
                                data-notice="The key goes on." aria-label={ "Release " (key.ordering_key) } { "Release" }
                        }
                    }
                }
            }
        }
    }
}
