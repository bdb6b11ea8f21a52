//! Keeps other sites from changing anything with the cookie of a visitor.

use axum::http::header::{CONTENT_TYPE, HOST, ORIGIN};
use axum::http::{HeaderMap, Method, Uri};

use crate::error::ApiError;

/// Checks a request that a cookie vouches for. One that changes something must come from a page of the same site, and
/// carry JSON, which no HTML form can send.
pub(super) fn check(method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), ApiError> {
    if method.is_safe() {
        return Ok(());
    }
    if !is_same_site(uri, headers) {
        return Err(ApiError::CrossSite);
    }
    if !is_json(headers) {
        return Err(ApiError::NotJson);
    }
    Ok(())
}

/// `Sec-Fetch-Site` decides where the browser sends it, which it does to `https` and `localhost` only; elsewhere the
/// origin must be the very host that is asked.
fn is_same_site(uri: &Uri, headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin" || site == "same-site";
    }
    let Some(origin) = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok()) else {
        return false;
    };
    let host = headers
        .get(HOST)
        .and_then(|host| host.to_str().ok())
        .or_else(|| uri.host());
    let origin_host = origin.split_once("://").map(|(_, host)| host);
    host.is_some() && origin_host == host
}

/// Whether the body is declared as JSON.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let Some(declared) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let essence = declared.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn outcome(method: Method, headers: &[(&'static str, &'static str)]) -> &'static str {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        match check(&method, &Uri::from_static("/"), &map) {
            Ok(()) => "passes",
            Err(ApiError::CrossSite) => "cross site",
            Err(ApiError::NotJson) => "not json",
            Err(other) => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn only_json_from_the_same_site_changes_anything() {
        let json = ("content-type", "application/json");
        let host = ("host", "app.example.com");
        for (method, headers, expected) in [
            (Method::GET, &[][..], "passes"),
            (Method::HEAD, &[("sec-fetch-site", "cross-site")], "passes"),
            (Method::POST, &[json], "cross site"),
            (Method::POST, &[json, ("sec-fetch-site", "same-origin")], "passes"),
            (Method::DELETE, &[json, ("sec-fetch-site", "same-site")], "passes"),
            (Method::DELETE, &[("sec-fetch-site", "same-origin")], "not json"),
            (Method::POST, &[json, ("sec-fetch-site", "cross-site")], "cross site"),
            (Method::POST, &[json, ("sec-fetch-site", "none")], "cross site"),
            (
                Method::PUT,
                &[
                    json,
                    host,
                    ("sec-fetch-site", "cross-site"),
                    ("origin", "https://app.example.com"),
                ],
                "cross site",
            ),
            (
                Method::PUT,
                &[json, host, ("origin", "https://app.example.com")],
                "passes",
            ),
            (
                Method::PATCH,
                &[json, host, ("origin", "https://app.example.com.evil.net")],
                "cross site",
            ),
            (
                Method::PATCH,
                &[json, host, ("origin", "https://app.example.com:8443")],
                "cross site",
            ),
            (Method::PATCH, &[json, host, ("origin", "null")], "cross site"),
            (Method::PATCH, &[json, ("origin", "null")], "cross site"),
            (
                Method::POST,
                &[("content-type", "text/plain"), ("sec-fetch-site", "same-origin")],
                "not json",
            ),
            (
                Method::POST,
                &[
                    ("content-type", "Application/JSON; charset=utf-8"),
                    ("sec-fetch-site", "same-origin"),
                ],
                "passes",
            ),
        ] {
            assert_eq!(outcome(method.clone(), headers), expected, "{method} {headers:?}");
        }
    }
}
