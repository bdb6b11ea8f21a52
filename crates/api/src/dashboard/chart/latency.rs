//! Lines of how long the receiver took to answer.

use std::fmt::Write;

use maud::{Markup, html};

use super::scale::{HEIGHT, Scale, WIDTH, short};
use crate::stats::figures::{Latency, Stats};

type Percentile = fn(&Latency) -> f64;

const LINES: [(&str, &str, Percentile); 2] = [
    ("p50", "Half of the answers", |latency| latency.p50),
    ("p95", "95 of 100 answers", |latency| latency.p95),
];

/// Two lines, broken where there was no answer.
pub(in crate::dashboard) fn latency(stats: &Stats) -> Markup {
    let values = stats.points.iter().filter_map(|point| point.figures.latency_ms);
    let scale = Scale::new(
        stats.points.len(),
        values.map(|latency| latency.p95).fold(0.0, f64::max),
    );
    html! {
        svg.chart viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-labelledby="latency-chart-title" {
            title id="latency-chart-title" {
                @match stats.totals.latency_ms {
                    Some(total) => {
                        "Half of the answers came within " (milliseconds(total.p50)) ", 95 of 100 within "
                        (milliseconds(total.p95))
                    }
                    None => "No answers in this time",
                }
            }
            (scale.axes(stats, " ms"))
            @for (class, _, percentile) in LINES {
                path class={ "line " (class) } d=(path(stats, scale, percentile)) {}
            }
            @for (place, point) in stats.points.iter().enumerate() {
                @if let Some(latency) = point.figures.latency_ms {
                    @for (class, _, percentile) in LINES {
                        circle class={ "dot " (class) } r="2.5" cx=(middle(scale, place)) cy=(scale.y(percentile(&latency))) {
                            title { (short(point.time, stats.interval)) ": " (class) " " (milliseconds(percentile(&latency))) }
                        }
                    }
                }
            }
        }
        ul.legend {
            @for (class, name, _) in LINES { li { span class={ "key " (class) } {} (name) } }
        }
    }
}

fn middle(scale: Scale, place: usize) -> f64 {
    scale.x(place) + scale.step() / 2.0
}

fn path(stats: &Stats, scale: Scale, percentile: Percentile) -> String {
    let mut path = String::new();
    let mut pen_is_down = false;
    for (place, point) in stats.points.iter().enumerate() {
        if let Some(latency) = &point.figures.latency_ms {
            let command = if pen_is_down { 'L' } else { 'M' };
            write!(
                path,
                "{command}{:.1} {:.1}",
                middle(scale, place),
                scale.y(percentile(latency))
            )
            .expect("a String takes any text");
        }
        pen_is_down = point.figures.latency_ms.is_some();
    }
    path
}

pub(in crate::dashboard) fn milliseconds(value: f64) -> String {
    if value < 10.0 {
        format!("{value:.1} ms")
    } else {
        format!("{value:.0} ms")
    }
}
