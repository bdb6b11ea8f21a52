use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

fn policy(networks: &[&str]) -> AddressPolicy {
    AddressPolicy {
        allow_http: false,
        allow_networks: networks.iter().map(|network| network.parse().unwrap()).collect(),
    }
}

const EVERYTHING: [&str; 2] = ["0.0.0.0/0", "::/0"];

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// First and last address of each range, so that an edge moved by one breaks a row.
#[test]
fn special_purpose_ranges_are_refused_from_edge_to_edge() {
    for (first, last) in [
        ("0.0.0.0", "0.255.255.255"),
        ("10.0.0.0", "10.255.255.255"),
        ("100.64.0.0", "100.127.255.255"),
        ("127.0.0.0", "127.255.255.255"),
        ("169.254.0.0", "169.254.255.255"),
        ("172.16.0.0", "172.31.255.255"),
        ("192.0.0.0", "192.0.0.255"),
        ("192.0.2.0", "192.0.2.255"),
        ("192.31.196.0", "192.31.196.255"),
        ("192.52.193.0", "192.52.193.255"),
        ("192.88.99.0", "192.88.99.255"),
        ("192.168.0.0", "192.168.255.255"),
        ("192.175.48.0", "192.175.48.255"),
        ("198.18.0.0", "198.19.255.255"),
        ("198.51.100.0", "198.51.100.255"),
        ("203.0.113.0", "203.0.113.255"),
        ("224.0.0.0", "239.255.255.255"),
        ("240.0.0.0", "255.255.255.255"),
        ("168.63.129.16", "168.63.129.16"),
        ("::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("4000::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("::ffff:10.0.0.0", "::ffff:10.255.255.255"),
        ("2a00::5efe:0:0", "2a00::5efe:ffff:ffff"),
        ("2a00::200:5efe:0:0", "2a00::200:5efe:ffff:ffff"),
    ] {
        for address in [first, last] {
            assert!(policy(&[]).check_ip(ip(address)).is_err(), "{address} was let through");
        }
    }
}

#[test]
fn the_neighbours_of_special_purpose_ranges_are_reachable() {
    for address in [
        "1.0.0.0",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "191.255.255.255",
        "192.0.1.0",
        "192.0.1.255",
        "192.0.3.0",
        "192.31.195.255",
        "192.31.197.0",
        "192.52.192.255",
        "192.52.194.0",
        "192.88.98.255",
        "192.88.100.0",
        "192.167.255.255",
        "192.169.0.0",
        "192.175.47.255",
        "192.175.49.0",
        "198.17.255.255",
        "198.20.0.0",
        "198.51.99.255",
        "198.51.101.0",
        "203.0.112.255",
        "203.0.114.0",
        "223.255.255.255",
        "168.63.129.15",
        "168.63.129.17",
        "8.8.8.8",
        "::ffff:8.8.8.8",
        "2000::",
        "2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "2001:200::",
        "2001:db7:ffff::1",
        "2001:db9::",
        "2003::",
        "2606:4700:4700::1111",
        "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "3fff:1000::",
        "3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "2a00::5eff:a00:1",
        "2a00::400:5efe:a00:1",
    ] {
        assert_eq!(policy(&[]).check_ip(ip(address)), Ok(()), "{address}");
    }
}

#[test]
fn metadata_addresses_are_never_opened() {
    for address in [
        "169.254.169.254",
        "169.254.170.2",
        "169.254.170.23",
        "168.63.129.16",
        "100.100.100.200",
        "192.0.0.192",
        "fd00:ec2::254",
        "fd00:ec2::23",
        "fd20:ce::254",
        "fe80::a9fe:a9fe",
        "::169.254.169.254",
        "::ffff:169.254.169.254",
        "::ffff:168.63.129.16",
        "::ffff:100.100.100.200",
        "::ffff:0:169.254.169.254",
        "64:ff9b::169.254.169.254",
        "64:ff9b::168.63.129.16",
        "64:ff9b::100.100.100.200",
        "64:ff9b:1::169.254.169.254",
        "64:ff9b:1:a9fe:a9:fe00::",
        "2002:a9fe:a9fe::1",
        "2001:0:1:1:1:1:5601:5601",
        "2a00::5efe:169.254.169.254",
        "2a00:1:2:3:4:5:a9fe:a9fe",
    ] {
        for networks in [
            &[][..],
            &EVERYTHING,
            &["169.254.0.0/16", "168.63.129.16/32", "64:ff9b::/32"],
        ] {
            let refused = policy(networks).check_ip(ip(address)).unwrap_err();
            assert!(!refused.can_be_opened, "{refused}");
            assert!(
                refused.to_string().ends_with("which webhooks may never reach"),
                "{refused}"
            );
        }
    }
}

#[test]
fn an_opened_network_is_open_and_nothing_else_is() {
    for (networks, open, closed) in [
        (
            &["127.0.0.0/8"][..],
            &["127.0.0.1", "127.8.9.10", "::ffff:127.0.0.1"][..],
            &["::1", "10.0.0.1"][..],
        ),
        (&["::1/128"], &["::1"], &["127.0.0.1", "::", "::2"]),
        (&["10.1.0.0/16"], &["10.1.255.255"], &["10.0.255.255", "10.2.0.0"]),
        (&["fd00::/8"], &["fd00:1::1"], &["fc00::1", "fe80::1"]),
        (&["169.254.0.0/16"], &["169.254.1.1"], &["169.254.169.254"]),
        (&["::/0"], &["fd00:1::1", "::1"], &["127.0.0.1", "::ffff:127.0.0.1"]),
        (&["0.0.0.0/0"], &["127.0.0.1", "255.255.255.255"], &["::1", "fd00::1"]),
        (&["::ffff:0:0/96"], &[], &["127.0.0.1", "::ffff:127.0.0.1"]),
    ] {
        for address in open {
            assert_eq!(policy(networks).check_ip(ip(address)), Ok(()), "{networks:?}");
        }
        for address in closed {
            assert!(
                policy(networks).check_ip(ip(address)).is_err(),
                "{networks:?} opened {address}"
            );
        }
    }
}

#[test]
fn an_opened_translation_prefix_leads_to_public_addresses_only() {
    let nat64 = policy(&["64:ff9b::/96"]);
    assert_eq!(nat64.check_ip(ip("64:ff9b::8.8.8.8")), Ok(()));
    let refused = nat64.check_ip(ip("64:ff9b::10.0.0.1")).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "address 64:ff9b::a00:1 is in 10.0.0.0/8 (private use, RFC 1918), which webhooks may not reach"
    );
    assert_eq!(
        policy(&["64:ff9b::/96", "10.0.0.0/8"]).check_ip(ip("64:ff9b::10.0.0.1")),
        Ok(())
    );
}

