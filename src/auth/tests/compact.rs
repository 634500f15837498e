use super::*;

/// Returns the header, the payload and the signature of a valid token.
fn parts() -> (String, String, String) {
    let token = token(claims(json!({})));
    let mut parts = token.split('.').map(str::to_owned);
    let mut next = || parts.next().unwrap();
    (next(), next(), next())
}

#[test]
fn tokens_signed_with_other_keys_are_refused() {
    let (header, payload, _) = parts();
    let message = format!("{header}.{payload}");
    let padded = format!("{SECRET} ");
    let zeros = [0; 32];
    for key in [
        &b""[..],
        b"secret",
        b"a",
        b"your-256-bit-secret",
        &zeros,
        padded.as_bytes(),
        &SECRET.as_bytes()[..39],
    ] {
        let signature = signature(&message, key, Algorithm::HS256);
        assert_refused([(format!("{key:?}"), format!("{message}.{signature}"))]);
    }
}

#[test]
fn broken_signatures_are_refused() {
    let (header, payload, signature) = parts();
    let other = token(claims(json!({"sub": "u2"})));
    let swapped = other.rsplit_once('.').unwrap().1;
    let with = |signature: &str| format!("{header}.{payload}.{signature}");
    let raw = URL_SAFE_NO_PAD.decode(&signature).unwrap();
    assert_refused([
        ("missing", format!("{header}.{payload}")),
        ("empty", with("")),
        ("cut", with(&signature[..signature.len() - 1])),
        ("half", with(&encoded(&raw[..16]))),
        ("swapped", with(swapped)),
        ("zeros", with(&encoded([0; 32]))),
        ("doubled", with(&format!("{signature}{signature}"))),
        ("longer", with(&encoded([&raw[..], &[0]].concat()))),
        ("padded", with(&format!("{signature}="))),
        (
            "in hexadecimal",
            with(&raw.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
        ),
        ("space", with(&format!("{signature} "))),
        ("newline", with(&format!("{signature}\n"))),
    ]);
}

#[test]
fn malformed_tokens_are_refused() {
    let (header, payload, signature) = parts();
    let whole = format!("{header}.{payload}.{signature}");
    assert_refused([
        ("empty", String::new()),
        ("dots", "..".to_owned()),
        ("garbage", "garbage".to_owned()),
        ("1 part", header.clone()),
        ("4 parts", format!("{whole}.{signature}")),
        ("5 parts", format!("{whole}.{header}.{payload}")),
        ("a dot before", format!(".{whole}")),
        ("a dot after", format!("{whole}.")),
        ("two dots", format!("{header}..{payload}.{signature}")),
        ("no header", format!(".{payload}.{signature}")),
        ("no payload", format!("{header}..{signature}")),
        ("a space before", format!(" {whole}")),
        ("60 KiB", format!("{whole}{}", "A".repeat(60 * 1024))),
        ("1 MiB", "A".repeat(1024 * 1024)),
        ("1 MiB of dots", ".".repeat(1024 * 1024)),
        ("not ASCII", format!("{header}.\u{1f511}.{signature}")),
    ]);
}

#[test]
fn signed_tokens_without_three_parts_are_refused() {
    let (header, payload, _) = parts();
    for message in [
        header.clone(),
        format!("{header}.{payload}.{payload}"),
        format!("{header}..{payload}"),
    ] {
        let signature = signature(&message, SECRET.as_bytes(), Algorithm::HS256);
        let error = verify(&format!("{message}.{signature}")).unwrap_err();
        assert_eq!(error.reason(), "the token does not have three parts", "{message}");
    }
}

#[test]
fn broken_payloads_are_refused() {
    let json = claims(json!({})).to_string();
    let nested = |depth: usize| {
        format!(
            "{{\"x\":{}{},{}",
            "[".repeat(depth),
            "]".repeat(depth),
            &json[1..]
        )
    };
    let twice = |name: &str, value: &str| format!("{{\"{name}\":{value},{}", &json[1..]);
    assert_accepted([("nested 100 deep", signed(r#"{"alg":"HS256"}"#, nested(100)))]);
    for (name, payload) in [
        ("nothing", String::new()),
        ("null", "null".to_owned()),
        ("list", format!("[{json}]")),
        ("list of pairs", r#"[["iss","drift-inbox"]]"#.to_owned()),
        ("string", json!(json).to_string()),
        ("number", "1".to_owned()),
        ("text after", format!("{json}{json}")),
        ("cut", json[..json.len() - 1].to_owned()),
        ("a mark before", format!("\u{feff}{json}")),
        ("nested 5,000 deep", nested(5_000)),
        ("nested 20,000 deep", nested(20_000)),
        ("roles twice", twice("roles", r#"["platform_viewer"]"#)),
        ("sub twice", twice("sub", "\"u2\"")),
        ("sub twice, escaped", twice(r"s\u0075b", "\"u2\"")),
        ("exp twice", twice("exp", "1")),
        ("half a pair", twice("x", r#""\ud83d""#)),
        ("a NUL after", format!("{json}\0")),
    ] {
        assert_refused([(name, signed(r#"{"alg":"HS256"}"#, payload))]);
    }
    let latin = [b"{\"x\":\"\xe9\",", &json.as_bytes()[1..]].concat();
    assert_refused([("not UTF-8", signed(r#"{"alg":"HS256"}"#, latin))]);
}

#[test]
fn the_longest_token_is_accepted_and_one_byte_more_is_refused() {
    let sized = |length: usize| token(claims(json!({ "x": "y".repeat(length) })));
    let base = (0..16_384)
        .rev()
        .find(|length| sized(*length).len() <= MAX_TOKEN_BYTES)
        .unwrap();
    assert_accepted([("longest", sized(base))]);
    let error = verify(&sized(base + 1)).unwrap_err();
    assert_eq!(error.reason(), "too long");
}

#[test]
fn tokens_with_a_changed_bit_are_refused() {
    let (header, payload, signature) = parts();
    let parts = [header, payload, signature];
    for (index, part) in parts.iter().enumerate() {
        let bytes = URL_SAFE_NO_PAD.decode(part).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let mut parts = parts.clone();
            parts[index] = encoded(changed);
            assert_refused([(format!("part {index} bit {bit}"), parts.join("."))]);
        }
    }
}

#[test]
fn tokens_with_a_changed_added_or_removed_character_are_refused() {
    let whole = token(claims(json!({})));
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.+/= ";
    for at in 0..whole.len() {
        let (before, rest) = whole.split_at(at);
        let after = &rest[1..];
        assert_refused([(format!("without {at}"), format!("{before}{after}"))]);
        assert_refused([(format!("up to {at}"), before.to_owned())]);
        for other in alphabet.chars() {
            assert_refused([(format!("{other} added at {at}"), format!("{before}{other}{rest}"))]);
            if !rest.starts_with(other) {
                assert_refused([(format!("{other} at {at}"), format!("{before}{other}{after}"))]);
            }
        }
    }
}
