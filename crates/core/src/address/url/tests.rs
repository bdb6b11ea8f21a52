use proptest::prelude::*;

use super::*;

fn strict() -> AddressPolicy {
    AddressPolicy::default()
}

fn development() -> AddressPolicy {
    let allow_networks = vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
    AddressPolicy {
        allow_http: true,
        allow_networks,
    }
}

fn refusal(policy: &AddressPolicy, text: &str) -> String {
    match policy.check_url(text) {
        Ok(url) => format!("{text:?} was accepted as {}", url.as_str()),
        Err(error) => error.to_string(),
    }
}

#[test]
fn public_https_urls_are_accepted_in_their_normal_spelling() {
    for (text, normal) in [
        (
            "https://yourapp.com/webhooks/leads",
            "https://yourapp.com/webhooks/leads",
        ),
        ("HTTPS://YourApp.COM", "https://yourapp.com/"),
        ("https://yourapp.com:443/", "https://yourapp.com/"),
        (
            "https://yourapp.com:8443/a?b=c&d=@e",
            "https://yourapp.com:8443/a?b=c&d=@e",
        ),
        ("https://yourapp.com/@user", "https://yourapp.com/@user"),
        ("https://yourapp.com./", "https://yourapp.com./"),
        ("https://b\u{fc}cher.example/", "https://xn--bcher-kva.example/"),
        ("https://my_app.example.com/", "https://my_app.example.com/"),
        ("https://notlocalhost.com/", "https://notlocalhost.com/"),
        ("https://local.example.com/", "https://local.example.com/"),
        ("https://8.8.8.8/", "https://8.8.8.8/"),
        ("https://0x08080808/", "https://8.8.8.8/"),
        ("https://[2606:4700:4700::1111]/", "https://[2606:4700:4700::1111]/"),
    ] {
        assert_eq!(strict().check_url(text).unwrap().as_str(), normal);
    }
}

#[test]
fn every_spelling_of_an_address_is_judged_as_what_it_means() {
    for host in [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7F.1",
        "0177.0.0.1",
        "017700000001",
        "0x7f.0x0.0x0.0x1",
        "127.0.0.1.",
        "127.0.0.0x",
        "0x7f000001.",
        "%31%32%37.0.0.1",
        "\u{ff11}27.0.0.1",
        "127\u{3002}0\u{3002}0\u{3002}1",
        "\u{2460}27.0.0.1",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
    ] {
        let message = refusal(&strict(), &format!("https://{host}/"));
        assert!(
            message.contains("127.0.0.0/8 (loopback, RFC 1122)"),
            "{host}: {message}"
        );
    }
    for host in [
        "0",
        "0x0",
        "0.0",
        "[::]",
        "[::1]",
        "[fe80::1]",
        "[64:ff9b::1.1.1.1]",
        "3232235777",
        "0xa9fea9fe",
    ] {
        let refused = strict().check_url(&format!("https://{host}/"));
        assert!(matches!(refused, Err(UrlError::Address(_))), "{host}: {refused:?}");
    }
    for host in [
        "256.1.1.1",
        "1.2.3.4.5",
        "0x100000000",
        "4294967296",
        "[::1%25eth0]",
        "[::g]",
        "[1.2.3.4]",
    ] {
        let refused = strict().check_url(&format!("https://{host}/"));
        assert!(refused.is_err(), "{host}: {refused:?}");
    }
}

#[test]
fn special_use_names_are_refused_with_everything_below() {
    for host in [
        "localhost",
        "LOCALHOST",
        "localhost.",
        "LocalHost.",
        "a.localhost",
        "\u{24db}ocalhost",
        "%6cocalhost",
        "printer.local",
        "local",
        "vault.internal",
        "metadata.google.internal",
        "router.home.arpa",
        "home.arpa.",
        "abc.onion",
        "a.test",
        "a.b.invalid",
        "api.default.svc",
        "api.default.svc.cluster.local",
        "x.INTERNAL.",
        "loc\u{ad}alhost",
    ] {
        let refused = strict().check_url(&format!("https://{host}/"));
        assert!(
            matches!(refused, Err(UrlError::SpecialUseName { .. })),
            "{host}: {refused:?}"
        );
    }
    for host in ["intranet", "INTRANET", "intranet.", "com"] {
        let refused = strict().check_url(&format!("https://{host}/"));
        assert!(
            matches!(refused, Err(UrlError::HostWithoutDot { .. })),
            "{host}: {refused:?}"
        );
    }
}

#[test]
fn host_names_are_well_formed() {
    let label = "a".repeat(63);
    let longest = format!("{label}.{label}.{label}.{}", "a".repeat(61));
    for host in [longest.clone(), format!("{longest}."), format!("{label}.com")] {
        assert!(strict().check_url(&format!("https://{host}/")).is_ok(), "{host}");
    }
    for host in [
        format!("{longest}a"),
        format!("a{label}.com"),
        "a..com".to_owned(),
        ".example.com".to_owned(),
        "example.com..".to_owned(),
        "localhost..".to_owned(),
        "a*b.com".to_owned(),
        "a;b.com".to_owned(),
        "a'b.com".to_owned(),
        "$(id).com".to_owned(),
    ] {
        let refused = strict().check_url(&format!("https://{host}/"));
        assert!(matches!(refused, Err(UrlError::HostName { .. })), "{host}: {refused:?}");
    }
}

