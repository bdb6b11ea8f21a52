//! States at a glance: a word and a colour, never a colour alone.

use maud::{Markup, html};
use postrider_core::event_type::Subscription;

use super::ago::ago;
use crate::deliveries::state::State;
use crate::moment::Moment;
use crate::webhooks::breaker::BreakerState;
use crate::webhooks::view::WebhookRow;

/// How a webhook does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    /// Postrider deactivated it.
    Disabled,
    /// Its owner deactivated it.
    Inactive,
    Paused,
    /// Its breaker is open: events wait.
    Down,
    /// Its breaker lets a few deliveries through.
    Probing,
    /// Its last attempt failed.
    Failing,
    /// Nothing was sent to it yet.
    Unused,
    Healthy,
}

impl Health {
    pub(super) fn of(webhook: &WebhookRow) -> Self {
        match webhook {
            WebhookRow {
                is_active: false,
                disabled_at: Some(_),
                ..
            } => Self::Disabled,
            WebhookRow { is_active: false, .. } => Self::Inactive,
            WebhookRow { paused_at: Some(_), .. } => Self::Paused,
            _ if BreakerState::of(webhook) == BreakerState::Open => Self::Down,
            _ if BreakerState::of(webhook) == BreakerState::Probing => Self::Probing,
            WebhookRow {
                last_triggered_at: None,
                ..
            } => Self::Unused,
            WebhookRow {
                last_triggered_at,
                last_success_at,
                ..
            } if last_triggered_at > last_success_at => Self::Failing,
            _ => Self::Healthy,
        }
    }
}

/// The badge of a webhook. `failing_since` is the first failure after its last success, as far as the history of
/// attempts goes; its lane knows it longer, but not of a failure before the last upgrade.
pub(super) fn health_badge(webhook: &WebhookRow, failing_since: Option<Moment>, now: Moment) -> Markup {
    match Health::of(webhook) {
        Health::Disabled => html! { span.badge.bad { "Disabled" } },
        Health::Inactive => html! { span.badge.idle { "Inactive" } },
        Health::Paused => html! { span.badge.wait { "Paused" } },
        Health::Down => html! {
            span.badge.bad { "Down" @if let Some(next) = webhook.next_probe_at { ", next try " (ago(next, now)) } }
        },
        Health::Probing => html! { span.badge.wait { "Down, trying again now" } },
        Health::Failing => html! {
            span.badge.bad { "Failing" @if let Some(since) = webhook.failing_since.or(failing_since) { " since " (ago(since, now)) } }
        },
        Health::Unused => html! { span.badge.idle { "No delivery yet" } },
        Health::Healthy => html! { span.badge.good { "Healthy" } },
    }
}

/// The badge of a delivery.
pub(super) fn state_badge(state: State) -> Markup {
    match state {
        State::Pending => html! { span.badge.wait { "Pending" } },
        State::Retrying => html! { span.badge.wait { "Retrying" } },
        State::Delivered => html! { span.badge.good { "Delivered" } },
        State::Failed => html! { span.badge.bad { "Failed" } },
    }
}

/// What a webhook is subscribed to.
pub(super) fn event_types(entries: &[String]) -> Markup {
    html! {
        @for entry in entries {
            @if entry == Subscription::ALL { "All events" } @else { code { (entry) } " " }
        }
    }
}

/// A kind of failure in words.
pub(super) fn failure_words(kind: &str) -> &str {
    match kind {
        "status" => "Answered with an error",
        "timeout" => "Timed out",
        "dns" => "Host not found",
        "refused_address" => "Address not allowed",
        "invalid_url" => "URL not allowed",
        "connect" => "No connection",
        "tls" => "TLS failed",
        "protocol" => "Broken answer",
        "aborted" => "Interrupted",
        "internal" => "Fault of postrider",
        other => other,
    }
}

/// Why a delivery was given up, in words.
pub(super) fn reason_words(reason: &str) -> &str {
    match reason {
        "exhausted" => "every attempt failed",
        "gone" => "the receiver answered 410 Gone",
        "failing" => "for days every attempt failed",
        "inactive" => "the webhook was deactivated",
        "poison" => "it made workers fail",
        other => other,
    }
}
