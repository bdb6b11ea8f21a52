//! Extra request headers: what an owner may add without breaking the request or claiming to be us.

use std::collections::BTreeMap;

use serde_json::Value;

/// Most headers, and longest name and value in bytes.
const MAX_HEADERS: usize = 20;
const MAX_NAME_LENGTH: usize = 100;
const MAX_VALUE_LENGTH: usize = 1000;

/// Names that frame the request, or belong to the connection, or that we set.
const RESERVED: [&str; 16] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
];

/// Beginnings of names that are ours, or a proxy's.
const RESERVED_PREFIXES: [&str; 5] = ["proxy-", "sec-", "webhook-", "x-forwarded-", "x-webhook-"];

/// Reads an object of names to values. Names are kept in lower case: they do not depend on it, and one spelling shows
/// which stands twice.
pub(super) fn read(value: Value) -> Result<BTreeMap<String, String>, String> {
    let Value::Object(members) = value else {
        return Err("must be an object of header names to values".into());
    };
    if members.len() > MAX_HEADERS {
        return Err(format!("must not have more than {MAX_HEADERS} headers"));
    }
    let mut headers = BTreeMap::new();
    for (name, value) in members {
        let shown: String = name.chars().take(MAX_NAME_LENGTH).collect();
        check_name(&name).map_err(|message| format!("{shown:?} {message}"))?;
        let Value::String(value) = value else {
            return Err(format!("the value of {shown:?} must be a text"));
        };
        check_value(&value).map_err(|message| format!("the value of {shown:?} {message}"))?;
        if headers.insert(name.to_ascii_lowercase(), value).is_some() {
            return Err(format!("{shown:?} stands twice: upper and lower case are the same"));
        }
    }
    Ok(headers)
}

fn check_name(name: &str) -> Result<(), String> {
    // "token" of RFC 9110.
    let is_token_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || name.len() > MAX_NAME_LENGTH || !name.bytes().all(is_token_byte) {
        return Err(format!("is not a header name of 1 to {MAX_NAME_LENGTH} characters"));
    }
    let lower = name.to_ascii_lowercase();
    if RESERVED.contains(&lower.as_str()) || RESERVED_PREFIXES.iter().any(|prefix| lower.starts_with(prefix)) {
        return Err("is set by postrider or by the connection, and cannot be chosen".into());
    }
    Ok(())
}

fn check_value(value: &str) -> Result<(), String> {
    if value.len() > MAX_VALUE_LENGTH {
        return Err(format!("must not have more than {MAX_VALUE_LENGTH} characters"));
    }
    if !value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        return Err("must have printable ASCII characters only: no line breaks".into());
    }
    if value.trim() != value {
        return Err("must not begin or end with a space".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ordinary_headers_are_kept_in_lower_case() {
        let headers = read(json!({"X-Environment": "production", "authorization": "Bearer a b"}));
        let expected = [("authorization", "Bearer a b"), ("x-environment", "production")];
        assert_eq!(
            headers,
            Ok(expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
        );
        assert_eq!(read(json!({})), Ok(BTreeMap::new()));
    }

    #[test]
    fn what_breaks_a_request_is_refused() {
        for (headers, expected) in [
            (json!([]), "must be an object"),
            (json!({"x": 1}), r#"the value of "x" must be a text"#),
            (json!({"": "a"}), "is not a header name"),
            (json!({"x y": "a"}), "is not a header name"),
            (json!({"x:": "a"}), "is not a header name"),
            (
                json!({"x\r\nHost: evil": "a"}),
                r#""x\r\nHost: evil" is not a header name"#,
            ),
            (json!({"x": "a\r\nHost: evil"}), "no line breaks"),
            (json!({"x": "a\u{0}"}), "no line breaks"),
            (json!({"x": "ü"}), "printable ASCII"),
            (json!({"x": " a"}), "begin or end with a space"),
            (json!({"x": "a".repeat(1001)}), "more than 1000"),
            (json!({"X": "a", "x": "b"}), "stands twice"),
            (json!({"Host": "a"}), "cannot be chosen"),
            (json!({"Content-Length": "1"}), "cannot be chosen"),
            (json!({"Transfer-Encoding": "chunked"}), "cannot be chosen"),
            (json!({"X-Webhook-Signature": "sha256=0"}), "cannot be chosen"),
            (json!({"Webhook-Id": "evt_1"}), "cannot be chosen"),
            (json!({"Proxy-Authorization": "a"}), "cannot be chosen"),
        ] {
            let message = read(headers.clone()).expect_err("must be refused");
            assert!(message.contains(expected), "{headers}: {message}");
        }
        let many: serde_json::Map<String, Value> = (0..21).map(|i| (format!("x-{i}"), json!("a"))).collect();
        assert!(read(Value::Object(many)).is_err());
    }
}
