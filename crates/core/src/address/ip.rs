//! Judging one IP address.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{AddressPolicy, embedded, metadata, special};

/// An address that webhooks may not reach, and the range that says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "address {address} is in {network} ({purpose}), which webhooks may {} reach",
    if *.can_be_opened { "not" } else { "never" }
)]
pub struct RefusedAddress {
    /// The address as it was given.
    pub address: IpAddr,
    /// The refused range. For an IPv6 address that carries an IPv4 address it can be the range of the latter.
    pub network: IpNet,
    /// What the range is for, and the document that says so.
    pub purpose: &'static str,
    /// Whether `allow_networks` can open it.
    pub can_be_opened: bool,
}

impl AddressPolicy {
    /// Checks an address that a request is about to be sent to. An IPv4-mapped IPv6 address is judged as its IPv4
    /// address.
    ///
    /// ```
    /// use postrider_core::address::AddressPolicy;
    ///
    /// let policy = AddressPolicy { allow_http: false, allow_networks: vec!["10.20.0.0/16".parse()?] };
    /// assert!(policy.check_ip("93.184.215.14".parse()?).is_ok());
    /// assert!(policy.check_ip("10.20.0.5".parse()?).is_ok());
    /// assert!(policy.check_ip("10.21.0.5".parse()?).is_err());
    /// assert!(policy.check_ip("::ffff:10.21.0.5".parse()?).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the address belongs to a metadata service, or to a special-purpose range that is not opened.
    pub fn check_ip(&self, address: IpAddr) -> Result<(), RefusedAddress> {
        let judged = address.to_canonical();
        if let Some((network, purpose)) = metadata::carried_by(judged) {
            return Err(RefusedAddress {
                address,
                network,
                purpose,
                can_be_opened: false,
            });
        }
        if let Some((network, purpose)) = special::range_of(judged)
            && !self.allow_networks.iter().any(|opened| opened.contains(&judged))
        {
            return Err(RefusedAddress {
                address,
                network,
                purpose,
                can_be_opened: true,
            });
        }
        // Whoever opens a translation prefix opens the way to public IPv4 addresses, not to private ones.
        if let IpAddr::V6(judged) = judged
            && let Some(inner) = embedded::ipv4_of(judged)
        {
            return self
                .check_ip(inner.into())
                .map_err(|refused| RefusedAddress { address, ..refused });
        }
        Ok(())
    }

    pub(super) fn opens_loopback(&self) -> bool {
        let loopback: [IpAddr; 2] = [
            std::net::Ipv4Addr::LOCALHOST.into(),
            std::net::Ipv6Addr::LOCALHOST.into(),
        ];
        self.allow_networks
            .iter()
            .any(|network| loopback.iter().any(|address| network.contains(address)))
    }
}

#[cfg(test)]
mod tests;
