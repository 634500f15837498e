//! Sign-in by a proxy: its headers count only if the proxy has sent them.

use axum::http::HeaderName;
use drift_inbox::auth::{Authenticator, ProxySettings, TrustedProxy};
use drift_inbox::domain::actor::RoleAliases;
use drift_inbox::graphql::api_limits::ApiLimits;
use drift_inbox::http::{HttpState, router};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::process::Program;
use crate::support::served::Served;
use crate::support::{ADMIN, TestApp, verifier};

const SECRET: &str = "the secret that only the proxy of the test knows";

fn proxy(networks: &[&str], with_secret: bool) -> TrustedProxy {
    let name = HeaderName::from_static;
    TrustedProxy::new(ProxySettings {
        user_header: name("remote-user"),
        email_header: name("remote-email"),
        roles_header: name("remote-groups"),
        networks: networks.iter().map(|network| network.parse().unwrap()).collect(),
        secret: with_secret.then(|| (name("x-proxy-secret"), SECRET.into())),
        aliases: RoleAliases::parse("ops=platform_admin,staff=platform_viewer").unwrap(),
    })
    .unwrap()
}

async fn served(proxy: Option<TrustedProxy>) -> Served {
    let mut t = TestApp::new().await;
    let authenticator = Authenticator::new(Some(verifier()), None, proxy);
    t.router = router(HttpState::new(
        t.app.clone(),
        authenticator,
        ApiLimits::default(),
        true,
    ));
    Served::start(t).await
}

/// Returns the status and who the server takes the caller for; for a refused field, its code.
async fn who(served: &Served, headers: &[(&str, &str)]) -> (StatusCode, Value) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = client
        .post(format!("http://{}/graphql", served.address))
        .json(&json!({ "query": "{ viewer { email roles } }" }));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    let status = answer.status();
    let answer: Value = answer.json().await.unwrap();
    let viewer = &answer["data"]["viewer"];
    let said = if viewer.is_null() {
        answer["errors"][0]["extensions"]["code"].clone()
    } else {
        json!([viewer["email"], viewer["roles"]])
    };
    (status, said)
}

const ADA: [(&str, &str); 3] = [
    ("Remote-User", "ada"),
    ("Remote-Email", "ada@example.com"),
    ("Remote-Groups", "staff, ops"),
];

fn ada_and<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    ADA.iter().copied().chain(more.iter().copied()).collect()
}

fn refused() -> (StatusCode, Value) {
    (StatusCode::UNAUTHORIZED, json!("UNAUTHENTICATED"))
}

fn known_as(email: &str, roles: &[&str]) -> (StatusCode, Value) {
    (StatusCode::OK, json!([email, roles]))
}

#[tokio::test]
async fn the_proxy_is_known_by_its_address() {
    let near = served(Some(proxy(&["10.0.0.0/8", "127.0.0.0/8"], false))).await;
    let both = ["PLATFORM_VIEWER", "PLATFORM_ADMIN"];
    assert_eq!(who(&near, &ADA).await, known_as("ada@example.com", &both));
    let staff = [ADA[0], ADA[1], ("Remote-Groups", "staff")];
    assert_eq!(who(&near, &staff).await, known_as("ada@example.com", &both[..1]));
    // A user without a known group is signed in, and may do nothing. With aliases, the name of a role is no known group.
    let by_chance = [ADA[0], ADA[1], ("Remote-Groups", "platform_admin")];
    for nothing in [&ADA[..2], &by_chance] {
        let (status, said) = who(&near, nothing).await;
        assert_eq!((status, said), (StatusCode::OK, json!("FORBIDDEN")));
    }
    // Without the header of the user, the caller is anonymous.
    let (status, said) = who(&near, &ADA[1..]).await;
    assert_eq!((status, said), (StatusCode::OK, json!("UNAUTHENTICATED")));

    let far = served(Some(proxy(&["10.0.0.0/8"], false))).await;
    assert_eq!(who(&far, &ADA).await, refused());
    // A header with the address of the client does not replace the address of the connection.
    let forwarded = ada_and(&[("X-Forwarded-For", "10.0.0.1"), ("Forwarded", "for=10.0.0.1")]);
    assert_eq!(who(&far, &forwarded).await, refused());
}

