//! GraphQL over HTTP: malicious documents, and similar documents that are harmless.
//!
//! The documents use only `__typename` and introspection, so the tests pass with any schema behind [`router`] whose
//! query type is called `Query`.

use serde_json::json;

use crate::http_client::{GRAPHQL, JSON, get, send};
use crate::toy::{router, run};

/// Returns an operation that spreads the first of `count` fragments. `body` returns the content of a fragment for the
/// number of the next fragment, and `last` is the content of the last fragment.
fn chained(count: usize, body: impl Fn(usize) -> String, last: &str) -> String {
    let mut text = "{ ...F0 } ".to_owned();
    for n in 0..count {
        text += &format!("fragment F{n} on Query {{ {} }} ", body(n + 1));
    }
    format!("{text}fragment F{count} on Query {{ {last} }}")
}

#[tokio::test]
async fn malicious_documents_are_refused() {
    let nest = |open: &str, close: &str, n: usize| format!("{}1{}", open.repeat(n), close.repeat(n));
    let levels = |n| chained(n, |next| format!("...F{next} ...F{next}"), "__typename");
    let types = |n: usize| {
        format!(
            "{{__schema{{types{{{}name{}}}}}}}",
            "fields{type{".repeat(n),
            "}}".repeat(n)
        )
    };
    let unused = format!(
        "{{__typename}} {}",
        chained(5_000, |n| format!("...F{n}"), "__typename")
            .split_once('}')
            .unwrap()
            .1
    );
    let selections = |n: usize| "... on Query { __typename }".repeat(n);
    let costly: Vec<(&str, String)> = vec![
        ("nested list", format!("{{__type(name:{}){{name}}}}", nest("[", "]", 2_500))),
        ("nested object", format!("{{__type(name:{}){{name}}}}", nest("{a:", "}", 2_500))),
        ("nested default", format!("query($a:Int={}){{__typename}}", nest("[", "]", 2_500))),
        ("nested type", format!("query($a:{}Int{}){{__typename}}", "[".repeat(2_500), "]".repeat(2_500))),
        ("nested directive argument", format!("{{__typename @skip(if:{})}}", nest("[", "]", 2_500))),
        ("nested, not closed", format!("{{__type(name:{}", "[".repeat(2_500))),
        ("nested behind a string", format!("{{__type(name:[\"\\\"\",\"\"\"\\\"\"\"\"\"\"{}", "[".repeat(2_500))),
        ("nested selections", format!("{}__typename{}", "{__schema".repeat(60), "}".repeat(60))),
        ("depth", format!("{{__schema{{types{{{}name{}}}}}}}", "ofType{".repeat(14), "}".repeat(14))),
        ("unused fragments in a chain", unused),
        ("fragments in a chain", chained(30, |n| format!("...F{n}"), "__typename")),
        ("101 fragments", (0..101).fold("{__typename}".to_owned(), |text, n| format!("{text}fragment G{n} on Query{{__typename}}"))),
        ("doubling 12", levels(12)),
        ("doubling 19", levels(19)),
        ("doubling 20", levels(20)),
        ("doubling 28", levels(28)),
        ("doubling nothing", chained(18, |n| format!("...F{n} ...F{n}"), "...Unknown")),
        ("doubling that nothing spreads", levels(18).replacen("...F0", "__typename", 1)),
        ("101 aliases", format!("{{{}}}", (0..101).map(|n| format!("a{n}:__typename ")).collect::<String>())),
        ("500 copies", format!("{{{}}}", "__typename ".repeat(500))),
        ("3,000 copies", format!("{{{}}}", "__schema{types{name}} ".repeat(2_900))),
        ("copies in a fragment", format!("{{...F}} fragment F on Query{{{}}}", "__typename ".repeat(21))),
        ("inline fragments", format!("{{{}}}", selections(1_700))),
        ("operations", (0..1_700).map(|n| format!("query Q{n}{{__typename}}")).collect()),
        ("5,000 directives", format!("{{__typename {}}}", "@a ".repeat(5_000))),
        ("4 directives", "{__typename @skip(if:false) @include(if:true) @a @b}".to_owned()),
        ("4 directives on an operation", "query @a @b @c @d {__typename}".to_owned()),
        ("4 directives on a spread", "{...F @a @b @c @d} fragment F on Query{__typename}".to_owned()),
        ("circular introspection 3", types(3)),
        ("circular introspection 6", types(6)),
        ("circular introspection in fragments", "{__schema{types{...T}}} fragment T on __Type{fields{type{...U}}} fragment U on __Type{fields{type{interfaces{name}}}}".to_owned()),
        ("long", format!("{{__typename}}{}", " ".repeat(65_536))),
    ];
    for (what, query) in costly {
        for (accept, status) in [(JSON, 200), (GRAPHQL, 400)] {
            let reply = run(router(), accept, &json!({"query": query})).await;
            assert_eq!(
                (reply.status.as_u16(), reply.code()),
                (status, "QUERY_TOO_COSTLY"),
                "{what}: {}",
                reply.body
            );
        }
        if query.len() < 20_000 {
            let reply = send(router(), get(GRAPHQL, &[("query", &query)])).await;
            assert_eq!(
                (reply.status.as_u16(), reply.code()),
                (400, "QUERY_TOO_COSTLY"),
                "{what} by GET"
            );
        }
    }
}

