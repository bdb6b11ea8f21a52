//! Extra request headers that the owner of a webhook may add.

use serde::ser::{Serialize, Serializer};

/// Headers that the request itself sets or that belong to one connection, and those by which a proxy tells where a
/// request came from, which must not be forged.
const RESERVED: [&str; 24] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "max-forwards",
    "metadata",
    "metadata-flavor",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "x-real-ip",
];

const RESERVED_PREFIXES: [&str; 4] = ["webhook-", "x-webhook-", "x-forwarded-", "x-aws-ec2-metadata-"];

/// Extra request headers that passed every check, in the order they were given.
///
/// ```
/// use postrider_core::limits::ExtraHeaders;
///
/// let headers = ExtraHeaders::check([("Authorization", "Bearer abc"), ("X-Team", "sales")])?;
/// assert_eq!(headers.iter().next(), Some(("Authorization", "Bearer abc")));
/// assert!(ExtraHeaders::check([("Host", "evil.example")]).is_err());
/// # Ok::<(), postrider_core::limits::HeaderError>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ExtraHeaders(Vec<(String, String)>);

/// Why extra headers are refused. Does not repeat values: they can be credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// There are too many.
    #[error("must not have more than {max} headers", max = ExtraHeaders::MAX_COUNT)]
    TooMany,
    /// A name is not an HTTP token.
    #[error(
        "{name:?} is not a header name: 1 to {max} letters, digits and !#$%&'*+-.^_`|~",
        max = ExtraHeaders::MAX_NAME_LENGTH
    )]
    Name {
        /// The name, at most its first 120 characters.
        name: String,
    },
    /// A name is reserved.
    #[error("the header {name:?} cannot be set: it is reserved")]
    Reserved {
        /// The name.
        name: String,
    },
    /// A name stands twice; upper and lower case are the same.
    #[error("the header {name:?} stands twice")]
    Duplicate {
        /// The name, as it stands the second time.
        name: String,
    },
    /// A value is malformed.
    #[error(
        "the value of the header {name:?} must have at most {max} printable ASCII characters, without a space at an end",
        max = ExtraHeaders::MAX_VALUE_LENGTH
    )]
    Value {
        /// The name.
        name: String,
    },
}

impl ExtraHeaders {
    /// Most headers.
    pub const MAX_COUNT: usize = 20;
    /// Longest name.
    pub const MAX_NAME_LENGTH: usize = 100;
    /// Longest value.
    pub const MAX_VALUE_LENGTH: usize = 2048;

    /// Checks names and values: names are tokens (RFC 9110, section 5.1) and not reserved, values are what section 5.5
    /// recommends for new headers, printable ASCII.
    ///
    /// # Errors
    /// With the first header that is refused.
    pub fn check<Name, Value>(headers: impl IntoIterator<Item = (Name, Value)>) -> Result<Self, HeaderError>
    where
        Name: AsRef<str>,
        Value: AsRef<str>,
    {
        let mut checked: Vec<(String, String)> = Vec::new();
        for (name, value) in headers {
            let (name, value) = (name.as_ref(), value.as_ref());
            if checked.len() == Self::MAX_COUNT {
                return Err(HeaderError::TooMany);
            }
            check_header(name, value)?;
            if checked.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
                return Err(HeaderError::Duplicate { name: name.to_owned() });
            }
            checked.push((name.to_owned(), value.to_owned()));
        }
        Ok(Self(checked))
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl Serialize for ExtraHeaders {
    /// A map of names to values, as stored in `webhook.headers`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl std::fmt::Debug for ExtraHeaders {
    /// Names only: values can be credentials.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("ExtraHeaders")?;
        formatter
            .debug_list()
            .entries(self.iter().map(|(name, _)| name))
            .finish()
    }
}

fn check_header(name: &str, value: &str) -> Result<(), HeaderError> {
    if !is_token(name) {
        return Err(HeaderError::Name {
            name: name.chars().take(120).collect(),
        });
    }
    let lower = name.to_ascii_lowercase();
    if RESERVED.contains(&lower.as_str()) || RESERVED_PREFIXES.iter().any(|prefix| lower.starts_with(prefix)) {
        return Err(HeaderError::Reserved { name: name.to_owned() });
    }
    let printable = value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    if value.len() > ExtraHeaders::MAX_VALUE_LENGTH || !printable || value.trim() != value {
        return Err(HeaderError::Value { name: name.to_owned() });
    }
    Ok(())
}

