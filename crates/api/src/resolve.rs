//! Looking up the host of a webhook when it is created or moved: early news for its owner, never the protection
//! itself, because names change. Delivery looks at every address again.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use postrider_core::address::{AddressPolicy, WebhookUrl};

/// How long a look-up may keep a caller waiting.
const PATIENCE: Duration = Duration::from_secs(2);

type Addresses = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Looks up host names.
#[derive(Clone)]
pub struct Resolver(Arc<dyn Fn(String) -> Addresses + Send + Sync>);

impl Resolver {
    /// The resolver of the operating system.
    #[must_use]
    pub fn system() -> Self {
        Self::new(|host| async move {
            Ok(tokio::net::lookup_host((host, 443))
                .await?
                .map(|found| found.ip())
                .collect())
        })
    }

    /// A resolver of one's own, for tests or for machines with a special one.
    pub fn new<F, A>(look_up: F) -> Self
    where
        F: Fn(String) -> A + Send + Sync + 'static,
        A: Future<Output = io::Result<Vec<IpAddr>>> + Send + 'static,
    {
        Self(Arc::new(move |host| Box::pin(look_up(host))))
    }

    /// Why this URL cannot be a webhook's: one of the addresses of its host may not be reached. A host that has no
    /// address now, or does not answer within two seconds, is not refused: creating needs no working DNS.
    pub(crate) async fn refusal(&self, policy: &AddressPolicy, url: &WebhookUrl) -> Option<String> {
        if url.host_ip().is_some() {
            // check_url has judged it.
            return None;
        }
        let host = url.url().host_str()?.to_owned();
        let addresses = tokio::time::timeout(PATIENCE, (self.0)(host)).await.ok()?.ok()?;
        // The address is not repeated: the answer would tell strangers what private names resolve to.
        let refused = addresses
            .into_iter()
            .find_map(|address| policy.check_ip(address).err())?;
        Some(format!(
            "the host resolves to an address that webhooks may not reach ({})",
            refused.purpose
        ))
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Resolver(…)")
    }
}
