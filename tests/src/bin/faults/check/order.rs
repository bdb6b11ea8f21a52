//! Order: for a webhook that asked for it, events of one key arrive in the order of their commits, one at a time.
//!
//! The order of two commits is known where one was confirmed before the other was sent, and within one transaction, which
//! delivers in the order of its ids. Of commits that overlapped, either may be first, but they still take turns.

use std::collections::HashMap;

use super::database::Found;
use crate::key::Key;
use crate::outcome::Outcome;
use crate::stage::Stage;
use crate::webhooks::Ordering;

/// What the receiver saw of one delivery, in microseconds since 1970.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    first_us: u64,
    accepted_us: Option<u64>,
    /// Highest attempt number, and when it came for the first time: a repeated one is a duplicate.
    last_attempt: u16,
    last_us: u64,
}

/// One delivery of a key.
#[derive(Debug, Clone, Copy)]
struct Delivery {
    event: i64,
    producer: u16,
    sent_us: u64,
    /// Whether and when its commit was confirmed.
    confirmed_us: Option<u64>,
    first_us: Option<u64>,
    /// When the next of its key may go; `u64::MAX`: not yet.
    ended_us: u64,
    is_dead: bool,
}

/// Adds the check.
pub(super) fn check(stage: &Stage, found: &Found, outcome: &mut Outcome) {
    if stage.hooks.iter().all(|hook| hook.ordering == Ordering::None) {
        return;
    }
    let seen = seen(stage);
    let (mut deliveries, mut keys, mut early) = (0, 0, Vec::new());
    for place in 0..stage.hooks.len() {
        let hook = &stage.hooks[place];
        if hook.ordering == Ordering::None {
            continue;
        }
        for of_key in by_key(stage, found, &seen, place).values() {
            keys += 1;
            deliveries += of_key.len();
            let halts = hook.ordering == Ordering::Halt;
            early.extend(
                out_of_order(of_key, halts)
                    .into_iter()
                    .map(|(first, second)| format!("evt_{second} did not wait for evt_{first} at {}", hook.id)),
            );
        }
    }
    outcome.figure("deliveries in order", deliveries as f64);
    outcome.figure("keys in order", f64::from(keys));
    let examples: Vec<&String> = early.iter().take(3).collect();
    outcome.check(
        "order kept where it is promised",
        early.is_empty(),
        format!("{} of {deliveries} too early {examples:?}", early.len()),
    );
}

fn seen(stage: &Stage) -> HashMap<(i64, u16), Seen> {
    let mut all: HashMap<(i64, u16), Seen> = HashMap::new();
    for arrival in stage.receiver.shared.log.arrivals().iter() {
        if stage.hooks[usize::from(arrival.hook)].ordering == Ordering::None {
            continue;
        }
        let seen = all.entry((arrival.event, arrival.hook)).or_insert(Seen {
            first_us: arrival.at_us,
            ..Seen::default()
        });
        if arrival.attempt > seen.last_attempt {
            seen.last_attempt = arrival.attempt;
            seen.last_us = arrival.at_us;
        }
        if arrival.accepted {
            seen.accepted_us.get_or_insert(arrival.at_us);
        }
    }
    all
}

/// The deliveries of a webhook whose events have a key.
fn by_key(stage: &Stage, found: &Found, seen: &HashMap<(i64, u16), Seen>, place: usize) -> HashMap<Key, Vec<Delivery>> {
    let hook = &stage.hooks[place];
    let entries = stage.ledger.entries();
    let mut keys: HashMap<Key, Vec<Delivery>> = HashMap::new();
    for (token, event) in &found.events {
        let Some(entry) = entries.get(*token as usize) else {
            continue;
        };
        let Some(key) = entry.key.filter(|_| hook.is_subscribed_to(*token, entry.tenant)) else {
            continue;
        };
        let seen = seen.get(&(event.0, place as u16));
        let is_dead = found.dead.contains(&(event.0, hook.id.0));
        let ended_us = match seen {
            // One given up without a request holds up nobody.
            None if is_dead => 0,
            Some(seen) if is_dead => seen.last_us,
            _ => seen.and_then(|seen| seen.accepted_us).unwrap_or(u64::MAX),
        };
        keys.entry(key).or_default().push(Delivery {
            event: event.0,
            producer: entry.producer,
            sent_us: entry.sent_us,
            confirmed_us: entry.is_committed().then_some(entry.committed_us),
            first_us: seen.map(|seen| seen.first_us),
            ended_us,
            is_dead,
        });
    }
    keys
}

