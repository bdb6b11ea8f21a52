//! The fields of a webhook. The script sends them to the API and puts its problems beside them.

use maud::{Markup, html};
use postrider_core::event_type::{KNOWN, OPERATIONAL, Subscription, is_operational};
use postrider_core::limits;

use crate::webhooks::view::WebhookRow;

/// The fields, filled with those of a webhook, or empty.
pub(super) fn fields(webhook: Option<&WebhookRow>) -> Markup {
    let value = |read: fn(&WebhookRow) -> i64, default: i64| webhook.map_or(default, read);
    html! {
        (field("name", "Name", "Only you see it.", html! {
            input id="name" name="name" data-kind="text" required maxlength=(limits::NAME_LENGTH.end())
                autocomplete="off" value=(webhook.map_or("", |w| &w.name)) aria-describedby="name-hint name-problem";
        }))
        (field("url", "URL", "Where events are sent: an https address that the internet can reach.", html! {
            input id="url" name="url" type="url" data-kind="text" required maxlength="2048" inputmode="url"
                autocomplete="off" spellcheck="false" placeholder="https://yourapp.com/webhooks/leads"
                value=(webhook.map_or("", |w| &w.url)) aria-describedby="url-hint url-problem";
        }))
        (event_types(webhook))
        @if let Some(webhook) = webhook {
            div.field {
                label.check for="isActive" {
                    input id="isActive" name="isActive" type="checkbox" data-kind="boolean" checked[webhook.is_active]
                        aria-describedby="isActive-hint isActive-problem";
                    "Active"
                }
                p.hint id="isActive-hint" {
                    "While it is not, events are not kept for it. To keep them, pause it instead."
                }
                p.problem id="isActive-problem" {}
            }
        }
        details open[webhook.is_some()] {
            summary { "Retries, order, limits and headers" }
            div.columns {
                (number("maxRetries", "Retries", "After the first attempt.", value(|w| w.max_retries.into(), 3),
                        &limits::MAX_RETRIES))
                (number("retryDelay", "Delay between retries (ms)", "Doubles with each retry.",
                        value(|w| w.retry_delay_ms.into(), 1000), &limits::RETRY_DELAY_MS))
                (number("timeoutMs", "Time limit of one attempt (ms)", "Answer within it, and work later.",
                        value(|w| w.timeout_ms.into(), 15_000), &limits::TIMEOUT_MS))
                (number("maxInFlight", "Requests at the same time", "From each worker.",
                        value(|w| w.max_in_flight.into(), 32), &limits::MAX_IN_FLIGHT))
                (field("rateLimitPerSecond", "Requests per second", "From each worker. Empty: no limit.", html! {
                    input id="rateLimitPerSecond" name="rateLimitPerSecond" type="number" data-kind="optional-number"
                        min=(limits::RATE_LIMIT_PER_SECOND.start()) max=(limits::RATE_LIMIT_PER_SECOND.end())
                        value=[webhook.and_then(|w| w.rate_limit_per_second)]
                        aria-describedby="rateLimitPerSecond-hint rateLimitPerSecond-problem";
                }))
            }
            div.columns {
                (choice("ordering", "Order of events", "By key, an event waits until the one before it with the same \
                        ordering key, such as a conversation, has arrived.",
                        [("none", "Side by side"), ("key", "By ordering key")],
                        webhook.map(|w| w.ordering.as_str())))
                (choice("onGiveUp", "When one is given up", "With order only: the later ones of its ordering \
                        key can go on without it, or wait until you decide.",
                        [("skip", "Go on with the next"), ("halt", "Halt its key")],
                        webhook.map(|w| w.on_give_up.as_str())))
            }
            (field("headers", "Extra request headers", "One on a line, as Name: value.", html! {
                textarea id="headers" name="headers" data-kind="headers" rows="3" spellcheck="false" autocomplete="off"
                    aria-describedby="headers-hint headers-problem" {
                    @if let Some(webhook) = webhook {
                        @for (name, value) in &webhook.headers.0 { (name) ": " (value) "\n" }
                    }
                }
            }))
        }
        // Problems that belong to no field of this form.
        p.problem role="alert" data-problem {}
    }
}

fn field(name: &str, label: &str, hint: &str, input: Markup) -> Markup {
    html! {
        div.field {
            label for=(name) { (label) }
            (input)
            p.hint id={ (name) "-hint" } { (hint) }
            p.problem id={ (name) "-problem" } {}
        }
    }
}

fn number(name: &str, label: &str, hint: &str, value: i64, range: &std::ops::RangeInclusive<i64>) -> Markup {
    field(
        name,
        label,
        hint,
        html! {
            input id=(name) name=(name) type="number" data-kind="number" required min=(range.start()) max=(range.end())
                value=(value) aria-describedby={ (name) "-hint " (name) "-problem" };
        },
    )
}

fn choice(name: &str, label: &str, hint: &str, choices: [(&str, &str); 2], chosen: Option<&str>) -> Markup {
    field(
        name,
        label,
        hint,
        html! {
            select id=(name) name=(name) data-kind="text" aria-describedby={ (name) "-hint " (name) "-problem" } {
                @for (word, label) in choices {
                    option value=(word) selected[chosen == Some(word)] { (label) }
                }
            }
        },
    )
}

fn event_types(webhook: Option<&WebhookRow>) -> Markup {
    let chosen: &[String] = webhook.map_or(&[], |webhook| &webhook.event_types);
    let is_chosen = |name: &str| chosen.iter().any(|entry| entry == name) || (webhook.is_none() && name == KNOWN[0]);
    let others: Vec<&str> = chosen
        .iter()
        .map(String::as_str)
        .filter(|name| *name != Subscription::ALL && !KNOWN.contains(name) && !is_operational(name))
        .collect();
    html! {
        fieldset.field id="eventTypes" data-kind="event-types" data-name="eventTypes" tabindex="-1"
            aria-describedby="eventTypes-problem" {
            legend { "Events" }
            label.check {
                input type="checkbox" value=(Subscription::ALL) data-all checked[is_chosen(Subscription::ALL)];
                "All events, also those to come"
            }
            @for name in KNOWN.into_iter().chain(OPERATIONAL) {
                label.check {
                    input type="checkbox" value=(name) checked[is_chosen(name)];
                    code { (name) }
                    @if is_operational(name) { span.hint { "about your other webhooks" } }
                }
            }
            label for="other-events" { "Others" }
            input id="other-events" data-others autocomplete="off" spellcheck="false"
                placeholder="NAMES, SEPARATED, BY_COMMAS" value=(others.join(", "));
            p.problem id="eventTypes-problem" {}
        }
    }
}
