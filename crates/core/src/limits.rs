//! Bounds of what the owner of a webhook may set. Messages do not name the field: whoever shows one stands beside it.
//!
//! ```
//! use postrider_core::limits;
//!
//! assert_eq!(limits::check_max_retries(3), Ok(3));
//! assert_eq!(limits::check_max_retries(21).unwrap_err().to_string(), "must be from 0 to 20");
//! assert_eq!(limits::check_name("").unwrap_err().to_string(), "must have 1 to 200 characters");
//! ```

mod headers;

use std::ops::RangeInclusive;

pub use self::headers::{ExtraHeaders, HeaderError};

/// How many characters a name has.
pub const NAME_LENGTH: RangeInclusive<usize> = 1..=200;
/// Retries after the first attempt.
pub const MAX_RETRIES: RangeInclusive<i64> = 0..=20;
/// Base of the delay between attempts, in milliseconds. Not less than 100, so that a webhook that fails at once does
/// not spin.
pub const RETRY_DELAY_MS: RangeInclusive<i64> = 100..=3_600_000;
/// Limit of one attempt, in milliseconds.
pub const TIMEOUT_MS: RangeInclusive<i64> = 1_000..=30_000;
/// Requests that one worker may have open.
pub const MAX_IN_FLIGHT: RangeInclusive<i64> = 1..=1_000;
/// Requests that one worker may start per second.
pub const RATE_LIMIT_PER_SECOND: RangeInclusive<i64> = 1..=10_000;

/// Retries of a webhook whose owner chose nothing.
pub const DEFAULT_MAX_RETRIES: i32 = 3;
/// Delay, in milliseconds, of a webhook whose owner chose nothing.
pub const DEFAULT_RETRY_DELAY_MS: i32 = 1_000;
/// Timeout, in milliseconds, of a webhook whose owner chose nothing.
pub const DEFAULT_TIMEOUT_MS: i32 = 15_000;
/// In-flight cap of a webhook whose owner chose nothing.
pub const DEFAULT_MAX_IN_FLIGHT: i32 = 32;

/// Why a value is out of bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// A number is out of its range.
    #[error("must be from {min} to {max}")]
    Range {
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
    /// A text has nothing but white space.
    #[error("must not be blank")]
    Blank,
}

/// Checks the name that an owner gives to a webhook.
///
/// # Errors
/// When it does not have 1 to 200 characters, has a control character or a line break of Unicode, or is blank.
pub fn check_name(name: &str) -> Result<(), LimitError> {
    if !NAME_LENGTH.contains(&name.chars().count()) {
        return Err(LimitError::Length {
            min: *NAME_LENGTH.start(),
            max: *NAME_LENGTH.end(),
        });
    }
    // Line and paragraph separators break a line of a log or a page as a control character does.
    if name
        .chars()
        .any(|character| character.is_control() || matches!(character, '\u{2028}' | '\u{2029}'))
    {
        return Err(LimitError::ControlCharacter);
    }
    if name.chars().all(char::is_whitespace) {
        return Err(LimitError::Blank);
    }
    Ok(())
}

/// Checks the number of retries after the first attempt.
///
/// # Errors
/// When it is not in [`MAX_RETRIES`].
pub fn check_max_retries(retries: i64) -> Result<i32, LimitError> {
    within(retries, &MAX_RETRIES)
}

/// Checks the base of the delay between attempts, in milliseconds.
///
/// # Errors
/// When it is not in [`RETRY_DELAY_MS`].
pub fn check_retry_delay_ms(delay_ms: i64) -> Result<i32, LimitError> {
    within(delay_ms, &RETRY_DELAY_MS)
}

/// Checks the limit of one attempt, in milliseconds.
///
/// # Errors
/// When it is not in [`TIMEOUT_MS`].
pub fn check_timeout_ms(timeout_ms: i64) -> Result<i32, LimitError> {
    within(timeout_ms, &TIMEOUT_MS)
}

