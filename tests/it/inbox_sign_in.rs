//! Sign-in on the inbox page: at a certified OpenID Connect issuer and behind a proxy.

use std::time::Duration;

use drift_inbox::auth::{Authenticator, PageToken, ProxySettings, TrustedProxy};
use drift_inbox::clock::Clock;
use drift_inbox::domain::actor::RoleAliases;
use drift_inbox::graphql::api_limits::ApiLimits;
use drift_inbox::http::{HttpState, router};
use serde_json::{Value, json};

use crate::support::browser::Browser;
use crate::support::cloud::{Listed, droplet};
use crate::support::issuer::{AUDIENCE, CLIENT, TestIssuer, page_client};
use crate::support::page::{
    ALL_SCREENS, CONFIRM, DIALOG, SCREENS, TOTAL, about_to_accept, look_at, with_three_differences,
};
use crate::support::served::Served;
use crate::support::{ADMIN, verifier};

const BUTTON: &str = "[data-testid=sign-in-issuer]";
const PROBLEM: &str = "[data-testid=sign-in-problem]";
const WHO: &str = "[data-testid=who]";
const AGAIN: &str = "[data-testid=again-dialog]";
/// The token that the page sends to the API.
const TOKEN: &str = "sessionStorage.getItem('drift-inbox:token')";
/// Makes the token of the page invalid, as if the server did not know its key any more.
const SPOIL: &str = "sessionStorage.setItem('drift-inbox:token', 'spoilt')";

