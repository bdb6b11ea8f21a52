//! Breaker: when a webhook's receiver is given a rest, and when it is tried again. Pure.
//!
//! *Closed*, everything flows. Failures in a row *open* it: deliveries wait in the lane of the webhook and use up no
//! retry. When its time is over, a few deliveries are sent as *probes*: the first success closes it, the first failure
//! opens it again for twice as long.

use std::time::Duration;

use postrider_core::failure::FailureKind;
use tokio::time::Instant;

use crate::judge::Outcome;

/// A transition of this worker may not be in what the database said a moment before: the flush that carries it takes
/// this long at most, as a rule. A wrong guess costs a few requests or one look at a lane.
const SETTLING: Duration = Duration::from_secs(1);

/// When a breaker opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// Failures in a row that open it.
    pub failures: u32,
    /// How long it stays open the first time; each further time twice as long.
    pub open: Duration,
    /// The longest it stays open before it is probed.
    pub longest_open: Duration,
}

impl BreakerPolicy {
    /// How long it stays open for the `trips`-th time in a row. `random` draws from `[0, 1)`: up to a tenth is taken off,
    /// so that the webhooks of one receiver do not probe together.
    fn open_for(&self, trips: i16, random: f64) -> Duration {
        let factor = 2_u32
            .checked_pow(u32::from(trips.unsigned_abs()).saturating_sub(1))
            .unwrap_or(u32::MAX);
        let longest = self.open.saturating_mul(factor).min(self.longest_open);
        longest.mul_f64(1.0 - 0.1 * random.clamp(0.0, 1.0))
    }
}

/// What an attempt changes about a webhook, to be written into its lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// It failed; the breaker stays as it is.
    Failed,
    /// It succeeded after failures: the breaker, if open, closes.
    Recovered {
        /// Whether it was open.
        closes: bool,
    },
    /// The breaker opens, for the so manieth time in a row.
    Opened {
        /// How long.
        duration: Duration,
        /// How often since it was last closed.
        trips: i16,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Closed,
    Open,
    Probing,
}

/// One webhook's breaker as this worker knows it. The state that all workers share is in the `lane` row; a claim tells it.
#[derive(Debug)]
pub(crate) struct Breaker {
    phase: Phase,
    changed: Option<Instant>,
    trips: i16,
    is_failing: bool,
    failures: u32,
    timeouts: u32,
}

impl Breaker {
    pub(crate) fn new() -> Self {
        Self {
            phase: Phase::Closed,
            changed: None,
            trips: 0,
            is_failing: false,
            failures: 0,
            timeouts: 0,
        }
    }

    /// Whether new deliveries wait.
    pub(crate) fn is_open(&self) -> bool {
        self.phase != Phase::Closed
    }

    /// Notes what the claim of an event found in the lane.
    pub(crate) fn see(&mut self, is_open: bool, is_failing: bool, now: Instant) {
        self.is_failing |= is_failing;
        if is_open == self.is_open() || self.changed.is_some_and(|at| now - at < SETTLING) {
            return;
        }
        self.phase = if is_open { Phase::Open } else { Phase::Closed };
    }

    /// Notes that probes were claimed from the lane of an open breaker.
    pub(crate) fn probe(&mut self, trips: i16) {
        self.phase = Phase::Probing;
        self.trips = trips;
        self.is_failing = true;
    }

