//! Subscriptions: a subscriber receives every transition of a drift once, from all processes.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use chrono::{DateTime, TimeDelta, Utc};
use drift_inbox::app::App;
use drift_inbox::clock::Clock;
use drift_inbox::error::Result;
use drift_inbox::graphql::api_limits::ApiLimits;
use drift_inbox::http::{HttpState, router};
use drift_inbox::jobs::JobRequest;
use drift_inbox::services::acceptance::{self, AcceptDrift};
use drift_inbox::services::events::{self, NewEvent, SYSTEM};
use entity::cloud_drift;
use entity::cloud_resource_events::EventType;
use serde_json::json;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::socket_client::{Server, Socket};
use crate::support::cloud::{Listed, droplet};
use crate::support::db::TestDb;
use crate::support::fleet::fleet;
use crate::support::live::{EVERYTHING, Listener, any_status};
use crate::support::process::{MAX_WAIT, Program};
use crate::support::{ADMIN, TestApp, verifier};

/// Creates a server with three fields that differ from the specs. No sweep has run.
async fn drifted() -> TestApp {
    let t = TestApp::new().await;
    t.cloud_has([web("large", "fra1"), droplet("web-2").region("ams3")])
        .await;
    t.record_spec("web-1", json!({ "size_slug": "small", "region": "nyc3" }))
        .await;
    t.record_spec("web-2", json!({ "region": "nyc3" })).await;
    t
}

fn web(size: &str, region: &str) -> Listed {
    droplet("web-1").size(size).region(region)
}

fn viewer(t: &TestApp) -> String {
    t.token(None, &["platform_viewer"])
}

async fn everything(t: &TestApp, router: &Router) -> Listener {
    let listener = Listener::new(router, Some(&viewer(t)), EVERYTHING, any_status()).await;
    assert_eq!(listener.status, 200);
    listener
}

fn routes(app: &App) -> Router {
    router(HttpState::new(
        app.clone(),
        verifier(),
        ApiLimits::default(),
        true,
    ))
}

fn transition(field: &str, status: &str) -> (String, String) {
    (field.to_owned(), status.to_owned())
}

/// Checks the next transitions, in any order.
async fn expect_drifts(listener: &mut Listener, wanted: &[(&str, &str)]) {
    let mut found = Vec::new();
    for _ in wanted {
        found.push(listener.transition().await);
    }
    found.sort();
    let mut wanted: Vec<_> = wanted
        .iter()
        .map(|(field, status)| transition(field, status))
        .collect();
    wanted.sort();
    assert_eq!(found, wanted);
}

#[tokio::test]
async fn a_commit_of_one_server_reaches_subscribers_of_another() {
    let t = drifted().await;
    let other = t.another_server().await;
    let mut here = everything(&t, &t.router).await;
    let mut there = everything(&t, &routes(&other)).await;
    t.sweep().await;
    let all = [("region", "OPEN"), ("region", "OPEN"), ("size_slug", "OPEN")];
    expect_drifts(&mut here, &all).await;
    expect_drifts(&mut there, &all).await;
    // One drift changes, one becomes stale.
    t.cloud_has([web("huge", "nyc3"), droplet("web-2").region("ams3")])
        .await;
    other.jobs().run(JobRequest::detect_all()).await.unwrap();
    for listener in [&mut here, &mut there] {
        expect_drifts(listener, &[("size_slug", "OPEN"), ("region", "STALE")]).await;
    }
    let drift = t.open_drift("web-1", "size_slug").await;
    let accept = AcceptDrift {
        drift_id: drift.id,
        revision: Some(drift.revision),
        note: None,
    };
    acceptance::accept_drift(other.db(), ADMIN, &accept, t.now())
        .await
        .unwrap();
    for listener in [&mut here, &mut there] {
        let drift_seen = listener.drift().await;
        assert_eq!(
            (&drift_seen["status"], &drift_seen["actual"]),
            (&json!("ACCEPTED"), &json!("huge"))
        );
    }
    // Each transition was sent only once.
    here.expect_silence().await;
    there.expect_silence().await;
}

