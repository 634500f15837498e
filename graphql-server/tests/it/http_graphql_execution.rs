//! GraphQL over HTTP: errors, panics, numbers and slow fields of documents that are executed.

use std::time::Duration;

use async_graphql::futures_util::StreamExt;
use graphql_server::limits::RequestLimits;
use serde_json::{Value, json};

use crate::{
    http_client::{GRAPHQL, JSON, post, send},
    toy::{Toy, router, run},
};

#[tokio::test]
async fn a_field_error_is_not_a_request_error() {
    let hidden = ("INTERNAL_SERVER_ERROR", "internal error");
    let cases = [
        ("{ secret }", json!({"secret": null}), hidden),
        ("{ secretRequired }", json!(null), hidden),
        (
            "{ coded }",
            json!({"coded": null}),
            ("NOT_FOUND", "no such thing"),
        ),
    ];
    for (query, data, (code, message)) in cases {
        for accept in [JSON, GRAPHQL] {
            let reply = run(router(), accept, &json!({"query": query})).await;
            assert_eq!((reply.status.as_u16(), reply.code()), (200, code), "{query}");
            assert_eq!(reply.body.get("data"), Some(&data));
            assert_eq!(reply.body["errors"][0]["message"], message);
            assert!(!reply.body.to_string().contains("hunter2"));
        }
    }
}

#[tokio::test]
async fn a_null_propagates_to_the_nearest_nullable_field() {
    let cases = [
        ("{ secret add(a: 1, b: 1) }", json!({"secret": null, "add": 2}), 1),
        ("{ secretRequired add(a: 1, b: 1) }", json!(null), 1),
        ("{ node(id: 0) { id fails } }", json!(null), 1),
        (
            "{ node(id: 0) { optional { id fails } id } }",
            json!({"node": {"optional": null, "id": "0"}}),
            1,
        ),
        (
            "{ node(id: 0) { optional { child { fails } } } }",
            json!({"node": {"optional": null}}),
            1,
        ),
        (
            "{ node(id: 0) { grid { x: fails(ifId: 1) } id } }",
            json!({"node": {"grid": [[{"x": 1}, null], [{"x": 1}]], "id": "0"}}),
            1,
        ),
        (
            "{ node(id: 0) { optional { grid { child { fails } } } } }",
            json!({"node": {"optional": {"grid": [[null, null], [null]]}}}),
            3,
        ),
        ("{ page { fails(ifId: 2) } }", json!(null), 1),
        (
            "{ node(id: 0) { ok: optional { id } bad: optional { fails } } }",
            json!({"node": {"ok": {"id": "0"}, "bad": null}}),
            1,
        ),
        (
            "mutation { a: refused { id } touch b: refused { id } }",
            json!({"a": null, "touch": 1, "b": null}),
            2,
        ),
    ];
    for (query, data, errors) in cases {
        let reply = run(router(), GRAPHQL, &json!({"query": query})).await;
        assert_eq!(reply.status, 200, "{query}");
        assert_eq!(reply.body.get("data"), Some(&data), "{query}");
        assert_eq!(reply.body["errors"].as_array().unwrap().len(), errors, "{query}");
    }
}

#[tokio::test]
async fn arguments_that_do_not_parse_are_client_errors() {
    let cases = [
        json!({"query": "{ add(a: 1, b: 99999999999) }"}),
        json!({"query": "{ limited(n: 6) }"}),
        json!({"query": "{ page(first: 99999999999) { id } }"}),
        json!({"query": "{ node(id: \"a\") { ...F } add(a: 99999999999, b: 1) } fragment F on Node { name }"}),
    ];
    for body in cases {
        let reply = run(router(), JSON, &body).await;
        assert_eq!(
            (reply.status.as_u16(), reply.code()),
            (200, "BAD_USER_INPUT"),
            "{body}"
        );
    }
}