/// Pairs of events of which the second was sent before the first was done with. In O(n log n): each event is compared
/// with the one, among those that must come before it, that ended last.
fn out_of_order(deliveries: &[Delivery], halts: bool) -> Vec<(i64, i64)> {
    // At a webhook that halts, nothing comes behind one that was given up.
    let ended = |delivery: &Delivery| {
        if halts && delivery.is_dead {
            u64::MAX
        } else {
            delivery.ended_us
        }
    };
    let mut early = Vec::new();

    let mut by_confirmation: Vec<&Delivery> = deliveries.iter().filter(|one| one.confirmed_us.is_some()).collect();
    by_confirmation.sort_unstable_by_key(|one| one.confirmed_us);
    let mut before = by_confirmation.into_iter().peekable();
    let mut by_sending: Vec<&Delivery> = deliveries.iter().collect();
    by_sending.sort_unstable_by_key(|one| one.sent_us);
    let mut last: Option<&Delivery> = None;
    for one in by_sending {
        while let Some(earlier) = before.next_if(|earlier| earlier.confirmed_us < Some(one.sent_us)) {
            last = last.filter(|last| ended(last) >= ended(earlier)).or(Some(earlier));
        }
        early.extend(is_early(last, one, ended));
    }

    let mut by_transaction: Vec<&Delivery> = deliveries.iter().collect();
    by_transaction.sort_unstable_by_key(|one| (one.producer, one.sent_us, one.event));
    for pair in by_transaction.windows(2) {
        if (pair[0].producer, pair[0].sent_us) == (pair[1].producer, pair[1].sent_us) {
            early.extend(is_early(Some(pair[0]), pair[1], ended));
        }
    }

    let mut by_request: Vec<&Delivery> = deliveries.iter().filter(|one| one.first_us.is_some()).collect();
    by_request.sort_unstable_by_key(|one| one.first_us);
    let mut last: Option<&Delivery> = None;
    for one in by_request {
        early.extend(is_early(last, one, ended));
        last = last.filter(|last| ended(last) >= ended(one)).or(Some(one));
    }
    early
}

fn is_early(before: Option<&Delivery>, one: &Delivery, ended: impl Fn(&Delivery) -> u64) -> Option<(i64, i64)> {
    let before = before?;
    (one.first_us? < ended(before)).then_some((before.event, one.event))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Committed from `sent_us` to `sent_us + 5`, requested at `first_us`, done with at `ended_us`.
    fn delivery(event: i64, sent_us: u64, first_us: u64, ended_us: u64) -> Delivery {
        Delivery {
            event,
            producer: event as u16,
            sent_us,
            confirmed_us: Some(sent_us + 5),
            first_us: Some(first_us),
            ended_us,
            is_dead: false,
        }
    }

    #[test]
    fn the_order_of_commits_counts_and_not_that_of_ids() {
        let right = [delivery(2, 10, 100, 110), delivery(1, 20, 120, 130)];
        assert_eq!(out_of_order(&right, false), []);
        let wrong = [delivery(2, 10, 120, 130), delivery(1, 20, 100, 110)];
        assert_eq!(out_of_order(&wrong, false), [(2, 1)]);
    }

    #[test]
    fn overlapping_commits_come_in_any_order_but_take_turns() {
        let turns = [delivery(1, 10, 120, 130), delivery(2, 12, 100, 110)];
        assert_eq!(out_of_order(&turns, false), []);
        let both_at_once = [delivery(1, 10, 120, 130), delivery(2, 12, 100, 125)];
        assert_eq!(out_of_order(&both_at_once, false), [(2, 1)]);
    }

    #[test]
    fn a_transaction_delivers_in_the_order_of_its_ids() {
        let one = |event, first_us, ended_us| Delivery {
            producer: 7,
            ..delivery(event, 10, first_us, ended_us)
        };
        assert_eq!(out_of_order(&[one(1, 100, 110), one(2, 120, 130)], false), []);
        assert_eq!(out_of_order(&[one(1, 120, 130), one(2, 100, 110)], false), [(1, 2)]);
    }

    #[test]
    fn what_was_never_done_with_holds_up_all_that_came_later() {
        let waiting = Delivery {
            first_us: None,
            ..delivery(1, 10, 0, u64::MAX)
        };
        assert_eq!(out_of_order(&[waiting, delivery(2, 20, 100, 110)], false), [(1, 2)]);
        // Nobody confirmed its commit: it may have come later.
        let unknown = Delivery {
            confirmed_us: None,
            ..waiting
        };
        assert_eq!(out_of_order(&[unknown, delivery(2, 20, 100, 110)], false), []);
    }

    #[test]
    fn one_given_up_is_passed_over_or_halts_its_key() {
        let dead = Delivery {
            is_dead: true,
            ..delivery(1, 10, 50, 60)
        };
        let later = delivery(2, 20, 100, 110);
        assert_eq!(out_of_order(&[dead, later], false), []);
        assert!(out_of_order(&[dead, later], true).contains(&(1, 2)));
    }
}
