//! Judging a host name, before it is resolved.

use super::{AddressPolicy, UrlError};

/// Names that never belong to a host of the public internet, with everything below them: RFC 6761 and 6762
/// (`localhost`, `local`, `test`, `invalid`), RFC 7686 (`onion`), RFC 8375 (`home.arpa`), ICANN's private-use
/// `internal`, and `svc`, the services of a Kubernetes cluster.
const SPECIAL_USE: [&str; 8] = [
    "localhost",
    "local",
    "internal",
    "home.arpa",
    "onion",
    "test",
    "invalid",
    "svc",
];

/// Limits of DNS (RFC 1035, section 2.3.4).
const MAX_NAME_LENGTH: usize = 253;
const MAX_LABEL_LENGTH: usize = 63;

/// Checks a host name that the URL parser has already put into lower-case ASCII.
pub(super) fn check(policy: &AddressPolicy, host: &str) -> Result<(), UrlError> {
    // One trailing dot marks a name as absolute; it is the same name.
    let name = host.strip_suffix('.').unwrap_or(host);
    if name.len() > MAX_NAME_LENGTH || !name.split('.').all(is_label) {
        return Err(UrlError::HostName { host: host.to_owned() });
    }
    if policy.opens_loopback() {
        return Ok(());
    }
    if let Some(special) = SPECIAL_USE.into_iter().find(|special| is_or_is_below(name, special)) {
        return Err(UrlError::SpecialUseName {
            host: host.to_owned(),
            special,
        });
    }
    if !name.contains('.') {
        return Err(UrlError::HostWithoutDot { host: host.to_owned() });
    }
    Ok(())
}

fn is_label(label: &str) -> bool {
    (1..=MAX_LABEL_LENGTH).contains(&label.len())
        && label
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_')
}

fn is_or_is_below(name: &str, parent: &str) -> bool {
    name.strip_suffix(parent)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}
