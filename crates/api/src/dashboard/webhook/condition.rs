//! What keeps a webhook from getting its events, and what its owner can do about it.

use maud::{Markup, html};

use crate::dashboard::ago::{ago, exact};
use crate::dashboard::badge::{Health, reason_words};
use crate::moment::Moment;
use crate::webhooks::view::WebhookRow;

/// A sentence or two, or nothing for a webhook that does well. Always there, so that the script can renew it.
pub(super) fn condition(row: &WebhookRow, now: Moment) -> Markup {
    html! {
        div data-live {
            @match Health::of(row) {
                Health::Disabled => (disabled(row)),
                Health::Down => (down(row, now)),
                Health::Probing => (probing(row, now)),
                _ => {}
            }
        }
    }
}

fn disabled(row: &WebhookRow) -> Markup {
    let reason = row.disabled_reason.as_deref().unwrap_or_default();
    html! {
        p.problem.boxed {
            "Postrider deactivated this webhook"
            @if let Some(disabled_at) = row.disabled_at { " on " (exact(disabled_at)) }
            ": " (reason_words(reason)) ". Events are not kept for it meanwhile. Mend the receiver, edit the webhook and \
             make it active again, then "
            a href="#recover" { "recover" }
            " what was given up."
        }
    }
}

fn down(row: &WebhookRow, now: Moment) -> Markup {
    html! {
        div.caution.boxed {
            p {
                strong { "The receiver is down" } ": " (nothing_arrived(row, now)) " So postrider holds back: events wait here \
                 and use up no retry. "
                @if let Some(next) = row.next_probe_at {
                    "It tries a few of them again " (ago(next, now)) ", and sends the rest once they arrive."
                }
            }
            p { "Have you mended it? Send a test event: that tries now." }
        }
    }
}

fn nothing_arrived(row: &WebhookRow, now: Moment) -> Markup {
    html! {
        "nothing has arrived"
        @if let Some(since) = row.failing_since { " since its first failure " (ago(since, now)) }
        "."
    }
}

fn probing(row: &WebhookRow, now: Moment) -> Markup {
    html! {
        div.caution.boxed {
            p {
                strong { "Is the receiver back?" }
                " So far " (nothing_arrived(row, now)) " Postrider tries the next few deliveries and sends the rest once they \
                 arrive. Until then events wait here and use up no retry."
            }
        }
    }
}
