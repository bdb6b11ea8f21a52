//! Encryption of signing secrets at rest.
//!
//! A stored secret is, in this order: the format version (one byte, 1), the length of the key id (one byte), the key
//! id, a random nonce of 24 bytes, and the XChaCha20-Poly1305 ciphertext of the secret's text with its tag. Everything
//! before the nonce, the webhook id (8 bytes, big-endian) and the tenant are authenticated with it: a stored secret
//! copied to another webhook or tenant does not decrypt.

use std::fmt;

use base64::alphabet::STANDARD as STANDARD_ALPHABET;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, Engine};
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::{Secret, random_bytes};
use crate::ids::WebhookId;

const FORMAT_VERSION: u8 = 1;
const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;
const MAX_KEY_ID_LENGTH: usize = 32;

/// Standard base64; padding may be missing, since people cut it off when they copy.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD_ALPHABET,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The keys that encrypt signing secrets: the first encrypts, all decrypt. To turn keys, put a new one in front,
/// encrypt all secrets again, and only then remove the old one. Its `Debug` shows the ids of the keys.
///
/// ```
/// use postrider_core::ids::WebhookId;
/// use postrider_core::secret::{KeyRing, Secret};
///
/// let ring = KeyRing::parse("2026-11:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")?;
/// let secret = Secret::generate();
/// let stored = ring.encrypt(&secret, "clp123chatbot456", WebhookId(123));
/// assert_eq!(ring.decrypt(&stored, "clp123chatbot456", WebhookId(123)).as_ref(), Ok(&secret));
/// assert!(ring.decrypt(&stored, "clp123chatbot456", WebhookId(124)).is_err());
/// # Ok::<(), postrider_core::secret::InvalidKeyRing>(())
/// ```
#[derive(Clone)]
pub struct KeyRing {
    /// Never empty.
    keys: Vec<Key>,
}

#[derive(Clone)]
struct Key {
    id: String,
    bytes: Zeroizing<[u8; KEY_BYTES]>,
}

/// Why a key ring cannot be read. Never repeats a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeyRing {
    /// An entry is not `id:key`, or its id is not well-formed.
    #[error("entry {number} is not of the form id:key, where the id has 1 to 32 letters, digits, - and _")]
    Malformed {
        /// Place of the entry in the list, from 1.
        number: usize,
    },
    /// A key is not 32 bytes in base64.
    #[error("key {id:?} is not the base64 of 32 bytes; make one with: openssl rand -base64 32")]
    BadKey {
        /// Id of the key.
        id: String,
    },
    /// Two keys have the same id.
    #[error("two keys have the id {id:?}")]
    DuplicateId {
        /// The id.
        id: String,
    },
}

/// Why a stored secret cannot be decrypted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecryptError {
    /// The bytes are not what [`KeyRing::encrypt`] writes.
    #[error("the stored secret is malformed")]
    Malformed,
    /// The key that encrypted it is not in the ring.
    #[error("the stored secret was encrypted with the key {id:?}, which is not in the key ring")]
    UnknownKey {
        /// Id of the missing key.
        id: String,
    },
    /// The bytes were changed, belong to another webhook or tenant, or were encrypted with another key of that id.
    #[error("the stored secret does not belong to this webhook, or its key has changed")]
    Refused,
}

impl KeyRing {
    /// A ring with one new random key, for development and tests.
    ///
    /// # Panics
    /// When the operating system has no random bytes to give.
    #[must_use]
    pub fn generate() -> Self {
        Self {
            keys: vec![Key {
                id: "generated".to_owned(),
                bytes: random_bytes(),
            }],
        }
    }

    /// Reads `id:key[,id:key…]`, each key 32 bytes in base64.
    ///
    /// # Errors
    /// When an entry is not of that form, a key does not have 32 bytes, or an id stands twice.
    pub fn parse(text: &str) -> Result<Self, InvalidKeyRing> {
        let mut keys: Vec<Key> = Vec::new();
        for (index, entry) in text.split(',').enumerate() {
            let key = parse_key(entry.trim(), index + 1)?;
            if keys.iter().any(|other| other.id == key.id) {
                return Err(InvalidKeyRing::DuplicateId { id: key.id });
            }
            keys.push(key);
        }
        Ok(Self { keys })
    }

