//! GraphiQL in a browser. It must contact no other host than this server.

use serde_json::json;

use crate::support::browser::Browser;
use crate::support::cloud::droplet;
use crate::support::served::Served;
use crate::support::{ADMIN, TestApp};

const EXECUTE: &str = ".graphiql-execute-button";
const RESULT: &str = ".result-window";

/// Violations in GraphiQL itself that no style can fix: tabs that contain a button, a button that is too small, and
/// editors that the keyboard scrolls only while they have the focus.
const GRAPHIQLS_OWN: [&str; 3] = ["nested-interactive", "target-size", "scrollable-region-focusable"];

/// Starts a server with one droplet whose size differs from its spec.
async fn resized() -> Served {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1")]).await;
    t.record_spec("web-1", json!({ "size_slug": "s-96vcpu-768gb" }))
        .await;
    Served::start(t).await
}

async fn signed_in(served: &Served) -> Browser {
    let browser = Browser::open(&served.address).await;
    let token = served.token(Some(ADMIN), &["platform_admin"]);
    browser.go(&format!("/graphiql#token={token}")).await;
    browser.see(".graphiql-query-editor .CodeMirror").await;
    browser
}

/// Pastes a document into the editor.
async fn write(browser: &Browser, document: &str) {
    let script = format!(
        "document.querySelector('.graphiql-query-editor .CodeMirror').CodeMirror.setValue({})",
        json!(document)
    );
    browser.run(&script).await;
    // Until the tab has its new name, the button runs the operation of the old name, which no longer exists.
    browser
        .until("document.querySelector('.graphiql-tab-active').innerText.trim() !== 'Inbox'")
        .await;
}

#[tokio::test]
async fn graphiql_runs_a_query_with_the_token_of_its_link_and_contacts_no_other_host() {
    let served = resized().await;
    served.sweep().await;
    let browser = signed_in(&served).await;
    assert_eq!(
        browser.path().await,
        "/graphiql",
        "the token is removed from the URL"
    );
    assert_eq!(
        browser.texts(".graphiql-tab-button").await,
        ["Inbox", "Accept", "Record", "Watch"]
    );
    browser.click(EXECUTE).await;
    browser.see_text(RESULT, "s-96vcpu-768gb").await;
    browser.shoot("graphiql").await;
    let mut found = browser.axe().await;
    found.retain(|violation| !GRAPHIQLS_OWN.iter().any(|rule| violation.starts_with(rule)));
    assert_eq!(found, Vec::<String>::new());

    browser.click("[aria-label='Show Documentation Explorer']").await;
    browser.see_text(".graphiql-doc-explorer", "Subscription").await;
    browser.shoot("graphiql-docs").await;
    assert_eq!(browser.foreign_requests().await, Default::default());
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn graphiql_shows_subscription_results_as_they_arrive() {
    let served = resized().await;
    let browser = signed_in(&served).await;
    write(
        &browser,
        "subscription Watch { driftChanged { field actual resource { name } } }",
    )
    .await;
    browser.click(EXECUTE).await;
    // The button now stops the subscription.
    browser.see(&format!("{EXECUTE}[aria-label^='Stop']")).await;
    served.sweep().await;
    browser.see_text(RESULT, "size_slug").await;
    browser.shoot("graphiql-subscription").await;
    browser.click(EXECUTE).await;
    browser.see(&format!("{EXECUTE}[aria-label^='Execute']")).await;
    assert_eq!(browser.foreign_requests().await, Default::default());
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn graphiql_shows_numbers_with_all_their_digits() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1").attr("quota", 18_446_744_073_709_551_615_u64)])
        .await;
    let served = Served::start(t).await;
    let browser = signed_in(&served).await;
    write(&browser, "{ resources { nodes { attrs } } }").await;
    browser.click(EXECUTE).await;
    browser.see_text(RESULT, "18446744073709551615").await;
}

#[tokio::test]
async fn graphiql_keeps_the_token_in_the_tab_only() {
    let served = resized().await;
    let browser = signed_in(&served).await;
    let token = served.token(Some("typed@example.com"), &["platform_viewer"]);
    let headers = json!({ "Authorization": format!("Bearer {token}") }).to_string();
    browser.click("[data-name='headers']").await;
    browser
        .run(&format!(
            "document.querySelector('.graphiql-editor-tool .graphiql-editor:not(.hidden) .CodeMirror').CodeMirror.setValue({})",
            json!(headers)
        ))
        .await;
    write(&browser, "{ viewer { email } }").await;
    browser.click(EXECUTE).await;
    browser.see_text(RESULT, "typed@example.com").await;
    // GraphiQL stores its state half a second after the last change.
    browser
        .until("localStorage.getItem('graphiql:tabState')?.includes('viewer')")
        .await;
    let kept = browser.run("return JSON.stringify(localStorage)").await;
    assert!(!kept.to_string().contains("eyJ"), "{kept}");
    assert_eq!(browser.run("return document.cookie").await, json!(""));

    browser.click("#forget").await;
    browser.see_text("#token-state", "No token").await;
    let kept = browser.run("return JSON.stringify(sessionStorage)").await;
    assert!(!kept.to_string().contains("eyJ"), "{kept}");
}

/// The marks of errors in the editors.
const MARKS: &str = "document.querySelectorAll('.CodeMirror-lint-mark-error, .CodeMirror-lint-mark-warning')";

/// Makes GraphiQL check the operation and the variables of the active tab.
async fn check(browser: &Browser) {
    browser
        .run(
            "const editors = [...document.querySelectorAll('.CodeMirror')].filter((editor) => editor.offsetParent !== null);
             for (const { CodeMirror } of editors) if (CodeMirror.getOption('lint')) CodeMirror.performLint();
             await new Promise((resolve) => setTimeout(resolve, 500));",
        )
        .await;
}

#[tokio::test]
async fn graphiql_marks_no_error_in_its_initial_operations() {
    let served = resized().await;
    let browser = signed_in(&served).await;
    browser.click("[aria-label='Show Documentation Explorer']").await;
    browser.see_text(".graphiql-doc-explorer", "Subscription").await;
    for number in 1..=3 {
        browser
            .click(&format!(".graphiql-tab:nth-child({number}) .graphiql-tab-button"))
            .await;
        browser
            .see(&format!(".graphiql-tab:nth-child({number}).graphiql-tab-active"))
            .await;
        check(&browser).await;
        // A mark of the previous tab may remain for a moment; a mark of this tab stays.
        browser.until(&format!("{MARKS}.length === 0")).await;
    }
    browser.shoot("graphiql-record").await;
    // The check is active: an error is marked.
    write(&browser, "{ nowhere }").await;
    browser.see(".CodeMirror-lint-mark-error").await;
}
