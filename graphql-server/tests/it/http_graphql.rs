//! GraphQL over HTTP: the rules of the transport.
//!
//! The requests use only `__typename` and introspection, so the tests pass with any schema behind [`router`].

use axum::{body::Body, http::Request};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::http_client::{GRAPHQL, JSON, get, post, send};
use crate::toy::{router, run};

#[tokio::test]
async fn the_answer_has_the_accepted_media_type() {
    let cases = [
        (None, JSON),
        (Some("*/*"), JSON),
        (Some("application/*"), JSON),
        (Some(JSON), JSON),
        (Some(GRAPHQL), GRAPHQL),
        (
            Some("application/graphql-response+json, application/json;q=0.9"),
            GRAPHQL,
        ),
        (
            Some("application/graphql-response+json;q=0.1, application/json;q=0.9"),
            JSON,
        ),
        (Some("text/event-stream, application/json"), JSON),
        (Some("text/html, */*;q=0.8"), JSON),
    ];
    for (accept, expected) in cases {
        let mut request = post("", json!({"query": "{__typename}"}).to_string());
        request.headers_mut().remove("accept");
        if let Some(accept) = accept {
            request.headers_mut().insert("accept", accept.parse().unwrap());
        }
        let reply = send(router(), request).await;
        assert_eq!(reply.status, 200, "{accept:?}");
        assert_eq!(
            reply.header("content-type"),
            format!("{expected}; charset=utf-8"),
            "{accept:?}"
        );
        assert!(reply.body["data"]["__typename"].is_string());
    }
}

#[tokio::test]
async fn unsupported_media_types_are_not_acceptable() {
    for accept in [
        "text/html",
        "text/event-stream;q=0",
        "application/json;q=0",
        "image/*",
    ] {
        for request in [
            post(accept, "{}"),
            get(accept, &[]),
            get(accept, &[("query", "{__typename}")]),
        ] {
            let reply = send(router(), request).await;
            assert_eq!(
                (reply.status.as_u16(), reply.code()),
                (406, "BAD_REQUEST"),
                "{accept}"
            );
        }
    }
}

#[tokio::test]
async fn only_json_bodies_are_accepted() {
    let types = [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("multipart/form-data; boundary=x"),
        Some("application/graphql"),
        Some("application/json; charset=iso-8859-1"),
        Some(""),
    ];
    for content_type in types {
        let mut request = post(JSON, json!({"query": "{__typename}"}).to_string());
        request.headers_mut().remove("content-type");
        if let Some(content_type) = content_type {
            request
                .headers_mut()
                .insert("content-type", content_type.parse().unwrap());
        }
        let reply = send(router(), request).await;
        assert_eq!(
            (reply.status.as_u16(), reply.code()),
            (415, "BAD_REQUEST"),
            "{content_type:?}"
        );
    }
    let mut request = post(JSON, json!({"query": "{__typename}"}).to_string());
    request
        .headers_mut()
        .insert("content-type", "application/json; charset=UTF-8".parse().unwrap());
    assert_eq!(send(router(), request).await.status, 200);
}

#[tokio::test]
async fn other_methods_are_refused() {
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"] {
        let request = Request::builder()
            .method(method)
            .uri("/graphql")
            .body(Body::empty())
            .unwrap();
        let reply = send(router(), request).await;
        assert_eq!(
            (reply.status.as_u16(), reply.code()),
            (405, "BAD_REQUEST"),
            "{method}"
        );
        assert_eq!(reply.header("allow"), "GET, POST");
    }
}

#[tokio::test]
async fn a_body_of_the_wrong_shape_is_refused() {
    let deep = format!(
        "{{\"query\":\"{{__typename}}\",\"variables\":{}}}",
        "{\"a\":".repeat(50_000)
    );
    let mut bodies: Vec<String> = [
        "",
        " ",
        "{",
        "{ \"not a JSON",
        "null",
        "1",
        "\"{__typename}\"",
        "[]",
        "[\"{__typename}\",null,null,null]",
        "[{\"query\":\"{__typename}\"}]",
        "{\"query\":\"{__typename}\"} x",
        "{\"query\":\"\\ud800\"}",
        "{\"query\":\"a\",\"query\":\"b\"}",
    ]
    .map(str::to_owned)
    .to_vec();
    bodies.push(deep);
    // The check of the shape accepts this body, so the error comes from async-graphql-axum.
    bodies.push(format!(
        "{{\"query\":\"{{__typename}}\",\"variables\":{{\"a\":{}{}}}}}",
        "[".repeat(50_000),
        "]".repeat(50_000)
    ));
    bodies.push(json!({"qeury": "{__typename}"}).to_string());
    for value in [json!(null), json!({"a": 1}), json!(0), json!(false), json!(["a"])] {
        bodies.push(json!({"query": value}).to_string());
    }
    let never = [json!(0), json!(false), json!(["a"])];
    for (name, wrong) in [
        ("operationName", json!({"a": 1})),
        ("variables", json!("text")),
        ("extensions", json!("text")),
    ] {
        for value in never.iter().chain([&wrong]) {
            bodies.push(json!({"query": "{__typename}", name: value}).to_string());
        }
    }
    for body in bodies {
        for accept in [JSON, GRAPHQL] {
            let reply = send(router(), post(accept, body.clone())).await;
            let start: String = body.chars().take(80).collect();
            assert_eq!(
                (reply.status.as_u16(), reply.code()),
                (400, "BAD_REQUEST"),
                "{start}"
            );
            let message = reply.body["errors"][0]["message"]
                .as_str()
                .unwrap()
                .to_lowercase();
            assert!(message.matches("invalid request").count() <= 1, "{message}");
            assert_eq!(reply.body.get("data"), None);
        }
    }
    let bytes = post(JSON, b"{\"query\":\"\xff\"}".to_vec());
    assert_eq!(send(router(), bytes).await.status, 400);
}

