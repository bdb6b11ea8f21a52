//! What all requests share.

use std::sync::Arc;
use std::time::Duration;

use postrider_core::address::AddressPolicy;
use postrider_core::secret::KeyRing;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::sync::Notify;

use crate::auth::{Auth, ErasedAuth};
use crate::resolve::Resolver;
use crate::settings::Settings;
use crate::test_receiver::TestReceiver;

/// The API, ready to be mounted. Cheap to clone.
#[derive(Clone)]
pub struct Api(Arc<Shared>);

#[doc(hidden)]
pub struct Shared {
    pub(crate) pool: PgPool,
    pub(crate) auth: Box<dyn ErasedAuth>,
    pub(crate) key_ring: KeyRing,
    pub(crate) address_policy: AddressPolicy,
    pub(crate) resolver: Resolver,
    pub(crate) session_cookie: String,
    pub(crate) test_receiver: Option<TestReceiver>,
    /// Rung when a job was written, so that it begins at once.
    pub(crate) job_written: Notify,
}

impl Api {
    /// Prepares the API. Opens no connection yet: a database that is not there makes requests fail with 503, and they
    /// work again as soon as it is back.
    pub fn new(settings: Settings, auth: impl Auth) -> Self {
        let milliseconds = settings.statement_timeout.as_millis().to_string();
        let database = settings.database.application_name("postrider-api").options([
            ("statement_timeout", milliseconds.as_str()),
            // A request that waits for a row somebody holds must not hold a connection for long.
            ("lock_timeout", "2000"),
            ("idle_in_transaction_session_timeout", "10000"),
        ]);
        let pool = PgPoolOptions::new()
            .max_connections(settings.max_connections)
            .acquire_timeout(Duration::from_secs(3))
            .connect_lazy_with(database);
        Self(Arc::new(Shared {
            pool,
            auth: Box::new(auth),
            key_ring: settings.key_ring,
            address_policy: settings.address_policy,
            resolver: settings.resolver,
            session_cookie: settings.session_cookie,
            test_receiver: settings.test_receiver,
            job_written: Notify::new(),
        }))
    }
}

impl std::ops::Deref for Api {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl std::fmt::Debug for Api {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Api").finish_non_exhaustive()
    }
}