#[test]
fn tricks_are_refused_with_a_reason() {
    for (text, reason) in [
        ("", "must begin with https://"),
        ("yourapp.com/hook", "must begin with https://"),
        ("http://yourapp.com/", "must begin with https://"),
        ("ftp://yourapp.com/", "must begin with https://"),
        ("file:///etc/passwd", "must begin with https://"),
        ("//yourapp.com/", "must begin with https://"),
        ("https:yourapp.com/", "must begin with https://"),
        ("https:/yourapp.com/", "must begin with https://"),
        ("https:///yourapp.com/", "empty host"),
        ("https://", "empty host"),
        ("https://?", "empty host"),
        ("https://:443/", "not a URL"),
        ("https://user@yourapp.com/", "user name or password"),
        ("https://user:password@yourapp.com/", "user name or password"),
        ("https://@yourapp.com/", "user name or password"),
        ("https://:@yourapp.com/", "user name or password"),
        ("https://yourapp.com@evil.com", "user name or password"),
        ("https://yourapp.com:443@evil.com?", "user name or password"),
        ("https://yourapp.com/#", "fragment"),
        ("https://yourapp.com/#section", "fragment"),
        ("https://yourapp.com#@evil.com/", "fragment"),
        ("https://yourapp.com:0/", "port must be from 1"),
        ("https://yourapp.com:00000/", "port must be from 1"),
        ("https://yourapp.com:65536/", "invalid port"),
        ("https://yourapp.com:-1/", "invalid port"),
        (" https://yourapp.com/", "must not contain ' '"),
        ("https://yourapp.com/ ", "must not contain ' '"),
        ("https://your\tapp.com/", "must not contain '\\t'"),
        ("https://yourapp.com/\r\nHost: evil.com", "must not contain '\\r'"),
        ("https://evil.com\\@yourapp.com/", "must not contain '\\\\'"),
        ("https://yourapp.com\0.evil.com/", "must not contain '\\0'"),
        ("https://your\u{3000}app.com/", "must not contain '\\u{3000}'"),
        ("https://yourapp.com%2f.evil.com/", "not a URL"),
        ("https://yourapp.com%00/", "not a URL"),
        ("https://[::1", "not a URL"),
    ] {
        let message = refusal(&strict(), text);
        assert!(message.contains(reason), "{text:?}: {message}");
    }
}

#[test]
fn length_is_bounded_as_given_and_as_normalised() {
    let url = |length: usize| format!("https://yourapp.com/{}", "a".repeat(length - 20));
    assert!(strict().check_url(&url(2048)).is_ok());
    assert_eq!(strict().check_url(&url(2049)), Err(UrlError::TooLong));
    let grows = format!("https://yourapp.com/{}", "\u{fc}".repeat(1000));
    assert_eq!(strict().check_url(&grows), Err(UrlError::TooLong));
}

#[test]
fn opened_loopback_allows_local_names_and_opened_addresses_only() {
    for text in [
        "http://localhost:3000/api/test-webhook",
        "http://127.0.0.1:3000/",
        "http://[::1]:3000/",
        "https://receiver/",
        "http://receiver.test/",
        "http://yourapp.com/",
    ] {
        assert!(
            development().check_url(text).is_ok(),
            "{text}: {}",
            refusal(&development(), text)
        );
    }
    for text in [
        "http://10.0.0.1/",
        "http://169.254.169.254/",
        "http://[fd00:ec2::254]/",
        "http://localhost:0/",
    ] {
        assert!(development().check_url(text).is_err(), "{text}");
    }
    let private = AddressPolicy {
        allow_http: false,
        allow_networks: vec!["10.0.0.0/8".parse().unwrap()],
    };
    assert!(private.check_url("https://10.0.0.1/").is_ok());
    assert!(matches!(
        private.check_url("https://localhost/"),
        Err(UrlError::SpecialUseName { .. })
    ));
    assert!(matches!(
        private.check_url("https://intranet/"),
        Err(UrlError::HostWithoutDot { .. })
    ));
}

#[test]
fn literal_addresses_are_told_apart_from_names() {
    for (text, address) in [
        ("https://8.8.8.8/", Some("8.8.8.8")),
        ("https://134744072/", Some("8.8.8.8")),
        ("https://[2606:4700::1]/", Some("2606:4700::1")),
        ("https://yourapp.com/", None),
    ] {
        let expected = address.map(|address| address.parse().unwrap());
        assert_eq!(strict().check_url(text).unwrap().host_ip(), expected, "{text}");
    }
}

proptest! {
    #[test]
    fn any_text_is_judged_without_panic(text in any::<String>()) {
        let _ = strict().check_url(&text);
        let _ = development().check_url(&format!("http://{text}"));
    }

    #[test]
    fn what_is_accepted_stays_accepted(
        host in "[a-zA-Z0-9._%\\-\\[\\]:@\u{3002}\u{ff0e}\u{ff11}\u{2460}xX]{1,30}",
        rest in "[/?#a-z0-9@:%]{0,20}",
    ) {
        if let Ok(url) = strict().check_url(&format!("https://{host}{rest}")) {
            prop_assert_eq!(strict().check_url(url.as_str()), Ok(url.clone()));
            prop_assert!(url.url().username().is_empty() && url.url().password().is_none());
            prop_assert!(url.url().scheme() == "https" && url.url().fragment().is_none());
            prop_assert!(url.host_ip().is_none_or(|address| strict().check_ip(address).is_ok()));
        }
    }

    #[test]
    fn an_integer_is_judged_as_an_address(bits: u32) {
        let address = std::net::Ipv4Addr::from_bits(bits);
        let expected = strict().check_ip(address.into()).map_err(UrlError::Address);
        for text in [format!("https://{bits}/"), format!("https://{bits:#x}/"), format!("https://0{bits:o}/")] {
            let judged = strict().check_url(&text).map(|url| assert_eq!(url.host_ip(), Some(address.into())));
            prop_assert_eq!(judged, expected.clone());
        }
    }
}