#[tokio::test]
async fn a_commit_of_a_command_reaches_subscribers() {
    let database = TestDb::create().await;
    let file = |size: &str| {
        let droplet = json!({ "kind": "droplet", "providerId": "1", "name": "web-1", "sizeSlug": size });
        json!({ "provider": "any", "resources": [droplet] }).to_string()
    };
    let program = Program::new()
        .with("DATABASE_URL", &database.url)
        .with("DRIFT_INVENTORY_FILE", "inventory.json")
        .with_file("inventory.json", file("small"));
    assert_eq!(program.run(&["sync"]).code, Some(0));
    let t = TestApp::over(database.connect().await, database);
    t.record_spec("web-1", json!({ "size_slug": "small" })).await;
    // A command uses the real time.
    t.later(Clock::System.now() - t.now());
    let mut listener = everything(&t, &t.router).await;
    let program = program.with_file("inventory.json", file("large"));
    assert_eq!(program.run(&["sync"]).code, Some(0));
    assert_eq!(program.run(&["detect"]).code, Some(0));
    assert_eq!(listener.transition().await, transition("size_slug", "OPEN"));
}

#[tokio::test]
async fn earlier_commits_are_not_sent_to_new_subscribers() {
    let t = drifted().await;
    t.sweep().await;
    let mut first = everything(&t, &t.router).await;
    let region = t.open_drift("web-2", "region").await;
    t.accept(&region).await.unwrap();
    // A new subscriber receives nothing that was committed before, even if the first one has not received it yet.
    let mut second = everything(&t, &t.router).await;
    let size = t.open_drift("web-1", "size_slug").await;
    t.accept(&size).await.unwrap();
    expect_drifts(&mut first, &[("region", "ACCEPTED"), ("size_slug", "ACCEPTED")]).await;
    expect_drifts(&mut second, &[("size_slug", "ACCEPTED")]).await;
    second.expect_silence().await;
}

/// A transaction that logs a change of a drift at a given time, and commits on a signal.
struct Late {
    commit: oneshot::Sender<()>,
    written: JoinHandle<Result<()>>,
}

async fn late(t: &TestApp, drift: &cloud_drift::Model, at: DateTime<Utc>) -> Late {
    let db = t.database.connect().await;
    let (commit, may_commit) = oneshot::channel();
    let (begun, has_begun) = oneshot::channel();
    let signals = Mutex::new(Some((begun, may_commit)));
    let (resource_id, data) = (drift.resource_id, json!({ "driftId": drift.id }));
    let written = tokio::spawn(async move {
        let (signals, data) = (&signals, &data);
        db.write_txn(|txn| async move {
            let event = NewEvent {
                resource_id,
                event_type: EventType::DriftChanged,
                data: data.clone(),
            };
            events::append_in_txn(&txn, vec![event], SYSTEM, at).await?;
            let (begun, may_commit) = signals.lock().unwrap().take().expect("it is written once");
            begun.send(()).unwrap();
            may_commit.await.unwrap();
            Ok(())
        })
        .await
    });
    has_begun.await.unwrap();
    Late { commit, written }
}