#[tokio::test]
async fn fragment_cycles_and_unknown_names_are_validation_errors() {
    let invalid = [
        "{...A} fragment A on Query{...A}",
        "{...A} fragment A on Query{...B ...B} fragment B on Query{...A ...A}",
        "{__typename} fragment A on Query{...B} fragment B on Query{__schema{...A}}",
        "{...Unknown}",
        "{__typename} fragment A on Query{__typename}",
        "{__typename @aa}",
        "{__typename @aa @aa}",
        "{__typename @skip(if:false) @skip(if:false)}",
        "{__typename @skip}",
        "{__typename @skip(if:1)}",
        "{__typename @skip(if:true,unless:true)}",
        "{__typename @deprecated}",
        "{__typename(a:1)}",
        "{a:__typename a:__schema{types{name}}}",
        "query($a:Nothing){__type(name:$a){name}}",
    ];
    for query in invalid {
        let reply = run(router(), GRAPHQL, &json!({"query": query})).await;
        assert_eq!(
            (reply.status.as_u16(), reply.code()),
            (400, "GRAPHQL_VALIDATION_FAILED"),
            "{query}"
        );
    }
    let many = format!("{{{}}}", (0..300).map(|n| format!("x{n} ")).collect::<String>());
    let reply = run(
        router(),
        GRAPHQL,
        &json!({"query": format!("{{...F}} fragment F on Query{{__schema{many}}}")}),
    )
    .await;
    assert_eq!(reply.code(), "GRAPHQL_VALIDATION_FAILED");
    assert_eq!(reply.body["errors"].as_array().unwrap().len(), 20);
}

#[tokio::test]
async fn variables_of_unknown_types_are_validation_errors() {
    for query in [
        "query($a: Absent) { __typename }",
        "query($a: [Absent] = [1]) { __typename }",
        "query($a: [[Absent!]!]! = [[1], [2]]) { __typename }",
        "query A { __typename } query B($a: [Absent] = [{ b: 1 }]) { __typename }",
    ] {
        let request = json!({ "query": query, "operationName": query.contains(" A ").then_some("A") });
        let reply = run(router(), GRAPHQL, &request).await;
        assert_eq!(
            (reply.status.as_u16(), reply.code()),
            (400, "GRAPHQL_VALIDATION_FAILED"),
            "{query}"
        );
    }
}

#[tokio::test]
async fn documents_just_within_the_bounds_are_executed() {
    let fine = [
        "{__typename @skip(if:false) @include(if:true)}".to_owned(),
        format!("{{{}}}", "__typename ".repeat(20)),
        format!(
            "{{{}}}",
            (0..20).map(|n| format!("a{n}:__typename ")).collect::<String>()
        ),
        chained(19, |n| format!("...F{n}"), "__typename"),
        "{__schema{types{fields{type{fields{name}}}}}}".to_owned(),
        "{__type(name:\"{{{{[[[[((((@@@@\"){name} # {{{{{{{{ \"\n}".to_owned(),
        "\u{feff}{__type(name:\"\"\"\"{{{{\" \\\"\"\" \"\"\"){name}}".to_owned(),
        format!("{{__typename}}{}", " ".repeat(65_536 - 12)),
        format!("{{__type(name:\"{}\"){{name}}}}", "[".repeat(60_000)),
    ];
    for query in fine {
        let reply = run(router(), GRAPHQL, &json!({"query": query})).await;
        let start: String = query.chars().take(80).collect();
        assert_eq!(
            (reply.status.as_u16(), reply.body.get("errors")),
            (200, None),
            "{start}"
        );
    }
}

