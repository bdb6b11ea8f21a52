//! Signatures, checked with the rules as receivers are told them and without the product's own code.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use postrider_core::secret::Secret;
use sha2::Sha256;

use super::request::Request;

/// Checks the requests of one webhook.
#[derive(Debug, Clone)]
pub(super) struct Verifier {
    body: Hmac<Sha256>,
    standard: Hmac<Sha256>,
}

impl Verifier {
    pub(super) fn new(secret: &Secret) -> Self {
        let text = secret.expose();
        let key = STANDARD.decode(text.strip_prefix("whsec_").unwrap()).unwrap();
        Self {
            body: Hmac::new_from_slice(text.as_bytes()).unwrap(),
            standard: Hmac::new_from_slice(&key).unwrap(),
        }
    }

    /// What is wrong with the signatures of a request; `None` when both are valid.
    pub(super) fn problem(&self, request: &Request<'_>) -> Option<String> {
        let mut mac = self.body.clone();
        mac.update(request.body);
        let expected = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
        if request.header("x-webhook-signature") != Some(&expected) {
            return Some("X-Webhook-Signature is not valid".to_owned());
        }
        let (Some(id), Some(timestamp)) = (request.header("webhook-id"), request.header("webhook-timestamp")) else {
            return Some("webhook-id or webhook-timestamp is missing".to_owned());
        };
        let mut mac = self.standard.clone();
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(request.body);
        let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        let signatures = request.header("webhook-signature").unwrap_or_default();
        let is_signed = signatures.split(' ').any(|signature| signature == expected);
        (!is_signed).then(|| "webhook-signature is not valid".to_owned())
    }
}
