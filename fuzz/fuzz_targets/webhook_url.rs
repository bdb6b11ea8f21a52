//! URLs typed by a stranger: what is accepted stays accepted when written and read again, and never names an address
//! that the rules refuse.
#![no_main]

use libfuzzer_sys::fuzz_target;
use postrider_core::address::AddressPolicy;

fuzz_target!(|text: &str| {
    let strict = AddressPolicy::default();
    let open = AddressPolicy {
        allow_http: true,
        allow_networks: vec![
            "127.0.0.0/8".parse().expect("a network"),
            "10.0.0.0/8".parse().expect("a network"),
        ],
    };
    for policy in [&strict, &open] {
        let Ok(url) = policy.check_url(text) else { continue };
        let again = policy
            .check_url(url.as_str())
            .expect("what was accepted is accepted as it is written");
        assert_eq!(again.as_str(), url.as_str());
        if let Some(address) = url.host_ip() {
            policy.check_ip(address).expect("a literal address passed the rules");
        }
        assert!(url.url().scheme() == "https" || policy.allow_http);
        assert!(url.url().password().is_none() && url.url().username().is_empty());
    }
    if strict.check_url(text).is_ok() {
        open.check_url(text)
            .expect("an opened policy refuses nothing that the strict one accepts");
    }
});
