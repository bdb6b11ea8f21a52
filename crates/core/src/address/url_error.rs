//! Why a URL is refused, in words for whoever typed it.

use super::{MAX_URL_LENGTH, RefusedAddress};

/// Why a URL is refused. Each message says what is allowed and can be shown to whoever typed the URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It is too long.
    #[error("the URL is longer than {MAX_URL_LENGTH} bytes")]
    TooLong,
    /// It has a character that parsers of URLs disagree about.
    #[error("the URL must not contain {character:?}: no white space, control characters or backslashes")]
    ForbiddenCharacter {
        /// The character.
        character: char,
    },
    /// It has another scheme, or none.
    #[error("the URL must begin with {}", if *.allow_http { "https:// or http://" } else { "https://" })]
    Scheme {
        /// Whether `http` would have been allowed.
        allow_http: bool,
    },
    /// It is not a URL.
    #[error("not a URL: {0}")]
    Malformed(url::ParseError),
    /// It has a user name or password.
    #[error("the URL must not contain a user name or password (nothing before an @ in the host)")]
    Userinfo,
    /// It has a fragment, which is never sent.
    #[error("the URL must not contain a fragment (#…)")]
    Fragment,
    /// Its port is 0.
    #[error("the port must be from 1 to 65535")]
    PortZero,
    /// Its host is not a well-formed DNS name.
    #[error("{host:?} is not a host name: labels have 1 to 63 of a-z, 0-9, - and _, all together at most 253")]
    HostName {
        /// The host.
        host: String,
    },
    /// Its host is a name without a dot.
    #[error("the host {host:?} has no dot: use the full name of a public host, such as hooks.example.com")]
    HostWithoutDot {
        /// The host.
        host: String,
    },
    /// Its host is a special-use name or below one.
    #[error("the host {host:?} is not public: {special:?} and names below it are reserved for private use")]
    SpecialUseName {
        /// The host.
        host: String,
        /// The special-use name.
        special: &'static str,
    },
    /// Its host is an address that webhooks may not reach.
    #[error(transparent)]
    Address(#[from] RefusedAddress),
}
