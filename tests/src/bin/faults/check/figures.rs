//! Figures: statistics = attempts in the history = requests on the wire, but for those in flight when a worker died.

use std::collections::HashMap;

use super::database::Found;
use crate::outcome::Outcome;
use crate::stage::Stage;

/// Adds the checks.
pub(super) fn check(stage: &Stage, found: &Found, outcome: &mut Outcome) {
    let mut wire: HashMap<u16, i64> = HashMap::new();
    for arrival in stage.receiver.shared.log.arrivals().iter() {
        *wire.entry(arrival.hook).or_default() += 1;
    }
    let mut given_up: HashMap<i64, i64> = HashMap::new();
    for (_, webhook) in &found.dead {
        *given_up.entry(*webhook).or_default() += 1;
    }
    let (mut differ, mut unrecorded, mut unsent) = (Vec::new(), 0, 0);
    for (place, hook) in stage.hooks.iter().enumerate() {
        let attempts = found.attempts.get(&hook.id.0).copied().unwrap_or_default();
        let statistics = found.statistics.get(&hook.id.0).copied().unwrap_or_default();
        let dead = given_up.get(&hook.id.0).copied().unwrap_or(0);
        if statistics != (attempts.succeeded, attempts.failed, dead) {
            differ.push(format!(
                "{}: {statistics:?}, history {attempts:?}, dead {dead}",
                hook.id
            ));
        }
        if hook.on_the_wire {
            let requests = wire.get(&(place as u16)).copied().unwrap_or(0);
            let recorded = attempts.succeeded + attempts.failed;
            unrecorded += (requests - recorded).max(0);
            unsent += (recorded - attempts.unanswered - requests).max(0);
        }
    }
    outcome.check(
        "statistics = history",
        differ.is_empty(),
        format!("{} differ {differ:?}", differ.len()),
    );
    outcome.check(
        "no attempt recorded without a request, but for those whose time was over before they were sent",
        unsent == 0,
        format!("{unsent} recorded"),
    );
    outcome.figure("requests not recorded", unrecorded as f64);
    let allowed = stage.allowed.unrecorded;
    outcome.check(
        "requests = history, but for those in flight at a kill",
        unrecorded as u64 <= allowed,
        format!("{unrecorded} of {allowed} not recorded"),
    );
}
