//! Enqueueing: the events in the database are those whose commit was confirmed, and perhaps those whose commit nobody
//! confirmed; what came to the receiver is one of them, byte for byte.

use std::collections::HashMap;

use super::database::Found;
use crate::ledger::{Entry, Fate};
use crate::outcome::Outcome;
use crate::payload::body;
use crate::receiver::hash;
use crate::stage::Stage;
use crate::webhooks::tenant_name;

/// Adds the checks.
pub(super) fn check(stage: &Stage, found: &Found, outcome: &mut Outcome) {
    let entries = stage.ledger.entries();
    let count = |fate| entries.iter().filter(|entry| entry.fate == fate).count();
    outcome.figure("committed", count(Fate::Committed) as f64);
    outcome.figure("rolled back", count(Fate::RolledBack) as f64);
    outcome.figure("commits without an answer", count(Fate::Unknown) as f64);

    let missing = entries
        .iter()
        .enumerate()
        .filter(|(token, entry)| {
            let id = found.events.get(&(*token as u64)).map(|event| event.0);
            entry.fate == Fate::Committed && id != Some(entry.event)
        })
        .count();
    outcome.check(
        "every committed event recorded",
        missing == 0,
        format!("{missing} missing"),
    );
    let wrong = found
        .events
        .keys()
        .filter(|token| is_rolled_back(&entries, **token))
        .count() as u64
        + found.odd_events;
    outcome.check("no rolled-back event recorded", wrong == 0, format!("{wrong} recorded"));
    requests(stage, found, &entries, outcome);
}

fn is_rolled_back(entries: &[Entry], token: u64) -> bool {
    let entry = entries.get(token as usize);
    entry.is_none_or(|entry| matches!(entry.fate, Fate::RolledBack | Fate::Open))
}

/// Checks what the requests carried.
fn requests(stage: &Stage, found: &Found, entries: &[Entry], outcome: &mut Outcome) {
    let mut expected: HashMap<u64, u64> = HashMap::new();
    let (mut rolled_back, mut different) = (0_u64, 0_u64);
    for arrival in stage.receiver.shared.log.arrivals().iter() {
        if found.operational.contains(&arrival.event) {
            continue;
        }
        let recorded = found.events.get(&arrival.token);
        if is_rolled_back(entries, arrival.token) || recorded.is_none() {
            rolled_back += 1;
            continue;
        }
        let body_hash = *expected.entry(arrival.token).or_insert_with(|| {
            let tenant = tenant_name(entries[arrival.token as usize].tenant);
            recorded.map_or(0, |event| hash(body(arrival.token, *event, &tenant).as_bytes()))
        });
        let is_right = body_hash == arrival.body && recorded.is_some_and(|event| event.0 == arrival.event);
        different += u64::from(!is_right);
    }
    outcome.figure("rolled-back events sent", rolled_back as f64);
    outcome.check(
        "nothing rolled back sent",
        rolled_back == 0,
        format!("{rolled_back} sent"),
    );
    outcome.check(
        "every body as committed, on every attempt",
        different == 0,
        format!("{different} different"),
    );
}
