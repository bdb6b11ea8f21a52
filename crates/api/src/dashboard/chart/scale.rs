//! What both charts share: the room, the axes, the labels.

use maud::{Markup, html};

use crate::moment::Moment;
use crate::stats::Interval;
use crate::stats::figures::Stats;

pub(super) const WIDTH: f64 = 480.0;
pub(super) const HEIGHT: f64 = 180.0;
/// Room for the labels on the left, and below.
const LEFT: f64 = 60.0;
const BOTTOM: f64 = 22.0;
const TOP: f64 = 8.0;

/// Where the points and values are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    points: usize,
    /// The value of the upper line: a round number.
    most: f64,
}

impl Scale {
    pub(super) fn new(points: usize, most: f64) -> Self {
        Self {
            points: points.max(1),
            most: round_up(most),
        }
    }

    /// Width of the room of one point.
    pub(super) fn step(&self) -> f64 {
        (WIDTH - LEFT) / self.points as f64
    }

    /// Left edge of the room of one point.
    pub(super) fn x(&self, place: usize) -> f64 {
        LEFT + place as f64 * self.step()
    }

    pub(super) fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - self.height(value)
    }

    pub(super) fn height(&self, value: f64) -> f64 {
        value / self.most * (HEIGHT - BOTTOM - TOP)
    }

    /// Lines and labels. `unit` follows the numbers of the values.
    pub(super) fn axes(&self, stats: &Stats, unit: &str) -> Markup {
        let middle = self.points / 2;
        html! {
            @for part in [0.0, 0.5, 1.0] {
                @let value = self.most * part;
                line.axis x1=(LEFT) x2=(WIDTH) y1=(self.y(value)) y2=(self.y(value)) {}
                text.label x=(LEFT - 6.0) y=(self.y(value) + 4.0) text-anchor="end" { (label(value, unit)) }
            }
            @for (place, anchor) in [(0, "start"), (middle, "middle"), (self.points - 1, "end")] {
                @if let Some(point) = stats.points.get(place) {
                    text.label x=(self.x(place) + self.step() * offset(anchor)) y=(HEIGHT - 6.0) text-anchor=(anchor) {
                        (short(point.time, stats.interval))
                    }
                }
            }
        }
    }
}

/// A value and its unit; milliseconds become seconds when there are many.
fn label(value: f64, unit: &str) -> String {
    if unit == " ms" && value >= 1000.0 {
        format!("{} s", value / 1000.0)
    } else {
        format!("{value}{unit}")
    }
}

fn offset(anchor: &str) -> f64 {
    match anchor {
        "start" => 0.0,
        "middle" => 0.5,
        _ => 1.0,
    }
}

/// A moment as short as the interval allows, in UTC.
pub(super) fn short(moment: Moment, interval: Interval) -> String {
    let format = match interval {
        Interval::Minute | Interval::Hour => "%H:%M",
        Interval::Day => "%b %-d",
    };
    moment.0.format(format).to_string()
}

/// The next of 1, 2, 4, 6, 10, 20, 40, 60, 100 …: halves of these are round too.
fn round_up(value: f64) -> f64 {
    let mut unit = 1.0;
    loop {
        for factor in [1.0, 2.0, 4.0, 6.0] {
            if value <= factor * unit {
                return if factor * unit < 2.0 { 2.0 } else { factor * unit };
            }
        }
        unit *= 10.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_upper_line_is_a_round_number() {
        for (value, expected) in [
            (0.0, 2.0),
            (1.0, 2.0),
            (3.0, 4.0),
            (7.0, 10.0),
            (61.0, 100.0),
            (1001.0, 2000.0),
        ] {
            assert_eq!(round_up(value), expected);
        }
    }
}
