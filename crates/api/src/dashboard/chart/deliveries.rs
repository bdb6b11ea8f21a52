//! Bars of what was delivered and what failed.

use maud::{Markup, html};

use super::scale::{HEIGHT, Scale, WIDTH, short};
use crate::stats::figures::Stats;

/// One bar for each point, failures on top.
pub(in crate::dashboard) fn deliveries(stats: &Stats) -> Markup {
    let most = stats
        .points
        .iter()
        .map(|point| point.figures.delivered + point.figures.failed)
        .max()
        .unwrap_or(0);
    let scale = Scale::new(stats.points.len(), most as f64);
    let gap = if scale.step() > 4.0 { 1.5 } else { 0.0 };
    html! {
        svg.chart viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-labelledby="deliveries-chart-title" {
            title id="deliveries-chart-title" {
                (stats.totals.delivered) " deliveries and " (stats.totals.failed) " failed attempts in this time"
            }
            (scale.axes(stats, ""))
            @for (place, point) in stats.points.iter().enumerate() {
                @let (delivered, failed) = (point.figures.delivered as f64, point.figures.failed as f64);
                @if delivered + failed > 0.0 {
                    g {
                        title {
                            (short(point.time, stats.interval)) ": " (delivered) " delivered, " (failed) " failed"
                        }
                        @if delivered > 0.0 {
                            rect.delivered x=(scale.x(place)) width=(scale.step() - gap) y=(scale.y(delivered))
                                height=(scale.height(delivered)) {}
                        }
                        @if failed > 0.0 {
                            rect.failed x=(scale.x(place)) width=(scale.step() - gap) y=(scale.y(delivered + failed))
                                height=(scale.height(failed)) {}
                        }
                    }
                }
            }
        }
        ul.legend {
            li { span.key.delivered {} "Delivered" }
            li { span.key.failed {} "Failed attempts" }
        }
    }
}
