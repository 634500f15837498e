//! Limits of one caller, over real connections.

use std::num::NonZeroU32;
use std::time::Duration;

use drift_inbox::auth::Authenticator;
use drift_inbox::graphql::api_limits::ApiLimits;
use drift_inbox::http::{HttpState, router};
use graphql_server::callers::CallerLimits;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::cloud::droplet;
use crate::support::served::Served;
use crate::support::{TestApp, verifier};

const ADA: &str = "ada@example.com";
const BOB: &str = "bob@example.com";

fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

async fn served(limits: CallerLimits) -> Served {
    let mut t = TestApp::new().await;
    let authenticator = Authenticator::from(verifier());
    let limits = ApiLimits {
        callers: limits,
        ..ApiLimits::default()
    };
    t.router = router(HttpState::new(t.app.clone(), authenticator, limits, true));
    Served::start(t).await
}

/// A client with a token. Each user has an id of its own.
struct Client<'a> {
    served: &'a Served,
    token: String,
}

impl<'a> Client<'a> {
    fn new(served: &'a Served, email: &str) -> Self {
        let token = served.token_of(email, Some(email), &["platform_admin"]);
        Self { served, token }
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        client
            .request(method, format!("http://{}{path}", self.served.address))
            .bearer_auth(&self.token)
    }

    fn query(&self, query: &str) -> reqwest::RequestBuilder {
        self.request(Method::POST, "/graphql")
            .json(&json!({ "query": query }))
    }
}

/// Checks that a response is that of a limit, and returns it.
async fn limited(response: reqwest::Response) -> Value {
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    let wait = response.headers()["retry-after"].to_str().unwrap();
    assert!(wait.parse::<u64>().unwrap() > 0);
    response.json().await.unwrap()
}

#[tokio::test]
async fn requests_in_a_minute_are_limited_for_each_user() {
    let t = served(CallerLimits {
        user_per_minute: number(3),
        address_per_minute: number(2),
        ..CallerLimits::default()
    })
    .await;
    let (ada, bob) = (Client::new(&t, ADA), Client::new(&t, BOB));
    let viewer = "{ viewer { email } }";
    assert_eq!(ada.query(viewer).send().await.unwrap().status(), 200);
    // GraphQL and REST count together.
    let rest = ada.request(Method::GET, "/api/v1/drift").send().await.unwrap();
    assert_eq!(rest.status(), 200);
    assert_eq!(ada.query(viewer).send().await.unwrap().status(), 200);
    let refused = limited(ada.query(viewer).send().await.unwrap()).await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "TOO_MANY_REQUESTS");
    for path in ["/api/v1/drift", "/export/drifts.csv", "/export/drifts.json"] {
        let refused = limited(ada.request(Method::GET, path).send().await.unwrap()).await;
        assert_eq!(refused["error"], "too_many_requests", "{path}");
    }
    assert_eq!(bob.query(viewer).send().await.unwrap().status(), 200);
    // Callers without a valid token count for their address, and the health checks do not count.
    for token in ["x", "x"] {
        let request = reqwest::Client::new().post(format!("http://{}/graphql", t.address));
        let wrong = request.bearer_auth(token).json(&json!({ "query": viewer }));
        assert_eq!(wrong.send().await.unwrap().status(), 401);
    }
    let request = reqwest::Client::new().post(format!("http://{}/graphql", t.address));
    limited(
        request
            .json(&json!({ "query": "{ __typename }" }))
            .send()
            .await
            .unwrap(),
    )
    .await;
    for path in ["/healthz", "/readyz", "/"] {
        let answer = reqwest::get(format!("http://{}{path}", t.address)).await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
    }
}

#[tokio::test]
async fn requests_at_the_same_time_are_limited_for_each_user() {
    let t = served(CallerLimits {
        simultaneous: number(1),
        wait: Duration::from_millis(100),
        ..CallerLimits::default()
    })
    .await;
    t.cloud_has([droplet("web")]).await;
    let (ada, bob) = (Client::new(&t, ADA), Client::new(&t, BOB));
    let held = t.cloud.hang().await;
    let sync = ada.query("mutation { syncInventory { run { id } } }").send();
    let sync = tokio::spawn(sync);
    let viewer = "{ viewer { email } }";
    // The sync waits for the cloud and occupies the only place.
    let mut refused = ada.query(viewer).send().await.unwrap();
    for _ in 0..100 {
        if refused.status() == StatusCode::TOO_MANY_REQUESTS {
            break;
        }
        refused = ada.query(viewer).send().await.unwrap();
    }
    let refused = limited(refused).await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "TOO_MANY_REQUESTS");
    assert_eq!(bob.query(viewer).send().await.unwrap().status(), 200);
    drop(held);
    assert_eq!(sync.await.unwrap().unwrap().status(), 200);
    assert_eq!(ada.query(viewer).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn streams_are_limited_for_each_user() {
    let t = served(CallerLimits {
        streams: number(1),
        ..CallerLimits::default()
    })
    .await;
    let (ada, bob) = (Client::new(&t, ADA), Client::new(&t, BOB));
    let open = async |client: &Client<'_>| {
        let events = client.query("subscription { jobRunChanged { __typename } }");
        events.header("accept", "text/event-stream").send().await.unwrap()
    };
    let first = open(&ada).await;
    assert_eq!(first.status(), 200);
    limited(open(&ada).await).await;
    assert_eq!(open(&bob).await.status(), 200);
    // A stream is no request: queries go on.
    assert_eq!(
        ada.query("{ viewer { email } }").send().await.unwrap().status(),
        200
    );
    drop(first);
    for attempt in 0.. {
        if open(&ada).await.status() == 200 {
            break;
        }
        assert!(attempt < 200, "the place of an ended stream is not free again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Returns the code of the first error of a query.
async fn code_of(t: &TestApp, query: &str) -> Value {
    t.ask(query, json!({})).await["errors"][0]["extensions"]["code"].clone()
}

#[tokio::test]
async fn fields_that_read_many_rows_cost_more() {
    let t = TestApp::new().await;
    let fields = |count: usize| {
        let fields: Vec<String> = (0..count)
            .map(|number| format!("c{number}: coverage {{ kind owned }}"))
            .collect();
        format!("{{ {} }}", fields.join(" "))
    };
    assert_eq!(code_of(&t, &fields(20)).await, "QUERY_TOO_COSTLY");
    assert_eq!(code_of(&t, &fields(5)).await, Value::Null);
}

#[tokio::test]
async fn a_large_answer_is_refused() {
    let t = TestApp::new().await;
    let large = "x".repeat(60_000);
    t.cloud_has((0..40).map(|number| droplet(&format!("web-{number}")).attr("user_data", large.clone())))
        .await;
    let page = "resources(first: 40) { nodes { attrs } }";
    let answer = t.ask(&format!("{{ {page} }}"), json!({})).await;
    assert_eq!(answer["errors"], Value::Null);
    let eight = (0..8).map(|number| format!("p{number}: {page}"));
    let eight = format!("{{ {} }}", eight.collect::<Vec<_>>().join(" "));
    let answer = t.ask(&eight, json!({})).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "QUERY_TOO_COSTLY");
    let message = answer["errors"][0]["message"].as_str().unwrap();
    assert!(message.contains("16777216 bytes"), "{message}");
    assert_eq!(answer["data"], Value::Null);
}
