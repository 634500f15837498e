//! The log while the database is away: requests that fail do not flood it. This test does nothing on SQLite.

use axum::http::StatusCode;
use futures_util::future::join_all;
use serde_json::json;
use tracing::Level;

use crate::faults_connections::behind_proxy;
use crate::support::log::Log;

#[tokio::test]
async fn requests_that_fail_while_the_database_is_away_do_not_flood_the_log() {
    let Some((t, mut proxy)) = behind_proxy().await else {
        return;
    };
    proxy.refuse().await;
    let (log, guard) = Log::start(Level::INFO);
    let admin = t.token(Some(crate::support::ADMIN), &["platform_admin"]);
    let drift = json!({ "input": { "driftId": uuid::Uuid::now_v7(), "revision": 1 } });
    let accept = "mutation($input: AcceptDriftInput!) { acceptDrift(input: $input) { drift { id } } }";
    let reads = join_all((0..40).map(|_| t.ask("{ drifts { totalCount } }", json!({}))));
    let writes = join_all((0..20).map(|_| t.ask(accept, drift.clone())));
    let rest = join_all((0..40).map(|_| t.call("GET", "/api/v1/drift", Some(&admin))));
    let (reads, writes, rest) = tokio::join!(reads, writes, rest);
    drop(guard);
    for answer in reads.into_iter().chain(writes) {
        assert_eq!(answer["errors"][0]["extensions"]["code"], "DATABASE_BUSY");
    }
    for answer in rest {
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    }
    assert_eq!(log.count("finished processing request"), 100, "{}", log.text());
    assert_eq!(log.count("requests fail:"), 1, "{}", log.text());
    assert_eq!(log.count(" ERROR "), 0, "{}", log.text());
    // One of requests, one of transactions, and some of connections that are replaced. It was more than one of each request.
    assert!(log.count(" WARN ") < 40, "{}", log.text());
}
