//! Delivery: every committed event, for each webhook subscribed to it, is delivered, waits, or is a dead letter.

use std::collections::HashSet;

use super::database::{Found, Pair};
use crate::outcome::Outcome;
use crate::stage::Stage;
use crate::webhooks::Ordering;

/// Adds the checks.
pub(super) fn check(stage: &Stage, found: &Found, outcome: &mut Outcome) {
    let accepted = accepted(stage);
    let entries = stage.ledger.entries();
    let (mut expected, mut lost, mut waiting, mut dead) = (0_u64, Vec::new(), 0_u64, 0_u64);
    let mut unexpected = accepted.clone();
    unexpected.retain(|(event, _)| !found.operational.contains(event));
    for (token, event) in &found.events {
        let Some(entry) = entries.get(*token as usize) else {
            continue;
        };
        for hook in stage
            .hooks
            .iter()
            .filter(|hook| hook.is_subscribed_to(*token, entry.tenant))
        {
            let pair = (event.0, hook.id.0);
            expected += 1;
            unexpected.remove(&pair);
            let waits = found.queued.contains(&event.0) || found.waiting.contains(&pair);
            waiting += u64::from(waits && !(hook.ordering == Ordering::Halt && found.halted.contains(&pair)));
            dead += u64::from(found.dead.contains(&pair));
            if !accepted.contains(&pair) && !waits && !found.dead.contains(&pair) {
                lost.push(format!("{event} for {}", hook.id));
            }
        }
    }
    outcome.figure("deliveries expected", expected as f64);
    outcome.figure("deliveries accepted", accepted.len() as f64);
    outcome.figure("dead letters", dead as f64);
    outcome.figure("lost", lost.len() as f64);
    let examples: Vec<&String> = lost.iter().take(3).collect();
    outcome.check(
        "committed = delivered + waiting + dead",
        lost.is_empty(),
        format!("{} of {expected} lost {examples:?}", lost.len()),
    );
    outcome.check(
        "nothing left waiting",
        stage.allowed.waiting || waiting == 0,
        format!("{waiting} wait"),
    );
    outcome.check(
        "nothing sent to a webhook that did not subscribe",
        unexpected.is_empty(),
        format!("{} sent", unexpected.len()),
    );
    let phantoms = found
        .succeeded
        .iter()
        .filter(|pair| is_on_the_wire(stage, **pair) && !accepted.contains(pair))
        .count();
    outcome.check(
        "no success recorded that the receiver did not give",
        phantoms == 0,
        format!("{phantoms} recorded"),
    );
    // Nothing is delivered after it was given up, but for a request in flight when its worker was; and an attempt that
    // was accepted too late counts as failed.
    let late: HashSet<Pair> = found
        .timed_out
        .iter()
        .map(|(event, webhook, _)| (*event, *webhook))
        .collect();
    let is_both = |pair: &&Pair| found.dead.contains(*pair) && !late.contains(*pair);
    let both = accepted.iter().filter(is_both).count() as u64;
    outcome.check(
        "no dead letter among the delivered, beyond the duplicates allowed",
        both <= stage.allowed.duplicates,
        format!("{both} are both"),
    );
}

/// Deliveries that the receiver accepted.
fn accepted(stage: &Stage) -> HashSet<Pair> {
    let arrivals = stage.receiver.shared.log.arrivals();
    let accepted = arrivals.iter().filter(|arrival| arrival.accepted);
    accepted
        .map(|arrival| (arrival.event, stage.hooks[usize::from(arrival.hook)].id.0))
        .collect()
}

fn is_on_the_wire(stage: &Stage, (_, webhook): Pair) -> bool {
    stage.hooks.iter().any(|hook| hook.id.0 == webhook && hook.on_the_wire)
}