/// Returns the default introspection query of graphql-js 16, or that of GraphiQL 4 if `full`.
fn introspection_query(full: bool) -> String {
    let extra = |text: &'static str| if full { text } else { "" };
    let reference = (0..9).fold("name kind".to_owned(), |inner, _| {
        format!("kind name ofType {{ {inner} }}")
    });
    let with_deprecated = extra("(includeDeprecated: true)");
    format!(
        "query IntrospectionQuery {{ __schema {{ {description}
           queryType {{ name kind }} mutationType {{ name kind }} subscriptionType {{ name kind }}
           types {{ ...FullType }}
           directives {{ name description {repeatable} locations args{with_deprecated} {{ ...InputValue }} }} }} }}
         fragment FullType on __Type {{ kind name description {url} {one_of}
           fields(includeDeprecated: true) {{ name description args{with_deprecated} {{ ...InputValue }}
             type {{ ...TypeRef }} isDeprecated deprecationReason }}
           inputFields{with_deprecated} {{ ...InputValue }} interfaces {{ ...TypeRef }}
           enumValues(includeDeprecated: true) {{ name description isDeprecated deprecationReason }}
           possibleTypes {{ ...TypeRef }} }}
         fragment InputValue on __InputValue {{ name description type {{ ...TypeRef }} defaultValue {deprecated} }}
         fragment TypeRef on __Type {{ {reference} }}",
        description = extra("description"),
        repeatable = extra("isRepeatable"),
        url = extra("specifiedByURL"),
        one_of = extra("isOneOf"),
        deprecated = extra("isDeprecated deprecationReason"),
    )
}

#[tokio::test]
async fn the_standard_introspection_query_is_served() {
    for full in [false, true] {
        let reply = run(router(), GRAPHQL, &json!({"query": introspection_query(full)})).await;
        assert_eq!((reply.status.as_u16(), reply.body.get("errors")), (200, None));
        assert!(reply.body["data"]["__schema"]["types"].as_array().unwrap().len() > 10);
    }
}

#[tokio::test]
async fn a_known_document_is_checked_against_the_variables_and_the_operation_of_each_request() {
    let router = router();
    let documents = [
        "query Q($n: Int = 1) { page(first: $n) { id } }",
        "query Q($n: Int = 1) { page(first: $n) { id } } query R { page(first: 2) { id } }",
    ];
    for (query, name) in documents.into_iter().zip([json!(null), json!("Q")]) {
        let ask = async |variables: serde_json::Value| {
            let body = json!({"query": query, "variables": variables, "operationName": name});
            run(router.clone(), JSON, &body).await
        };
        for _ in 0..2 {
            let rows = ask(json!({"n": 2})).await;
            assert_eq!(
                rows.body["data"]["page"].as_array().unwrap().len(),
                2,
                "{}",
                rows.body
            );
            assert_eq!(
                ask(json!({})).await.body["data"]["page"]
                    .as_array()
                    .unwrap()
                    .len(),
                1
            );
            assert_eq!(ask(json!({"n": 1_000_000})).await.code(), "QUERY_TOO_COSTLY");
            assert_eq!(ask(json!({"n": "many"})).await.code(), "BAD_USER_INPUT");
        }
    }
    let other = json!({"query": documents[1], "operationName": "S"});
    assert_eq!(
        run(router.clone(), JSON, &other).await.code(),
        "OPERATION_RESOLUTION_FAILURE"
    );
    let unnamed = json!({"query": documents[1]});
    assert_eq!(
        run(router, JSON, &unnamed).await.code(),
        "OPERATION_RESOLUTION_FAILURE"
    );
}

#[tokio::test]
async fn a_known_document_is_still_refused_where_it_is_not_valid() {
    let query = json!({"query": "{ page { id name } }"});
    let small = crate::toy::Toy::new(
        graphql_server::limits::RequestLimits {
            max_complexity: 10,
            ..Default::default()
        },
        true,
    );
    let (large, small) = (router(), small.router());
    for _ in 0..2 {
        assert_eq!(run(large.clone(), JSON, &query).await.code(), "");
        assert_eq!(run(small.clone(), JSON, &query).await.code(), "QUERY_TOO_COSTLY");
    }
}