impl Late {
    async fn commits(self) {
        self.commit.send(()).unwrap();
        self.written.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_transaction_that_commits_late_is_sent_once() {
    let t = drifted().await;
    t.sweep().await;
    let mut listener = everything(&t, &t.router).await;
    let (slow, fast) = (
        t.open_drift("web-1", "size_slug").await,
        t.open_drift("web-2", "region").await,
    );
    // SQLite has one writer at a time. Its events are late only if they come from a server whose clock is behind.
    let time = t.now() - TimeDelta::seconds(90);
    let held = if t.database.is_postgres() {
        Some(late(&t, &slow, time).await)
    } else {
        None
    };
    t.later(TimeDelta::seconds(20));
    t.accept(&fast).await.unwrap();
    assert_eq!(listener.transition().await, transition("region", "ACCEPTED"));
    let held = match held {
        Some(held) => held,
        None => late(&t, &slow, time).await,
    };
    held.commits().await;
    assert_eq!(listener.transition().await, transition("size_slug", "OPEN"));
    listener.expect_silence().await;
}

#[tokio::test]
async fn each_subscriber_receives_the_drifts_that_match_its_filter() {
    let t = drifted().await;
    let filters = [
        (
            json!({}),
            vec![("region", "OPEN"), ("region", "OPEN"), ("size_slug", "OPEN")],
        ),
        (
            json!({ "filter": { "region": "ams3" } }),
            vec![("region", "OPEN")],
        ),
        (
            json!({ "filter": { "search": "SIZE" } }),
            vec![("size_slug", "OPEN")],
        ),
        (
            json!({ "filter": { "status": ["ACCEPTED"] } }),
            vec![("size_slug", "ACCEPTED")],
        ),
    ];
    let mut listeners = Vec::new();
    for (filter, wanted) in filters {
        let listener = Listener::new(&t.router, Some(&viewer(&t)), EVERYTHING, filter).await;
        listeners.push((listener, wanted));
    }
    t.sweep().await;
    // Read the OPEN drifts before the accept below, which would change their status.
    for (listener, wanted) in &mut listeners[..3] {
        expect_drifts(listener, wanted).await;
    }
    let size = t.open_drift("web-1", "size_slug").await;
    t.accept(&size).await.unwrap();
    for (listener, wanted) in &mut listeners[3..] {
        expect_drifts(listener, wanted).await;
    }
    for (listener, _) in &mut listeners[..3] {
        assert_eq!(listener.event_at_once(), None);
    }
    let bad = json!({ "filter": { "status": [] } });
    let mut refused = Listener::new(&t.router, Some(&viewer(&t)), EVERYTHING, bad).await;
    let (name, data) = refused.event().await.unwrap();
    assert_eq!(
        (name.as_str(), &data["errors"][0]["extensions"]["code"]),
        ("next", &json!("BAD_USER_INPUT"))
    );
    assert_eq!(refused.event().await.unwrap().0, "complete");
    assert_eq!(refused.event().await, None);
}

/// A subscription that selects everything nested in a drift.
const NESTED: &str = "subscription { driftChanged { id field resource { name syncedAt
    provisioned { specVersion } events(first: 2) { totalCount nodes { type } } drifts { totalCount } } } }";

/// Creates a server whose statements are logged, with this many resources that differ from their specs.
async fn counted(resources: usize) -> (TestApp, Arc<Mutex<Vec<String>>>) {
    let database = TestDb::create().await;
    let log = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&log);
    let db = database
        .connect_and_migrate()
        .await
        .observed(move |info| seen.lock().unwrap().push(info.statement.sql.clone()));
    let t = TestApp::over(db, database);
    fleet(t.db(), resources, t.now()).await;
    (t, log)
}

#[tokio::test]
async fn many_subscribers_need_as_many_statements_as_one() {
    let mut reads = Vec::new();
    for count in [1, 25] {
        let (t, log) = counted(4).await;
        let other = t.another_server().await;
        let mut listeners = Vec::new();
        for _ in 0..count {
            listeners.push(Listener::new(&t.router, Some(&viewer(&t)), NESTED, json!({})).await);
        }
        log.lock().unwrap().clear();
        other.jobs().run(JobRequest::detect_all()).await.unwrap();
        for listener in &mut listeners {
            for _ in 0..12 {
                let drift = listener.drift().await;
                assert_eq!(drift["resource"]["provisioned"]["specVersion"], 1);
                assert_eq!(drift["resource"]["events"]["totalCount"], 3, "{drift}");
                assert_eq!(drift["resource"]["drifts"]["totalCount"], 3);
            }
        }
        let log = log.lock().unwrap();
        // Polls are not counted.
        let look = |sql: &&String| !sql.contains("\"type\" IN");
        reads.push(log.iter().filter(look).count());
    }
    // Three statements for the drifts, and one for each nested type.
    assert!(reads[0] <= 10, "{reads:?}");
    assert!(reads[1] <= reads[0] + 3, "{reads:?}");
}

#[tokio::test]
async fn events_are_not_polled_without_subscribers() {
    let (t, log) = counted(1).await;
    let looks = || {
        log.lock()
            .unwrap()
            .iter()
            .filter(|sql| sql.contains("\"type\" IN"))
            .count()
    };
    t.sweep().await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(looks(), 0);
    let listener = everything(&t, &t.router).await;
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert!((2..=6).contains(&looks()), "{}", looks());
    drop(listener);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let then = looks();
    tokio::time::sleep(Duration::from_millis(2_000)).await;
    assert_eq!(looks(), then);
}

