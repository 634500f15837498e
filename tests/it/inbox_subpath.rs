//! The pages below a path of another site: a proxy removes the path before the server sees it.

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use crate::support::ADMIN;
use crate::support::browser::Browser;
use crate::support::page::{ROW, TOTAL, three_differences};
use crate::support::served::Served;

/// The path that the proxy removes.
const BELOW: &str = "/drift";

/// A proxy with the site of the tests. It serves until it is dropped.
struct Proxy {
    /// Address of the proxy, as `127.0.0.1:PORT`.
    address: String,
    serving: AbortHandle,
}

#[derive(Clone)]
struct Forwarding {
    client: Client<HttpConnector, Body>,
    server: String,
}

impl Proxy {
    async fn before(served: &Served) -> Self {
        let forwarding = Forwarding {
            client: Client::builder(TokioExecutor::new()).build_http(),
            server: served.address.clone(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let site = Router::new().fallback(forward).with_state(forwarding);
        let serving = tokio::spawn(async move { axum::serve(listener, site).await.unwrap() }).abort_handle();
        Self { address, serving }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Removes the path and asks the server. Other paths belong to other programs of the site.
async fn forward(State(to): State<Forwarding>, mut request: Request) -> Response {
    let path = request.uri().path_and_query().unwrap().as_str();
    let Some(rest) = path.strip_prefix(BELOW).filter(|rest| rest.starts_with('/')) else {
        return (StatusCode::IM_A_TEAPOT, "another program of this site").into_response();
    };
    *request.uri_mut() = format!("http://{}{rest}", to.server).parse::<Uri>().unwrap();
    match to.client.request(request).await {
        Ok(answer) => answer.map(Body::new),
        Err(why) => (StatusCode::BAD_GATEWAY, why.to_string()).into_response(),
    }
}

/// Checks that the page asked only for what is below the path.
async fn stayed_below(browser: &Browser, proxy: &Proxy) {
    let begin = format!("http://{}{BELOW}/", proxy.address);
    let asked = browser.requested_urls().await;
    assert!(!asked.is_empty());
    for url in asked.iter().filter(|url| url.starts_with("http")) {
        assert!(url.starts_with(&begin), "{url}");
    }
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn the_inbox_and_graphiql_work_below_a_path_of_another_site() {
    let served = three_differences().await;
    let proxy = Proxy::before(&served).await;
    let browser = Browser::open(&proxy.address).await;
    let token = served.token(Some(ADMIN), &["platform_admin"]);
    browser.go(&format!("{BELOW}/#token={token}")).await;
    browser.see("[data-testid=connection][data-state=live]").await;
    browser.see_text(TOTAL, "3 open").await;

    // The link of a notification.
    let drift = served.open_drift("web-1", "size_slug").await;
    browser
        .go(&format!("{BELOW}/?drift={}&revision=1", drift.id))
        .await;
    browser.see_text("[data-testid=detail]", "s-96vcpu-768gb").await;

    // An accept elsewhere arrives over the live feed.
    served.accept(&drift).await.unwrap();
    browser.see_text(TOTAL, "2 open").await;
    browser.click("[data-view=coverage]").await;
    browser.until("location.search === '?view=coverage'").await;
    assert_eq!(browser.path().await, format!("{BELOW}/?view=coverage"));
    browser.run("history.back()").await;
    browser.see(ROW).await;
    stayed_below(&browser, &proxy).await;

    browser.go(&format!("{BELOW}/graphiql")).await;
    browser.see(".graphiql-query-editor .CodeMirror").await;
    browser.click(".graphiql-execute-button").await;
    browser.see_text(".result-window", "data-1").await;
    stayed_below(&browser, &proxy).await;
    let back = browser.run("return document.querySelector('#bar a').href").await;
    assert_eq!(back, format!("http://{}{BELOW}/", proxy.address));
}