fn is_token(name: &str) -> bool {
    (1..=ExtraHeaders::MAX_NAME_LENGTH).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refusal(name: &str, value: &str) -> Option<HeaderError> {
        ExtraHeaders::check([(name, value)]).err()
    }

    #[test]
    fn ordinary_headers_are_kept_in_order() {
        let given = [
            ("X-Team", "sales"),
            ("Authorization", "Basic dXNlcjpwYXNz"),
            ("X-Empty", ""),
            ("Cookie", "a=b; c=d"),
        ];
        let headers = ExtraHeaders::check(given).unwrap();
        assert!(headers.iter().eq(given));
        assert_eq!(
            serde_json::to_string(&headers).unwrap(),
            r#"{"X-Team":"sales","Authorization":"Basic dXNlcjpwYXNz","X-Empty":"","Cookie":"a=b; c=d"}"#
        );
        assert_eq!(
            format!("{headers:?}"),
            r#"ExtraHeaders["X-Team", "Authorization", "X-Empty", "Cookie"]"#
        );
    }

    #[test]
    fn reserved_headers_are_refused_in_any_case() {
        for name in [
            "Host",
            "content-length",
            "Content-Type",
            "TRANSFER-ENCODING",
            "Connection",
            "User-Agent",
            "webhook-id",
            "Webhook-Signature",
            "X-Webhook-Signature",
            "x-webhook-anything",
            "X-Forwarded-For",
            "Metadata-Flavor",
            "X-aws-ec2-metadata-token",
            "Expect",
            "TE",
            "Upgrade",
            "Proxy-Authorization",
        ] {
            assert_eq!(
                refusal(name, "a"),
                Some(HeaderError::Reserved { name: name.to_owned() })
            );
        }
        for name in ["webhook", "x-webhook", "X-My-Webhook-Id", "Hosts"] {
            assert_eq!(refusal(name, "a"), None, "{name}");
        }
    }

    #[test]
    fn names_are_tokens() {
        for name in [
            "",
            " ",
            "a b",
            "a:",
            ":path",
            "a\r\nb",
            "ä",
            "a\0",
            "(a)",
            "a/b",
            &"a".repeat(101),
        ] {
            assert!(matches!(refusal(name, "a"), Some(HeaderError::Name { .. })), "{name:?}");
        }
        assert_eq!(refusal(&"a".repeat(100), "a"), None);
        assert_eq!(refusal("!#$%&'*+-.^_`|~09azAZ", "a"), None);
    }

    #[test]
    fn values_cannot_inject_headers() {
        for value in [
            "a\r\nHost: b",
            "a\nb",
            "a\rb",
            "a\0b",
            "a\tb",
            "\u{7f}",
            "ä",
            " a",
            "a ",
            &"a".repeat(2049),
        ] {
            assert_eq!(
                refusal("X-Team", value),
                Some(HeaderError::Value {
                    name: "X-Team".to_owned()
                }),
                "{value:?}"
            );
        }
        assert_eq!(refusal("X-Team", &"a".repeat(2048)), None);
    }

    #[test]
    fn count_and_duplicates_are_checked() {
        let names: Vec<String> = (0..=20).map(|number| format!("X-{number}")).collect();
        assert!(ExtraHeaders::check(names[..20].iter().map(|name| (name, "a"))).is_ok());
        assert_eq!(
            ExtraHeaders::check(names.iter().map(|name| (name, "a"))),
            Err(HeaderError::TooMany)
        );
        let twice = ExtraHeaders::check([("X-Team", "a"), ("x-team", "b")]);
        assert_eq!(
            twice,
            Err(HeaderError::Duplicate {
                name: "x-team".to_owned()
            })
        );
    }

    proptest! {
        #[test]
        fn an_accepted_header_is_one_line_of_ascii(name in any::<String>(), value in any::<String>()) {
            if refusal(&name, &value).is_none() {
                prop_assert!(!name.contains(':') && name.is_ascii());
                prop_assert!(!value.contains(|character: char| character.is_control() || !character.is_ascii()));
            }
        }
    }
}
