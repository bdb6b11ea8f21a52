//! `Retry-After` as receivers send it, and the delay that comes of it.
#![no_main]

// Pure, and private to the worker: compiled here once more instead of opening the worker's interface for it.
#[allow(dead_code, reason = "the target uses a part of the file")]
#[path = "../../crates/worker/src/judge.rs"]
mod judge;

use std::time::{Duration, SystemTime};

use judge::{Failure, Outcome, RetryPolicy, Verdict, judge, parse_retry_after};
use libfuzzer_sys::fuzz_target;
use postrider_core::failure::FailureKind;

const POLICY: RetryPolicy = RetryPolicy {
    max_retries: 3,
    delay: Duration::from_secs(1),
    delay_cap: Duration::from_secs(3600),
    retry_after_floor: Duration::from_secs(1),
    retry_after_cap: Duration::from_secs(3600),
};

fuzz_target!(|input: (u16, u8, &str)| {
    let (status, attempt, value) = input;
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_000_000);
    let outcome = Outcome::Response {
        status,
        retry_after: parse_retry_after(value, now),
        error: Some(Failure {
            kind: FailureKind::Status,
            detail: String::new(),
        }),
    };
    match judge(&POLICY, u32::from(attempt), &outcome, || 0.999) {
        Verdict::RetryAfter(delay) => assert!(delay <= POLICY.delay_cap && u32::from(attempt) <= POLICY.max_retries),
        Verdict::GiveUp(_) => assert!(status == 410 || u32::from(attempt) > POLICY.max_retries),
        Verdict::Delivered => unreachable!("it failed"),
    }
});
