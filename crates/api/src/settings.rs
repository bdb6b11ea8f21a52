//! What the API needs to know before it starts. Read from file and environment by the binary.

use std::time::Duration;

use postrider_core::address::AddressPolicy;
use postrider_core::secret::KeyRing;
use sqlx::postgres::PgConnectOptions;

use crate::resolve::Resolver;
use crate::test_receiver::TestReceiver;

/// Settings of one API process, or of the API inside a main app.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the `postrider` schema lives, and the role to use. The API opens a pool of its own, so that it never
    /// takes a connection from the main app or from a worker.
    pub database: PgConnectOptions,
    /// Most connections of that pool. Default 8.
    pub max_connections: u32,
    /// Longest statement. Default 5 s; what needs longer is a job done in batches.
    pub statement_timeout: Duration,
    /// Keys that encrypt webhook secrets.
    pub key_ring: KeyRing,
    /// Which addresses a webhook may reach: the same as the workers'.
    pub address_policy: AddressPolicy,
    /// How a host name is looked up when a webhook is created or its URL changed. Default: the system's resolver.
    pub resolver: Resolver,
    /// Name of the cookie that holds the session token. Default `session`.
    pub session_cookie: String,
    /// `POST /api/test-webhook`, for use while developing; `None` leaves the route out. Default: it prints to stdout.
    pub test_receiver: Option<TestReceiver>,
}

impl Settings {
    /// Settings with every default, for this database and key ring.
    #[must_use]
    pub fn new(database: PgConnectOptions, key_ring: KeyRing) -> Self {
        Self {
            database,
            max_connections: 8,
            statement_timeout: Duration::from_secs(5),
            key_ring,
            address_policy: AddressPolicy::default(),
            resolver: Resolver::system(),
            session_cookie: "session".to_owned(),
            test_receiver: Some(TestReceiver::stdout()),
        }
    }
}
