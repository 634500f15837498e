//! The log while the database is away: requests that fail do not flood it. This test does nothing on SQLite.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use axum::http::StatusCode;
use futures_util::future::join_all;
use serde_json::json;

use crate::faults_connections::behind_proxy;

/// The log of the current thread, on which all tasks of a test run.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn requests_that_fail_while_the_database_is_away_do_not_flood_the_log() {
    let Some((t, mut proxy)) = behind_proxy().await else {
        return;
    };
    proxy.refuse().await;
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
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
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let count = |part: &str| text.lines().filter(|line| line.contains(part)).count();
    assert_eq!(count("finished processing request"), 100, "{text}");
    assert_eq!(count("requests fail:"), 1, "{text}");
    assert_eq!(count(" ERROR "), 0, "{text}");
    // One of requests, one of transactions, and some of connections that are replaced. It was more than one of each request.
    assert!(count(" WARN ") < 40, "{text}");
}
