//! The session token of a request.

use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, COOKIE};

/// Longest token worth asking about, in bytes.
const MAX_TOKEN_BYTES: usize = 4096;

/// How a session token came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carrier {
    /// In the cookie, which a browser adds to requests of any site.
    Cookie,
    /// In `Authorization: Bearer`, which only a program that knows the token can add.
    Bearer,
}

/// A session token, not yet known to be anybody's.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct SessionToken<'a> {
    pub(super) token: &'a str,
    pub(super) carrier: Carrier,
}

/// Finds the token. An `Authorization` header decides alone: a bad one does not fall back on the cookie.
pub(super) fn session_token<'a>(headers: &'a HeaderMap, cookie_name: &str) -> Option<SessionToken<'a>> {
    let (token, carrier) = match headers.get(AUTHORIZATION) {
        Some(value) => (bearer(value.to_str().ok()?)?, Carrier::Bearer),
        None => (cookie(headers, cookie_name)?, Carrier::Cookie),
    };
    let plausible = !token.is_empty() && token.len() <= MAX_TOKEN_BYTES;
    plausible.then_some(SessionToken { token, carrier })
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let pairs = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'));
    pairs
        .filter_map(|pair| pair.split_once('='))
        .find(|(found, _)| found.trim() == name)
        .map(|(_, value)| value.trim().trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn find(headers: &[(HeaderName, &'static str)]) -> Option<(String, Carrier)> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, HeaderValue::from_static(value));
        }
        session_token(&map, "session").map(|found| (found.token.to_owned(), found.carrier))
    }

    #[test]
    fn a_token_comes_as_bearer_or_in_the_cookie() {
        for (headers, expected) in [
            (&[(AUTHORIZATION, "Bearer abc")][..], Some(("abc", Carrier::Bearer))),
            (&[(AUTHORIZATION, "bearer  abc ")], Some(("abc", Carrier::Bearer))),
            (&[(COOKIE, "session=abc")], Some(("abc", Carrier::Cookie))),
            (&[(COOKIE, "a=b; session=\"abc\"; c=d")], Some(("abc", Carrier::Cookie))),
            (
                &[(COOKIE, "a=b"), (COOKIE, "session=a=b=")],
                Some(("a=b=", Carrier::Cookie)),
            ),
            (
                &[(COOKIE, "session=cookie"), (AUTHORIZATION, "Bearer header")],
                Some(("header", Carrier::Bearer)),
            ),
            (&[(COOKIE, "session=cookie"), (AUTHORIZATION, "Basic dTpw")], None),
            (&[(AUTHORIZATION, "Bearer")], None),
            (&[(AUTHORIZATION, "Bearer ")], None),
            (&[(COOKIE, "session=")], None),
            (&[(COOKIE, "my-session=abc; sessions=abc; session")], None),
            (&[], None),
        ] {
            let expected = expected.map(|(token, carrier)| (token.to_owned(), carrier));
            assert_eq!(find(headers), expected, "{headers:?}");
        }
    }
}