#[tokio::test]
async fn the_proxy_is_known_by_its_secret() {
    let t = served(Some(proxy(&[], true))).await;
    let known = ada_and(&[("X-Proxy-Secret", SECRET)]);
    assert_eq!(who(&t, &known).await.0, StatusCode::OK);
    assert_eq!(who(&t, &known).await.1[0], "ada@example.com");
    for wrong in [
        "",
        "x",
        &SECRET[1..],
        &format!("{SECRET}x"),
        &SECRET.to_uppercase(),
    ] {
        assert_eq!(
            who(&t, &ada_and(&[("X-Proxy-Secret", wrong)])).await,
            refused(),
            "{wrong}"
        );
    }
    assert_eq!(who(&t, &ADA).await, refused());
    let twice = ada_and(&[("X-Proxy-Secret", SECRET), ("X-Proxy-Secret", SECRET)]);
    assert_eq!(who(&t, &twice).await, refused());

    // Both conditions must hold if both are set.
    let t = served(Some(proxy(&["10.0.0.0/8"], true))).await;
    assert_eq!(who(&t, &known).await, refused());
}

#[tokio::test]
async fn unusable_headers_are_refused() {
    let t = served(Some(proxy(&["127.0.0.1/32"], false))).await;
    assert_eq!(who(&t, &ADA).await.0, StatusCode::OK);
    // A client may have sent the header before the proxy added its own.
    for name in ["Remote-User", "Remote-Email", "Remote-Groups"] {
        assert_eq!(who(&t, &ada_and(&[(name, "mallory")])).await, refused(), "{name}");
    }
    // The page of another site makes the browser send the cookie of the proxy.
    for site in ["cross-site", "same-site", "SAME-ORIGIN", "new"] {
        assert_eq!(
            who(&t, &ada_and(&[("Sec-Fetch-Site", site)])).await,
            refused(),
            "{site}"
        );
    }
    for site in ["same-origin", "none"] {
        assert_eq!(
            who(&t, &ada_and(&[("Sec-Fetch-Site", site)])).await.0,
            StatusCode::OK,
            "{site}"
        );
    }
    let with_tab = [("Remote-User", "a\tda"), ADA[1], ADA[2]];
    assert_eq!(who(&t, &with_tab).await, refused());
}

#[tokio::test]
async fn a_token_takes_precedence_and_without_the_setting_headers_mean_nothing() {
    let t = served(Some(proxy(&["127.0.0.1/32"], false))).await;
    let token = format!("Bearer {}", t.token(Some(ADMIN), &["platform_viewer"]));
    let by_token = who(&t, &ada_and(&[("Authorization", &token)])).await;
    assert_eq!(by_token, known_as(ADMIN, &["PLATFORM_VIEWER"]));
    // A wrong token is not replaced by the headers.
    assert_eq!(
        who(&t, &ada_and(&[("Authorization", "Bearer x")])).await,
        refused()
    );

    let off = served(None).await;
    let anonymous = (StatusCode::OK, json!("UNAUTHENTICATED"));
    assert_eq!(
        who(&off, &ada_and(&[("X-Proxy-Secret", SECRET)])).await,
        anonymous
    );
}

#[test]
fn unsafe_settings_of_a_proxy_are_refused() {
    let refusal = |settings: &[(&str, &str)]| {
        let mut program = Program::new().with("DRIFT_LISTEN", "127.0.0.1:0");
        for (name, value) in settings {
            program = program.with(name, *value);
        }
        let ended = program.run(&["serve"]);
        assert_eq!(ended.code, Some(2), "{}", ended.err);
        ended.err
    };
    let on = ("DRIFT_PROXY_SIGN_IN", "on");
    assert!(refusal(&[on]).contains("DRIFT_PROXY_NETWORKS"));
    let short = refusal(&[on, ("DRIFT_PROXY_SECRET", "sesame")]);
    assert!(
        short.contains("DRIFT_PROXY_SECRET") && !short.contains("sesame"),
        "{short}"
    );
    let unused = refusal(&[("DRIFT_PROXY_SECRET", SECRET)]);
    assert!(
        unused.contains("DRIFT_PROXY_SIGN_IN=on") && !unused.contains(SECRET),
        "{unused}"
    );
    assert!(refusal(&[on, ("DRIFT_PROXY_NETWORKS", "10.0.0.0/33")]).contains("DRIFT_PROXY_NETWORKS"));
    let network = ("DRIFT_PROXY_NETWORKS", "10.1.2.3/8");
    let wide = refusal(&[on, network]);
    assert!(wide.contains("10.0.0.0/8 or 10.1.2.3"), "{wide}");
    let unused = refusal(&[("DRIFT_PROXY_NETWORKS", "10.0.0.0/8")]);
    assert!(
        unused.contains("DRIFT_PROXY_NETWORKS") && unused.contains("DRIFT_PROXY_SIGN_IN=on"),
        "{unused}"
    );
    assert!(refusal(&[("DRIFT_OIDC_ISSUER", "https://id.example.com")]).contains("DRIFT_OIDC_AUDIENCE"));
    assert!(refusal(&[("DRIFT_OIDC_AUDIENCE", "drift")]).contains("needs DRIFT_OIDC_ISSUER"));
}