#[tokio::test]
async fn slow_readers_are_disconnected() {
    let t = TestApp::new().await;
    fleet(t.db(), 4_500, t.now()).await;
    let (mut slow, mut fast) = (everything(&t, &t.router).await, everything(&t, &t.router).await);
    let reading = tokio::spawn(async move {
        for _ in 0..13_500 {
            fast.drift().await;
        }
        fast
    });
    t.sweep().await;
    let mut fast = reading.await.unwrap();
    assert_eq!(fast.event_at_once(), None);
    let mut received = 0;
    let error = loop {
        match slow.event().await.unwrap() {
            (name, data) if data.get("errors").is_none() => {
                assert_eq!(name, "next");
                received += 1;
            }
            (_, data) => break data,
        }
    };
    assert_eq!(
        error["errors"][0]["extensions"]["code"], "SUBSCRIPTION_LAGGED",
        "{error}"
    );
    assert!((10_000..13_500).contains(&received), "{received}");
    assert_eq!(slow.event().await.unwrap().0, "complete");
    // A new subscription receives later changes.
    let mut again = everything(&t, &t.router).await;
    let drift = t.inbox().await.remove(0);
    t.accept(&drift).await.unwrap();
    assert_eq!(again.transition().await.1, "ACCEPTED");
    assert_eq!(fast.transition().await.1, "ACCEPTED");
}

#[tokio::test]
async fn commits_during_a_database_outage_are_sent_afterwards() {
    let t = drifted().await;
    t.sweep().await;
    let mut listener = everything(&t, &t.router).await;
    let away = "ALTER TABLE cloud_resource_events RENAME COLUMN occurred_at TO away";
    t.database.execute(away).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    t.later(TimeDelta::minutes(10));
    let back = "ALTER TABLE cloud_resource_events RENAME COLUMN away TO occurred_at";
    t.database.execute(back).await.unwrap();
    let region = t.open_drift("web-2", "region").await;
    t.accept(&region).await.unwrap();
    assert_eq!(listener.transition().await, transition("region", "ACCEPTED"));
    listener.expect_silence().await;
}

#[tokio::test]
async fn the_event_stream_conforms_to_its_protocol() {
    let t = drifted().await;
    let mut listener = everything(&t, &t.router).await;
    let header = |listener: &Listener, name: &str| {
        listener
            .headers
            .get(name)
            .map(|value| value.to_str().unwrap().to_owned())
    };
    let seen = [
        "content-type",
        "cache-control",
        "x-accel-buffering",
        "content-encoding",
    ]
    .map(|name| header(&listener, name));
    let type_ = "text/event-stream; charset=utf-8";
    assert_eq!(
        seen,
        [
            Some(type_.to_owned()),
            Some("no-store".to_owned()),
            Some("no".to_owned()),
            None
        ]
    );
    t.sweep().await;
    assert!(listener.drift().await["id"].is_string());
    // The stream of a query has one result.
    let mut query = Listener::new(&t.router, Some(&viewer(&t)), "{ viewer { id } }", json!({})).await;
    let wanted = json!({ "data": { "viewer": { "id": "user-1" } } });
    assert_eq!(query.event().await, Some(("next".to_owned(), wanted)));
    assert_eq!(query.event().await.unwrap().0, "complete");
    assert_eq!(query.event().await, None);
    // Rejected operations and invalid tokens get a plain response.
    let invalid = Listener::new(&t.router, None, "subscription { nothing }", json!({})).await;
    assert_eq!(
        (
            invalid.status.as_u16(),
            header(&invalid, "content-type").unwrap().as_str()
        ),
        (400, "application/json; charset=utf-8")
    );
    let stranger = Listener::new(&t.router, Some("garbage"), EVERYTHING, json!({})).await;
    assert_eq!(stranger.status.as_u16(), 401);
}

