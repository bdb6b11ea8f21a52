//! Payloads that say which entry of the ledger they belong to, and that can be made again to compare them.

use postrider_core::ids::EventId;

use crate::random::mix;

const TYPES: [&str; 4] = [
    "LEAD_CREATED",
    "LEAD_UPDATED",
    "CONVERSATION_STARTED",
    "CONVERSATION_RESOLVED",
];

const TOKEN: &[u8] = b"\"token\":";

/// The event type of a token.
pub(crate) fn event_type(token: u64) -> &'static str {
    TYPES[(mix(token) % TYPES.len() as u64) as usize]
}

/// The payload of a token: mostly some hundred bytes, now and then twenty thousand.
pub(crate) fn payload(token: u64) -> String {
    let random = mix(token ^ 0x7061_796c);
    let length = if random.is_multiple_of(200) {
        20_000
    } else {
        random % 600
    };
    // Blanks, an escape and a number that few parsers keep: every byte must arrive as it was written.
    format!(
        "{{ \"token\":{token} , \"text\":\"\\u0000{}\",\"n\":1.10e400}}",
        "x".repeat(length as usize)
    )
}

/// The request body that every attempt of this event must carry.
pub(crate) fn body(token: u64, event: EventId, tenant: &str) -> String {
    format!(
        "{{\"event\":\"{}\",\"timestamp\":{},\"data\":{},\"chatbotId\":\"{tenant}\"}}",
        event_type(token),
        event.unix_seconds(),
        payload(token),
    )
}

/// The token in a body or a payload.
pub(crate) fn token_of(bytes: &[u8]) -> Option<u64> {
    let at = bytes.windows(TOKEN.len()).position(|window| window == TOKEN)? + TOKEN.len();
    let digits = bytes[at..].iter().take_while(|byte| byte.is_ascii_digit());
    Some(digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}
