//! Waits and retries after temporary faults and exhausted rate limits, and their time limits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use drift_inbox::clock::Clock;
use drift_inbox::provider::InventoryProvider as _;
use drift_inbox::provider::digitalocean::{ApiToken, ApiUrl, DigitalOcean, Limits};
use entity::job_runs::{self, JobOutcome};
use serde_json::Value;

use crate::support::account::{counts, limits};
use crate::support::faults::{account_with, page_2_of, sync_with};
use crate::support::stub_do::{Answer, TOKEN, normal_answer, response};

#[tokio::test]
async fn a_sync_ends_even_if_every_response_is_429() {
    let account = account_with(limits()).await;
    let reason = page_2_of(&account, || response(429, [("Retry-After", "0")], "{}")).await;
    assert!(reason.contains("the rate limit is exhausted (429)"), "{reason}");
    // A wait of 50 minutes exceeds the time limit of the run, so it is not started.
    let reset = (account.t.now().timestamp() + 3000).to_string();
    let (run, reason) = sync_with(&account, move |request, value| match request.path.as_str() {
        "account" => normal_answer(value),
        _ => response(429, [("RateLimit-Reset", reset.as_str())], "{}"),
    })
    .await;
    assert_eq!(run.outcome, Some(JobOutcome::Failed));
    assert!(reason.contains("the rate limit is exhausted (429)"), "{reason}");
}

#[tokio::test]
async fn the_wait_after_429_is_the_time_in_the_response() {
    let patient = Limits {
        max_rate_limit_wait: Duration::from_secs(30),
        ..limits()
    };
    let account = account_with(patient).await;
    let reset = (account.t.now().timestamp() + 2).to_string();
    let (limited, by_header) = (
        AtomicUsize::new(0),
        [("retry-after", "1".to_owned()), ("ratelimit-reset", reset)],
    );
    let (run, reason) = sync_with(&account, move |request, value| {
        if request.is_droplets(2)
            && let Some((name, wait)) = by_header.get(limited.fetch_add(1, Ordering::SeqCst))
        {
            return response(429, [(name, wait.as_str())], "{}");
        }
        normal_answer(value)
    })
    .await;
    assert_eq!(
        (run.outcome, reason.as_str()),
        (Some(JobOutcome::Succeeded), "complete")
    );
}

#[tokio::test]
async fn temporary_faults_are_retried() {
    let account = account_with(Limits {
        retry_for: Duration::from_secs(30),
        ..limits()
    })
    .await;
    let tries = AtomicUsize::new(0);
    let (run, reason) = sync_with(&account, move |request, value| {
        if !request.is_droplets(2) {
            return normal_answer(value);
        }
        match tries.fetch_add(1, Ordering::SeqCst) {
            0 => response(500, [], ""),
            1 => response(200, [], "{"),
            2 => response(503, [], "<html>"),
            3 => response(200, [("content-length", "100000")], "{"),
            4 => response(429, [], "{}"),
            _ => normal_answer(value),
        }
    })
    .await;
    assert_eq!(
        (run.outcome, reason.as_str()),
        (Some(JobOutcome::Succeeded), "complete")
    );
}

#[tokio::test]
async fn no_request_is_retried_beyond_its_time_limit() {
    let account = account_with(Limits {
        request_timeout: Duration::from_secs(60),
        retry_for: Duration::from_secs(1),
        ..limits()
    })
    .await;
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&tries);
    let started = Instant::now();
    let reason = page_2_of(&account, move || match counted.fetch_add(1, Ordering::SeqCst) {
        0 => response(500, [], ""),
        // The retry starts before the time limit, but would end a minute later.
        _ => Answer::Hang,
    })
    .await;
    assert_eq!(tries.load(Ordering::SeqCst), 2);
    assert_eq!(
        reason, "incomplete: /v2/droplets: the response status is 500",
        "a try that was cut short says nothing new"
    );
    assert!(started.elapsed() < Duration::from_secs(30));
}

