//! A chart as small as a word.

use maud::{Markup, html};

use super::activity::{Activity, SLOTS};
use crate::moment::Moment;

const SLOT_WIDTH: usize = 5;
const HEIGHT: i64 = 24;

/// Deliveries and failures of the last hours.
pub(super) fn sparkline(activity: &Activity, now: Moment) -> Markup {
    let most = activity
        .slots
        .iter()
        .map(|(delivered, failed)| delivered + failed)
        .max()
        .unwrap_or(0);
    let label = format!(
        "{}: {} delivered, {} attempts failed",
        period(activity, now),
        activity.delivered(),
        activity.failed()
    );
    html! {
        svg.sparkline viewBox={ "0 0 " (SLOTS * SLOT_WIDTH) " " (HEIGHT) } role="img" aria-label=(label) {
            title { (label) }
            line.axis x1="0" x2=(SLOTS * SLOT_WIDTH) y1=(HEIGHT) y2=(HEIGHT) {}
            @for (place, (delivered, failed)) in activity.slots.iter().enumerate() {
                @let failed_height = height(*failed, most);
                @let delivered_height = height(*delivered, most).min(HEIGHT - failed_height);
                @if delivered_height > 0 {
                    rect.delivered x=(place * SLOT_WIDTH) width=(SLOT_WIDTH - 1) y=(HEIGHT - delivered_height)
                        height=(delivered_height) {}
                }
                @if failed_height > 0 {
                    rect.failed x=(place * SLOT_WIDTH) width=(SLOT_WIDTH - 1)
                        y=(HEIGHT - delivered_height - failed_height) height=(failed_height) {}
                }
            }
        }
    }
}

/// At least two units, so that one failure among thousands is seen.
fn height(count: i64, most: i64) -> i64 {
    if count == 0 {
        0
    } else {
        (count * HEIGHT / most.max(1)).max(2)
    }
}

/// How much time the sparkline is about.
pub(super) fn period(activity: &Activity, now: Moment) -> String {
    let minutes = (now.0 - activity.since.0).num_minutes();
    match minutes {
        0..=1 => "Last minute".into(),
        2..=119 => format!("Last {minutes} minutes"),
        _ => format!("Last {} hours", (minutes + 30) / 60),
    }
}