/// Starts an issuer and a server that signs users in there by these tokens.
async fn with_issuer(token: PageToken, settings: Value) -> (Served, TestIssuer) {
    let listener = Served::listener().await;
    let address = listener.local_addr().unwrap().to_string();
    let issuer = TestIssuer::start(&address, settings);
    let audience = match token {
        PageToken::Access => AUDIENCE,
        PageToken::Id => CLIENT,
    };
    let mut t = with_three_differences().await;
    let authenticator = Authenticator::new(Some(verifier()), Some(issuer.known(audience)), None);
    t.router = router(
        HttpState::new(t.app.clone(), authenticator, ApiLimits::default(), true)
            .with_page_client(Some(page_client(token))),
    );
    let served = Served::start_on(t, listener);
    // The issuer has the real time, and a slow test must not outlive the times in its tokens.
    let clock = served.clock.clone();
    tokio::spawn(async move {
        loop {
            clock.advance(Clock::System.now() - clock.now());
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    });
    (served, issuer)
}

/// Goes to the issuer and signs in as this user.
async fn sign_in(browser: &Browser, user: &str) {
    browser.click(BUTTON).await;
    browser.fill("#user", user).await;
    browser.click("#in").await;
}

/// Returns the complaints of the page's own files. The issuer has no icon.
async fn complaints(browser: &Browser) -> Vec<String> {
    let mut all = browser.complaints().await;
    all.retain(|line| !line.contains("favicon.ico"));
    all
}

#[tokio::test]
async fn a_user_signs_in_at_the_issuer_and_out_again() {
    let (served, issuer) = with_issuer(PageToken::Access, json!({})).await;
    let browser = Browser::open(&served.address).await;
    browser.go("/?region=fra1").await;
    browser
        .see_text(BUTTON, &format!("Sign in with {}", issuer.name()))
        .await;
    look_at(&browser, "sign-in-issuer", &ALL_SCREENS).await;
    sign_in(&browser, "ada").await;
    browser.see_text(WHO, "ada@example.com").await;
    browser.see_text(TOTAL, "1 open").await;
    assert_eq!(browser.path().await, "/?region=fra1", "the view was kept");
    let kept = browser
        .run("return [document.cookie.includes('ey'), Object.keys(localStorage).length, document.documentElement.outerHTML.includes(sessionStorage.getItem('drift-inbox:token'))]")
        .await;
    assert_eq!(kept, json!([false, 0, false]));
    // The issuer is the only other server, and the library is loaded once it is needed.
    for url in browser.foreign_requests().await {
        assert!(url.starts_with(&issuer.url), "{url}");
    }
    browser.go("/").await;
    browser.see_text(TOTAL, "3 open").await;

    browser.click("[data-testid=sign-out]").await;
    browser.click("#out").await;
    browser.see(BUTTON).await;
    assert_eq!(browser.path().await, "/");
    assert_eq!(browser.run("return sessionStorage.length").await, json!(0));
    // The issuer has ended its session, so it asks again.
    browser.click(BUTTON).await;
    browser.see("#user").await;
    assert_eq!(complaints(&browser).await, Vec::<String>::new());
}

#[tokio::test]
async fn tokens_of_both_kinds_and_each_algorithm_sign_in_and_new_keys_are_taken() {
    for (token, algorithm) in [
        (PageToken::Id, "RS256"),
        (PageToken::Access, "ES256"),
        (PageToken::Id, "EdDSA"),
    ] {
        let (served, issuer) = with_issuer(token, json!({ "algorithm": algorithm })).await;
        let browser = Browser::open(&served.address).await;
        browser.go("/").await;
        sign_in(&browser, "vera").await;
        browser.see_text(WHO, "vera@example.com").await;
        browser.see_text("#account", "viewer").await;
        let first = browser.run(&format!("return {TOKEN}")).await;
        issuer.rotate_keys().await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        issuer.revoke_all().await;
        browser.run("sessionStorage.clear()").await;
        browser.go("/").await;
        sign_in(&browser, "vera").await;
        browser.see_text(WHO, "vera@example.com").await;
        let second = browser.run(&format!("return {TOKEN}")).await;
        let key = |token: &Value| token.as_str().unwrap().split('.').next().unwrap().to_owned();
        assert_ne!(
            key(&first),
            key(&second),
            "{algorithm}: the header names another key"
        );
    }
}

#[tokio::test]
async fn a_sign_in_that_fails_is_explained() {
    let (served, issuer) = with_issuer(PageToken::Access, json!({})).await;
    let browser = Browser::open(&served.address).await;
    browser.go("/?view=runs").await;
    browser.click(BUTTON).await;
    browser.click("#cancel").await;
    browser.see_text(PROBLEM, "the sign-in was cancelled").await;
    browser.see_text(PROBLEM, "“the user cancelled”").await;
    assert_eq!(browser.path().await, "/?view=runs");

    // A sign-in that this tab has not begun, or with the answer of another issuer, cannot be completed.
    browser.go("/?code=x&state=y").await;
    browser.see_text(PROBLEM, "has not begun this sign-in").await;
    assert_eq!(browser.path().await, "/");
    browser
        .run("sessionStorage.setItem('drift-inbox:flow', JSON.stringify({ state: 's', nonce: 'n', verifier: 'v'.repeat(43), view: '/' }))")
        .await;
    browser
        .go("/?code=x&state=s&iss=https%3A%2F%2Fevil.example.com")
        .await;
    browser.see_text(PROBLEM, "unexpected \"iss\"").await;

    sign_in(&browser, "eve").await;
    browser.see_text(PROBLEM, "your account has neither").await;
    look_at(&browser, "sign-in-no-role", &SCREENS).await;
    assert_eq!(browser.run("return sessionStorage.length").await, json!(0));
    browser.see_text(BUTTON, "another account").await;
    sign_in(&browser, "ada").await;
    browser.see_text(WHO, "ada@example.com").await;

    for (settings, sentence) in [
        (
            json!({ "audience": "another" }),
            "is for “another”, and this server accepts tokens for “drift-inbox”",
        ),
        (json!({ "opaque": true }), "is not a JSON Web Token"),
        (
            json!({ "opaque": false, "cors": false }),
            "does not allow requests from this page (CORS)",
        ),
    ] {
        issuer.revoke_all().await;
        issuer.set(settings).await;
        browser.run("sessionStorage.clear()").await;
        browser.go("/").await;
        sign_in(&browser, "ada").await;
        browser.see_text(PROBLEM, sentence).await;
    }
}

#[tokio::test]
async fn the_session_is_renewed_without_the_user() {
    let (served, issuer) = with_issuer(PageToken::Access, json!({ "accessSeconds": 3 })).await;
    let browser = Browser::open(&served.address).await;
    browser.go("/").await;
    sign_in(&browser, "ada").await;
    browser.see("[data-testid=connection][data-state=live]").await;
    browser
        .run(&format!("window.first = {TOKEN}; window.seen = new Set()"))
        .await;
    about_to_accept(&served, &browser, "web-1", "tags").await;
    browser.fill("[data-testid=note]", "typed before").await;
    browser
        .until(&format!("window.seen.add({TOKEN}), window.seen.size >= 3"))
        .await;
    assert_eq!(
        browser
            .run("return document.querySelector('[data-testid=note]').value")
            .await,
        json!("typed before")
    );
    // One request for each token: an issuer accepts a refresh token once.
    let tokens = browser
        .run("return window.seen.add(window.first).size")
        .await
        .as_u64()
        .unwrap();
    let requests = browser.requested_urls().await;
    let requests = requests.iter().filter(|url| url.ends_with("/token")).count() as u64;
    assert!(requests <= tokens + 1, "{requests} requests for {tokens} tokens");

    // A token that the server refuses is renewed, and the request is repeated.
    browser.run(SPOIL).await;
    browser.click(CONFIRM).await;
    browser.see_none(DIALOG).await;
    browser.see_text(TOTAL, "2 open").await;
    // The live feed goes on.
    let data_1 = Listed::new("volume", "data-1")
        .region("fra1")
        .attr("size_gigabytes", 100);
    served
        .cloud_has([droplet("web-1"), droplet("web-2").region("fra1"), data_1])
        .await;
    served.sweep().await;
    browser.see_text(TOTAL, "3 open").await;
    // A role that the issuer has withdrawn is noticed.
    issuer
        .set(json!({ "roles": { "ada": ["platform_viewer"] } }))
        .await;
    browser.see_text("#account", "viewer").await;
    assert_eq!(browser.count(BUTTON).await, 0);
}

#[tokio::test]
async fn a_session_that_has_ended_continues_where_it_was() {
    let (served, issuer) = with_issuer(PageToken::Access, json!({})).await;
    let browser = Browser::open(&served.address).await;
    browser.go("/").await;
    sign_in(&browser, "ada").await;
    browser.see("[data-testid=connection][data-state=live]").await;
    let drift = served.open_drift("web-1", "tags").await.id;
    about_to_accept(&served, &browser, "web-1", "tags").await;
    browser.fill("[data-testid=note]", "ticket 4711").await;
    issuer.revoke_all().await;
    browser.run(SPOIL).await;
    browser.click(CONFIRM).await;
    browser.see_text(AGAIN, "has ended").await;
    look_at(&browser, "sign-in-again", &SCREENS).await;

    browser.click("[data-testid=sign-in-again]").await;
    let page = browser.to_new_window().await;
    browser.click("#cancel").await;
    browser.back_to(page).await;
    browser
        .see_text("[data-testid=again-problem]", "was cancelled")
        .await;
    browser.click("[data-testid=sign-in-again]").await;
    let page = browser.to_new_window().await;
    browser.fill("#user", "ada").await;
    browser.click("#in").await;
    browser.back_to(page).await;
    browser.see_none(AGAIN).await;
    browser.click(CONFIRM).await;
    browser.see_none(DIALOG).await;
    let drifts = served.drifts().await;
    let decided = drifts.iter().find(|found| found.id == drift).unwrap();
    assert_eq!(decided.resolution_note.as_deref(), Some("ticket 4711"));
    browser.see("[data-testid=connection][data-state=live]").await;

    // Another user does not continue the session of the first.
    issuer.revoke_all().await;
    about_to_accept(&served, &browser, "web-1", "size_slug").await;
    browser.run(SPOIL).await;
    browser.click(CONFIRM).await;
    browser.click("[data-testid=sign-in-again]").await;
    let page = browser.to_new_window().await;
    browser.fill("#user", "vera").await;
    browser.click("#in").await;
    browser.back_to(page).await;
    browser.see_text(WHO, "vera@example.com").await;
    browser.see_none(DIALOG).await;
}

#[tokio::test]
async fn an_issuer_that_is_down_is_named_and_can_be_tried_again() {
    let (served, issuer) = with_issuer(PageToken::Access, json!({ "down": true })).await;
    let browser = Browser::open(&served.address).await;
    browser.go("/").await;
    browser
        .see_text(PROBLEM, &format!("This server cannot reach {}", issuer.name()))
        .await;
    look_at(&browser, "sign-in-issuer-down", &SCREENS).await;
    // Users with another token are not kept out.
    browser.click("[data-testid=with-token] > summary").await;
    let token = served.token(Some(ADMIN), &["platform_admin"]);
    browser.fill("[data-testid=token-input]", &token).await;
    browser.click("[data-testid=sign-in]").await;
    browser.see_text(WHO, ADMIN).await;
    browser.click("[data-testid=sign-out]").await;
    browser.see_text(BUTTON, "Try again").await;

    issuer.set(json!({ "down": false, "accessSeconds": 1 })).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    browser.click(BUTTON).await;
    browser.see_text(BUTTON, "Sign in with").await;
    sign_in(&browser, "ada").await;
    browser.see_text(WHO, "ada@example.com").await;

    // While the issuer is down, the page says so and renews the session later.
    issuer.set(json!({ "down": true })).await;
    browser.run(SPOIL).await;
    browser
        .see_text("[data-testid=not-renewed]", "cannot reach")
        .await;
    issuer.set(json!({ "down": false })).await;
    browser.click("[data-testid=not-renewed] button").await;
    browser.see_none("[data-testid=not-renewed]").await;
    browser.until(&format!("{TOKEN} !== 'spoilt'")).await;
}

#[tokio::test]
async fn a_proxy_signs_the_user_in() {
    let mut t = with_three_differences().await;
    let header = |name: &'static str| axum::http::HeaderName::from_static(name);
    let proxy = TrustedProxy::new(ProxySettings {
        user_header: header("remote-user"),
        email_header: header("remote-email"),
        roles_header: header("remote-groups"),
        networks: vec!["127.0.0.0/8".parse().unwrap()],
        secret: None,
        aliases: RoleAliases::default(),
    });
    let authenticator = Authenticator::new(None, None, Some(proxy.unwrap()));
    t.router = router(HttpState::new(
        t.app.clone(),
        authenticator,
        ApiLimits::default(),
        true,
    ));
    let served = Served::start(t).await;
    let browser = Browser::open(&served.address).await;
    browser.go("/?region=fra1").await;
    browser
        .see_text("[data-testid=proxy-missing]", "named no user")
        .await;
    browser.see_text(".ways-to-sign-in", "remote-user").await;
    assert_eq!(browser.count("[data-testid=token-input]").await, 0);
    look_at(&browser, "sign-in-proxy", &SCREENS).await;

    let user =
        json!({ "Remote-User": "u1", "Remote-Email": "ada@example.com", "Remote-Groups": "platform_admin" });
    browser.add_headers(user).await;
    browser.click("[data-testid=sign-in-proxy]").await;
    browser.see_text(WHO, "ada@example.com").await;
    browser.see_text(TOTAL, "1 open").await;
    browser.see("[data-testid=connection][data-state=live]").await;
    assert_eq!(browser.count("[data-testid=sign-out]").await, 0);
    browser.go("/").await;
    browser.see_text(TOTAL, "3 open").await;

    browser.add_headers(json!({})).await;
    browser.press("gr").await;
    browser
        .see_text("[data-testid=sign-in-reason]", "the proxy no longer signs you in")
        .await;
}
