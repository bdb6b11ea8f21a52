//! Pacer: the rate limit of a webhook.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Deliveries of a webhook with a rate limit are taken so long before their turn.
const PACED_AHEAD: Duration = Duration::from_millis(500);

/// Spreads the starts of requests over time.
#[derive(Debug)]
pub(crate) struct Pacer {
    interval: Option<Duration>,
    next: Mutex<Option<Instant>>,
}

impl Pacer {
    /// So many starts per second; `None` for no limit.
    pub(crate) fn new(per_second: Option<i32>) -> Self {
        let interval = per_second.map(|rate| Duration::from_secs(1) / rate.max(1) as u32);
        Self {
            interval,
            next: Mutex::new(None),
        }
    }

    /// Deliveries that get their turn soon: more would only wait.
    pub(crate) fn most_held(&self) -> usize {
        match self.interval {
            Some(interval) => 1 + (PACED_AHEAD.as_nanos() / interval.as_nanos().max(1)) as usize,
            None => usize::MAX,
        }
    }

    /// Takes the next turn if it comes within `patience`, and says how long to wait for it; otherwise takes none and
    /// says when to ask again.
    pub(crate) fn take_turn(&self, now: Instant, patience: Duration) -> Result<Duration, Duration> {
        let Some(interval) = self.interval else {
            return Ok(Duration::ZERO);
        };
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = next.map_or(now, |next| next.max(now));
        let wait = turn - now;
        if wait > patience {
            return Err(wait);
        }
        *next = Some(turn + interval);
        Ok(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pacer_spreads_turns_evenly_and_refuses_those_too_far_off() {
        let pacer = Pacer::new(Some(10));
        let now = Instant::now();
        let patience = Duration::from_millis(250);
        assert_eq!(pacer.take_turn(now, patience), Ok(Duration::ZERO));
        assert_eq!(pacer.take_turn(now, patience), Ok(Duration::from_millis(100)));
        assert_eq!(pacer.take_turn(now, patience), Ok(Duration::from_millis(200)));
        assert_eq!(pacer.take_turn(now, patience), Err(Duration::from_millis(300)));
        assert_eq!(
            pacer.take_turn(now + Duration::from_secs(1), patience),
            Ok(Duration::ZERO)
        );
    }

    #[test]
    fn no_more_is_held_than_has_its_turn_soon() {
        assert_eq!(Pacer::new(Some(1)).most_held(), 1);
        assert_eq!(Pacer::new(Some(100)).most_held(), 51);
        assert_eq!(Pacer::new(None).most_held(), usize::MAX);
    }

    #[test]
    fn a_webhook_without_a_limit_never_waits() {
        let pacer = Pacer::new(None);
        let now = Instant::now();
        assert!((0..1000).all(|_| pacer.take_turn(now, Duration::ZERO) == Ok(Duration::ZERO)));
    }
}