#[tokio::test]
async fn optional_parameters_may_be_null_and_unknown_ones_are_ignored() {
    let deep: Value = (0..100).fold(json!(1), |inner, _| json!([inner]));
    for extra in [
        json!({}),
        json!({"operationName": null, "variables": null, "extensions": null}),
        json!({"operationName": "", "variables": {}, "extensions": {"some": "value"}}),
        json!({"id": 7, "doc_id": deep}),
    ] {
        let mut body = extra;
        body["query"] = json!("{__typename}");
        for accept in [JSON, GRAPHQL] {
            let reply = run(router(), accept, &body).await;
            assert_eq!(
                (reply.status.as_u16(), reply.body.get("errors")),
                (200, None),
                "{body}"
            );
        }
    }
}

#[tokio::test]
async fn a_query_can_be_sent_by_get() {
    let reply = send(
        router(),
        get(JSON, &[("query", "{ __typename }"), ("unknown", "x")]),
    )
    .await;
    assert_eq!(reply.status, 200);
    assert!(reply.body["data"]["__typename"].is_string());

    let named = [
        (
            "query",
            "query A { a: __typename } query B($n: String!) { b: __type(name: $n) { name } }",
        ),
        ("operationName", "B"),
        ("variables", "{\"n\": \"String\"}"),
        ("extensions", "{}"),
    ];
    let reply = send(router(), get(GRAPHQL, &named)).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.body, json!({"data": {"b": {"name": "String"}}}));

    let empty = [
        ("query", "{__typename}"),
        ("operationName", ""),
        ("variables", ""),
        ("extensions", ""),
    ];
    assert_eq!(send(router(), get(JSON, &empty)).await.status, 200);
}

#[tokio::test]
async fn a_get_of_the_wrong_shape_is_refused() {
    let query = ("query", "{__typename}");
    let cases: [&[(&str, &str)]; 8] = [
        &[],
        &[("operationName", "A")],
        &[query, query],
        &[query, ("variables", "{")],
        &[query, ("variables", "[]")],
        &[query, ("variables", "\"a\"")],
        &[query, ("variables", "{}"), ("variables", "{}")],
        &[query, ("extensions", "1")],
    ];
    for parameters in cases {
        let reply = send(router(), get("*/*", parameters)).await;
        assert_eq!(
            (reply.status.as_u16(), reply.code()),
            (400, "BAD_REQUEST"),
            "{parameters:?}"
        );
    }
}

