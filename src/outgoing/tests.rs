use super::*;

#[test]
fn only_public_addresses_are_permitted() {
    let private = [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "127.9.9.9",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.7",
        "203.0.113.9",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "3fff::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ];
    for ip in private {
        assert!(!is_public(ip.parse().unwrap()), "{ip}");
    }
    let public = [
        "1.1.1.1",
        "8.8.8.8",
        "100.63.255.255",
        "100.128.0.1",
        "172.15.0.1",
        "172.32.0.1",
        "192.0.1.1",
        "198.20.0.1",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
        "2001:4860:4860::8888",
        "2606:4700::1111",
        "2a00:1450::1",
    ];
    for ip in public {
        assert!(is_public(ip.parse().unwrap()), "{ip}");
    }
}

#[test]
fn other_spellings_of_private_addresses_are_refused() {
    let outgoing = Outgoing::default();
    for url in [
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f.0.0.1/",
        "https://0177.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:169.254.169.254]/",
        "https://169.254.169.254/latest/meta-data/",
        "http://example.com/",
        "ftp://example.com/",
        "https://user:password@example.com/",
        "file:///etc/passwd",
        "not a url",
    ] {
        let refused = outgoing.check(url).unwrap_err();
        assert!(matches!(refused, Error::BadUserInput(_)), "{url}");
        assert!(!refused.to_string().contains("password@"), "{refused}");
    }
    assert_eq!(
        outgoing.check("https://example.com/a?b=c").unwrap().host(),
        "example.com"
    );
}

#[test]
fn a_setting_permits_all_hosts_or_some() {
    let with = |text: &str| {
        Outgoing::new(OutgoingSettings {
            private: PrivateTargets::parse(text).unwrap(),
            public_url: None,
        })
    };
    assert!(with("allow").check("http://127.0.0.1:9000/x").is_ok());
    let some = with("Hooks.internal, ::1,10.0.0.7");
    for url in ["http://hooks.internal/x", "http://[::1]:1/", "https://10.0.0.7/"] {
        assert!(some.check(url).is_ok(), "{url}");
    }
    assert!(some.check("http://other.internal/x").is_err());
    assert!(PrivateTargets::parse("a b").is_err() && PrivateTargets::parse("").is_err());
}

#[test]
fn neither_the_address_nor_the_secret_is_printed() {
    let url = TargetUrl::parse("https://hooks.example.com/services/T000/B000/XXXX").unwrap();
    let secret = SigningSecret::random();
    let printed = format!("{url:?} {secret:?} {:?}", Outgoing::default());
    assert!(printed.contains("hooks.example.com"));
    assert!(
        !printed.contains("T000") && !printed.contains(&secret.exposed()),
        "{printed}"
    );
}

/// The example of the specification.
#[test]
fn a_signature_is_that_of_the_standard() {
    let secret = SigningSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let content = "msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{\"test\": 2432232314}";
    let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    assert_eq!(secret.sign(content).unwrap(), expected);
    assert_eq!(secret.exposed(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    for bad in [
        "",
        "whsec_",
        "whsec_c2hvcnQ=",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_***",
    ] {
        assert!(SigningSecret::parse(bad).is_err(), "{bad}");
    }
}
