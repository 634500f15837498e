use super::*;

#[test]
fn valid_tokens_are_accepted() {
    assert_accepted([
        ("plain", token(claims(json!({})))),
        ("aud as a list", token(claims(json!({"aud": ["other", ISSUER]})))),
        (
            "roles",
            token(claims(
                json!({"roles": ["x", "platform_viewer", "platform-admin"]}),
            )),
        ),
        ("nbf and iat", token(claims(json!({"nbf": NOW, "iat": NOW})))),
        (
            "fractional times",
            token(claims(json!({"exp": 1_800_000_000.5, "nbf": 0.25}))),
        ),
        (
            "unknown claims",
            token(claims(json!({"jti": "1", "azp": {"a": [null]}, "": 0}))),
        ),
        ("expired in the leeway", token(claims(json!({"exp": NOW - 59})))),
        (
            "soon valid",
            token(claims(json!({"nbf": NOW + 59, "iat": NOW + 59}))),
        ),
        ("no email", token(without("email"))),
        ("last second", token(claims(json!({"exp": 253_402_300_799_i64})))),
    ]);
}

#[test]
fn a_token_identifies_its_subject() {
    let actor = verify(&token(claims(json!({})))).unwrap();
    assert_eq!((actor.subject(), actor.name()), ("u1", "ada@example.com"));
    assert_eq!(verify(&token(without("email"))).unwrap().name(), "operator");
    for email in [
        json!(null),
        json!(""),
        json!(" "),
        json!(7),
        json!(["a"]),
        json!("a\0b"),
        json!("ada\u{202e}moc.elpmaxe@"),
        json!("ada\u{200b}@example.com"),
        json!("system"),
    ] {
        let actor = verify(&token(claims(json!({ "email": email })))).unwrap();
        assert_eq!(actor.name(), "operator", "{email}");
    }
}

#[test]
fn a_token_without_a_valid_role_has_no_rights() {
    let viewer = verify(&token(claims(json!({"roles": ["platform_viewer"]})))).unwrap();
    assert!(viewer.may_read() && !viewer.may_write());
    let mut cases = vec![without("roles")];
    for roles in [
        json!([]),
        json!(null),
        json!("platform_admin"),
        json!({"platform_admin": {}}),
        json!([["platform_admin"]]),
        json!(["platform_admin", 1]),
        json!([
            "Platform_Admin",
            "platform_admin ",
            "platform_\u{430}dmin",
            "*",
            "admin"
        ]),
    ] {
        cases.push(claims(json!({ "roles": roles })));
    }
    for name in ["role", "groups", "scope", "admin"] {
        cases.push(claims(json!({"roles": [], name: ["platform_admin"]})));
    }
    for case in cases {
        let actor = verify(&token(case.clone())).unwrap();
        assert!(!actor.may_read() && !actor.may_write(), "{case}");
    }
}

#[test]
fn many_roles_are_accepted() {
    let many = |count: usize| {
        let mut roles: Vec<String> = (0..count).map(|i| format!("role-{i}")).collect();
        roles.push("platform_admin".to_owned());
        token(claims(json!({ "roles": roles })))
    };
    assert_accepted([("500 roles", many(500))]);
    assert_refused([("3,000 roles are too long", many(3_000))]);
}

#[test]
fn roles_may_be_in_another_claim_and_have_aliases() {
    let claim = RolesClaim::parse("realm_access.roles").unwrap();
    let aliases = RoleAliases::parse("ops=platform_admin").unwrap();
    let verifier = TokenVerifier::hs256(&SECRET.into(), "i", "a", claim, aliases).unwrap();
    let changes = json!({"iss": "i", "aud": "a", "realm_access": {"roles": ["ops"]}, "roles": []});
    let actor = verifier.verify(&token(claims(changes)), now()).unwrap();
    assert!(actor.may_write());
}

#[test]
fn wrong_times_are_refused() {
    let at = |name: &str, value: Value| (format!("{name} {value}"), token(claims(json!({ name: value }))));
    let raw = |name: &str, value: &str| {
        let rest = without("exp").to_string();
        let payload = format!("{{\"{name}\":{value},{}", &rest[1..]);
        (format!("{name} {value}"), signed(r#"{"alg":"HS256"}"#, payload))
    };
    assert_refused([("no exp".to_owned(), token(without("exp")))]);
    assert_refused([
        at("exp", json!(NOW - 3600)),
        at("exp", json!(NOW - 61)),
        at("exp", json!(NOW - 60)),
        at("exp", json!(0)),
        at("exp", json!(-1)),
        at("exp", json!(-1.5)),
        at("exp", json!(null)),
        at("exp", json!(true)),
        at("exp", json!((NOW + 3600).to_string())),
        at("exp", json!([NOW + 3600])),
        at("exp", json!({"at": NOW + 3600})),
        at("exp", json!((NOW + 3600) * 1000)),
        at("exp", json!(1e300)),
        at("exp", json!(u64::MAX)),
        raw("exp", "1e400"),
        raw("exp", "-1e400"),
        raw("exp", "NaN"),
        raw("exp", "Infinity"),
        raw("exp", "0x7fffffff"),
    ]);
    for name in ["nbf", "iat"] {
        assert_refused([
            at(name, json!(NOW + 61)),
            at(name, json!(NOW + 86_400)),
            at(name, json!(NOW.to_string())),
            at(name, json!(null)),
            at(name, json!(false)),
            at(name, json!([NOW])),
        ]);
    }
}

#[test]
fn times_are_compared_with_the_given_time() {
    let token = token(claims(json!({"nbf": NOW, "exp": NOW + 10})));
    let at = |seconds| verifier().verify(&token, DateTime::from_timestamp(seconds, 0).unwrap());
    for (seconds, valid) in [(-61, false), (-60, true), (0, true), (69, true), (70, false)] {
        assert_eq!(at(NOW + seconds).is_ok(), valid, "{seconds}");
    }
}

#[test]
fn wrong_issuers_audiences_and_subjects_are_refused() {
    for name in ["iss", "aud", "sub"] {
        assert_refused([(format!("no {name}"), token(without(name)))]);
        for value in [
            json!(null),
            json!(""),
            json!({}),
            json!({"0": ISSUER}),
            json!(1),
            json!(true),
            json!([]),
        ] {
            let case = token(claims(json!({ name: value })));
            assert_refused([(format!("{name} {value}"), case)]);
        }
    }
    for name in ["iss", "aud"] {
        for value in [
            "other",
            "drift-inbox ",
            "drift-inbox/",
            "drift-inboxx",
            "drift-inbo",
            "Drift-Inbox",
            "*",
        ] {
            let case = token(claims(json!({ name: value })));
            assert_refused([(format!("{name} {value}"), case)]);
        }
    }
    assert_refused([
        ("iss list", token(claims(json!({"iss": [ISSUER]})))),
        ("sub list", token(claims(json!({"sub": ["u1"]})))),
        ("sub blank", token(claims(json!({"sub": "  "})))),
        ("sub with NUL", token(claims(json!({"sub": "u1\0"})))),
        (
            "aud others",
            token(claims(json!({"aud": ["other", "drift-inbox/"]}))),
        ),
        ("aud mixed", token(claims(json!({"aud": [ISSUER, 1]})))),
        ("aud nested", token(claims(json!({"aud": [[ISSUER]]})))),
    ]);
}
