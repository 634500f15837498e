use super::*;

fn header(changes: Value) -> Value {
    let mut header = json!({"alg": "HS256", "typ": "JWT"});
    let fields = header.as_object_mut().unwrap();
    fields.extend(changes.as_object().unwrap().clone());
    header
}

#[test]
fn valid_headers_are_accepted() {
    let unusual = json!({"typ": "at+JWT", "kid": "b4b7-f31a_2.x=", "cty": "JWT", "x": {"y": []}});
    assert_accepted([
        ("no typ", token_with_header(json!({"alg": "HS256"}))),
        (
            "typ in lower case",
            token_with_header(header(json!({"typ": "jwt"}))),
        ),
        ("unknown fields", token_with_header(header(unusual))),
    ]);
}

#[test]
fn other_algorithms_are_refused() {
    let payload = encoded(claims(json!({})).to_string());
    for name in [
        json!("none"),
        json!("None"),
        json!("NONE"),
        json!("nOnE"),
        json!(""),
        json!(null),
        json!(["HS256"]),
        json!({}),
        json!(256),
        json!("hs256"),
        json!("HS256 "),
        json!("HS384"),
        json!("HS512"),
        json!("RS256"),
        json!("PS256"),
        json!("ES256"),
        json!("EdDSA"),
    ] {
        let header = header(json!({ "alg": name }));
        let unsigned = format!("{}.{payload}.", encoded(header.to_string()));
        assert_refused([
            (format!("{name}, signed"), token_with_header(header)),
            (format!("{name}, unsigned"), unsigned),
        ]);
    }
    assert_refused([("no alg", token_with_header(json!({"typ": "JWT"})))]);
}

#[test]
fn the_right_key_with_another_hash_is_refused() {
    for (name, algorithm) in [("HS384", Algorithm::HS384), ("HS512", Algorithm::HS512)] {
        for declared in [name, "HS256"] {
            let header = header(json!({ "alg": declared })).to_string();
            let message = format!("{}.{}", encoded(header), encoded(claims(json!({})).to_string()));
            let signature = signature(&message, SECRET.as_bytes(), algorithm);
            assert_refused([(format!("{name} as {declared}"), format!("{message}.{signature}"))]);
        }
    }
}

#[test]
fn tokens_that_contain_a_key_are_refused() {
    let jwk = json!({"kty": "oct", "k": encoded("secret")});
    let values = [
        jwk,
        json!("https://attacker.example/keys"),
        json!(["MIIB"]),
        json!(null),
    ];
    for name in ["jwk", "jku", "x5u", "x5c"] {
        for value in &values {
            assert_refused([(
                format!("{name} {value}"),
                token_with_header(header(json!({ name: value }))),
            )]);
        }
    }
    let long = "k".repeat(5_000);
    for kid in [
        json!("../../../../dev/null"),
        json!("/dev/null"),
        json!(".."),
        json!("' OR 1=1 --"),
        json!("key\0"),
        json!("https://attacker.example/k"),
        json!(long),
        json!(""),
        json!("a b"),
        json!(1),
        json!(["k"]),
        json!({}),
        json!(null),
        json!("cl\u{e9}"),
    ] {
        let case = token_with_header(header(json!({ "kid": kid })));
        assert_refused([(format!("kid {kid:.20}"), case)]);
    }
}

#[test]
fn unsupported_headers_are_refused() {
    for (name, value) in [
        ("crit", json!(["b64"])),
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("crit", json!(null)),
        ("b64", json!(false)),
        ("b64", json!(true)),
        ("zip", json!("DEF")),
        ("enc", json!("A256GCM")),
        ("typ", json!("JWE")),
        ("typ", json!("")),
        ("typ", json!(null)),
        ("typ", json!(["JWT"])),
        ("typ", json!("secevent+jwt")),
    ] {
        assert_refused([(
            format!("{name} {value}"),
            token_with_header(header(json!({ name: value }))),
        )]);
    }
    let payload = claims(json!({})).to_string();
    for text in [
        "",
        "null",
        "[]",
        "\"HS256\"",
        "{",
        "{}",
        r#"{"alg":"HS256"} x"#,
        r#"{"alg":"none","alg":"HS256"}"#,
    ] {
        assert_refused([(text, signed(text, &payload))]);
    }
}
