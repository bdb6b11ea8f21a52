//! The two signatures of a request.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::secret::Secret;

/// Signs requests with one secret. Made once per webhook: the keys are already mixed into the two HMAC states, and a
/// signature clones a state instead of hashing the key again.
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
            standard: keyed(&secret.standard_key()),
        }
    }

    /// The value of `X-Webhook-Signature`.
    #[must_use]
    pub fn sign_body(&self, body: &[u8]) -> String {
        let mut mac = self.body.clone();
        mac.update(body);
        let mut signature = String::from("sha256=");
        signature.push_str(&hex::encode(mac.finalize().into_bytes()));
        signature
    }

    /// The value of `webhook-signature`.
    #[must_use]
    pub fn sign_standard(&self, id: &str, unix_seconds: i64, body: &[u8]) -> String {
        let mut mac = self.standard.clone();
        mac.update(id.as_bytes());
        mac.update(b".");
        mac.update(unix_seconds.to_string().as_bytes());
        mac.update(b".");
        mac.update(body);
        let mut signature = String::from("v1,");
        STANDARD.encode_string(mac.finalize().into_bytes(), &mut signature);
        signature
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Signer(…)")
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}
