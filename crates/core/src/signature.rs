//! The two signatures of a request, made with the same [`Secret`].
//!
//! | header | key | signed bytes |
//! |---|---|---|
//! | `X-Webhook-Signature: sha256=<hex>` | the whole secret text, UTF-8 | the body |
//! | `webhook-signature: v1,<base64>` ([Standard Webhooks]) | the bytes whose base64 follows `whsec_` | `{id}.{timestamp}.{body}` |
//!
//! Both are HMAC-SHA256.
//!
//! [Standard Webhooks]: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
//!
//! ```
//! use postrider_core::{secret::Secret, signature::Signer};
//!
//! let signer = Signer::new(&Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")?);
//! assert_eq!(
//!     signer.sign_standard("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, br#"{"test": 2432232314}"#),
//!     "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
//! );
//! # Ok::<(), postrider_core::secret::InvalidSecret>(())
//! ```

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::secret::Secret;

const BODY_PREFIX: &str = "sha256=";
const STANDARD_PREFIX: &str = "v1,";

const DIGEST_BYTES: usize = 32;
const HEX_BYTES: usize = 2 * DIGEST_BYTES;
const BASE64_BYTES: usize = DIGEST_BYTES.div_ceil(3) * 4;

/// Signs requests with one secret. Made once per webhook: the keys are already mixed into the two HMAC states, so that
/// a signature copies a state instead of hashing the key again. Its `Debug` shows nothing.
#[derive(Clone)]
pub struct Signer {
    body: Hmac<Sha256>,
    standard: Hmac<Sha256>,
}

impl Signer {
    /// Prepares to sign with a secret.
    #[must_use]
    pub fn new(secret: &Secret) -> Self {
        Self {
            body: keyed(secret.expose().as_bytes()),
            standard: keyed(&secret.key_bytes()),
        }
    }

    /// The value of `X-Webhook-Signature`: `sha256=` and 64 lower-case hex digits.
    #[must_use]
    pub fn sign_body(&self, body: &[u8]) -> String {
        let mut mac = self.body.clone();
        mac.update(body);
        let mut digits = [0; HEX_BYTES];
        hex::encode_to_slice(mac.finalize().into_bytes(), &mut digits).expect("two digits for each byte");
        with_prefix(BODY_PREFIX, &digits)
    }

    /// One entry of `webhook-signature`: `v1,` and 44 characters of base64. `id` is the `webhook-id` and `unix_seconds`
    /// the `webhook-timestamp` of the request. While two secrets sign, the header has both entries with a space between.
    #[must_use]
    pub fn sign_standard(&self, id: &str, unix_seconds: i64, body: &[u8]) -> String {
        let mut mac = self.standard.clone();
        mac.update(id.as_bytes());
        mac.update(b".");
        mac.update(decimal(unix_seconds, &mut [0; DECIMAL_BYTES]));
        mac.update(b".");
        mac.update(body);
        let mut characters = [0; BASE64_BYTES];
        STANDARD
            .encode_slice(mac.finalize().into_bytes(), &mut characters)
            .expect("four characters for three bytes");
        with_prefix(STANDARD_PREFIX, &characters)
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Signer(…)")
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

/// The one allocation of a signature.
fn with_prefix(prefix: &str, ascii: &[u8]) -> String {
    let mut text = String::with_capacity(prefix.len() + ascii.len());
    text.push_str(prefix);
    text.push_str(std::str::from_utf8(ascii).expect("hex and base64 are ASCII"));
    text
}

/// Digits of the longest `i64`, with its sign.
const DECIMAL_BYTES: usize = 20;

fn decimal(number: i64, buffer: &mut [u8; DECIMAL_BYTES]) -> &[u8] {
    let mut rest = number.unsigned_abs();
    let mut start = DECIMAL_BYTES;
    loop {
        start -= 1;
        buffer[start] = b"0123456789"[(rest % 10) as usize];
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        start -= 1;
        buffer[start] = b'-';
    }
    &buffer[start..]
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn signer() -> Signer {
        Signer::new(&Secret::parse(SECRET).unwrap())
    }

    /// Made with: `printf %s "$BODY" | openssl dgst -sha256 -hmac "$SECRET"`.
    #[test]
    fn the_body_signature_matches_openssl() {
        for (body, signature) in [
            (
                "",
                "sha256=da5f5865984e699a69cfec62ce49a76daf8ae4601b54a781fa13f3b2d3b2088a",
            ),
            (
                r#"{"event":"LEAD_CREATED"}"#,
                "sha256=53cf7b0d72b20052eaa9af5999c5a3f25da588d5f8c908a5af448da191380136",
            ),
            (
                "Zoë 🎣",
                "sha256=e26a4ec9e775e4f870f91f1e71e859d07b11856565dfb6974299719e0c1f92bb",
            ),
        ] {
            assert_eq!(signer().sign_body(body.as_bytes()), signature, "{body}");
        }
    }

    #[test]
    fn the_official_library_verifies_the_standard_signature() {
        let official = standardwebhooks::Webhook::new(SECRET).unwrap();
        for (id, seconds, body) in [
            (
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                1_614_265_330,
                r#"{"test": 2432232314}"#.to_owned(),
            ),
            ("evt_1", 0, String::new()),
            ("evt_9223372036854775807", 1_795_478_400, "Zoë 🎣 \0".to_owned()),
            ("evt_2", -1, "before 1970".to_owned()),
            ("evt_3", i64::MAX, "a".repeat(250 * 1024)),
            ("evt_4", i64::MIN, "b".repeat(63)),
        ] {
            let expected = official.sign(id, seconds, body.as_bytes()).unwrap();
            assert_eq!(signer().sign_standard(id, seconds, body.as_bytes()), expected, "{id}");
        }
    }

    #[test]
    fn a_generated_secret_works_with_the_official_library() {
        let secret = Secret::generate();
        let official = standardwebhooks::Webhook::new(secret.expose()).unwrap();
        let expected = official.sign("evt_1", 1_795_478_400, b"{}").unwrap();
        assert_eq!(
            Signer::new(&secret).sign_standard("evt_1", 1_795_478_400, b"{}"),
            expected
        );
    }

    #[test]
    fn signing_leaves_the_signer_as_it_was() {
        let signer = signer();
        let first = (signer.sign_body(b"a"), signer.sign_standard("evt_1", 1, b"a"));
        assert_ne!(signer.sign_body(b"b"), first.0);
        assert_eq!((signer.sign_body(b"a"), signer.sign_standard("evt_1", 1, b"a")), first);
        assert_eq!((first.0.capacity(), first.1.capacity()), (first.0.len(), first.1.len()));
    }

    #[test]
    fn debug_shows_no_key() {
        assert_eq!(format!("{:?}", signer()), "Signer(…)");
    }
}
