//! Tokens of an OpenID Connect issuer: which are accepted, and when the keys are fetched.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RSA_PKCS1_SHA512, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
};
use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use drift_inbox::auth::{Authenticator, Issuer, IssuerSettings, IssuerState, IssuerUrl, SignatureAlgorithm};
use drift_inbox::domain::actor::{RoleAliases, RolesClaim};
use drift_inbox::graphql::api_limits::ApiLimits;
use drift_inbox::http::{HttpState, router};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::support::{ADMIN, TestApp, verifier};

const AUDIENCE: &str = "drift-inbox";
/// Id of the Ed25519 key. Some issuers use base64, such as AWS Cognito.
const BASE64_ID: &str = "/Vt6kL+9w/Ye0=";

static RSA: LazyLock<RsaKeyPair> = LazyLock::new(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap());
static OTHER_RSA: LazyLock<RsaKeyPair> = LazyLock::new(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap());
static EC: LazyLock<EcdsaKeyPair> =
    LazyLock::new(|| EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap());
static ED: LazyLock<Ed25519KeyPair> = LazyLock::new(|| Ed25519KeyPair::generate().unwrap());

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn rsa_jwk(id: &str, key: &RsaKeyPair, more: Value) -> Value {
    let public = key.public_key();
    let mut jwk = json!({
        "kty": "RSA", "kid": id,
        "n": encoded(public.modulus().big_endian_without_leading_zero()),
        "e": encoded(public.exponent().big_endian_without_leading_zero()),
    });
    jwk.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    jwk
}

fn ec_jwk(id: &str) -> Value {
    // 4, then both coordinates.
    let point = EC.public_key().as_ref();
    json!({
        "kty": "EC", "crv": "P-256", "kid": id, "use": "sig",
        "x": encoded(&point[1..33]), "y": encoded(&point[33..]),
    })
}

fn ed_jwk(id: &str) -> Value {
    json!({ "kty": "OKP", "crv": "Ed25519", "kid": id, "x": encoded(ED.public_key().as_ref()) })
}

fn rsa_signature(key: &RsaKeyPair, padding: &'static dyn RsaEncoding, message: &str) -> Vec<u8> {
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(padding, &SystemRandom::new(), message.as_bytes(), &mut signature)
        .unwrap();
    signature
}

