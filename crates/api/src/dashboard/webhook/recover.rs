//! Sending again what was given up.

use maud::{Markup, html};
use postrider_core::ids::WebhookId;

use crate::dashboard::ago::{ago, exact};
use crate::dashboard::links::Links;
use crate::moment::Moment;
use crate::recoveries::view::{Recovery, RecoveryState};
use crate::webhooks::view::WebhookRow;

/// Recoveries shown.
const SHOWN: usize = 5;

/// A form, and how far the last recoveries are.
pub(super) fn section(recoveries: &[Recovery], row: &WebhookRow, links: &Links, now: Moment) -> Markup {
    let call = format!("{}/recover", links.webhook_api(WebhookId(row.id)));
    html! {
        section aria-labelledby="recover" {
            h2 id="recover" { "Recover" }
            @if row.is_active {
                p { "Was your receiver down? Send everything again that was given up since then." }
                form.filters method="post" action=(call) data-api="POST" data-then="reload"
                    data-notice="The recovery has begun." {
                    div.field {
                        label for="since" { "Given up since (your time)" }
                        input id="since" name="since" type="datetime-local" data-kind="moment" required
                            aria-describedby="since-problem";
                        p.problem id="since-problem" {}
                    }
                    p.problem role="alert" data-problem {}
                    div.actions { button type="submit" { "Recover" } }
                }
            } @else {
                p { "Make the webhook active first." }
            }
            @if !recoveries.is_empty() {
                ul.recoveries {
                    @for recovery in recoveries.iter().take(SHOWN) {
                        li {
                            @match recovery.state {
                                RecoveryState::Running => span.badge.wait { "Running" },
                                RecoveryState::Finished => span.badge.good { "Finished" },
                            }
                            " " (recovery.recovered) " sent again of those given up since " (exact(recovery.since))
                            ", begun " (ago(recovery.created_at, now))
                        }
                    }
                }
            }
        }
    }
}
