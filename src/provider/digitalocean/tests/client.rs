use serde_json::json;

use super::server::{Answer, Server, client_of, status, time, with_header};
use super::*;

/// Requests the volumes.
async fn request(server: &Server, limits: Limits) -> std::result::Result<Value, RequestError> {
    server.client(limits).get(&["volumes"], &[], soon()).await
}

/// Requests the volumes and returns the error text.
async fn error_of(server: &Server, limits: Limits) -> String {
    match request(server, limits).await {
        Err(RequestError::Failed(why)) => why,
        other => panic!("{other:?}"),
    }
}

/// Requests the volumes from a server that returns only this response.
async fn result_of(answer: Answer) -> std::result::Result<Value, RequestError> {
    request(&Server::in_turn([answer]).await, quick()).await
}

fn good() -> Answer {
    server::json(json!({ "volumes": [1] }))
}

#[tokio::test]
async fn a_response_is_read_completely() {
    let server = Server::in_turn([good()]).await;
    let client = server.client(quick());
    let answer = Ok(json!({ "volumes": [1] }));
    assert_eq!(client.get(&["volumes"], &[("name", "a b")], soon()).await, answer);
    assert_eq!(client.get_first(&["account"], soon()).await, answer);
    assert_eq!(server.requests(), ["volumes?name=a+b", "account"]);
}

