//! The figures of both charts for those who do not see them.

use maud::{Markup, html};

use super::latency::milliseconds;
use super::scale::short;
use crate::stats::figures::Stats;

/// All points where something happened, folded away.
pub(in crate::dashboard) fn table(stats: &Stats) -> Markup {
    let busy = || {
        stats
            .points
            .iter()
            .filter(|point| point.figures.delivered + point.figures.failed > 0)
    };
    html! {
        details {
            summary { "The same as a table" }
            @if busy().next().is_none() {
                p { "Nothing happened in this time." }
            } @else {
                div.scroll tabindex="0" role="region" aria-label="Figures" {
                    table {
                        caption { "Times are UTC" }
                        thead {
                            tr {
                                @for title in ["From", "Delivered", "Failed", "Half within", "95 of 100 within"] {
                                    th scope="col" { (title) }
                                }
                            }
                        }
                        tbody {
                            @for point in busy() {
                                tr {
                                    th scope="row" {
                                        time datetime=(point.time) { (short(point.time, stats.interval)) }
                                    }
                                    td { (point.figures.delivered) }
                                    td { (point.figures.failed) }
                                    @match point.figures.latency_ms {
                                        Some(latency) => {
                                            td { (milliseconds(latency.p50)) }
                                            td { (milliseconds(latency.p95)) }
                                        }
                                        None => { td { "–" } td { "–" } }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
