//! What a client error means, found along its chain of causes.

use std::error::Error;
use std::io;

use postrider_core::address::RefusedAddress;
use postrider_core::failure::FailureKind;

use super::resolver::LookupFailed;
use crate::judge::Failure;

/// Longest detail kept, in bytes.
const DETAIL_LIMIT: usize = 500;

/// The typed failure behind a client error.
pub(crate) fn failure_of(error: &reqwest::Error) -> Failure {
    let mut kind = if error.is_timeout() {
        FailureKind::Timeout
    } else if error.is_connect() {
        FailureKind::Connect
    } else {
        FailureKind::Protocol
    };
    let mut detail = String::new();
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(current) = cause {
        if let Some(found) = kind_of(current) {
            kind = found;
        }
        // The outermost text names the URL, which the reader knows; the innermost says what went wrong.
        detail = current.to_string();
        cause = current.source().or_else(|| wrapped_by_io(current));
    }
    if kind == FailureKind::Timeout {
        detail = "connecting took too long".to_owned();
    }
    detail.truncate(detail.floor_char_boundary(DETAIL_LIMIT));
    Failure { kind, detail }
}

fn kind_of(error: &(dyn Error + 'static)) -> Option<FailureKind> {
    if error.is::<RefusedAddress>() {
        Some(FailureKind::RefusedAddress)
    } else if error.is::<LookupFailed>() {
        Some(FailureKind::Dns)
    } else if error.is::<rustls::Error>() || is_broken_handshake(error) {
        Some(FailureKind::Tls)
    } else {
        None
    }
}

/// While connecting, the only thing that can come to an early end is the TLS handshake; later, the client reports an
/// incomplete message instead.
fn is_broken_handshake(error: &(dyn Error + 'static)) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::UnexpectedEof)
}

/// `io::Error` hides an error it wraps from `source`, showing that one's own source instead.
fn wrapped_by_io<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    error
        .downcast_ref::<io::Error>()?
        .get_ref()
        .map(|inner| inner as &(dyn Error + 'static))
}
