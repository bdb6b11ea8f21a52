//! Judge: what an attempt means for its delivery. Pure.

use std::time::Duration;

use postrider_core::failure::{DeadLetterReason, FailureKind};

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The kind, for machines.
    pub kind: FailureKind,
    /// What exactly happened, for people.
    pub detail: String,
}

/// What an attempt came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver answered.
    Response {
        /// HTTP status code.
        status: u16,
        /// The wait it asked for in `Retry-After` (RFC 9110, section 10.2.3).
        retry_after: Option<Duration>,
        /// `None` for a success: a 2xx status and a body read to its end.
        error: Option<Failure>,
    },
    /// There was no response.
    Failed(Failure),
}

/// How a webhook wants its deliveries retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Retries after the first attempt.
    pub max_retries: u32,
    /// Base of the exponential delay.
    pub delay: Duration,
    /// Longest delay of our own choosing.
    pub delay_cap: Duration,
    /// Shortest `Retry-After` honoured.
    pub retry_after_floor: Duration,
    /// Longest `Retry-After` honoured.
    pub retry_after_cap: Duration,
}

/// What to do with a delivery after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It arrived.
    Delivered,
    /// Try again after this delay.
    RetryAfter(Duration),
    /// Never try again by itself.
    GiveUp(DeadLetterReason),
}

/// Judges attempt number `attempt` (1 for the first). `random` draws from `[0, 1)` to spread the
/// retries.
///
/// The delay before retry *n* is drawn evenly between zero and `delay × 2ⁿ⁻¹`, capped ("full jitter"), so that the
/// retries of an outage do not arrive together. `Retry-After` of a 429 or 503 replaces it, within floor and cap.
#[must_use]
pub fn judge(policy: &RetryPolicy, attempt: u32, outcome: &Outcome, random: impl FnOnce() -> f64) -> Verdict {
    let (status, retry_after) = match outcome {
        Outcome::Response { error: None, .. } => return Verdict::Delivered,
        Outcome::Response {
            status, retry_after, ..
        } => (Some(*status), *retry_after),
        Outcome::Failed(_) => (None, None),
    };
    if status == Some(410) {
        return Verdict::GiveUp(DeadLetterReason::Gone);
    }
    if attempt > policy.max_retries {
        return Verdict::GiveUp(DeadLetterReason::Exhausted);
    }
    match (status, retry_after) {
        (Some(429 | 503), Some(wanted)) => {
            Verdict::RetryAfter(wanted.min(policy.retry_after_cap).max(policy.retry_after_floor))
        }
        _ => Verdict::RetryAfter(full_jitter(policy, attempt, random())),
    }
}

fn full_jitter(policy: &RetryPolicy, attempt: u32, random: f64) -> Duration {
    let factor = 2_u32.checked_pow(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
    let longest = policy.delay.saturating_mul(factor).min(policy.delay_cap);
    longest.mul_f64(random.clamp(0.0, 1.0))
}

/// Reads `Retry-After`: seconds, or an HTTP date as seen from `now`.
pub(crate) fn parse_retry_after(value: &str, now: std::time::SystemTime) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::from(u32::MAX))));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const POLICY: RetryPolicy = RetryPolicy {
        max_retries: 3,
        delay: Duration::from_millis(1000),
        delay_cap: Duration::from_secs(3600),
        retry_after_floor: Duration::from_secs(1),
        retry_after_cap: Duration::from_secs(3600),
    };

    fn failure(kind: FailureKind) -> Failure {
        Failure {
            kind,
            detail: String::new(),
        }
    }

    fn status(status: u16, retry_after: Option<u64>) -> Outcome {
        let error = (!(200..300).contains(&status)).then(|| failure(FailureKind::Status));
        Outcome::Response {
            status,
            retry_after: retry_after.map(Duration::from_secs),
            error,
        }
    }

    #[test]
    fn outcomes_are_judged_by_the_table() {
        let seconds = |s| Verdict::RetryAfter(Duration::from_secs(s));
        let half = |ms| Verdict::RetryAfter(Duration::from_millis(ms));
        let gone = Verdict::GiveUp(DeadLetterReason::Gone);
        let exhausted = Verdict::GiveUp(DeadLetterReason::Exhausted);
        for (attempt, outcome, expected) in [
            (1, status(200, None), Verdict::Delivered),
            (1, status(204, None), Verdict::Delivered),
            (9, status(299, None), Verdict::Delivered),
            (1, status(301, None), half(500)),
            (1, status(400, None), half(500)),
            (2, status(500, None), half(1000)),
            (3, status(500, None), half(2000)),
            (4, status(500, None), exhausted),
            (1, status(410, None), gone),
            (4, status(410, None), gone),
            (1, status(429, Some(7)), seconds(7)),
            (1, status(503, Some(0)), seconds(1)),
            (1, status(503, Some(999_999)), seconds(3600)),
            (1, status(500, Some(7)), half(500)),
            (4, status(503, Some(7)), exhausted),
            (1, Outcome::Failed(failure(FailureKind::Timeout)), half(500)),
            (4, Outcome::Failed(failure(FailureKind::Dns)), exhausted),
        ] {
            assert_eq!(
                judge(&POLICY, attempt, &outcome, || 0.5),
                expected,
                "attempt {attempt} of {outcome:?}"
            );
        }
    }

    #[test]
    fn a_success_whose_body_broke_off_is_a_failure() {
        let outcome = Outcome::Response {
            status: 200,
            retry_after: None,
            error: Some(failure(FailureKind::Protocol)),
        };
        assert!(matches!(judge(&POLICY, 1, &outcome, || 0.0), Verdict::RetryAfter(_)));
    }

    #[test]
    fn retry_after_is_read_as_seconds_or_date() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        for (value, expected) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sun, 06 Nov 1994 08:40:37 GMT", Some(0)),
            ("99999999999999999999999999", Some(u64::from(u32::MAX))),
            ("soon", None),
            ("-1", None),
            ("", None),
        ] {
            assert_eq!(
                parse_retry_after(value, now),
                expected.map(Duration::from_secs),
                "{value:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_retry_never_waits_longer_than_the_cap(attempt in 1_u32..100, random in 0.0..1.0_f64, delay_ms in 0_u64..10_000_000) {
            let policy = RetryPolicy { max_retries: 1000, delay: Duration::from_millis(delay_ms), ..POLICY };
            let Verdict::RetryAfter(delay) = judge(&policy, attempt, &status(500, None), || random) else {
                panic!("a failure within the retries is retried");
            };
            prop_assert!(delay <= policy.delay_cap);
        }

        #[test]
        fn parsing_retry_after_never_panics(value in ".*") {
            let _ = parse_retry_after(&value, std::time::SystemTime::now());
        }
    }
}