#[test]
fn a_refusal_names_the_narrowest_range() {
    for (address, network) in [
        ("0.0.0.0", "0.0.0.0/32"),
        ("192.0.0.171", "192.0.0.170/31"),
        ("192.0.0.100", "192.0.0.0/24"),
        ("255.255.255.255", "255.255.255.255/32"),
        ("::1", "::1/128"),
        ("fe80::1", "fe80::/10"),
        ("2a00::5efe:a00:1", "2a00::5efe:0:0/96"),
        ("1fff::1", "::/3"),
    ] {
        assert_eq!(
            policy(&[]).check_ip(ip(address)).unwrap_err().network,
            network.parse().unwrap(),
            "{address}"
        );
    }
}

proptest! {
    #[test]
    fn only_global_unicast_ipv6_passes(bits: u128) {
        if policy(&[]).check_ip(Ipv6Addr::from_bits(bits).into()).is_ok() {
            prop_assert_eq!(bits >> 125, 1);
        }
    }

    #[test]
    fn a_mapped_address_is_judged_as_its_ipv4_address(bits: u32) {
        let address = Ipv4Addr::from_bits(bits);
        let plain = policy(&[]).check_ip(address.into()).map_err(|refused| refused.network);
        let mapped = policy(&[]).check_ip(address.to_ipv6_mapped().into()).map_err(|refused| refused.network);
        prop_assert_eq!(plain, mapped);
    }

    #[test]
    fn what_std_calls_private_never_passes(bits: u32) {
        let address = Ipv4Addr::from_bits(bits);
        let private = address.is_private() || address.is_loopback() || address.is_link_local()
            || address.is_multicast() || address.is_broadcast() || address.is_documentation();
        if private {
            prop_assert!(policy(&[]).check_ip(address.into()).is_err());
        }
    }

    #[test]
    fn opening_a_network_never_closes_an_address(bits: u32, prefix in 0u8..=32, network: u32) {
        let address = Ipv4Addr::from_bits(bits).into();
        let opened = IpNet::new(Ipv4Addr::from_bits(network).into(), prefix).unwrap();
        let wider = AddressPolicy { allow_http: false, allow_networks: vec![opened] };
        if policy(&[]).check_ip(address).is_ok() {
            prop_assert!(wider.check_ip(address).is_ok());
        }
    }
}
