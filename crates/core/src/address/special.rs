//! Special-purpose ranges, from the registries of IANA as of November 2026:
//! <https://www.iana.org/assignments/iana-ipv4-special-registry> and
//! <https://www.iana.org/assignments/iana-ipv6-special-registry>. Ranges that the registries call globally reachable
//! are refused too: none of them is a place for a receiver.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::embedded;

type Range<Network> = (Network, &'static str);

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(std::net::Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(a: u16, b: u16, c: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), prefix)
}

/// The first range that contains an address names it, so narrow ranges stand before wide ones.
const IPV4: &[Range<Ipv4Net>] = &[
    (v4(0, 0, 0, 0, 32), "this host, RFC 1122"),
    (v4(0, 0, 0, 0, 8), "this network, RFC 791"),
    (v4(10, 0, 0, 0, 8), "private use, RFC 1918"),
    (v4(100, 64, 0, 0, 10), "shared address space, RFC 6598"),
    (v4(127, 0, 0, 0, 8), "loopback, RFC 1122"),
    (v4(169, 254, 0, 0, 16), "link-local, RFC 3927"),
    (v4(172, 16, 0, 0, 12), "private use, RFC 1918"),
    (v4(192, 0, 0, 0, 29), "IPv4 service continuity prefix, RFC 7335"),
    (v4(192, 0, 0, 8, 32), "IPv4 dummy address, RFC 7600"),
    (v4(192, 0, 0, 9, 32), "port control protocol anycast, RFC 7723"),
    (v4(192, 0, 0, 10, 32), "TURN anycast, RFC 8155"),
    (v4(192, 0, 0, 170, 31), "NAT64/DNS64 discovery, RFC 8880 and RFC 7050"),
    (v4(192, 0, 0, 0, 24), "IETF protocol assignments, RFC 6890"),
    (v4(192, 0, 2, 0, 24), "documentation, RFC 5737"),
    (v4(192, 31, 196, 0, 24), "AS112, RFC 7535"),
    (v4(192, 52, 193, 0, 24), "automatic multicast tunneling, RFC 7450"),
    (v4(192, 88, 99, 2, 32), "6a44 relay anycast, RFC 6751"),
    (v4(192, 88, 99, 0, 24), "6to4 relay anycast, RFC 7526"),
    (v4(192, 168, 0, 0, 16), "private use, RFC 1918"),
    (v4(192, 175, 48, 0, 24), "AS112 direct delegation, RFC 7534"),
    (v4(198, 18, 0, 0, 15), "benchmarking, RFC 2544"),
    (v4(198, 51, 100, 0, 24), "documentation, RFC 5737"),
    (v4(203, 0, 113, 0, 24), "documentation, RFC 5737"),
    // Multicast has a registry of its own.
    (v4(224, 0, 0, 0, 4), "multicast, RFC 5771"),
    (v4(255, 255, 255, 255, 32), "limited broadcast, RFC 919 and RFC 8190"),
    (v4(240, 0, 0, 0, 4), "reserved, RFC 1112"),
];

/// Of IPv6 only 2000::/3 is given out for the public internet. The last three ranges are all the rest; those between
/// give well-known parts of the rest a better name.
const IPV6: &[Range<Ipv6Net>] = &[
    (v6(0x2001, 0, 0, 23), "IETF protocol assignments, RFC 2928"),
    (v6(0x2001, 0xdb8, 0, 32), "documentation, RFC 3849"),
    (v6(0x2002, 0, 0, 16), "6to4, RFC 3056"),
    (v6(0x3fff, 0, 0, 20), "documentation, RFC 9637"),
    (v6(0, 0, 0, 128), "unspecified address, RFC 4291"),
    (Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128), "loopback, RFC 4291"),
    (v6(0x64, 0xff9b, 0, 96), "IPv4-IPv6 translation, RFC 6052"),
    (v6(0x64, 0xff9b, 1, 48), "IPv4-IPv6 translation, RFC 8215"),
    (v6(0x100, 0, 0, 64), "discard-only, RFC 6666"),
    (v6(0x5f00, 0, 0, 16), "segment routing, RFC 9602"),
    (v6(0xfc00, 0, 0, 7), "unique local, RFC 4193"),
    (v6(0xfe80, 0, 0, 10), "link-local, RFC 4291"),
    (v6(0xff00, 0, 0, 8), "multicast, RFC 4291"),
    (v6(0, 0, 0, 3), "not global unicast, RFC 4291"),
    (v6(0x4000, 0, 0, 2), "not global unicast, RFC 4291"),
    (v6(0x8000, 0, 0, 1), "not global unicast, RFC 4291"),
];

/// The special-purpose range that an address is in, if any.
pub(super) fn range_of(address: IpAddr) -> Option<Range<IpNet>> {
    match address {
        IpAddr::V4(address) => {
            let range = IPV4.iter().find(|(network, _)| network.contains(&address));
            range.map(|(network, purpose)| (IpNet::V4(*network), *purpose))
        }
        IpAddr::V6(address) => {
            let range = IPV6.iter().find(|(network, _)| network.contains(&address));
            let range = range.copied().or_else(|| isatap_range_of(address));
            range.map(|(network, purpose)| (IpNet::V6(network), purpose))
        }
    }
}

/// ISATAP addresses can have any prefix: what makes them is the interface id, which tunnels to the IPv4 address in it.
fn isatap_range_of(address: Ipv6Addr) -> Option<Range<Ipv6Net>> {
    let network = Ipv6Net::new_assert(address, 96).trunc();
    embedded::is_isatap(address).then_some((network, "ISATAP, RFC 5214"))
}