#[tokio::test]
async fn variables_are_validated_before_execution() {
    let add = "query($a: Int!) { add(a: $a, b: 1) secret }";
    let paint = "query($c: Colour!, $f: Filter) { paint(colour: $c, filter: $f) secret }";
    let bad = [
        json!({"query": add}),
        json!({"query": add, "variables": {"a": null}}),
        json!({"query": add, "variables": {"a": "1"}}),
        json!({"query": add, "variables": {"a": 1.5}}),
        json!({"query": add, "variables": {"a": 2_147_483_648_u64}}),
        json!({"query": add, "variables": {"a": [1]}}),
        json!({"query": paint, "variables": {"c": "BLUE"}}),
        json!({"query": paint, "variables": {"c": 1}}),
        json!({"query": paint, "variables": {"c": "RED", "f": {}}}),
        json!({"query": paint, "variables": {"c": "RED", "f": {"names": [null]}}}),
        json!({"query": paint, "variables": {"c": "RED", "f": {"names": [], "size": 1}}}),
        json!({"query": paint, "variables": {"c": "RED", "f": {"names": [], "limit": "x"}}}),
        json!({"query": paint, "variables": {"c": "RED", "f": 3}}),
    ];
    for body in bad {
        let reply = run(router(), GRAPHQL, &body).await;
        assert_eq!(
            (reply.status.as_u16(), reply.code()),
            (400, "BAD_USER_INPUT"),
            "{body}"
        );
        assert_eq!(reply.body.get("data"), None);
    }
    let good = json!({
        "query": "query($c: Colour!, $f: Filter, $x: Int) { paint(colour: $c, filter: $f) add(a: 1, b: 2) @skip(if: true) page(first: $x) { id } }",
        "variables": {"c": "GREEN", "f": {"names": "one", "limit": null}, "x": 0, "unused": 1},
    });
    let reply = run(router(), GRAPHQL, &good).await;
    assert_eq!(reply.body, json!({"data": {"paint": 1, "page": []}}));
}

#[tokio::test]
async fn a_variable_counts_each_time_it_is_used() {
    let list: Vec<Value> = (0..50_000).map(|n| json!(n)).collect();
    let query = |copies| {
        format!(
            "query($v: JSON) {{ node(id: 1) {{ id }} {} }}",
            "echo(value: $v) ".repeat(copies)
        )
    };
    for (copies, code) in [(4, ""), (15, "QUERY_TOO_COSTLY")] {
        let reply = run(
            router(),
            JSON,
            &json!({"query": query(copies), "variables": {"v": list}}),
        )
        .await;
        assert_eq!(reply.code(), code);
    }
}

#[tokio::test]
async fn depth_and_complexity_are_bounded() {
    let deep = format!(
        "{{ node(id: 1) {} }}",
        (0..14).fold("{ id }".to_owned(), |inner, _| format!("{{ child {inner} }}"))
    );
    for query in [
        deep.as_str(),
        "{ page(first: 20001) { id } }",
        "query($n: Int!) { page(first: $n) { id } }",
    ] {
        let reply = run(
            router(),
            GRAPHQL,
            &json!({"query": query, "variables": {"n": 20_001}}),
        )
        .await;
        assert_eq!(
            (reply.status.as_u16(), reply.code()),
            (400, "QUERY_TOO_COSTLY"),
            "{query}"
        );
    }
    let deep = format!(
        "{{ node(id: 1) {} }}",
        (0..4).fold("{ id }".to_owned(), |inner, _| format!("{{ fields {inner} }}"))
    );
    assert_eq!(
        run(router(), JSON, &json!({"query": deep})).await.code(),
        "",
        "no introspection list"
    );
}

#[tokio::test]
async fn numbers_are_returned_exactly() {
    let literal =
        r#"{"query":"{ echo(value: [9007199254740993, 18446744073709551615, -9223372036854775808, 0.1]) }"}"#;
    let sent = r#"{"query":"query($v: JSON) { echo(value: $v) }","variables":{"v":[9007199254740993,18446744073709551615,-9223372036854775808,0.1]}}"#;
    for body in [literal, sent] {
        let reply = send(router(), post(JSON, body)).await;
        assert_eq!(
            reply.body.to_string(),
            r#"{"data":{"echo":[9007199254740993,18446744073709551615,-9223372036854775808,0.1]}}"#
        );
    }
}

