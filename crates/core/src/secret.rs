//! Signing secrets and their encryption at rest.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use crate::ids::WebhookId;

/// The signing secret of a webhook: `whsec_` and the base64 of its key. Wiped from memory when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

/// Text that is not a signing secret. Does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a signing secret is whsec_ followed by the base64 of 24 to 64 bytes")]
pub struct InvalidSecret;

impl Secret {
    const PREFIX: &str = "whsec_";

    /// A new secret of 32 random bytes.
    #[must_use]
    pub fn generate() -> Self {
        let key = random::<32>();
        Self(Zeroizing::new(format!(
            "{}{}",
            Self::PREFIX,
            STANDARD.encode(key.as_slice())
        )))
    }

    /// Reads a secret.
    ///
    /// # Errors
    /// When the text is not `whsec_` followed by the base64 of 24 to 64 bytes.
    pub fn parse(text: &str) -> Result<Self, InvalidSecret> {
        let encoded = text.strip_prefix(Self::PREFIX).ok_or(InvalidSecret)?;
        let key = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| InvalidSecret)?);
        if !(24..=64).contains(&key.len()) {
            return Err(InvalidSecret);
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// The whole text, to show it once to its owner or to sign with it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub(crate) fn standard_key(&self) -> Zeroizing<Vec<u8>> {
        let encoded = self
            .0
            .strip_prefix(Self::PREFIX)
            .expect("parse and generate write the prefix");
        Zeroizing::new(STANDARD.decode(encoded).expect("parse and generate write base64"))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

fn random<const LENGTH: usize>() -> Zeroizing<[u8; LENGTH]> {
    let mut bytes = Zeroizing::new([0; LENGTH]);
    getrandom::fill(bytes.as_mut_slice()).expect("the operating system gives random bytes");
    bytes
}

#[derive(Clone)]
struct Key {
    id: String,
    bytes: Zeroizing<[u8; 32]>,
}

/// Keys that encrypt signing secrets in the database: the first encrypts, all decrypt.
#[derive(Clone)]
pub struct KeyRing {
    keys: Vec<Key>,
}

/// Why a key ring cannot be read. Never repeats a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeyRing {
    /// An entry is not `id:key`.
    #[error("entry {number} is not of the form id:key")]
    Malformed {
        /// Place of the entry, from 1.
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
    #[error("the stored secret was encrypted with key {id:?}, which is not in the key ring")]
    UnknownKey {
        /// Id of the missing key.
        id: String,
    },
    /// The bytes were changed, or belong to another webhook or tenant, or the key has another value.
    #[error("the stored secret does not belong to this webhook and key")]
    Refused,
}

const VERSION: u8 = 1;
const NONCE_LENGTH: usize = 24;

impl KeyRing {
    /// A ring with one new random key.
    #[must_use]
    pub fn generate() -> Self {
        Self {
            keys: vec![Key {
                id: "generated".to_owned(),
                bytes: random(),
            }],
        }
    }

    /// Reads `id:base64key[,id:base64key…]`.
    ///
    /// # Errors
    /// When an entry is malformed, a key is not 32 bytes, or an id stands twice.
    pub fn parse(text: &str) -> Result<Self, InvalidKeyRing> {
        let mut keys: Vec<Key> = Vec::new();
        for (index, entry) in text.split(',').enumerate() {
            let malformed = InvalidKeyRing::Malformed { number: index + 1 };
            let (id, encoded) = entry.trim().split_once(':').ok_or(malformed.clone())?;
            let id_is_fine = (1..=32).contains(&id.len())
                && id
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
            if !id_is_fine {
                return Err(malformed);
            }
            let decoded = STANDARD.decode(encoded).map(Zeroizing::new).ok();
            let bytes = decoded.and_then(|decoded| decoded.as_slice().try_into().ok());
            let bytes = bytes
                .map(Zeroizing::new)
                .ok_or_else(|| InvalidKeyRing::BadKey { id: id.to_owned() })?;
            if keys.iter().any(|key| key.id == id) {
                return Err(InvalidKeyRing::DuplicateId { id: id.to_owned() });
            }
            keys.push(Key {
                id: id.to_owned(),
                bytes,
            });
        }
        Ok(Self { keys })
    }

    /// The text that [`KeyRing::parse`] reads, to keep a generated ring.
    #[must_use]
    pub fn expose(&self) -> Zeroizing<String> {
        let entries: Vec<_> = self
            .keys
            .iter()
            .map(|key| format!("{}:{}", key.id, STANDARD.encode(key.bytes.as_slice())))
            .collect();
        Zeroizing::new(entries.join(","))
    }

    /// Encrypts a secret for the `webhook.secret` column.
    #[must_use]
    pub fn encrypt(&self, secret: &Secret, tenant: &str, webhook: WebhookId) -> Vec<u8> {
        let key = self.keys.first().expect("a key ring has at least one key");
        let nonce = random::<NONCE_LENGTH>();
        let id_length = u8::try_from(key.id.len()).expect("a key id has at most 32 characters");
        let mut stored = vec![VERSION, id_length];
        stored.extend_from_slice(key.id.as_bytes());
        let aad = associated_data(&stored, tenant, webhook);
        let payload = Payload {
            msg: secret.expose().as_bytes(),
            aad: &aad,
        };
        let ciphertext = XChaCha20Poly1305::new((&*key.bytes).into())
            .encrypt(&XNonce::from(*nonce), payload)
            .expect("a secret is far shorter than the limit of the cipher");
        stored.extend_from_slice(nonce.as_slice());
        stored.extend_from_slice(&ciphertext);
        stored
    }

    /// Decrypts what [`KeyRing::encrypt`] wrote for the same tenant and webhook.
    ///
    /// # Errors
    /// When the bytes are malformed, their key is not in the ring, or they belong to another webhook.
    pub fn decrypt(&self, stored: &[u8], tenant: &str, webhook: WebhookId) -> Result<Secret, DecryptError> {
        let [VERSION, id_length, rest @ ..] = stored else {
            return Err(DecryptError::Malformed);
        };
        let (id, rest) = rest
            .split_at_checked(usize::from(*id_length))
            .ok_or(DecryptError::Malformed)?;
        let (nonce, ciphertext) = rest
            .split_first_chunk::<NONCE_LENGTH>()
            .ok_or(DecryptError::Malformed)?;
        let key = self.keys.iter().find(|key| key.id.as_bytes() == id);
        let key = key.ok_or_else(|| DecryptError::UnknownKey {
            id: String::from_utf8_lossy(id).into_owned(),
        })?;
        let header = &stored[..2 + id.len()];
        let aad = associated_data(header, tenant, webhook);
        let plaintext = XChaCha20Poly1305::new((&*key.bytes).into())
            .decrypt(
                &XNonce::from(*nonce),
                Payload {
                    msg: ciphertext,
                    aad: &aad,
                },
            )
            .map(Zeroizing::new)
            .map_err(|_| DecryptError::Refused)?;
        let text = std::str::from_utf8(&plaintext).map_err(|_| DecryptError::Malformed)?;
        Secret::parse(text).map_err(|InvalidSecret| DecryptError::Malformed)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_list()
            .entries(self.keys.iter().map(|key| &key.id))
            .finish()
    }
}

fn associated_data(header: &[u8], tenant: &str, webhook: WebhookId) -> Vec<u8> {
    [header, &webhook.0.to_be_bytes(), tenant.as_bytes()].concat()
}
