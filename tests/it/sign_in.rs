//! What the server tells the page about signing in, and where the page may send requests.

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request};
use drift_inbox::auth::{Authenticator, PageToken};
use drift_inbox::graphql::api_limits::ApiLimits;
use drift_inbox::http::{HttpState, router};
use serde_json::{Value, json};

use crate::support::issuer::{AUDIENCE, TestIssuer, page_client};
use crate::support::process::Program;
use crate::support::{TestApp, verifier};

async fn get(t: &TestApp, path: &str) -> (HeaderMap, String) {
    let response = t.send(Request::get(path).body(Body::empty()).unwrap()).await;
    let (head, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    (head.headers, String::from_utf8(body.to_vec()).unwrap())
}

async fn ways(t: &TestApp) -> Value {
    let (headers, text) = get(t, "/sign-in.json").await;
    assert_eq!(headers["cache-control"], "no-store");
    serde_json::from_str(&text).unwrap()
}

/// Returns the policy and the entity tag of the page.
async fn policy_and_tag(t: &TestApp) -> (String, String) {
    let (headers, _) = get(t, "/").await;
    let text = |name: &str| headers[name].to_str().unwrap().to_owned();
    (text("content-security-policy"), text("etag"))
}

#[tokio::test]
async fn the_page_learns_how_users_sign_in() {
    let mut t = TestApp::new().await;
    let time = t.now().timestamp_millis();
    assert_eq!(
        ways(&t).await,
        json!({ "time": time, "token": true, "ownTokens": true })
    );
    let (policy, tag) = policy_and_tag(&t).await;
    assert!(policy.contains("connect-src 'self';"), "{policy}");

    let issuer = TestIssuer::start("127.0.0.1:1", json!({ "down": true }));
    let state = |client| {
        let authenticator = Authenticator::new(Some(verifier()), Some(issuer.known(AUDIENCE)), None);
        HttpState::new(t.app.clone(), authenticator, ApiLimits::default(), true).with_page_client(client)
    };
    let (without, with) = (
        router(state(None)),
        router(state(Some(page_client(PageToken::Access)))),
    );
    t.router = without;
    assert_eq!(
        ways(&t).await,
        json!({ "time": time, "token": true, "ownTokens": true })
    );
    assert_eq!(policy_and_tag(&t).await, (policy, tag.clone()));

    t.router = with;
    let client = json!({
        "issuer": issuer.url, "audience": "drift-inbox", "clientId": "drift-page",
        "scopes": "openid profile email", "token": "access", "parameters": [["resource", "urn:drift-inbox"]],
        "problem": "unreachable",
    });
    assert_eq!(
        ways(&t).await,
        json!({ "time": time, "token": true, "ownTokens": true, "issuer": client })
    );
    issuer.set(json!({ "down": false })).await;
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    let found = ways(&t).await["issuer"].clone();
    assert_eq!(found["problem"], Value::Null);
    assert_eq!(
        found["endpoints"],
        json!({
            "authorization": format!("{}/auth", issuer.url), "token": format!("{}/token", issuer.url),
            "endSession": format!("{}/out", issuer.url), "algorithms": ["RS256", "ES256", "EdDSA"],
            "namesItself": true,
        })
    );
    let (policy, other_tag) = policy_and_tag(&t).await;
    let allowed = format!("connect-src 'self' {};", issuer.url);
    assert!(policy.contains(&allowed), "{policy}");
    assert_ne!(
        tag, other_tag,
        "a browser would keep the policy of the page that it has"
    );
}

#[test]
fn settings_of_the_page_that_do_not_fit_are_refused_by_name() {
    let oidc = [
        ("DRIFT_OIDC_ISSUER", "https://id.example.com"),
        ("DRIFT_OIDC_AUDIENCE", "drift"),
        ("DRIFT_OIDC_CLIENT_ID", "page"),
    ];
    let secret = [
        ("DRIFT_JWT_SECRET", "0123456789abcdef0123456789abcdef"),
        ("DRIFT_OIDC_CLIENT_ID", "page"),
    ];
    for (base, name, value) in [
        (secret.as_slice(), "DRIFT_OIDC_CLIENT_ID", "page"),
        (&oidc[..2], "DRIFT_OIDC_PARAMETERS", "audience=x"),
        (&oidc, "DRIFT_OIDC_CLIENT_ID", " "),
        (&oidc, "DRIFT_OIDC_SCOPES", "profile email"),
        (&oidc, "DRIFT_OIDC_TOKEN", "refresh"),
        (&oidc, "DRIFT_OIDC_PARAMETERS", "audience"),
        (&oidc, "DRIFT_OIDC_PARAMETERS", "state=x"),
    ] {
        let program = base
            .iter()
            .chain(&[(name, value)])
            .fold(Program::new(), |program, (name, value)| {
                program.with(name, *value)
            });
        let ended = program.run(&["serve"]);
        assert_eq!(ended.code, Some(2), "{name}={value}: {}", ended.output());
        assert!(ended.err.contains(name), "{name}={value}: {}", ended.err);
    }
}
