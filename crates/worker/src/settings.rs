//! What a worker needs to know before it starts. Read from file and environment by the binary.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use postrider_core::address::AddressPolicy;
use postrider_core::secret::KeyRing;
use sqlx::postgres::PgConnectOptions;

use crate::breaker::BreakerPolicy;

/// How a worker learns that an event was committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// Producers send a notice when every worker sleeps. Needs a direct connection to Postgres.
    Gate,
    /// The worker looks every [`Settings::poll_interval`]. Needs neither LISTEN nor
    /// a session lock.
    Poll,
}

/// Settings of one worker process.
#[derive(Clone)]
pub struct Settings {
    /// Where the `postrider` schema lives, and the role to use.
    pub database: PgConnectOptions,
    /// Keys that decrypt webhook secrets.
    pub key_ring: KeyRing,
    /// Which addresses a webhook may reach.
    pub address_policy: AddressPolicy,
    /// A PEM file of certificate authorities trusted beside those of the system.
    pub tls_ca_file: Option<PathBuf>,
    /// Most requests open at a time.
    pub concurrency: usize,
    /// Most events taken from the outbox by one claim.
    pub claim_batch: usize,
    /// How the worker wakes up.
    pub wake: Wake,
    /// Longest sleep between two looks at the outbox.
    pub poll_interval: Duration,
    /// Time between two signs of life in the `worker` table.
    pub heartbeat_interval: Duration,
    /// A worker silent this long loses what it holds.
    pub lease_time: Duration,
    /// A first attempt that waits or runs longer than this moves to the lane of its webhook and frees its lease.
    pub park_after: Duration,
    /// Limit of opening a connection, TLS included.
    pub connect_timeout: Duration,
    /// When the breaker of a webhook opens.
    pub breaker: BreakerPolicy,
    /// A webhook of which every attempt has failed for so many days is deactivated; zero: never.
    pub disable_after_days: u32,
    /// Longest delay between two attempts.
    pub retry_delay_cap: Duration,
    /// `Retry-After` below this is raised to it.
    pub retry_after_floor: Duration,
    /// `Retry-After` above this is lowered to it.
    pub retry_after_cap: Duration,
    /// How long a stopping worker lets open requests finish before it cuts them off, to be retried.
    pub drain_timeout: Duration,
    /// Days that events, attempts and dead letters are kept.
    pub retention_days: u32,
    /// Days ahead for which partitions exist.
    pub partition_days_ahead: u32,
}

impl fmt::Debug for Settings {
    /// Leaves out the database, whose options would show a password, and the keys.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Settings")
            .field("address_policy", &self.address_policy)
            .field("concurrency", &self.concurrency)
            .field("claim_batch", &self.claim_batch)
            .field("wake", &self.wake)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// Settings with every default, for this database and key ring.
    #[must_use]
    pub fn new(database: PgConnectOptions, key_ring: KeyRing) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            database,
            key_ring,
            address_policy: AddressPolicy::default(),
            tls_ca_file: None,
            concurrency: (cores * 64).clamp(64, 1024),
            claim_batch: 500,
            wake: Wake::Gate,
            poll_interval: Duration::from_secs(1),
            heartbeat_interval: Duration::from_secs(3),
            lease_time: Duration::from_secs(15),
            park_after: Duration::from_secs(1),
            connect_timeout: Duration::from_secs(5),
            breaker: BreakerPolicy {
                failures: 10,
                open: Duration::from_secs(10),
                longest_open: Duration::from_secs(3600),
            },
            disable_after_days: 5,
            retry_delay_cap: Duration::from_secs(3600),
            retry_after_floor: Duration::from_secs(1),
            retry_after_cap: Duration::from_secs(3600),
            drain_timeout: Duration::from_secs(17),
            retention_days: 14,
            partition_days_ahead: 7,
        }
    }
}