    /// Notes what an attempt came to. `cap` is how many timeouts in a row eat all slots of the webhook.
    pub(crate) fn after(
        &mut self,
        policy: &BreakerPolicy,
        cap: u32,
        outcome: &Outcome,
        now: Instant,
        random: impl FnOnce() -> f64,
    ) -> Option<Change> {
        if let Outcome::Response { error: None, .. } = outcome {
            return self.after_success(now);
        }
        if kind(outcome) == Some(FailureKind::Aborted) {
            // Says something about the worker, nothing about the receiver.
            return None;
        }
        self.is_failing = true;
        self.failures = self.failures.saturating_add(1);
        let timed_out = kind(outcome) == Some(FailureKind::Timeout);
        self.timeouts = if timed_out { self.timeouts.saturating_add(1) } else { 0 };
        let opens = match self.phase {
            // What was in flight when it opened says nothing new.
            Phase::Open => false,
            Phase::Probing => true,
            Phase::Closed => self.failures >= policy.failures || self.timeouts >= cap.min(policy.failures),
        };
        if !opens {
            return Some(Change::Failed);
        }
        self.phase = Phase::Open;
        self.changed = Some(now);
        self.trips = self.trips.saturating_add(1);
        let asked_for = wanted_wait(outcome).unwrap_or_default().min(policy.longest_open);
        Some(Change::Opened {
            duration: policy.open_for(self.trips, random()).max(asked_for),
            trips: self.trips,
        })
    }

    fn after_success(&mut self, now: Instant) -> Option<Change> {
        (self.failures, self.timeouts, self.trips) = (0, 0, 0);
        if !std::mem::take(&mut self.is_failing) && self.phase == Phase::Closed {
            return None;
        }
        let closes = self.is_open();
        if closes {
            self.phase = Phase::Closed;
            self.changed = Some(now);
        }
        Some(Change::Recovered { closes })
    }
}

/// Whether a failure tells that the receiver is down rather than that it refuses this delivery. A probe that finds it
/// down uses up no retry of its delivery.
pub(crate) fn is_outage(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Response { status, .. } => matches!(status, 200..300 | 408 | 425 | 429 | 500..),
        Outcome::Failed(failure) => matches!(
            failure.kind,
            FailureKind::Timeout | FailureKind::Dns | FailureKind::Connect | FailureKind::Tls | FailureKind::Protocol
        ),
    }
}

fn kind(outcome: &Outcome) -> Option<FailureKind> {
    match outcome {
        Outcome::Response { error, .. } => error.as_ref().map(|failure| failure.kind),
        Outcome::Failed(failure) => Some(failure.kind),
    }
}

