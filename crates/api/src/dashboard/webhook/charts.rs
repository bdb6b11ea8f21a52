//! The charts of a webhook, and the choice of their time.

use maud::{Markup, html};
use postrider_core::ids::WebhookId;
use sqlx::PgPool;

use crate::dashboard::ago::exact;
use crate::dashboard::chart;
use crate::error::ApiError;
use crate::fields::{Fields, text};
use crate::moment::Moment;
use crate::stats::Interval;
use crate::stats::figures::{Stats, Wanted, figures};

const CHOICES: [(Interval, &str, &str); 3] = [
    (Interval::Minute, "minute", "Hour"),
    (Interval::Hour, "hour", "Day"),
    (Interval::Day, "day", "Two weeks"),
];

/// Reads the choice.
pub(super) fn read(fields: &mut Fields) -> Interval {
    fields
        .take("interval", |value| text(value)?.parse())
        .unwrap_or(Interval::Hour)
}

/// The figures of the chosen time up to now.
pub(super) async fn stats(
    pool: &PgPool,
    webhook: WebhookId,
    interval: Interval,
    now: Moment,
) -> Result<Stats, ApiError> {
    figures(
        pool,
        webhook,
        Wanted {
            interval,
            since: interval.default_since(now),
            until: now,
        },
    )
    .await
}

/// Both charts.
pub(super) fn section(stats: &Stats) -> Markup {
    html! {
        section aria-labelledby="charts" {
            div.heading {
                h2 id="charts" { "What happened" }
                nav.choice aria-label="Time of the charts" {
                    @for (interval, word, label) in CHOICES {
                        a href={ "?interval=" (word) } aria-current=[(interval == stats.interval).then_some("true")] { (label) }
                    }
                }
            }
            @if stats.complete_since > stats.since {
                p.hint { "There is so much that only what happened since " (exact(stats.complete_since)) " is counted." }
            }
            div.charts data-live {
                figure.panel { figcaption { "Deliveries" } (chart::deliveries(stats)) }
                figure.panel { figcaption { "Time to answer" } (chart::latency(stats)) }
            }
            (chart::table(stats))
        }
    }
}
