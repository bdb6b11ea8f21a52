//! Name lookup with the address rules applied to every answer.

use std::net::SocketAddr;
use std::sync::Arc;

use postrider_core::address::AddressPolicy;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// A name that could not be resolved.
#[derive(Debug, thiserror::Error)]
#[error("cannot resolve {name}: {reason}")]
pub(super) struct LookupFailed {
    name: String,
    reason: String,
}

/// Resolves by the system and lets a connection go only to addresses that the policy allows. One refused answer
/// refuses the name: a receiver that mixes public and private answers is trying something.
#[derive(Debug)]
pub(super) struct CheckedResolver {
    policy: Arc<AddressPolicy>,
}

impl CheckedResolver {
    pub(super) fn new(policy: AddressPolicy) -> Self {
        Self {
            policy: Arc::new(policy),
        }
    }
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = self.policy.clone();
        Box::pin(async move {
            let failed = |reason: String| LookupFailed {
                name: name.as_str().to_owned(),
                reason,
            };
            // Port 0 stands for the port of the URL.
            let answers: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0))
                .await
                .map_err(|error| failed(error.to_string()))?
                .collect();
            if answers.is_empty() {
                return Err(failed("the name has no address".to_owned()).into());
            }
            for answer in &answers {
                policy.check_ip(answer.ip())?;
            }
            Ok(Box::new(answers.into_iter()) as Addrs)
        })
    }
}
