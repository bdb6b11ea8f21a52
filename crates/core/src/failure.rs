//! Words for what went wrong: of one attempt, and of a delivery given up. The texts are stored in the database,
//! shown by the API and used as metric labels, so they never change.

use crate::words::words;

pub use crate::words::UnknownWord;

words! {
    /// Why an attempt failed.
    ///
    /// ```
    /// use postrider_core::failure::FailureKind;
    ///
    /// assert_eq!(FailureKind::RefusedAddress.as_str(), "refused_address");
    /// assert_eq!("tls".parse(), Ok(FailureKind::Tls));
    /// ```
    FailureKind, "failure kind", {
        /// The receiver answered with something other than 2xx.
        Status = "status",
        /// The attempt took longer than the webhook's timeout.
        Timeout = "timeout",
        /// The host name could not be resolved.
        Dns = "dns",
        /// The host is, or resolves to, an address that webhooks may not reach.
        RefusedAddress = "refused_address",
        /// The stored URL is not one that the rules allow.
        InvalidUrl = "invalid_url",
        /// No connection: refused, unreachable, or reset before the request was sent.
        Connect = "connect",
        /// The TLS handshake failed, or the certificate is not trusted.
        Tls = "tls",
        /// The receiver did not speak HTTP, or broke the connection in the middle of the answer.
        Protocol = "protocol",
        /// The response was longer than a receiver of webhooks has reason to send.
        ResponseTooLarge = "response_too_large",
        /// The worker was told to stop at once.
        Aborted = "aborted",
        /// A fault of postrider itself, such as a secret that cannot be decrypted.
        Internal = "internal",
    }
}

words! {
    /// Why a delivery was given up.
    ///
    /// ```
    /// use postrider_core::failure::DeadLetterReason;
    ///
    /// assert_eq!(DeadLetterReason::Gone.to_string(), "gone");
    /// ```
    DeadLetterReason, "dead letter reason", {
        /// Every attempt that the webhook allows has failed.
        Exhausted = "exhausted",
        /// The receiver answered 410 Gone.
        Gone = "gone",
        /// The webhook was deactivated because nothing but failures came back for days.
        Failing = "failing",
        /// Workers died too often while they held the event.
        Poison = "poison",
        /// The webhook was deactivated while the delivery waited.
        Inactive = "inactive",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_words_are_read_back() {
        for kind in FailureKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(*kind));
        }
        for reason in DeadLetterReason::ALL {
            assert_eq!(reason.as_str().parse(), Ok(*reason));
        }
    }

    #[test]
    fn stored_words_never_change() {
        let kinds: Vec<_> = FailureKind::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(
            kinds,
            [
                "status",
                "timeout",
                "dns",
                "refused_address",
                "invalid_url",
                "connect",
                "tls",
                "protocol",
                "response_too_large",
                "aborted",
                "internal"
            ]
        );
        let reasons: Vec<_> = DeadLetterReason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(reasons, ["exhausted", "gone", "failing", "poison", "inactive"]);
    }

    #[test]
    fn unknown_words_are_named() {
        let error = "Timeout".parse::<FailureKind>().unwrap_err();
        assert_eq!(error.to_string(), r#"unknown failure kind "Timeout""#);
        assert!("".parse::<DeadLetterReason>().is_err());
    }
}