fn wanted_wait(outcome: &Outcome) -> Option<Duration> {
    match outcome {
        Outcome::Response {
            status: 429 | 503,
            retry_after,
            ..
        } => *retry_after,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::judge::Failure;

    const POLICY: BreakerPolicy = BreakerPolicy {
        failures: 10,
        open: Duration::from_secs(10),
        longest_open: Duration::from_secs(3600),
    };

    fn answer(status: u16, retry_after: Option<u64>) -> Outcome {
        Outcome::Response {
            status,
            retry_after: retry_after.map(Duration::from_secs),
            error: (!(200..300).contains(&status)).then(|| Failure {
                kind: FailureKind::Status,
                detail: String::new(),
            }),
        }
    }

    fn failed(kind: FailureKind) -> Outcome {
        Outcome::Failed(Failure {
            kind,
            detail: String::new(),
        })
    }

    fn after(breaker: &mut Breaker, outcome: &Outcome) -> Option<Change> {
        breaker.after(&POLICY, 4, outcome, Instant::now(), || 0.0)
    }

    fn opened(seconds: u64, trips: i16) -> Option<Change> {
        Some(Change::Opened {
            duration: Duration::from_secs(seconds),
            trips,
        })
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_success_between_does_not() {
        let mut breaker = Breaker::new();
        for _ in 0..9 {
            assert_eq!(after(&mut breaker, &answer(500, None)), Some(Change::Failed));
        }
        assert_eq!(
            after(&mut breaker, &answer(200, None)),
            Some(Change::Recovered { closes: false })
        );
        assert_eq!(after(&mut breaker, &answer(200, None)), None);
        for _ in 0..9 {
            assert_eq!(after(&mut breaker, &answer(500, None)), Some(Change::Failed));
        }
        assert_eq!(after(&mut breaker, &answer(500, None)), opened(10, 1));
        assert!(breaker.is_open());
    }

    #[test]
    fn timeouts_that_eat_the_cap_open_it_sooner() {
        let mut breaker = Breaker::new();
        for _ in 0..3 {
            assert_eq!(after(&mut breaker, &failed(FailureKind::Timeout)), Some(Change::Failed));
        }
        assert_eq!(after(&mut breaker, &failed(FailureKind::Timeout)), opened(10, 1));
    }

    #[test]
    fn each_failed_round_of_probes_opens_it_once_and_twice_as_long_up_to_the_longest() {
        let mut breaker = Breaker::new();
        for (trips, seconds) in [(1, 20), (2, 40), (8, 2560), (9, 3600), (i16::MAX - 1, 3600)] {
            breaker.probe(trips);
            assert_eq!(after(&mut breaker, &answer(500, None)), opened(seconds, trips + 1));
            // The other probes of the round.
            assert_eq!(after(&mut breaker, &answer(500, None)), Some(Change::Failed));
        }
    }

    #[test]
    fn the_first_probe_that_succeeds_closes_it() {
        let mut breaker = Breaker::new();
        breaker.probe(3);
        assert_eq!(
            after(&mut breaker, &answer(204, None)),
            Some(Change::Recovered { closes: true })
        );
        assert!(!breaker.is_open());
        assert_eq!(after(&mut breaker, &answer(500, None)), Some(Change::Failed));
    }

    #[test]
    fn a_receiver_that_asks_for_a_longer_rest_gets_it() {
        let mut breaker = Breaker::new();
        breaker.probe(0);
        assert_eq!(after(&mut breaker, &answer(429, Some(600))), opened(600, 1));
        breaker.probe(0);
        assert_eq!(after(&mut breaker, &answer(503, Some(999_999))), opened(3600, 1));
        breaker.probe(0);
        assert_eq!(after(&mut breaker, &answer(500, Some(600))), opened(10, 1));
    }

    #[test]
    fn what_the_database_says_counts_unless_it_is_older_than_a_transition() {
        let mut breaker = Breaker::new();
        let now = Instant::now();
        breaker.see(true, true, now);
        assert!(breaker.is_open());
        assert_eq!(
            after(&mut breaker, &answer(200, None)),
            Some(Change::Recovered { closes: true })
        );
        breaker.see(true, true, now);
        assert!(!breaker.is_open());
        breaker.see(true, true, now + SETTLING * 2);
        assert!(breaker.is_open());
        breaker.see(false, false, now + SETTLING * 2);
        assert!(!breaker.is_open());
    }

    #[test]
    fn a_request_cut_off_by_a_stopping_worker_says_nothing() {
        let mut breaker = Breaker::new();
        breaker.probe(1);
        assert_eq!(after(&mut breaker, &failed(FailureKind::Aborted)), None);
    }

    #[test]
    fn an_outage_is_told_from_a_refusal() {
        for outage in [
            answer(500, None),
            answer(503, None),
            answer(429, None),
            answer(408, None),
            failed(FailureKind::Connect),
            failed(FailureKind::Timeout),
            failed(FailureKind::Dns),
        ] {
            assert!(is_outage(&outage), "{outage:?}");
        }
        for refusal in [
            answer(400, None),
            answer(404, None),
            answer(301, None),
            failed(FailureKind::RefusedAddress),
            failed(FailureKind::Internal),
        ] {
            assert!(!is_outage(&refusal), "{refusal:?}");
        }
    }

    proptest! {
        #[test]
        fn it_never_stays_open_longer_than_the_longest(trips in 0_i16.., random in 0.0..1.0_f64, status in 100_u16..600, wanted in proptest::option::of(0_u64..1_000_000)) {
            let mut breaker = Breaker::new();
            breaker.probe(trips);
            if let Some(Change::Opened { duration, trips: now }) =
                breaker.after(&POLICY, 4, &answer(status, wanted), Instant::now(), || random)
            {
                prop_assert!(duration <= POLICY.longest_open);
                prop_assert!(duration >= POLICY.open.mul_f64(0.9));
                prop_assert!(now >= trips);
            } else {
                prop_assert!((200..300).contains(&status));
            }
        }
    }
}