#[tokio::test]
async fn a_stream_ends_when_its_token_expires() {
    let t = drifted().await;
    let mut listener = everything(&t, &t.router).await;
    t.later(TimeDelta::minutes(61));
    assert_eq!(listener.event().await.unwrap().0, "complete");
    assert_eq!(listener.event().await, None);
}

#[tokio::test]
async fn a_socket_receives_drifts_and_runs_queries_beside_the_subscription() {
    let t = drifted().await;
    let server = Server::of(&t.router).await;
    let mut socket = Socket::of(server.address, &viewer(&t)).await;
    socket.subscribe("live", EVERYTHING, any_status()).await;
    socket
        .subscribe("now", "{ drifts { totalCount } }", json!({}))
        .await;
    assert_eq!(socket.result("now").await["data"]["drifts"]["totalCount"], 0);
    assert_eq!(socket.receive().await["type"], "complete");
    t.sweep().await;
    for _ in 0..3 {
        assert_eq!(
            socket.result("live").await["data"]["driftChanged"]["status"],
            "OPEN"
        );
    }
    socket.send(json!({ "type": "complete", "id": "live" })).await;
    let size = t.open_drift("web-1", "size_slug").await;
    t.accept(&size).await.unwrap();
    socket.expect_silence().await;
}

#[tokio::test]
async fn a_stopping_server_closes_every_subscription() {
    let t = drifted().await;
    let server = Server::of(&t.router).await;
    let mut socket = Socket::of(server.address, &viewer(&t)).await;
    socket.listen("1", EVERYTHING, any_status()).await;
    let mut unsaid = Socket::new(server.address).await;
    // This client never reads, so it does not answer the close frame.
    let _deaf = Socket::of(server.address, &viewer(&t)).await;
    let stream = reqwest::Client::new()
        .post(format!("http://{}/graphql", server.address))
        .bearer_auth(viewer(&t))
        .header("accept", "text/event-stream")
        .json(&json!({ "query": EVERYTHING }))
        .send()
        .await
        .unwrap();
    let began = Instant::now();
    server.stop();
    assert_eq!(socket.wait_for_close().await.code, 1001);
    assert_eq!(unsaid.wait_for_close().await.code, 1001);
    assert_eq!(stream.text().await.unwrap(), "event: complete\ndata:\n\n");
    tokio::time::timeout(MAX_WAIT, server.stopped()).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test]
async fn fields_of_a_response_are_in_the_order_of_the_selection() {
    let t = drifted().await;
    t.sweep().await;
    // In the query, a field that waits for the database precedes each field that does not. Each key is a letter.
    let drift = "b: resource { c: events(first: 1) { d: totalCount e: nodes { f: type } } ...more g: name } h: id \
                 j: resource { k: kind }";
    let more = "fragment more on Resource { l: provisioned { m: specVersion } }";
    let query =
        format!("{{ a: drifts {{ o: nodes {{ {drift} }} p: totalCount }} q: viewer {{ r: id }} }} {more}");
    let subscription = format!("subscription {{ a: driftChanged {{ {drift} }} }} {more}");
    let one = "bcdeflmghjk";
    let all = format!("ao{}pqr", one.repeat(3));

    let token = viewer(&t);
    let request = Request::post("/graphql")
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {token}"));
    let body = json!({ "query": query }).to_string();
    let response = t.send(request.body(Body::from(body)).unwrap()).await;
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    assert_eq!(keys(std::str::from_utf8(&bytes).unwrap()), all);

    let mut answer = Listener::new(&t.router, Some(&token), &query, json!({})).await;
    assert_eq!(keys(&answer.block().await.unwrap()), all);
    let mut listener = Listener::new(&t.router, Some(&token), &subscription, json!({})).await;
    t.cloud_has([web("huge", "fra1"), droplet("web-2").region("ams3")])
        .await;
    t.sweep().await;
    assert_eq!(keys(&listener.block().await.unwrap()), format!("a{one}"));
}

/// Returns the keys of one letter in their order in the text.
fn keys(json: &str) -> String {
    let quoted = json.split('"').zip(json.split('"').skip(1));
    let keys = quoted.filter(|(key, after)| key.len() == 1 && after.starts_with(':'));
    keys.map(|(key, _)| key).collect()
}
