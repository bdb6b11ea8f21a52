//! Settings of `postrider rekey`.

use postrider_core::secret::KeyRing;
use sqlx::postgres::PgConnectOptions;

use super::reader::Reader;
use super::worker::key_ring;

/// What `postrider rekey` needs.
#[derive(Debug, Clone)]
pub struct RekeyConfig {
    /// Where the webhooks are, as a user that may change them.
    pub database: PgConnectOptions,
    /// The first key encrypts, all decrypt.
    pub key_ring: KeyRing,
}

pub(super) fn read(reader: &mut Reader<'_>) -> Option<RekeyConfig> {
    let database = reader.database();
    let key_ring = key_ring(reader);
    Some(RekeyConfig {
        database: database?,
        key_ring: key_ring?,
    })
}