#[tokio::test]
async fn confirmations_of_unlisted_resources_have_a_time_limit() {
    let account = account_with(Limits {
        request_timeout: Duration::from_secs(60),
        // Long enough for the second sync on a busy machine.
        confirming: Duration::from_secs(3),
        ..limits()
    })
    .await;
    account.stub.delete("volumes", 0);
    let lost: Vec<Value> = (0..5).map(|_| account.stub.delete("droplets", 0)).collect();
    let started = Instant::now();
    let (run, reason) = sync_with(&account, |request, value| {
        if request.path.starts_with("droplets/1") || request.path == "volumes/v-1" {
            Answer::Hang
        } else {
            normal_answer(value)
        }
    })
    .await;
    assert!(started.elapsed() < Duration::from_secs(30));
    assert_eq!((run.outcome, lost.len()), (Some(JobOutcome::Partial), 5));
    // The kind with the fewest unlisted resources is confirmed first.
    let why = counts(&run).kinds.remove("volume").unwrap().reason.unwrap();
    assert!(
        why.contains("the time limit of all requests together was reached before a response arrived"),
        "{why}"
    );
    assert!(
        reason.starts_with("incomplete: 5 resources")
            && reason.contains("confirming unlisted resources took longer than"),
        "{reason}"
    );
    // The next run has its own time limit.
    account.stub.fault(|_, value| normal_answer(value));
    let run = account.sync().await;
    assert_eq!((run.outcome, counts(&run).gone), (Some(JobOutcome::Succeeded), 6));
}

/// Syncs while the first request fails this many times with a gateway error. Returns the run and the number of tries.
async fn behind_a_gateway(times: usize, first_request: Duration) -> (job_runs::Model, usize) {
    let account = account_with(Limits {
        retry_for: Duration::from_millis(5),
        first_request,
        ..limits()
    })
    .await;
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&tries);
    account.stub.fault(move |request, value| {
        if request.path != "account" {
            return normal_answer(value);
        }
        let tried = counted.fetch_add(1, Ordering::SeqCst);
        if tried < times {
            response([502, 503, 504][tried % 3], [], "<html>Bad Gateway</html>")
        } else {
            normal_answer(value)
        }
    });
    let run = account.sync().await;
    (run, tries.load(Ordering::SeqCst))
}

#[tokio::test]
async fn gateway_errors_of_the_first_request_are_retried() {
    let (run, tries) = behind_a_gateway(12, Duration::from_secs(60)).await;
    assert_eq!(run.outcome, Some(JobOutcome::Succeeded), "{:?}", run.error);
    assert_eq!(tries, 13);
}

#[tokio::test]
async fn lasting_gateway_errors_end_the_run_with_their_status() {
    let started = Instant::now();
    let (run, tries) = behind_a_gateway(usize::MAX, Duration::from_millis(200)).await;
    assert_eq!(run.outcome, Some(JobOutcome::Failed));
    let error = run.error.unwrap();
    assert!(
        error.contains("/v2/account: the response status is 50"),
        "{error}"
    );
    assert!(tries > 7, "{tries}");
    assert!(started.elapsed() < Duration::from_secs(60));
}

#[tokio::test]
async fn an_unreachable_host_is_not_retried_as_long_as_a_gateway_error() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let patient = Limits {
        first_request: Duration::from_secs(3600),
        ..limits()
    };
    let (api, token) = (
        ApiUrl::parse(&url).unwrap(),
        ApiToken::new(&TOKEN.into()).unwrap(),
    );
    let provider = DigitalOcean::new(api, &token, patient, Clock::System).unwrap();
    let result = tokio::time::timeout(Duration::from_secs(60), provider.account()).await;
    let error = result.expect("it ends").unwrap_err().to_string();
    assert!(error.contains("connecting failed"), "{error}");
}
