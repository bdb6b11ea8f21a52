//! Moments as people read them.

use chrono::TimeDelta;
use maud::{Markup, html};

use crate::moment::Moment;

/// A moment in a few words, such as "3 min ago"; exact for programs, and on hovering.
pub(super) fn ago(moment: Moment, now: Moment) -> Markup {
    html! { time datetime=(moment) title=(moment) { (words(now.0 - moment.0)) } }
}

/// The same for one that may not be.
pub(super) fn ago_or(moment: Option<Moment>, now: Moment, absent: &str) -> Markup {
    match moment {
        Some(moment) => ago(moment, now),
        None => html! { (absent) },
    }
}

/// When something is to happen, which may be overdue.
pub(super) fn due(moment: Option<Moment>, now: Moment) -> Markup {
    match moment {
        Some(moment) if moment > now => ago(moment, now),
        Some(_) => html! { "now" },
        None => html! { "–" },
    }
}

/// A moment to the second, in UTC; the script adds the time where the reader is.
pub(super) fn exact(moment: Moment) -> Markup {
    html! { time datetime=(moment) data-local { (moment.0.format("%Y-%m-%d %H:%M:%S UTC")) } }
}

fn words(passed: TimeDelta) -> String {
    let seconds = passed.num_seconds();
    let (amount, unit) = match seconds.abs() {
        0..5 if seconds < 0 => return "in a moment".into(),
        0..5 => return "just now".into(),
        length @ 5..60 => (length, "s"),
        length @ 60..3600 => (length / 60, "min"),
        length @ 3600..86_400 => (length / 3600, "h"),
        length => (length / 86_400, if length < 2 * 86_400 { "day" } else { "days" }),
    };
    if seconds < 0 {
        format!("in {amount} {unit}")
    } else {
        format!("{amount} {unit} ago")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_told_in_a_few_words() {
        for (seconds, expected) in [
            (0, "just now"),
            (-4, "in a moment"),
            (5, "5 s ago"),
            (59, "59 s ago"),
            (60, "1 min ago"),
            (3599, "59 min ago"),
            (3600, "1 h ago"),
            (86_399, "23 h ago"),
            (86_400, "1 day ago"),
            (172_800, "2 days ago"),
            (-90, "in 1 min"),
            (-7200, "in 2 h"),
        ] {
            assert_eq!(words(TimeDelta::seconds(seconds)), expected);
        }
    }
}
