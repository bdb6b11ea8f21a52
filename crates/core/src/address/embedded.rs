//! IPv4 addresses inside IPv6 addresses: a translator or tunnel on the way sends the packet to the inner one.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Whether the interface id is that of ISATAP (RFC 5214, section 6.1): `[00 or 02]00:5efe` and an IPv4 address.
pub(super) fn is_isatap(address: Ipv6Addr) -> bool {
    let [_, _, _, _, high, low, _, _] = address.segments();
    // The two lowest bits of the first byte say universal and group; they change nothing about the tunnel.
    high & !0x0300 == 0 && low == 0x5efe
}

/// The IPv4 address that this IPv6 address certainly stands for.
pub(super) fn ipv4_of(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.segments() {
        // Unspecified and loopback, not IPv4-compatible.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        // IPv4-compatible (RFC 4291), IPv4-mapped (RFC 4291), IPv4-translated (RFC 2765), NAT64 (RFC 6052).
        [0, 0, 0, 0, 0, 0, _, _]
        | [0, 0, 0, 0, 0, 0xffff, _, _]
        | [0, 0, 0, 0, 0xffff, 0, _, _]
        | [0x64, 0xff9b, 0, 0, 0, 0, _, _] => Some(bytes_at(address, [12, 13, 14, 15])),
        // 6to4 (RFC 3056).
        [0x2002, ..] => Some(bytes_at(address, [2, 3, 4, 5])),
        // Teredo (RFC 4380): the address of the client, inverted.
        [0x2001, 0, ..] => Some(Ipv4Addr::from_bits(!bytes_at(address, [12, 13, 14, 15]).to_bits())),
        _ if is_isatap(address) => Some(bytes_at(address, [12, 13, 14, 15])),
        _ => None,
    }
}

/// Every IPv4 address that a translator could find in this IPv6 address. Operators choose their own translation
/// prefixes, of any of the lengths of RFC 6052 section 2.2, so the prefix does not tell.
pub(super) fn possible_ipv4s_of(address: Ipv6Addr) -> impl Iterator<Item = Ipv4Addr> {
    const RFC_6052: [[usize; 4]; 6] = [
        [12, 13, 14, 15],
        [9, 10, 11, 12],
        [7, 9, 10, 11],
        [6, 7, 9, 10],
        [5, 6, 7, 9],
        [4, 5, 6, 7],
    ];
    ipv4_of(address)
        .into_iter()
        .chain(RFC_6052.into_iter().map(move |places| bytes_at(address, places)))
}

fn bytes_at(address: Ipv6Addr, places: [usize; 4]) -> Ipv4Addr {
    Ipv4Addr::from(places.map(|place| address.octets()[place]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transition_addresses_stand_for_their_ipv4_address() {
        for (address, inner) in [
            ("::192.0.2.33", Some("192.0.2.33")),
            ("::ffff:192.0.2.33", Some("192.0.2.33")),
            ("::ffff:0:192.0.2.33", Some("192.0.2.33")),
            ("64:ff9b::192.0.2.33", Some("192.0.2.33")),
            ("2002:c000:221::1", Some("192.0.2.33")),
            ("2001:0:4136:e378:8000:63bf:3fff:fdde", Some("192.0.2.33")),
            ("2620::5efe:192.0.2.33", Some("192.0.2.33")),
            ("2620::200:5efe:c000:221", Some("192.0.2.33")),
            ("2620::5eff:192.0.2.33", None),
            ("2620::400:5efe:192.0.2.33", None),
            ("64:ff9b::1:192.0.2.33", None),
            ("::", None),
            ("::1", None),
            ("2606:4700::1111", None),
        ] {
            let expected = inner.map(|inner| inner.parse().unwrap());
            assert_eq!(ipv4_of(address.parse().unwrap()), expected, "{address}");
        }
    }

    /// The table of RFC 6052, section 2.4.
    #[test]
    fn translation_prefixes_of_every_length_are_looked_into() {
        for address in [
            "2001:db8:c000:221::",
            "2001:db8:1c0:2:21::",
            "2001:db8:122:c000:2:2100::",
            "2001:db8:122:3c0:0:221::",
            "2001:db8:122:344:c0:2:2100::",
            "2001:db8:122:344::192.0.2.33",
        ] {
            let mut found = possible_ipv4s_of(address.parse().unwrap());
            assert!(found.any(|inner| inner == Ipv4Addr::new(192, 0, 2, 33)), "{address}");
        }
    }
}