#[tokio::test]
async fn a_mutation_is_not_run_by_get() {
    let cases: [&[(&str, &str)]; 5] = [
        &[("query", "mutation { __typename }")],
        &[("query", "mutation M { __typename }")],
        &[("query", "mutation M { __typename }"), ("operationName", "M")],
        &[
            ("query", "query Q { __typename } mutation M { __typename }"),
            ("operationName", "M"),
        ],
        &[(
            "query",
            "# \"\"\"\nmutation M { ...F } fragment F on Mutation { __typename }",
        )],
    ];
    for parameters in cases {
        for accept in [JSON, GRAPHQL] {
            let reply = send(router(), get(accept, parameters)).await;
            assert_eq!(
                (reply.status.as_u16(), reply.code()),
                (405, "BAD_REQUEST"),
                "{parameters:?}"
            );
            assert_eq!(reply.header("allow"), "POST");
        }
    }
    let mut head = get(JSON, cases[0]);
    *head.method_mut() = "HEAD".parse().unwrap();
    assert_eq!(router().oneshot(head).await.unwrap().status(), 405);
    let other = [
        ("query", "query Q { __typename } mutation M { __typename }"),
        ("operationName", "Q"),
    ];
    assert_eq!(send(router(), get(JSON, &other)).await.status, 200);
    let reply = run(router(), GRAPHQL, &json!({"query": "mutation M { __typename }"})).await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn a_subscription_over_plain_http_is_refused() {
    for query in ["subscription { x }", "subscription S { x }"] {
        for request in [
            post(GRAPHQL, json!({"query": query}).to_string()),
            get(JSON, &[("query", query)]),
        ] {
            let reply = send(router(), request).await;
            assert_eq!(
                (reply.status.as_u16(), reply.code()),
                (400, "BAD_REQUEST"),
                "{query}"
            );
        }
    }
}

#[tokio::test]
async fn a_bad_token_is_refused_before_the_body_is_read() {
    let with = |mut request: Request<Body>| {
        request
            .headers_mut()
            .insert("authorization", "Bearer garbage".parse().unwrap());
        request
    };
    let query = json!({"query": "{__typename}"}).to_string();
    for request in [
        post(JSON, query.clone()),
        post(GRAPHQL, "{"),
        get(JSON, &[("query", "{__typename}")]),
        get(JSON, &[]),
    ] {
        let reply = send(router(), with(request)).await;
        assert_eq!((reply.status.as_u16(), reply.code()), (401, "UNAUTHENTICATED"));
        assert_eq!(reply.header("www-authenticate"), "Bearer");
        assert!(!reply.body.to_string().contains("garbage"));
    }
    assert_eq!(
        send(router(), with(post("text/html", query.clone())))
            .await
            .status,
        406
    );
    let mut text = post(JSON, query);
    text.headers_mut()
        .insert("content-type", "text/plain".parse().unwrap());
    assert_eq!(send(router(), with(text)).await.status, 415);
}

#[tokio::test]
async fn a_large_body_is_refused() {
    let mebibyte = 1024 * 1024;
    let fits = json!({"query": "{__typename}"}).to_string();
    let fits = format!("{fits}{}", " ".repeat(mebibyte - fits.len()));
    assert_eq!(send(router(), post(JSON, fits.clone())).await.status, 200);
    for size in [mebibyte + 1, 16 * mebibyte] {
        let text = format!("{fits}{}", " ".repeat(size - mebibyte));
        let chunks: Vec<Result<Vec<u8>, std::io::Error>> = text
            .as_bytes()
            .chunks(65_536)
            .map(|chunk| Ok(chunk.to_vec()))
            .collect();
        let chunked = Body::from_stream(async_graphql::futures_util::stream::iter(chunks));
        let mut announced = post(JSON, text);
        announced.headers_mut().insert("content-length", size.into());
        for request in [post(JSON, chunked), announced] {
            let reply = send(router(), request).await;
            assert_eq!((reply.status.as_u16(), reply.code()), (413, "BAD_REQUEST"));
        }
    }
}

#[tokio::test]
async fn the_status_of_a_request_error_depends_on_the_type() {
    let cases = [
        (json!({"query": "{"}), "GRAPHQL_PARSE_FAILED"),
        (json!({"query": ""}), "GRAPHQL_PARSE_FAILED"),
        (json!({"query": "{ __typename \" }"}), "GRAPHQL_PARSE_FAILED"),
        (
            json!({"query": format!("{{ {}! }}", "a ".repeat(9_000))}),
            "GRAPHQL_PARSE_FAILED",
        ),
        (json!({"query": "type A { b: C }"}), "GRAPHQL_PARSE_FAILED"),
        (
            json!({"query": "{ nothingLikeThis }"}),
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            json!({"query": "{ __typename { a } }"}),
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            json!({"query": "{ __type(name: 1) { name } }"}),
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            json!({"query": "query($id: ID!) { __typename }", "variables": {"id": null}}),
            "BAD_USER_INPUT",
        ),
        (
            json!({"query": "query($n: String!) { __type(name: $n) { name } }"}),
            "BAD_USER_INPUT",
        ),
        (
            json!({"query": "query($n: String!) { __type(name: $n) { name } }", "variables": {"n": 1}}),
            "BAD_USER_INPUT",
        ),
        (
            json!({"query": "query A {__typename} query B {__typename}"}),
            "OPERATION_RESOLUTION_FAILURE",
        ),
        (
            json!({"query": "query A {__typename}", "operationName": "B"}),
            "OPERATION_RESOLUTION_FAILURE",
        ),
        (
            json!({"query": "{__typename}", "operationName": "B"}),
            "OPERATION_RESOLUTION_FAILURE",
        ),
    ];
    for (body, code) in cases {
        for (accept, status) in [(JSON, 200), (GRAPHQL, 400)] {
            let reply = run(router(), accept, &body).await;
            assert_eq!((reply.status.as_u16(), reply.code()), (status, code), "{body}");
            assert_eq!(reply.body.get("data"), None, "{body}");
            assert!(reply.body.to_string().len() < 8_000);
        }
    }
}
