//! Addresses of cloud metadata services, which hand out credentials to whoever asks. No setting opens them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::embedded;

const IPV4: &[(Ipv4Addr, &str)] = &[
    (
        Ipv4Addr::new(169, 254, 169, 254),
        "metadata service of AWS, Azure, Google Cloud and others",
    ),
    (Ipv4Addr::new(169, 254, 170, 2), "task credentials of AWS ECS"),
    (Ipv4Addr::new(169, 254, 170, 23), "pod credentials of AWS EKS"),
    (Ipv4Addr::new(169, 254, 0, 23), "metadata service of Tencent Cloud"),
    (Ipv4Addr::new(169, 254, 42, 42), "metadata service of Scaleway"),
    (Ipv4Addr::new(168, 63, 129, 16), "host agent of Azure"),
    (Ipv4Addr::new(100, 100, 100, 200), "metadata service of Alibaba Cloud"),
    (
        Ipv4Addr::new(192, 0, 0, 192),
        "metadata service of Oracle Cloud Classic",
    ),
];

const IPV6: &[(Ipv6Addr, &str)] = &[
    (
        Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
        "metadata service of AWS",
    ),
    (
        Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
        "pod credentials of AWS EKS",
    ),
    (
        Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
        "metadata service of Google Cloud",
    ),
    (
        Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42),
        "metadata service of Scaleway",
    ),
];

/// The metadata service that an address is of, also when it is an IPv6 address that carries the IPv4 address of one
/// in any place where a translator would look.
pub(super) fn carried_by(address: IpAddr) -> Option<(IpNet, &'static str)> {
    match address {
        IpAddr::V4(address) => of_ipv4(address),
        IpAddr::V6(address) => {
            let own = IPV6.iter().find(|(service, _)| *service == address);
            let own = own.map(|(service, purpose)| (IpNet::from(IpAddr::V6(*service)), *purpose));
            own.or_else(|| embedded::possible_ipv4s_of(address).find_map(of_ipv4))
        }
    }
}

fn of_ipv4(address: Ipv4Addr) -> Option<(IpNet, &'static str)> {
    let found = IPV4.iter().find(|(service, _)| *service == address);
    found.map(|(service, purpose)| (IpNet::from(IpAddr::V4(*service)), *purpose))
}
