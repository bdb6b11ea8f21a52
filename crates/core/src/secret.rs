//! Signing secrets, and the keys that encrypt them in the database.

mod key_ring;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

pub use self::key_ring::{DecryptError, InvalidKeyRing, KeyRing};

/// The signing secret of a webhook: `whsec_` and the base64 of its key. Its `Debug` shows nothing, and its memory is
/// wiped when it is dropped.
///
/// ```
/// use postrider_core::secret::Secret;
///
/// let secret = Secret::generate();
/// assert_eq!(Secret::parse(secret.expose()).as_ref(), Ok(&secret));
/// assert_eq!(format!("{secret:?}"), "Secret(…)");
/// ```
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

/// Text that is not a signing secret. Does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a signing secret is whsec_ followed by the base64 of 24 to 64 bytes")]
pub struct InvalidSecret;

const PREFIX: &str = "whsec_";
const GENERATED_KEY_BYTES: usize = 32;

/// What the Standard Webhooks specification allows.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

impl Secret {
    /// A new secret of 32 random bytes.
    ///
    /// # Panics
    /// When the operating system has no random bytes to give.
    #[must_use]
    pub fn generate() -> Self {
        Self::of_key(random_bytes::<GENERATED_KEY_BYTES>().as_slice())
    }

    /// Reads a secret.
    ///
    /// # Errors
    /// When the text is not `whsec_` followed by the base64, with padding, of 24 to 64 bytes.
    pub fn parse(text: &str) -> Result<Self, InvalidSecret> {
        let encoded = text.strip_prefix(PREFIX).ok_or(InvalidSecret)?;
        let key = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| InvalidSecret)?);
        if !KEY_BYTES.contains(&key.len()) {
            return Err(InvalidSecret);
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// The whole text: to show it once to its owner, or to sign with it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The bytes whose base64 follows `whsec_`.
    pub(crate) fn key_bytes(&self) -> Zeroizing<Vec<u8>> {
        let key = STANDARD
            .decode(&self.0[PREFIX.len()..])
            .expect("parse and generate make base64 behind the prefix");
        Zeroizing::new(key)
    }

    fn of_key(key: &[u8]) -> Self {
        // Room for all from the start: a string that grows leaves a copy behind that nobody wipes.
        let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + key.len().div_ceil(3) * 4));
        text.push_str(PREFIX);
        STANDARD.encode_string(key, &mut text);
        Self(text)
    }
}

impl PartialEq for Secret {
    /// For tests and for telling whether a secret changed; not for checking a secret that a stranger presents, since
    /// the time it takes depends on the content.
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

fn random_bytes<const LENGTH: usize>() -> Zeroizing<[u8; LENGTH]> {
    let mut bytes = Zeroizing::new([0; LENGTH]);
    getrandom::fill(bytes.as_mut_slice()).expect("the operating system gives random bytes");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_secret_is_whsec_and_32_bytes() {
        let secret = Secret::generate();
        assert_eq!(secret.expose().len(), "whsec_".len() + 44);
        assert_eq!(secret.key_bytes().len(), 32);
        assert_eq!(Secret::parse(secret.expose()).unwrap(), secret);
        assert_ne!(Secret::generate(), secret);
    }

    #[test]
    fn the_standard_allows_24_to_64_bytes() {
        for length in [24, 32, 63, 64] {
            let text = format!("whsec_{}", STANDARD.encode(vec![7; length]));
            assert_eq!(Secret::parse(&text).unwrap().expose(), text);
        }
        for length in [0, 23, 65] {
            let text = format!("whsec_{}", STANDARD.encode(vec![7; length]));
            assert_eq!(Secret::parse(&text), Err(InvalidSecret), "{length} bytes");
        }
    }

    #[test]
    fn other_texts_are_not_secrets() {
        let good = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        assert!(Secret::parse(good).is_ok());
        for bad in [
            "",
            "whsec_",
            &good[6..],
            &good.to_uppercase(),
            &format!(" {good}"),
            &format!("{good}\n"),
            good.trim_end_matches('='),
            &good.replace("A=", "B="),
            &good.replace("AAAA=", "-_AA="),
        ] {
            assert_eq!(Secret::parse(bad), Err(InvalidSecret), "{bad:?}");
        }
    }

    #[test]
    fn neither_debug_nor_errors_show_a_secret() {
        let text = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        assert_eq!(format!("{:?}", Secret::parse(text).unwrap()), "Secret(…)");
        let error = Secret::parse(&text[1..]).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("AAAA"));
    }
}
