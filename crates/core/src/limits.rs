//! Bounds of the fields of a webhook.

use std::ops::RangeInclusive;

/// Characters of a name.
pub const NAME_LENGTH: RangeInclusive<usize> = 1..=200;
/// Retries after the first attempt.
pub const MAX_RETRIES: RangeInclusive<i64> = 0..=20;
/// Milliseconds of the base delay between attempts.
pub const RETRY_DELAY_MS: RangeInclusive<i64> = 100..=3_600_000;
/// Milliseconds of one attempt.
pub const TIMEOUT_MS: RangeInclusive<i64> = 1_000..=30_000;
/// Requests open at a time.
pub const MAX_IN_FLIGHT: RangeInclusive<i64> = 1..=1_000;
/// Requests started per second.
pub const RATE_LIMIT_PER_SECOND: RangeInclusive<i64> = 1..=10_000;

/// Why a value is out of bounds; the message does not name the field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// A number is out of its range.
    #[error("must be from {min} to {max}")]
    OutOfRange {
        /// Smallest allowed value.
        min: i64,
        /// Largest allowed value.
        max: i64,
    },
    /// A text has too few or too many characters.
    #[error("must have {min} to {max} characters")]
    Length {
        /// Fewest characters.
        min: usize,
        /// Most characters.
        max: usize,
    },
    /// A text has a control character.
    #[error("must not contain control characters")]
    ControlCharacter,
}

fn within(value: i64, range: &RangeInclusive<i64>) -> Result<i32, LimitError> {
    let error = LimitError::OutOfRange {
        min: *range.start(),
        max: *range.end(),
    };
    if !range.contains(&value) {
        return Err(error);
    }
    i32::try_from(value).map_err(|_| error)
}

/// Checks a name.
///
/// # Errors
/// When it does not have 1 to 200 characters or has a control character.
pub fn check_name(name: &str) -> Result<(), LimitError> {
    if !NAME_LENGTH.contains(&name.chars().count()) {
        return Err(LimitError::Length {
            min: *NAME_LENGTH.start(),
            max: *NAME_LENGTH.end(),
        });
    }
    if name.chars().any(char::is_control) {
        return Err(LimitError::ControlCharacter);
    }
    Ok(())
}

/// Checks the number of retries after the first attempt.
///
/// # Errors
/// When it is not from 0 to 20.
pub fn check_max_retries(value: i64) -> Result<i32, LimitError> {
    within(value, &MAX_RETRIES)
}

/// Checks the base delay between attempts, in milliseconds.
///
/// # Errors
/// When it is not from 100 to 3,600,000.
pub fn check_retry_delay_ms(value: i64) -> Result<i32, LimitError> {
    within(value, &RETRY_DELAY_MS)
}

/// Checks the limit of one attempt, in milliseconds.
///
/// # Errors
/// When it is not from 1,000 to 30,000.
pub fn check_timeout_ms(value: i64) -> Result<i32, LimitError> {
    within(value, &TIMEOUT_MS)
}

/// Checks the number of requests open at a time.
///
/// # Errors
/// When it is not from 1 to 1,000.
pub fn check_max_in_flight(value: i64) -> Result<i32, LimitError> {
    within(value, &MAX_IN_FLIGHT)
}

/// Checks the number of requests started per second.
///
/// # Errors
/// When it is not from 1 to 10,000.
pub fn check_rate_limit_per_second(value: i64) -> Result<i32, LimitError> {
    within(value, &RATE_LIMIT_PER_SECOND)
}
