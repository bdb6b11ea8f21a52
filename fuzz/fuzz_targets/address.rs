//! Addresses that a name resolves to, in every form of writing the same one: opening a network opens that network only.
#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use libfuzzer_sys::fuzz_target;
use postrider_core::address::AddressPolicy;

fuzz_target!(|bytes: [u8; 16]| {
    let strict = AddressPolicy::default();
    let v6 = Ipv6Addr::from(bytes);
    let v4 = Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]);
    let _ = strict.check_ip(IpAddr::V6(v6));
    let is_refused = strict.check_ip(IpAddr::V4(v4)).is_err();
    let mapped = strict.check_ip(IpAddr::V6(v4.to_ipv6_mapped()));
    assert!(
        !is_refused || mapped.is_err(),
        "{v4} is refused, but not as an IPv4-mapped address"
    );
    assert!(
        strict
            .check_ip(IpAddr::V4(Ipv4Addr::new(127, bytes[1], bytes[2], bytes[3])))
            .is_err()
    );
    assert!(strict.check_ip(IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254))).is_err());
});