    /// The text that [`KeyRing::parse`] reads: to keep a generated ring in a file.
    #[must_use]
    pub fn expose(&self) -> Zeroizing<String> {
        let entries = self
            .keys
            .iter()
            .map(|key| Zeroizing::new(BASE64.encode(key.bytes.as_slice())));
        let mut text = Zeroizing::new(String::with_capacity(
            self.keys.len() * (MAX_KEY_ID_LENGTH + 2 * KEY_BYTES),
        ));
        for (key, encoded) in self.keys.iter().zip(entries) {
            if !text.is_empty() {
                text.push(',');
            }
            text.push_str(&key.id);
            text.push(':');
            text.push_str(&encoded);
        }
        text
    }

    /// Encrypts a secret for the database. Every call gives other bytes, since the nonce is random.
    ///
    /// # Panics
    /// When the operating system has no random bytes to give.
    #[must_use]
    pub fn encrypt(&self, secret: &Secret, tenant: &str, webhook: WebhookId) -> Vec<u8> {
        let key = self.first();
        let nonce = random_bytes::<NONCE_BYTES>();
        let mut stored = self.current_header();
        let aad = associated_data(&stored, tenant, webhook);
        let ciphertext = key
            .cipher()
            .encrypt(
                &XNonce::from(*nonce),
                Payload {
                    msg: secret.expose().as_bytes(),
                    aad: &aad,
                },
            )
            .expect("a secret is far shorter than what the cipher can encrypt");
        stored.extend_from_slice(nonce.as_slice());
        stored.extend_from_slice(&ciphertext);
        stored
    }

    /// The bytes that everything begins with that [`KeyRing::encrypt`] makes: what begins with others is not under the
    /// first key.
    #[must_use]
    pub fn current_header(&self) -> Vec<u8> {
        let id = self.first().id.as_bytes();
        let id_length = u8::try_from(id.len()).expect("parse bounds the length of a key id");
        [&[FORMAT_VERSION, id_length], id].concat()
    }

    fn first(&self) -> &Key {
        self.keys.first().expect("parse and generate make at least one key")
    }

    /// Decrypts what [`KeyRing::encrypt`] made for the same tenant and webhook.
    ///
    /// # Errors
    /// When the bytes are malformed or were changed, belong to another webhook, or their key is not in the ring.
    pub fn decrypt(&self, stored: &[u8], tenant: &str, webhook: WebhookId) -> Result<Secret, DecryptError> {
        let [FORMAT_VERSION, id_length, rest @ ..] = stored else {
            return Err(DecryptError::Malformed);
        };
        let (id, rest) = rest
            .split_at_checked(usize::from(*id_length))
            .ok_or(DecryptError::Malformed)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(DecryptError::Malformed)?;
        let id = std::str::from_utf8(id).map_err(|_| DecryptError::Malformed)?;
        let key = self.keys.iter().find(|key| key.id == id);
        let key = key.ok_or_else(|| DecryptError::UnknownKey { id: id.to_owned() })?;

        let aad = associated_data(&stored[..2 + id.len()], tenant, webhook);
        let plaintext = key.cipher().decrypt(
            &XNonce::from(*nonce),
            Payload {
                msg: ciphertext,
                aad: &aad,
            },
        );
        let plaintext = Zeroizing::new(plaintext.map_err(|_| DecryptError::Refused)?);
        let text = std::str::from_utf8(&plaintext).map_err(|_| DecryptError::Malformed)?;
        Secret::parse(text).map_err(|_| DecryptError::Malformed)
    }
}

impl Key {
    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.bytes).into())
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("KeyRing")?;
        formatter
            .debug_list()
            .entries(self.keys.iter().map(|key| &key.id))
            .finish()
    }
}

fn parse_key(entry: &str, number: usize) -> Result<Key, InvalidKeyRing> {
    let (id, encoded) = entry.split_once(':').ok_or(InvalidKeyRing::Malformed { number })?;
    let well_formed = (1..=MAX_KEY_ID_LENGTH).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if !well_formed {
        return Err(InvalidKeyRing::Malformed { number });
    }
    let decoded = BASE64.decode(encoded).map(Zeroizing::new).ok();
    let bytes = decoded.and_then(|decoded| <[u8; KEY_BYTES]>::try_from(decoded.as_slice()).ok());
    let bytes = bytes.ok_or_else(|| InvalidKeyRing::BadKey { id: id.to_owned() })?;
    Ok(Key {
        id: id.to_owned(),
        bytes: Zeroizing::new(bytes),
    })
}

/// The tenant, the only part of unknown length, stands last: no two inputs give the same bytes.
fn associated_data(header: &[u8], tenant: &str, webhook: WebhookId) -> Vec<u8> {
    [header, &webhook.0.to_be_bytes(), tenant.as_bytes()].concat()
}

#[cfg(test)]
mod tests;