#[tokio::test]
async fn client_errors_are_distinguished_and_not_retried() {
    for (code, fault) in [
        (401, RequestError::Unauthorized),
        (403, RequestError::Forbidden),
        (404, RequestError::NotFound),
    ] {
        let server = Server::in_turn([status(code, "{}"), good()]).await;
        assert_eq!(request(&server, quick()).await, Err(fault), "{code}");
    }
    let server = Server::in_turn([status(422, r#"{"id":"unprocessable_entity"}"#), good()]).await;
    assert_eq!(
        error_of(&server, quick()).await,
        "the response status is 422 (unprocessable_entity)"
    );
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let server = Server::start(|request| match request {
        "volumes" => with_header(302, "location", "/v2/droplets", ""),
        _ => good(),
    })
    .await;
    assert_eq!(
        error_of(&server, quick()).await,
        "the response is a redirect (302), which is not followed"
    );
    assert_eq!(server.requests(), ["volumes"]);
}

#[tokio::test]
async fn a_temporary_fault_is_retried() {
    let with_retries = Limits {
        retry_for: Duration::from_secs(10),
        ..quick()
    };
    for fault in [
        status(500, ""),
        status(408, ""),
        status(503, ""),
        status(200, "{"),
        with_header(200, "content-length", 1000, "{"),
    ] {
        let server = Server::in_turn([fault.clone(), good()]).await;
        assert!(request(&server, with_retries.clone()).await.is_ok(), "{fault:?}");
        assert_eq!(server.requests().len(), 2, "{fault:?}");
    }
}

#[tokio::test]
async fn the_reason_for_a_lasting_fault_is_reported() {
    let without_retries = || Limits {
        retry_for: Duration::ZERO,
        ..quick()
    };
    for (fault, named) in [
        (
            status(500, r#"{"id":"server_error"}"#),
            "the response status is 500 (server_error)",
        ),
        (status(503, "<html>"), "the response status is 503"),
        (status(200, "{"), "the response is not JSON, or is incomplete"),
    ] {
        let server = Server::in_turn([fault]).await;
        assert_eq!(error_of(&server, without_retries()).await, named);
    }
    let cut_off = Server::in_turn([with_header(200, "content-length", 1000, "{")]).await;
    let why = error_of(&cut_off, without_retries()).await;
    assert!(why.starts_with("the connection was lost"), "{why}");
}

#[tokio::test]
async fn an_unreachable_host_is_reported_with_the_system_error() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client_of(&format!("http://{}", closed.local_addr().unwrap()), quick());
    drop(closed);
    let Err(RequestError::Failed(why)) = client.get(&["volumes"], &[], soon()).await else {
        panic!("nothing listens there");
    };
    assert!(
        why.starts_with("connecting failed: ") && why.contains("refused"),
        "{why}"
    );
}

#[tokio::test]
async fn an_attempt_cut_off_by_a_limit_reports_why_the_previous_one_failed() {
    for code in [500, 503] {
        let server = Server::in_turn([status(code, ""), Answer::Never]).await;
        let limits = Limits {
            retry_for: Duration::from_millis(100),
            ..quick()
        };
        assert_eq!(
            error_of(&server, limits).await,
            format!("the response status is {code}")
        );
    }
}

#[tokio::test]
async fn the_time_limit_includes_attempts_and_pauses() {
    let server = Server::in_turn([Answer::Never]).await;
    let limits = Limits {
        request_timeout: Duration::from_millis(60),
        retry_for: Duration::from_millis(70),
        ..quick()
    };
    assert_eq!(error_of(&server, limits).await, "no response in time");
    // The second attempt has only the few milliseconds that the first one left.
    assert!(server.requests().len() <= 2, "{:?}", server.requests());
}

#[tokio::test]
async fn requests_end_at_their_common_time_limit() {
    let server = Server::in_turn([Answer::Never]).await;
    let client = server.client(quick());
    let until = Instant::now() + Duration::from_millis(20);
    assert_eq!(
        client.get(&["volumes"], &[], until).await,
        Err(RequestError::Failed(
            "the time limit of all requests together was reached before a response arrived".to_owned()
        ))
    );
}

#[tokio::test]
async fn only_the_first_request_of_a_run_is_retried_after_a_gateway_error() {
    let limits = Limits {
        retry_for: Duration::ZERO,
        first_request: Duration::from_secs(10),
        ..quick()
    };
    let answers = [502, 503, 504].map(|code| status(code, "<html>"));
    let server = Server::in_turn(answers.into_iter().chain([good()])).await;
    let client = server.client(limits.clone());
    assert!(client.get_first(&["account"], soon()).await.is_ok());
    assert_eq!(server.requests().len(), 4);
    let server = Server::in_turn([status(502, ""), good()]).await;
    assert_eq!(
        error_of(&server, limits.clone()).await,
        "the response status is 502"
    );
    let server = Server::in_turn([status(500, ""), good()]).await;
    let answer = server.client(limits).get_first(&["account"], soon()).await;
    assert_eq!(
        answer,
        Err(RequestError::Failed("the response status is 500".to_owned()))
    );
}

#[tokio::test]
async fn a_429_is_retried_within_the_total_wait_limit() {
    let limits = Limits {
        first_pause: Duration::from_millis(10),
        max_rate_limit_wait: Duration::from_millis(30),
        ..quick()
    };
    let zero_wait = || with_header(429, "retry-after", 0, "{}");
    let server = Server::in_turn([zero_wait(), zero_wait(), zero_wait(), good()]).await;
    assert!(request(&server, limits.clone()).await.is_ok(), "three waits fit");
    let server = Server::in_turn([zero_wait()]).await;
    let why = error_of(&server, limits).await;
    assert!(why.starts_with("the rate limit is exhausted (429)"), "{why}");
    assert_eq!(server.requests().len(), 4, "after three waits nothing is left");
}

#[tokio::test]
async fn the_wait_after_a_429_comes_from_its_headers() {
    let reset = |seconds: i64| (time().timestamp() + seconds).to_string();
    let limits = Limits {
        default_rate_limit_wait: Duration::from_secs(77),
        ..quick()
    };
    for (answer, seconds) in [
        (with_header(429, "retry-after", 3000, ""), 3000),
        (with_header(429, "ratelimit-reset", reset(1200), ""), 1200),
        (status(429, ""), 77),
        (with_header(429, "retry-after", "tomorrow", ""), 77),
    ] {
        let server = Server::in_turn([answer.clone()]).await;
        assert_eq!(
            error_of(&server, limits.clone()).await,
            format!("the rate limit is exhausted (429) for at least another {seconds} s"),
            "{answer:?}"
        );
    }
    let past_reset = Server::in_turn([with_header(429, "ratelimit-reset", reset(-60), ""), good()]).await;
    assert!(
        request(&past_reset, limits).await.is_ok(),
        "the limit is over already"
    );
}

#[tokio::test]
async fn after_a_429_no_other_request_is_sent() {
    let server = Server::in_turn([with_header(429, "retry-after", 3000, ""), good()]).await;
    let client = server.client(quick());
    for path in ["volumes", "droplets"] {
        let answer = client.get(&[path], &[], soon()).await;
        let Err(RequestError::Failed(why)) = answer else {
            panic!("{path}: {answer:?}");
        };
        assert!(why.contains("(429)"), "{path}: {why}");
    }
    assert_eq!(server.requests(), ["volumes"]);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_not_read() {
    let body = json!({ "volumes": ["v"] }).to_string();
    let with_body_limit = |body_bytes| Limits {
        body_bytes,
        ..quick()
    };
    let server = Server::in_turn([status(200, &body)]).await;
    assert!(request(&server, with_body_limit(body.len())).await.is_ok());
    assert_eq!(
        error_of(&server, with_body_limit(body.len() - 1)).await,
        format!("the response is larger than {} bytes", body.len() - 1)
    );
    assert_eq!(server.requests().len(), 2, "it would be as large again");
}

#[tokio::test]
async fn only_the_error_code_of_the_api_is_shown() {
    let word = |length: usize| "w".repeat(length);
    let long_message = json!({ "id": "bad_request", "message": "m".repeat(8000) }).to_string();
    let longest = format!(r#"{{"id":"{}"}}"#, word(60));
    let too_long = format!(r#"{{"id":"{}"}}"#, word(61));
    for (body, shown) in [
        (
            r#"{"id":"bad_request","message":"dop_v1_secret"}"#,
            " (bad_request)",
        ),
        (&long_message, " (bad_request)"),
        (&longest, &format!(" ({})", word(60))),
        (&too_long, ""),
        (r#"{"id":""}"#, ""),
        (r#"{"id":"dop_v1_secret"}"#, ""),
        (r#"{"id":7}"#, ""),
        ("<html>", ""),
        ("", ""),
    ] {
        assert_eq!(
            result_of(status(400, body)).await,
            Err(RequestError::Failed(format!("the response status is 400{shown}"))),
            "{body}"
        );
    }
}