/// Checks how many requests one worker may have open.
///
/// # Errors
/// When it is not in [`MAX_IN_FLIGHT`].
pub fn check_max_in_flight(requests: i64) -> Result<i32, LimitError> {
    within(requests, &MAX_IN_FLIGHT)
}

/// Checks how many requests one worker may start per second.
///
/// # Errors
/// When it is not in [`RATE_LIMIT_PER_SECOND`].
pub fn check_rate_limit_per_second(requests: i64) -> Result<i32, LimitError> {
    within(requests, &RATE_LIMIT_PER_SECOND)
}

/// The value in the integer type of its column.
fn within(value: i64, range: &RangeInclusive<i64>) -> Result<i32, LimitError> {
    let error = LimitError::Range {
        min: *range.start(),
        max: *range.end(),
    };
    if !range.contains(&value) {
        return Err(error);
    }
    i32::try_from(value).map_err(|_| error)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Check = fn(i64) -> Result<i32, LimitError>;

    const CHECKS: [(Check, i64, i64); 5] = [
        (check_max_retries, 0, 20),
        (check_retry_delay_ms, 100, 3_600_000),
        (check_timeout_ms, 1_000, 30_000),
        (check_max_in_flight, 1, 1_000),
        (check_rate_limit_per_second, 1, 10_000),
    ];

    #[test]
    fn numbers_are_checked_at_their_edges() {
        for (check, min, max) in CHECKS {
            assert_eq!(check(min).map(i64::from), Ok(min));
            assert_eq!(check(max).map(i64::from), Ok(max));
            for outside in [min - 1, max + 1, i64::MIN, i64::MAX, -1] {
                assert_eq!(check(outside), Err(LimitError::Range { min, max }), "{outside}");
            }
        }
    }

    #[test]
    fn the_defaults_are_within_their_bounds() {
        assert_eq!(check_max_retries(DEFAULT_MAX_RETRIES.into()), Ok(DEFAULT_MAX_RETRIES));
        assert_eq!(
            check_retry_delay_ms(DEFAULT_RETRY_DELAY_MS.into()),
            Ok(DEFAULT_RETRY_DELAY_MS)
        );
        assert_eq!(check_timeout_ms(DEFAULT_TIMEOUT_MS.into()), Ok(DEFAULT_TIMEOUT_MS));
        assert_eq!(
            check_max_in_flight(DEFAULT_MAX_IN_FLIGHT.into()),
            Ok(DEFAULT_MAX_IN_FLIGHT)
        );
    }

    #[test]
    fn names_are_counted_in_characters() {
        for name in ["a", "Lead Notifications", " a ", "<script>", "🎣", &"é".repeat(200)] {
            assert_eq!(check_name(name), Ok(()), "{name:?}");
        }
        for (name, error) in [
            ("", LimitError::Length { min: 1, max: 200 }),
            (&"é".repeat(201), LimitError::Length { min: 1, max: 200 }),
            ("a\nb", LimitError::ControlCharacter),
            ("a\0", LimitError::ControlCharacter),
            ("\u{7f}", LimitError::ControlCharacter),
            ("a\u{85}b", LimitError::ControlCharacter),
            ("a\u{2028}b", LimitError::ControlCharacter),
            (" \u{3000}", LimitError::Blank),
        ] {
            assert_eq!(check_name(name), Err(error), "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn a_number_passes_unchanged_or_not_at_all(value: i64) {
            for (check, min, max) in CHECKS {
                let expected = (min..=max).contains(&value).then_some(value);
                prop_assert_eq!(check(value).ok().map(i64::from), expected);
            }
        }

        #[test]
        fn an_accepted_name_is_one_line(name in any::<String>()) {
            if check_name(&name).is_ok() {
                prop_assert_eq!(name.lines().count(), 1);
                prop_assert!(name.len() <= 800);
            }
        }
    }
}