fn hmac(key: &[u8], message: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(message.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// Returns the signature of a text by the key that belongs to an algorithm.
fn right_signature(algorithm: &str, message: &str) -> Vec<u8> {
    match algorithm {
        "RS256" => rsa_signature(&RSA, &RSA_PKCS1_SHA256, message),
        "ES256" => EC
            .sign(&SystemRandom::new(), message.as_bytes())
            .unwrap()
            .as_ref()
            .to_vec(),
        _ => ED.sign(message.as_bytes()).as_ref().to_vec(),
    }
}

/// What an issuer on this machine publishes.
struct Published {
    keys: Mutex<Value>,
    document: Mutex<Value>,
    fetches: AtomicUsize,
    is_down: AtomicBool,
}

impl Published {
    fn answer(&self, part: &Mutex<Value>) -> (StatusCode, String) {
        if self.is_down.load(Ordering::SeqCst) {
            return (StatusCode::BAD_GATEWAY, String::new());
        }
        (StatusCode::OK, part.lock().unwrap().to_string())
    }
}

struct FakeIssuer {
    url: String,
    published: Arc<Published>,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for FakeIssuer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl FakeIssuer {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let keys = json!([
            rsa_jwk("rsa", &RSA, json!({ "alg": "RS256", "use": "sig" })),
            ec_jwk("ec"),
            ed_jwk(BASE64_ID),
            rsa_jwk("encrypts", &OTHER_RSA, json!({ "use": "enc" })),
            rsa_jwk("pss", &OTHER_RSA, json!({ "alg": "PS256" })),
            { "kty": "oct", "kid": "oct", "k": encoded("a secret that is published by mistake") },
            { "kty": "new", "kid": "new" },
            "not a key",
        ]);
        let published = Arc::new(Published {
            keys: Mutex::new(json!({ "keys": keys })),
            document: Mutex::new(json!({ "issuer": url, "jwks_uri": format!("{url}/keys") })),
            fetches: AtomicUsize::new(0),
            is_down: AtomicBool::new(false),
        });
        let (document, keys) = (Arc::clone(&published), Arc::clone(&published));
        let routes = Router::new()
            .route(
                "/.well-known/openid-configuration",
                get(async move || document.answer(&document.document)),
            )
            .route(
                "/keys",
                get(async move || {
                    keys.fetches.fetch_add(1, Ordering::SeqCst);
                    keys.answer(&keys.keys)
                }),
            );
        let server = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self {
            url,
            published,
            server,
        }
    }

    fn fetches(&self) -> usize {
        self.published.fetches.load(Ordering::SeqCst)
    }

    fn goes_down(&self, is_down: bool) {
        self.published.is_down.store(is_down, Ordering::SeqCst);
    }

    fn publishes(&self, keys: Value) {
        *self.published.keys.lock().unwrap() = json!({ "keys": keys });
    }

    /// Returns the issuer as the server knows it.
    fn known(&self) -> Issuer {
        self.known_with(&SignatureAlgorithm::ALL)
    }

    fn known_with(&self, algorithms: &[SignatureAlgorithm]) -> Issuer {
        Issuer::new(IssuerSettings {
            algorithms: algorithms.to_vec(),
            ..self.settings()
        })
        .unwrap()
    }

    fn settings(&self) -> IssuerSettings {
        IssuerSettings {
            url: IssuerUrl::parse(&self.url).unwrap(),
            audience: AUDIENCE.to_owned(),
            algorithms: SignatureAlgorithm::ALL.to_vec(),
            roles_claim: RolesClaim::default(),
            aliases: RoleAliases::default(),
            fetch_gap: Duration::from_secs(1),
        }
    }

    /// Returns valid claims of an administrator, with `changes`.
    fn claims(&self, t: &TestApp, changes: Value) -> Value {
        let now = t.now().timestamp();
        let mut claims = json!({
            "iss": self.url, "aud": AUDIENCE, "sub": "u1", "email": "ada@example.com",
            "iat": now, "exp": now + 3600, "roles": ["platform_admin"],
        });
        claims
            .as_object_mut()
            .unwrap()
            .extend(changes.as_object().unwrap().clone());
        claims
    }

    /// Returns a token with this header, signed by the right key of `algorithm`.
    fn token(&self, t: &TestApp, algorithm: &str, header: &Value) -> String {
        let signed = self.signed_part(t, header);
        let signature = encoded(right_signature(algorithm, &signed));
        format!("{signed}.{signature}")
    }

    fn signed_part(&self, t: &TestApp, header: &Value) -> String {
        let claims = self.claims(t, json!({}));
        format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()))
    }
}

/// Makes the server accept the tokens of an issuer. `with_secret`: also those of the shared secret.
fn serve(t: &mut TestApp, issuer: &Issuer, with_secret: bool) {
    let shared = with_secret.then(verifier);
    let authenticator = Authenticator::new(shared, Some(issuer.clone()), None);
    t.router = router(HttpState::new(
        t.app.clone(),
        authenticator,
        ApiLimits::default(),
        true,
    ));
}

const RETIRE: &str = "mutation { retireSpec(input: {
    resourceId: \"00000000-0000-4000-8000-000000000000\", expectedSpecVersion: 1 }) { resource { id } } }";

/// What became of a request that only an administrator may make.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Allowed,
    Forbidden,
    Unauthenticated,
}

async fn outcome(t: &TestApp, token: &str) -> Outcome {
    let request = Request::post("/graphql")
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {token}"))
        .body(Body::from(json!({ "query": RETIRE }).to_string()))
        .unwrap();
    let response = t.send(request).await;
    let status = response.status();
    let has_challenge = response.headers().contains_key("www-authenticate");
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    let text = String::from_utf8(body.to_vec()).unwrap();
    assert!(!text.contains(token), "the answer repeats the token");
    if status == StatusCode::UNAUTHORIZED {
        assert!(has_challenge);
        return Outcome::Unauthenticated;
    }
    assert_eq!(status, StatusCode::OK, "{text}");
    let answer: Value = serde_json::from_str(&text).unwrap();
    match answer["errors"][0]["extensions"]["code"].as_str() {
        Some("FORBIDDEN") => Outcome::Forbidden,
        Some("NOT_FOUND") => Outcome::Allowed,
        other => panic!("{other:?}: {text}"),
    }
}

