//! The session token in the headers of a stranger's request.
#![no_main]

// Pure, and private to the API: compiled here once more instead of opening the API's interface for it.
#[allow(dead_code, reason = "the target uses a part of the file")]
#[path = "../../crates/api/src/auth/session.rs"]
mod session;

use axum::http::header::{AUTHORIZATION, COOKIE};
use axum::http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use session::{Carrier, session_token};

fuzz_target!(|input: (Option<&[u8]>, Vec<&[u8]>)| {
    let (authorization, cookies) = input;
    let value = |bytes: &[u8]| HeaderValue::from_bytes(bytes).ok();
    let mut headers = HeaderMap::new();
    if let Some(authorization) = authorization.and_then(value) {
        headers.insert(AUTHORIZATION, authorization);
    }
    for cookie in cookies.into_iter().filter_map(value) {
        headers.append(COOKIE, cookie);
    }
    let Some(found) = session_token(&headers, "session") else {
        return;
    };
    assert!(!found.token.is_empty() && found.token.len() <= 4096);
    // An Authorization header decides alone.
    assert_eq!(found.carrier == Carrier::Bearer, headers.contains_key(AUTHORIZATION));
});
