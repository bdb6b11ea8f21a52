//! Order: for a webhook that asked for it, events of one key arrive in the order of their commits, one at a time. Each
//! producer commits one transaction after the other under a key of its own, so the order of its ids is that order.

use std::collections::HashMap;

use super::database::Found;
use crate::outcome::Outcome;
use crate::stage::Stage;

/// What the receiver saw of one delivery, in microseconds since 1970.
#[derive(Debug, Clone, Copy)]
struct Times {
    first_request: u64,
    accepted: Option<u64>,
}

/// Adds the check.
pub(super) fn check(stage: &Stage, found: &Found, outcome: &mut Outcome) {
    if !stage.hooks.iter().any(|hook| hook.is_ordered) {
        return;
    }
    let times = times(stage);
    let entries = stage.ledger.entries();
    let (mut pairs, mut early) = (0_u64, Vec::new());
    for (place, hook) in stage.hooks.iter().enumerate().filter(|(_, hook)| hook.is_ordered) {
        let mut keys: HashMap<u16, Vec<i64>> = HashMap::new();
        for (token, event) in &found.events {
            let Some(entry) = entries.get(*token as usize) else {
                continue;
            };
            if hook.is_subscribed_to(*token, entry.tenant) {
                keys.entry(entry.producer).or_default().push(event.0);
            }
        }
        for events in keys.values_mut() {
            events.sort_unstable();
            // One that was given up is passed over.
            let kept = events
                .iter()
                .filter(|event| !found.dead.contains(&(**event, hook.id.0)));
            let kept: Vec<i64> = kept.copied().collect();
            for pair in kept.windows(2) {
                pairs += 1;
                let time_of = |event: i64| times.get(&(event, place as u16));
                let ended = time_of(pair[0]).and_then(|times| times.accepted);
                let begun = time_of(pair[1]).map(|times| times.first_request);
                if begun.is_some_and(|begun| ended.is_none_or(|ended| begun < ended)) {
                    early.push(format!("evt_{} before evt_{} at {}", pair[1], pair[0], hook.id));
                }
            }
        }
    }
    outcome.figure("pairs in order", pairs as f64);
    let examples: Vec<&String> = early.iter().take(3).collect();
    outcome.check(
        "order kept where it is promised",
        early.is_empty(),
        format!("{} of {pairs} out of order {examples:?}", early.len()),
    );
}

fn times(stage: &Stage) -> HashMap<(i64, u16), Times> {
    let mut times = HashMap::new();
    for arrival in stage.receiver.shared.log.arrivals().iter() {
        let seen = times.entry((arrival.event, arrival.hook)).or_insert(Times {
            first_request: arrival.at_us,
            accepted: None,
        });
        if arrival.accepted {
            seen.accepted.get_or_insert(arrival.at_us);
        }
    }
    times
}