#[tokio::test]
async fn tokens_of_each_algorithm_are_accepted() {
    let (mut t, fake) = (TestApp::new().await, FakeIssuer::start().await);
    for with_secret in [false, true] {
        serve(&mut t, &fake.known(), with_secret);
        for (algorithm, id) in [("RS256", "rsa"), ("ES256", "ec"), ("EdDSA", BASE64_ID)] {
            let header = json!({ "alg": algorithm, "kid": id, "typ": "at+jwt" });
            let token = fake.token(&t, algorithm, &header);
            assert_eq!(outcome(&t, &token).await, Outcome::Allowed, "{algorithm}");
            // The key is found by its algorithm.
            let token = fake.token(&t, algorithm, &json!({ "alg": algorithm }));
            assert_eq!(
                outcome(&t, &token).await,
                Outcome::Allowed,
                "{algorithm} without kid"
            );
        }
    }
    // Tokens of the shared secret and of the issuer are accepted side by side.
    assert_eq!(
        outcome(&t, &t.token(Some(ADMIN), &["platform_admin"])).await,
        Outcome::Allowed
    );
    serve(&mut t, &fake.known(), false);
    assert_eq!(
        outcome(&t, &t.token(Some(ADMIN), &["platform_admin"])).await,
        Outcome::Unauthenticated
    );
}

#[tokio::test]
async fn an_algorithm_that_is_not_on_the_list_is_refused() {
    let (mut t, fake) = (TestApp::new().await, FakeIssuer::start().await);
    serve(&mut t, &fake.known_with(&[SignatureAlgorithm::Es256]), true);
    let token = |algorithm: &str| fake.token(&t, algorithm, &json!({ "alg": algorithm }));
    assert_eq!(outcome(&t, &token("ES256")).await, Outcome::Allowed);
    assert_eq!(outcome(&t, &token("RS256")).await, Outcome::Unauthenticated);
    assert_eq!(outcome(&t, &token("EdDSA")).await, Outcome::Unauthenticated);
}

