//! Uploads of plans over HTTP: compressed bodies, their limits, and how many there may be at the same time.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{Request, Response, header};
use drift_inbox::graphql::api_limits::ApiLimits;
use drift_inbox::http::{HttpState, router};
use flate2::write::GzEncoder;
use futures_util::{FutureExt as _, StreamExt as _, poll, stream};
use serde_json::Value;
use tokio::sync::oneshot;
use tower::ServiceExt as _;

use crate::import_plans::plan;
use crate::support::{ADMIN, TestApp, verifier};

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn post(t: &TestApp, encoding: Option<&str>, body: impl Into<Body>) -> Request<Body> {
    let token = t.token(Some(ADMIN), &["platform_admin"]);
    let mut request =
        Request::post("/api/v1/plans/prod").header(header::AUTHORIZATION, format!("Bearer {token}"));
    if let Some(encoding) = encoding {
        request = request.header(header::CONTENT_ENCODING, encoding);
    }
    request.body(body.into()).unwrap()
}

async fn answer(response: Response<Body>) -> (u16, Value) {
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), 65_536).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn a_plan_may_be_compressed_with_gzip() {
    let t = TestApp::new().await;
    let plain = plan("2026-12-31T10:00:00Z", &["a", "b"]);
    let (first, second) = plain.split_at(100);
    let parts = [gzip(first), gzip(second)].concat();
    for (encoding, body) in [
        ("gzip", gzip(&plain)),
        ("GZIP", gzip(&plain)),
        ("x-gzip", parts),
        ("identity", plain.clone()),
    ] {
        let (status, summary) = answer(t.send(post(&t, Some(encoding), body)).await).await;
        assert_eq!(
            (status, &summary["instances"]),
            (200, &2.into()),
            "{encoding}: {summary}"
        );
    }
    for (encoding, body, expected) in [
        ("br", plain.clone(), (415, "unsupported_encoding")),
        ("gzip, gzip", gzip(&gzip(&plain)), (415, "unsupported_encoding")),
        ("gzip", plain.clone(), (400, "bad_request")),
        ("gzip", gzip(&plain)[..50].to_vec(), (400, "bad_request")),
        ("gzip", gzip(b"{"), (422, "plan_refused")),
    ] {
        let response = t.send(post(&t, Some(encoding), body)).await;
        assert_eq!(
            response.status() == 415,
            response.headers().contains_key(header::ACCEPT_ENCODING)
        );
        let (status, error) = answer(response).await;
        assert_eq!((status, error["error"].as_str().unwrap()), expected, "{error}");
        assert!(
            error["message"].as_str().unwrap().ends_with(['.', 'p', '`']),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_compressed_body_has_the_limits_of_a_plain_one() {
    let t = TestApp::new().await;
    // 2 GiB of spaces in 2 MiB. Only as much of it is decompressed as the limit allows.
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let spaces = vec![b' '; 1 << 20];
    for _ in 0..64 {
        encoder.write_all(&spaces).unwrap();
    }
    let member = encoder.finish().unwrap();
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    let members = stream::iter(0..32).map(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
        Ok::<_, std::io::Error>(Bytes::from(member.clone()))
    });
    let (status, error) = answer(t.send(post(&t, Some("gzip"), Body::from_stream(members))).await).await;
    assert_eq!(
        (status, error["reason"].as_str()),
        (422, Some("TOO_LARGE")),
        "{error}"
    );
    assert_eq!(sent.load(Ordering::SeqCst), 17, "1 GiB is 16 members");
}

/// A server with these limits of uploads, on the database of the test.
fn limited(t: TestApp, uploads: usize, timeout: Duration) -> TestApp {
    let limits = ApiLimits {
        max_uploads: uploads,
        upload_timeout: timeout,
        ..ApiLimits::default()
    };
    let router = router(HttpState::new(t.app.clone(), verifier(), limits, true));
    TestApp { router, ..t }
}

/// A body that is read only when the sender is used, and whether it was read.
fn held(text: Vec<u8>) -> (Body, oneshot::Sender<()>, Arc<AtomicUsize>) {
    let (release, released) = oneshot::channel::<()>();
    let read = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&read);
    let piece = async move {
        counter.fetch_add(1, Ordering::SeqCst);
        released.await.unwrap();
        Ok::<_, std::io::Error>(Bytes::from(text))
    };
    (Body::from_stream(piece.into_stream()), release, read)
}

#[tokio::test]
async fn more_plans_than_allowed_wait_before_their_bodies_are_read() {
    let t = limited(TestApp::new().await, 2, Duration::from_secs(3_600));
    let mut bodies: Vec<_> = (0..3)
        .map(|_| held(plan("2026-12-31T10:00:00Z", &["a"])))
        .collect();
    let mut running: Vec<_> = bodies
        .iter_mut()
        .map(|(body, ..)| {
            let body = std::mem::replace(body, Body::empty());
            Box::pin(t.router.clone().oneshot(post(&t, None, body)))
        })
        .collect();
    for upload in &mut running {
        assert!(poll!(upload).is_pending());
    }
    let read = |bodies: &[(Body, oneshot::Sender<()>, Arc<AtomicUsize>)]| -> Vec<usize> {
        bodies
            .iter()
            .map(|(_, _, read)| read.load(Ordering::SeqCst))
            .collect()
    };
    assert_eq!(read(&bodies), [1, 1, 0]);
    let (_, release, _) = bodies.remove(0);
    release.send(()).unwrap();
    assert_eq!(running.remove(0).await.unwrap().status(), 200);
    assert!(poll!(&mut running[1]).is_pending());
    assert_eq!(read(&bodies), [1, 1]);
    for ((_, release, _), upload) in bodies.into_iter().zip(running) {
        release.send(()).unwrap();
        assert_eq!(upload.await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn a_plan_that_does_not_arrive_is_given_up_and_makes_room_for_others() {
    let t = limited(TestApp::new().await, 1, Duration::from_millis(1));
    for _ in 0..3 {
        let never = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        let (status, error) = answer(t.send(post(&t, None, never)).await).await;
        assert_eq!(
            (status, error["error"].as_str()),
            (408, Some("upload_timeout")),
            "{error}"
        );
    }
    let t = limited(t, 1, Duration::from_millis(200));
    let (body, _release, read) = held(Vec::new());
    let mut first = Box::pin(t.router.clone().oneshot(post(&t, None, body)));
    assert!(poll!(&mut first).is_pending());
    let waiting = t.send(post(&t, None, plan("2026-12-31T10:00:00Z", &["a"]))).await;
    assert!(waiting.headers().contains_key(header::RETRY_AFTER));
    let (status, error) = answer(waiting).await;
    assert_eq!(
        (status, error["error"].as_str()),
        (503, Some("too_many_uploads")),
        "{error}"
    );
    assert_eq!(read.load(Ordering::SeqCst), 1);
}