#[tokio::test]
async fn an_empty_selection_returns_an_empty_object() {
    let reply = run(
        router(),
        JSON,
        &json!({"query": "{ add(a: 1, b: 1) @skip(if: true) }"}),
    )
    .await;
    assert_eq!(reply.body, json!({"data": {}}));
}

#[tokio::test]
async fn a_panic_is_answered_with_an_error() {
    let reply = run(router(), GRAPHQL, &json!({"query": "{ panics }"})).await;
    assert_eq!(
        (reply.status.as_u16(), reply.code()),
        (500, "INTERNAL_SERVER_ERROR")
    );
    assert!(!reply.body.to_string().contains("hunter2"));
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_cancelled() {
    let limits = RequestLimits {
        request_timeout: Duration::from_millis(20),
        ..RequestLimits::default()
    };
    let slow = json!({"query": "{ slow }"});
    for (accept, status) in [(JSON, 200), (GRAPHQL, 504)] {
        let reply = run(Toy::new(limits.clone(), true).router(), accept, &slow).await;
        assert_eq!((reply.status.as_u16(), reply.code()), (status, "REQUEST_TIMEOUT"));
        assert_eq!(reply.body.get("data"), None);
    }
    let never = async_graphql::futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>();
    let request = post(GRAPHQL, axum::body::Body::from_stream(never));
    let reply = send(Toy::new(limits, true).router(), request).await;
    assert_eq!((reply.status.as_u16(), reply.code()), (408, "REQUEST_TIMEOUT"));
}

#[tokio::test]
async fn introspection_can_be_switched_off() {
    let closed = || Toy::new(RequestLimits::default(), false).router();
    let asking = [
        "{ __schema { types { name } } }",
        "{ a: __type(name: \"Query\") { name } }",
        "{ ...F } fragment F on Query { ... on Query { __schema { types { name } } } }",
    ];
    for query in asking {
        let reply = run(closed(), GRAPHQL, &json!({"query": query})).await;
        assert_eq!(
            (reply.status.as_u16(), reply.code()),
            (400, "INTROSPECTION_DISABLED"),
            "{query}"
        );
    }
    let reply = run(closed(), GRAPHQL, &json!({"query": "{ __typename }"})).await;
    assert_eq!(reply.body, json!({"data": {"__typename": "Query"}}));
}

#[tokio::test]
async fn the_caller_reaches_the_resolvers() {
    let mut request = post(JSON, json!({"query": "{ caller }"}).to_string());
    request
        .headers_mut()
        .insert("authorization", "Bearer good".parse().unwrap());
    assert_eq!(
        send(router(), request).await.body,
        json!({"data": {"caller": "good"}})
    );
}

#[tokio::test]
async fn subscriptions_are_validated_like_queries() {
    let toy = Toy::new(RequestLimits::default(), true);
    let events: Vec<_> = toy
        .schema
        .execute_stream("subscription { ticks }")
        .collect()
        .await;
    assert_eq!(events.len(), 2);
    let query = "subscription { nodes { id fails(ifId: 1) } }";
    let events: Vec<_> = toy.schema.execute_stream(query).collect().await;
    let seen: Vec<_> = events
        .iter()
        .map(|event| (event.data != async_graphql::Value::Null, event.errors.len()))
        .collect();
    assert_eq!(seen, [(false, 1), (true, 0), (false, 1)]);
    for (query, code) in [
        ("subscription { ticks", "GRAPHQL_PARSE_FAILED"),
        ("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"),
        (
            "subscription { ...A } fragment A on Ticks { ...A }",
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            "subscription A { ticks } subscription B { ticks }",
            "OPERATION_RESOLUTION_FAILURE",
        ),
    ] {
        let events: Vec<_> = toy.schema.execute_stream(query).collect().await;
        let codes: Vec<_> = events
            .iter()
            .flat_map(|event| &event.errors)
            .map(graphql_server::codes::code_of)
            .collect();
        assert_eq!(codes, [Some(code)], "{query}");
    }
}
