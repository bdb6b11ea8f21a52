//! `GET /chatbots/{chatbotId}/webhooks`

use std::collections::HashMap;

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use postrider_core::ids::WebhookId;

use super::PageError;
use super::activity::{Activity, activity};
use super::ago::ago_or;
use super::badge::{event_types, health_badge};
use super::layout::page;
use super::links::Links;
use super::sparkline::{period, sparkline};
use crate::api::Api;
use crate::auth::Tenant;
use crate::error::ApiError;
use crate::fields::text;
use crate::moment::Moment;
use crate::query::QueryFields;
use crate::webhooks::view::{self, WebhookRow};

/// Webhooks of one page.
const PAGE: usize = 25;

/// All webhooks, each with its state at a glance.
pub(crate) async fn list(
    State(api): State<Api>,
    tenant: Tenant,
    QueryFields(mut fields): QueryFields,
) -> Result<Response, PageError> {
    let wanted = fields.take("page", |value| {
        text(value)?.parse::<usize>().map_err(|_| "must be a number".to_owned())
    });
    fields.finish()?;
    let mut rows = view::all(&api.pool, &tenant).await?;
    rows.reverse();
    let links = Links::new(&tenant);
    if rows.is_empty() {
        return Ok(page("Webhooks", &nothing_yet(&links, api.test_receiver.is_some())));
    }
    let pages = rows.len().div_ceil(PAGE);
    let number = wanted.unwrap_or(1);
    if !(1..=pages).contains(&number) {
        return Err(ApiError::NotFound.into());
    }
    let shown: Vec<&WebhookRow> = rows.iter().skip((number - 1) * PAGE).take(PAGE).collect();
    let now = Moment::now();
    let ids: Vec<i64> = shown.iter().map(|row| row.id).collect();
    let activities = activity(&api.pool, &ids, now).await?;
    let content = html! {
        (heading(&links, api.test_receiver.is_some()))
        (cards(&shown, &activities, &links, now))
        @if pages > 1 {
            nav.pages aria-label="Pages" {
                @if number > 1 { a.button href={ "?page=" (number - 1) } rel="prev" { "Newer" } }
                span { "Page " (number) " of " (pages) " · " (rows.len()) " webhooks" }
                @if number < pages { a.button href={ "?page=" (number + 1) } rel="next" { "Older" } }
            }
        }
    };
    Ok(page("Webhooks", &content))
}

fn heading(links: &Links, has_test_receiver: bool) -> Markup {
    html! {
        div.heading {
            h1 { "Webhooks" }
            div.actions {
                @if has_test_receiver { a.button href=(links.received()) { "Test receiver" } }
                a.button.primary href=(links.create()) { "New webhook" }
            }
        }
    }
}

fn nothing_yet(links: &Links, has_test_receiver: bool) -> Markup {
    html! {
        (heading(links, has_test_receiver))
        div.empty {
            h2 { "No webhooks yet" }
            p {
                "A webhook tells your own systems what happens in this chatbot: whenever a lead is captured, its data is \
                 sent to a URL of yours, signed, and retried until it arrives."
            }
            p { a.button.primary href=(links.create()) { "Create your first webhook" } }
        }
    }
}

fn cards(rows: &[&WebhookRow], activities: &HashMap<i64, Activity>, links: &Links, now: Moment) -> Markup {
    html! {
        ul.cards {
            @for row in rows {
                @let activity = activities.get(&row.id).cloned().unwrap_or_else(|| Activity::none(now));
                li.card {
                    div.card-main {
                        h2 { a href=(links.webhook(WebhookId(row.id))) { bdi { (row.name) } } }
                        p.url { (row.url) }
                        p.tags { (event_types(&row.event_types)) }
                    }
                    div.card-state {
                        (health_badge(row, activity.failing_since, now))
                        p { "Last delivery: " (ago_or(row.last_success_at, now, "none yet")) }
                    }
                    div.card-figures {
                        (sparkline(&activity, now))
                        p { (rate(&activity)) " · " (period(&activity, now).to_lowercase()) }
                    }
                }
            }
        }
    }
}

/// The share of attempts that succeeded, in words.
fn rate(activity: &Activity) -> String {
    let (delivered, failed) = (activity.delivered(), activity.failed());
    match delivered + failed {
        0 => "No attempts".into(),
        all => {
            let percent = delivered as f64 * 100.0 / all as f64;
            // Never 100 % with a failure in it, and never 0 % with a success.
            let shown = if delivered > 0 && failed > 0 {
                percent.clamp(0.1, 99.9)
            } else {
                percent
            };
            let digits = if shown.fract() == 0.0 { 0 } else { 1 };
            format!("{shown:.digits$} % of attempts succeeded")
        }
    }
}
