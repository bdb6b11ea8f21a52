//! Where a webhook may point.

use std::net::IpAddr;

pub use ipnet::IpNet;
use url::{Host, Url};

/// Which addresses webhooks may reach. The default is strict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddressPolicy {
    /// Whether `http` is allowed beside `https`.
    pub allow_http: bool,
    /// Networks opened although the rules refuse them.
    pub allow_networks: Vec<IpNet>,
}

/// A checked URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookUrl(Url);

/// Why a URL was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It is not a URL.
    #[error("not a URL: {0}")]
    Malformed(url::ParseError),
    /// Its host is an address that webhooks may not reach.
    #[error(transparent)]
    Address(#[from] RefusedAddress),
}

/// An address that webhooks may not reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("address {address} is refused: {reason}")]
pub struct RefusedAddress {
    /// The address.
    pub address: IpAddr,
    /// What it is.
    pub reason: &'static str,
}

impl AddressPolicy {
    /// Checks a URL.
    ///
    /// # Errors
    /// When a rule refuses it.
    pub fn check_url(&self, text: &str) -> Result<WebhookUrl, UrlError> {
        Url::parse(text).map(WebhookUrl).map_err(UrlError::Malformed)
    }

    /// Checks an address.
    ///
    /// # Errors
    /// When a rule refuses it.
    pub fn check_ip(&self, address: IpAddr) -> Result<(), RefusedAddress> {
        if address.is_loopback() && !self.allow_networks.iter().any(|network| network.contains(&address)) {
            return Err(RefusedAddress {
                address,
                reason: "loopback",
            });
        }
        Ok(())
    }
}

impl WebhookUrl {
    /// The URL as normalised.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The parsed URL.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// The address, when the host is a literal.
    #[must_use]
    pub fn host_ip(&self) -> Option<IpAddr> {
        match self.0.host()? {
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
            Host::Domain(_) => None,
        }
    }
}