#[tokio::test]
async fn a_key_is_never_used_with_another_algorithm() {
    let (mut t, fake) = (TestApp::new().await, FakeIssuer::start().await);
    let public = RSA.public_key();
    let (n, e) = (
        public.modulus().big_endian_without_leading_zero().to_vec(),
        public.exponent().big_endian_without_leading_zero().to_vec(),
    );
    let pkcs1 = public.as_ref().to_vec();
    let base64 = base64::engine::general_purpose::STANDARD.encode(&pkcs1);
    let pem = format!("-----BEGIN RSA PUBLIC KEY-----\n{base64}\n-----END RSA PUBLIC KEY-----\n");
    let jwk = rsa_jwk("rsa", &RSA, json!({})).to_string();
    let keys = [
        ("PKCS1", pkcs1),
        ("PEM", pem.clone().into_bytes()),
        (
            "PEM without its last line end",
            pem.trim_end().as_bytes().to_vec(),
        ),
        ("modulus", n.clone()),
        ("modulus as text", encoded(&n).into_bytes()),
        ("exponent", e),
        ("JWK", jwk.into_bytes()),
        (
            "published oct key",
            b"a secret that is published by mistake".to_vec(),
        ),
        ("nothing", Vec::new()),
    ];
    for with_secret in [false, true] {
        serve(&mut t, &fake.known(), with_secret);
        for (name, key) in &keys {
            for (declared, id) in [
                ("HS256", "rsa"),
                ("RS256", "rsa"),
                ("HS256", "oct"),
                ("HS256", "none"),
            ] {
                let signed = fake.signed_part(&t, &json!({ "alg": declared, "kid": id }));
                let token = format!("{signed}.{}", encoded(hmac(key, &signed)));
                assert_eq!(
                    outcome(&t, &token).await,
                    Outcome::Unauthenticated,
                    "{name} as {declared} {id}"
                );
            }
        }
        // Another padding or hash, by the right key.
        for (declared, padding) in [
            ("PS256", &RSA_PSS_SHA256 as &'static dyn RsaEncoding),
            ("RS256", &RSA_PSS_SHA256),
            ("RS512", &RSA_PKCS1_SHA512),
            ("RS256", &RSA_PKCS1_SHA512),
            ("RS384", &RSA_PKCS1_SHA256),
        ] {
            let signed = fake.signed_part(&t, &json!({ "alg": declared, "kid": "rsa" }));
            let token = format!("{signed}.{}", encoded(rsa_signature(&RSA, padding, &signed)));
            assert_eq!(outcome(&t, &token).await, Outcome::Unauthenticated, "{declared}");
        }
        // The key of another algorithm, a key for encryption, a key of another padding.
        for (declared, id, by) in [
            ("RS256", "ec", "RS256"),
            ("ES256", "rsa", "ES256"),
            ("EdDSA", "ec", "EdDSA"),
            ("ES256", BASE64_ID, "EdDSA"),
        ] {
            let token = fake.token(&t, by, &json!({ "alg": declared, "kid": id }));
            assert_eq!(
                outcome(&t, &token).await,
                Outcome::Unauthenticated,
                "{declared} {id}"
            );
        }
        for id in ["encrypts", "pss", "new", "rsa"] {
            let signed = fake.signed_part(&t, &json!({ "alg": "RS256", "kid": id }));
            let token = format!(
                "{signed}.{}",
                encoded(rsa_signature(&OTHER_RSA, &RSA_PKCS1_SHA256, &signed))
            );
            assert_eq!(outcome(&t, &token).await, Outcome::Unauthenticated, "{id}");
        }
    }
}

#[tokio::test]
async fn a_wrong_signature_or_header_is_refused() {
    let (mut t, fake) = (TestApp::new().await, FakeIssuer::start().await);
    serve(&mut t, &fake.known(), true);
    for algorithm in ["RS256", "ES256", "EdDSA"] {
        let token = fake.token(&t, algorithm, &json!({ "alg": algorithm }));
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let (header, payload) = signed.split_once('.').unwrap();
        let zeros = encoded(vec![0; 64]);
        let other_claims = encoded(fake.claims(&t, json!({ "sub": "u2" })).to_string());
        let cut = &signature[..signature.len() - 4];
        for bad in [
            format!("{signed}."),
            signed.to_owned(),
            format!("{signed}.{cut}"),
            format!("{signed}.{zeros}"),
            format!("{signed}.{signature}AAAA"),
            format!("{signed}.{signature}="),
            format!("{header}.{other_claims}.{signature}"),
            format!("{payload}.{header}.{signature}"),
            format!("{token}.{signature}"),
        ] {
            assert_eq!(
                outcome(&t, &bad).await,
                Outcome::Unauthenticated,
                "{algorithm}: {bad}"
            );
        }
        let attacker = rsa_jwk("rsa", &OTHER_RSA, json!({}));
        for (name, value) in [
            ("jwk", attacker),
            ("jku", json!(format!("{}/attack", fake.url))),
            ("x5u", json!(format!("{}/attack", fake.url))),
            ("x5c", json!(["MIIB"])),
            ("crit", json!(["exp"])),
            ("b64", json!(false)),
            ("zip", json!("DEF")),
            ("typ", json!("JWE")),
            ("kid", json!("../../dev/null")),
            ("kid", json!("/dev/null")),
            ("kid", json!("https://attacker.example.com/key")),
            ("kid", json!("' OR 1=1 --")),
            ("kid", json!("k".repeat(5_000))),
            ("kid", json!(1)),
            ("kid", json!(["rsa"])),
            ("kid", json!(null)),
            ("alg", json!("none")),
            ("alg", json!("None")),
            ("alg", json!("")),
            ("alg", json!(null)),
            ("alg", json!([algorithm])),
            ("alg", json!(algorithm.to_lowercase())),
        ] {
            let mut header = json!({ "alg": algorithm });
            header[name] = value;
            let token = fake.token(&t, algorithm, &header);
            assert_eq!(
                outcome(&t, &token).await,
                Outcome::Unauthenticated,
                "{algorithm} {header:.60}"
            );
        }
    }
    let deep = format!("{}{}", "[".repeat(8_000), "]".repeat(8_000));
    for text in [deep.as_str(), "", "null", "{", r#"{"alg":"none","alg":"RS256"}"#] {
        let signed = format!(
            "{}.{}",
            encoded(text),
            encoded(fake.claims(&t, json!({})).to_string())
        );
        let token = format!("{signed}.{}", encoded(right_signature("RS256", &signed)));
        assert_eq!(outcome(&t, &token).await, Outcome::Unauthenticated);
    }
    let huge = format!("a.{}.b", "x".repeat(1 << 16));
    assert_eq!(outcome(&t, &huge).await, Outcome::Unauthenticated);
}

#[tokio::test]
async fn wrong_claims_of_an_issuers_token_are_refused() {
    let (mut t, fake) = (TestApp::new().await, FakeIssuer::start().await);
    serve(&mut t, &fake.known(), true);
    let now = t.now().timestamp();
    let signed_with = |changes: Value| {
        let claims = fake.claims(&t, changes).to_string();
        let signed = format!("{}.{}", encoded(r#"{"alg":"ES256","kid":"ec"}"#), encoded(claims));
        let signature = encoded(right_signature("ES256", &signed));
        format!("{signed}.{signature}")
    };
    for changes in [
        json!({ "exp": now - 61 }),
        json!({ "exp": null }),
        json!({ "nbf": now + 61 }),
        json!({ "iat": now + 86_400 }),
        json!({ "iss": "drift-inbox" }),
        json!({ "iss": format!("{}/", fake.url) }),
        json!({ "iss": [fake.url] }),
        json!({ "aud": "another" }),
        json!({ "aud": [] }),
        json!({ "aud": null }),
        json!({ "sub": "" }),
        json!({ "sub": null }),
    ] {
        let token = signed_with(changes.clone());
        assert_eq!(outcome(&t, &token).await, Outcome::Unauthenticated, "{changes}");
    }
    for roles in [
        json!([]),
        json!(null),
        json!("platform_admin"),
        json!(["platform_viewer"]),
    ] {
        let token = signed_with(json!({ "roles": roles }));
        assert_eq!(outcome(&t, &token).await, Outcome::Forbidden, "{roles}");
    }
    // A token of the issuer is not valid with the issuer of the shared secret, and the reverse.
    let claims = fake.claims(&t, json!({})).to_string();
    let signed = format!("{}.{}", encoded(r#"{"alg":"HS256"}"#), encoded(claims));
    let token = format!(
        "{signed}.{}",
        encoded(hmac(b"a secret for tests, and long enough for them", &signed))
    );
    assert_eq!(outcome(&t, &token).await, Outcome::Unauthenticated);
}

#[tokio::test]
async fn with_aliases_the_name_of_a_role_counts_in_tokens_of_the_shared_secret_only() {
    let (mut t, fake) = (TestApp::new().await, FakeIssuer::start().await);
    let issuer = Issuer::new(IssuerSettings {
        aliases: RoleAliases::parse("ops=platform_admin").unwrap(),
        ..fake.settings()
    });
    serve(&mut t, &issuer.unwrap(), true);
    let header = json!({ "alg": "RS256", "kid": "rsa" });
    let with_role = |role: &str| {
        let claims = fake.claims(&t, json!({ "roles": [role] }));
        let signed = format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()));
        format!("{signed}.{}", encoded(right_signature("RS256", &signed)))
    };
    assert_eq!(outcome(&t, &with_role("ops")).await, Outcome::Allowed);
    assert_eq!(
        outcome(&t, &with_role("platform_admin")).await,
        Outcome::Forbidden
    );
    let own = t.token(Some(ADMIN), &["platform_admin"]);
    assert_eq!(outcome(&t, &own).await, Outcome::Allowed);
}

#[tokio::test]
async fn unknown_keys_cause_few_fetches() {
    let (mut t, fake) = (TestApp::new().await, FakeIssuer::start().await);
    let issuer = fake.known();
    serve(&mut t, &issuer, false);
    let token = |id: &str| fake.token(&t, "RS256", &json!({ "alg": "RS256", "kid": id }));
    assert_eq!(outcome(&t, &token("rsa")).await, Outcome::Allowed);
    assert_eq!(fake.fetches(), 1);
    let many = (0..60).map(|number| token(&format!("unknown-{number}")));
    let many: Vec<_> = many.collect();
    let answers = futures_util::future::join_all(many.iter().map(|token| outcome(&t, token))).await;
    assert!(answers.iter().all(|answer| *answer == Outcome::Unauthenticated));
    assert!(fake.fetches() <= 5, "{}", fake.fetches());

    // A new key is accepted once the keys can be fetched again.
    issuer.fetchable().await;
    fake.publishes(json!([rsa_jwk("next", &RSA, json!({})), ec_jwk("ec")]));
    let before = fake.fetches();
    assert_eq!(outcome(&t, &token("next")).await, Outcome::Allowed);
    assert_eq!(fake.fetches(), before + 1);
    // The issuer has withdrawn the old key.
    assert_eq!(outcome(&t, &token("rsa")).await, Outcome::Unauthenticated);
}

#[tokio::test]
async fn known_keys_work_while_the_issuer_is_down() {
    let (mut t, fake) = (TestApp::new().await, FakeIssuer::start().await);
    let issuer = fake.known();
    serve(&mut t, &issuer, false);
    fake.goes_down(true);
    let token = fake.token(&t, "RS256", &json!({ "alg": "RS256", "kid": "rsa" }));
    assert_eq!(outcome(&t, &token).await, Outcome::Unauthenticated);
    assert_eq!(issuer.state(), IssuerState::NoKeys);
    let (status, answer) = ready(&t).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{answer}");
    assert_eq!(answer["issuer"], "cannot be reached; none of its keys is known");

    fake.goes_down(false);
    issuer.fetchable().await;
    assert_eq!(outcome(&t, &token).await, Outcome::Allowed);
    let (status, answer) = ready(&t).await;
    assert_eq!((status, &answer["issuer"]), (StatusCode::OK, &json!("ok")));

    fake.goes_down(true);
    issuer.fetchable().await;
    let unknown = fake.token(&t, "RS256", &json!({ "alg": "RS256", "kid": "unknown" }));
    assert_eq!(outcome(&t, &unknown).await, Outcome::Unauthenticated);
    assert_eq!(outcome(&t, &token).await, Outcome::Allowed);
    let (status, answer) = ready(&t).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(answer["issuer"], "cannot be reached; its known keys are in use");
}

#[tokio::test]
async fn a_document_of_another_issuer_is_not_used() {
    let (mut t, fake) = (TestApp::new().await, FakeIssuer::start().await);
    let issuer = fake.known();
    serve(&mut t, &issuer, true);
    let token = fake.token(&t, "RS256", &json!({ "alg": "RS256", "kid": "rsa" }));
    let keys = format!("{}/keys", fake.url);
    for document in [
        json!({ "issuer": "http://127.0.0.1:1", "jwks_uri": keys }),
        json!({ "issuer": fake.url, "jwks_uri": "http://id.example.com/keys" }),
        json!({ "issuer": fake.url, "jwks_uri": "file:///etc/passwd" }),
        json!({ "issuer": fake.url }),
        json!([]),
    ] {
        *fake.published.document.lock().unwrap() = document.clone();
        issuer.fetchable().await;
        assert_eq!(outcome(&t, &token).await, Outcome::Unauthenticated, "{document}");
    }
    assert_eq!(fake.fetches(), 0);
    // Users can sign in with tokens of the shared secret, so the server is ready.
    let (status, answer) = ready(&t).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
}

async fn ready(t: &TestApp) -> (StatusCode, Value) {
    let response = t.send(Request::get("/readyz").body(Body::empty()).unwrap()).await;
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap())
}
