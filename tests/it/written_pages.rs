//! Pages that are written straight from the rows are equal to those of the resolvers, byte for byte.

use axum::body::{Body, to_bytes};
use axum::http::{Request, header};
use proptest::prelude::*;
use proptest::sample::subsequence;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::json;

use crate::support::cloud::droplet;
use crate::support::fleet::fleet;
use crate::support::{ADMIN, TestApp};

const DRIFT: [&str; 23] = [
    "id",
    "address",
    "terraformLines",
    "kind",
    "field",
    "expected",
    "actual",
    "status",
    "revision",
    "detectedAt",
    "resolvedAt",
    "resolvedBy",
    "resolutionNote",
    "lastSeenEqualAt",
    "firstSeenDifferentAt",
    "windowBasis",
    "flapping",
    "__typename",
    "same: field",
    "changes { path line kind before after }",
    "c: changes { t: __typename path } changes { kind }",
    "changesTruncated",
    "more: changesTruncated",
];
const RESOURCE: [&str; 20] = [
    "id",
    "provider",
    "kind",
    "providerId",
    "urn",
    "name",
    "region",
    "sizeSlug",
    "status",
    "ip",
    "vpcUuid",
    "projectId",
    "tags",
    "attrs",
    "firstSeenAt",
    "goneAt",
    "owned",
    "source",
    "__typename",
    "n: name",
];
const SPEC: [&str; 9] = [
    "id",
    "spec",
    "specVersion",
    "source { name address recordedAt __typename }",
    "address",
    "recordedBy",
    "recordedAt",
    "__typename",
    "s: spec",
];
const EVENT: [&str; 7] = [
    "id",
    "type",
    "actor",
    "data",
    "occurredAt",
    "__typename",
    "t: type",
];
const PAGE: &str = "pageInfo { hasNextPage hasPreviousPage startCursor endCursor __typename }";

fn some(fields: &'static [&'static str]) -> impl Strategy<Value = String> {
    subsequence(fields, 1..=fields.len())
        .prop_shuffle()
        .prop_map(|fields| fields.join(" "))
}

/// A selection below a drift.
fn selection() -> impl Strategy<Value = String> {
    let events = (some(&EVENT), 0..4_usize, any::<bool>()).prop_map(|(fields, first, edges)| {
        if edges {
            format!("events(first: {first}) {{ edges {{ cursor node {{ {fields} }} }} __typename {PAGE} }}")
        } else {
            format!("events(first: $few) {{ {PAGE} nodes {{ {fields} }} }}")
        }
    });
    let spec = some(&SPEC).prop_map(|fields| format!("provisioned {{ {fields} }}"));
    let more = (prop::option::of(events), prop::option::of(spec), any::<bool>());
    let resource = (some(&RESOURCE), more).prop_map(|(fields, (events, spec, fragment))| {
        let mut below = [events, spec].into_iter().flatten().collect::<Vec<_>>();
        below.push(fields);
        let below = below.join(" ");
        if fragment {
            format!("resource {{ ... on Resource {{ {below} }} }} resource {{ id }}")
        } else {
            format!("resource {{ {below} }}")
        }
    });
    (some(&DRIFT), prop::option::of(resource))
        .prop_map(|(fields, resource)| format!("{fields} {}", resource.unwrap_or_default()))
}

fn document(page: &str, drift: &str) -> String {
    let few = if drift.contains("$few") {
        "query Q($few: Int) "
    } else {
        ""
    };
    format!(
        "{few}{{ drifts({page}) {{ __typename {PAGE} edges {{ cursor __typename node {{ {drift} }} }} \
         totalCount nodes {{ {drift} }} }} }}"
    )
}

async fn answer(t: &TestApp, document: &str) -> String {
    let body = json!({ "query": document, "variables": { "few": 2 } }).to_string();
    let request = Request::post("/graphql")
        .header(header::CONTENT_TYPE, "application/json")
        .header(
            header::AUTHORIZATION,
            format!("Bearer {}", t.token(Some(ADMIN), &["platform_admin"])),
        );
    let response = t.send(request.body(Body::from(body)).unwrap()).await;
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The answer of the resolvers: a fragment on an interface is not compiled.
async fn resolved(t: &TestApp, page: &str, drift: &str) -> String {
    let with_interface = format!("id ... on Node {{ id }} {drift}");
    answer(t, &document(page, &with_interface)).await
}

/// Checks that two answers are the same bytes, and shows where they begin to differ.
fn assert_same(written: &str, resolved: &str, what: &str) {
    let at = written
        .bytes()
        .zip(resolved.bytes())
        .take_while(|(a, b)| a == b)
        .count();
    let around = |text: &str| {
        text.chars()
            .skip(at.saturating_sub(80))
            .take(200)
            .collect::<String>()
    };
    assert!(
        written == resolved,
        "{what}\n{}\n{}",
        around(written),
        around(resolved)
    );
}

/// Open and closed drifts of resources with and without names, tags, specs and events.
async fn inbox() -> TestApp {
    let t = TestApp::new().await;
    fleet(t.db(), 3, t.now()).await;
    t.cloud_has([
        droplet("web-1").attr(
            "image",
            json!({ "zz": 1.5, "a": [1, "\u{e9}\"\n"], "small": 1e-7, "B": null }),
        ),
        droplet("web-2").tags(["b", "a"]),
        droplet("web-3"),
        droplet("web-4").attr("image", "a\nb\nc\n"),
        droplet("web-5").attr(
            "image",
            json!({ "open": [1], "names": [{ "name": "x", "n": 1.5 }] }),
        ),
        droplet("web-6").attr("image", json!((0..300).collect::<Vec<_>>())),
    ])
    .await;
    t.record_spec("web-4", json!({ "image": "a\nx\nc\n" })).await;
    t.record_spec(
        "web-5",
        json!({ "image": { "open": [2], "names": [{ "name": "x", "n": 2 }, { "name": "y" }] } }),
    )
    .await;
    t.record_spec("web-6", json!({ "image": [-1] })).await;
    let open = "UPDATE cloud_provisioned SET not_compared = '{\"specVersion\": 1, \"paths\": {\"image\": [[\"open\"]]}}' \
                WHERE resource_id IN (SELECT id FROM cloud_resources WHERE name = 'web-5')";
    t.database.execute(open).await.unwrap();
    t.record_spec(
        "web-1",
        json!({ "image": { "a": 2, "Z": { "y": 1, "x": [] } }, "tags": ["prod"] }),
    )
    .await;
    t.record_spec("web-2", json!({ "tags": ["prod"], "size_slug": null }))
        .await;
    t.record_spec("web-3", json!({ "tags": ["prod"] })).await;
    t.sweep().await;
    t.cloud_has([
        droplet("web-1").attr("image", "other"),
        droplet("web-3").tags(["prod"]),
        droplet("web-4").attr("image", "a\nb\nc\n"),
        droplet("web-5").attr(
            "image",
            json!({ "open": [1], "names": [{ "name": "x", "n": 1.5 }] }),
        ),
        droplet("web-6").attr("image", json!((0..300).collect::<Vec<_>>())),
    ])
    .await;
    t.sweep().await;
    let unnamed = "UPDATE cloud_resources SET name = '', ip = '1.2.3.4' WHERE name = 'web-2'";
    t.database.execute(unnamed).await.unwrap();
    for (name, address) in [
        ("web-1", "module.a.digitalocean_droplet.b"),
        ("web-2", r#"digitalocean_droplet.c["it"]"#),
    ] {
        let imported = format!(
            "UPDATE cloud_provisioned SET source = 'terraform:prod', address = '{address}' WHERE resource_id IN \
             (SELECT id FROM cloud_resources WHERE provider_id = '{name}')"
        );
        t.database.execute(imported).await.unwrap();
    }
    t
}

const PAGES: [&str; 5] = [
    "first: 50",
    "first: 3",
    "last: 2",
    "first: 50, filter: { status: [OPEN, STALE, ACCEPTED] }, orderBy: { field: RESOLVED_AT, direction: ASC }",
    "first: 4, filter: { resourceKind: \"droplet\", search: \"web\" }",
];

#[tokio::test]
async fn a_written_page_is_equal_to_that_of_the_resolvers() {
    let t = inbox().await;
    let mut runner = TestRunner::deterministic();
    let selections = selection();
    for round in 0..40 {
        let drift = format!("id {}", selections.new_tree(&mut runner).unwrap().current());
        let page = PAGES[round % PAGES.len()];
        let written = answer(&t, &document(page, &drift)).await;
        assert!(written.contains("\"totalCount\""), "{written}");
        assert_same(
            &written,
            &resolved(&t, page, &drift).await,
            &document(page, &drift),
        );
    }
}

#[tokio::test]
async fn every_field_is_written_as_the_resolvers_write_it() {
    let t = inbox().await;
    let (event, spec, resource, drift) = (
        EVENT.join(" "),
        SPEC.join(" "),
        RESOURCE.join(" "),
        DRIFT.join(" "),
    );
    let drift = format!(
        "{drift} resource {{ {resource} provisioned {{ {spec} }} events {{ {PAGE} edges {{ cursor node {{ {event} }} }} \
         nodes {{ {event} }} }} few: events(first: 0) {{ {PAGE} nodes {{ id }} }} }}"
    );
    for page in PAGES.map(|page| page.replace("first: 50", "first: 8")) {
        let page = page.as_str();
        let written = answer(&t, &document(page, &drift)).await;
        assert_same(&written, &resolved(&t, page, &drift).await, page);
        assert!(written.contains("\"occurredAt\""), "{written}");
    }
    let changes = "{ drifts(first: 50) { nodes { changes { path line } changesTruncated } } }";
    let written = answer(&t, changes).await;
    for part in [
        "\"line\":2",
        "\"changesTruncated\":true",
        "\"path\":\"names[x].n\"}",
        "names[]",
    ] {
        assert!(
            written.replace(",\"line\":null", "").contains(part),
            "{part} {written}"
        );
    }
    assert!(
        !written.contains("\"path\":\"open"),
        "the spec leaves it open: {written}"
    );
}

#[tokio::test]
async fn fields_with_the_same_key_are_merged() {
    let t = inbox().await;
    let both = "drifts(first: 2) { nodes { id } } drifts(first: 2) { nodes { field resource { id } } }";
    let once = answer(&t, "{ drifts(first: 2) { nodes { id field resource { id } } } }").await;
    for document in [
        format!("{{ {both} }}"),
        format!("{{ ...F }} fragment F on Query {{ {both} }}"),
        "{ drifts(first: 2) { nodes { id } ... on DriftConnection { nodes { field resource { id } } } } }"
            .to_owned(),
    ] {
        assert_same(&answer(&t, &document).await, &once, &document);
    }
    let aliased = answer(
        &t,
        "{ a: drifts(first: 1) { nodes { id } } b: drifts(first: 0) { nodes { id } } }",
    )
    .await;
    assert!(aliased.ends_with(r#"}]},"b":{"nodes":[]}}}"#), "{aliased}");
}

#[tokio::test]
async fn errors_below_a_page_are_those_of_the_resolvers() {
    let t = inbox().await;
    for below in [
        "events(first: 201) { nodes { id } }",
        "events(first: -1) { nodes { id } }",
    ] {
        let drift = format!("resource {{ {below} }}");
        let answer = answer(&t, &document("first: 1", &drift)).await;
        assert!(answer.contains("BAD_USER_INPUT"), "{answer}");
        assert!(answer.contains(r#""path":["drifts""#), "{answer}");
    }
}

/// Pages are equal if a selected column contains a value that does not decode.
#[tokio::test]
async fn rows_that_do_not_decode_are_left_out_of_both() {
    let t = inbox().await;
    let faults = if t.database.is_postgres() {
        [
            "UPDATE cloud_provisioned SET spec = '{\"n\":1e400}'",
            "UPDATE cloud_resource_events SET occurred_at = 'infinity' WHERE type = 'spec_recorded'",
        ]
    } else {
        [
            "UPDATE cloud_provisioned SET spec = '{'",
            "UPDATE cloud_resource_events SET occurred_at = 'then' WHERE type = 'spec_recorded'",
        ]
    };
    for fault in faults {
        t.database.execute(fault).await.unwrap();
        let drift = "resource { id name provisioned { id spec } events(first: 1) { nodes { id data } pageInfo { endCursor hasNextPage } } }";
        let drift = format!("id {drift}");
        let written = answer(&t, &document("first: 50", &drift)).await;
        assert_same(&written, &resolved(&t, "first: 50", &drift).await, fault);
    }
}

#[tokio::test]
async fn a_page_is_answered_although_the_server_closed_every_connection() {
    let t = inbox().await;
    if !t.database.is_postgres() {
        return;
    }
    let document = document(
        "first: 50",
        "id resource { name events(first: 1) { nodes { id } } }",
    );
    let before = answer(&t, &document).await;
    for _ in 0..5 {
        let end_all = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity \
                       WHERE datname = current_database() AND pid <> pg_backend_pid()";
        t.database.execute(end_all).await.unwrap();
        assert_same(
            &answer(&t, &document).await,
            &before,
            "after the end of the connections",
        );
    }
}

/// The validation of the library does not compare the arguments of all fields that merge.
#[tokio::test]
async fn merged_fields_with_different_arguments_are_left_to_the_resolvers() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1")]).await;
    t.record_spec("web-1", json!({ "region": "ams3" })).await;
    t.sweep().await;
    let same = "{ drifts { nodes { resource { events(first: 1) { nodes { id } } ... on Resource { events(first: 1) { nodes { type } } } } } } }";
    let other = same.replacen("first: 1", "first: 3", 1);
    for (document, changes) in [
        (same.to_owned(), " ... on Node { id }"),
        (other, " ... on Node { id }"),
    ] {
        let resolved = document.replacen("nodes {", &format!("nodes {{{changes}"), 1);
        let strip = |text: String| {
            let mut answer: serde_json::Value = serde_json::from_str(&text).unwrap();
            answer["data"]["drifts"]["nodes"][0]
                .as_object_mut()
                .unwrap()
                .remove("id");
            answer
        };
        assert_eq!(
            strip(answer(&t, &document).await),
            strip(answer(&t, &resolved).await),
            "{document}"
        );
    }
}

#[tokio::test]
async fn an_object_whose_fields_are_all_skipped_is_equal_on_both_paths() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1")]).await;
    t.record_spec("web-1", json!({ "region": "ams3" })).await;
    t.sweep().await;
    let skipped = "{ drifts { nodes { id @skip(if: true) } } }";
    let resolved = "{ drifts { nodes { id @skip(if: true) ... on Node @skip(if: true) { id } } } }";
    assert_eq!(answer(&t, skipped).await, answer(&t, resolved).await);
}

#[tokio::test]
async fn the_list_of_the_inbox_page_is_written_with_one_statement_for_each_table() {
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let database = crate::support::db::TestDb::create().await;
    let log = std::sync::Arc::clone(&seen);
    let db = database.connect_and_migrate().await;
    let db = db.observed(move |info| log.lock().unwrap().push(info.statement.sql.clone()));
    let t = TestApp::over(db, database);
    fleet(t.db(), 3, t.now()).await;
    t.sweep().await;
    let page = [
        include_str!("../../operations/page/page.graphql"),
        include_str!("../../operations/page/fragments/row.graphql"),
    ]
    .concat();
    seen.lock().unwrap().clear();
    t.data(&page, json!({ "first": 50 })).await;
    let statements = std::mem::take(&mut *seen.lock().unwrap());
    assert_eq!(statements.len(), 2, "{statements:#?}");
    let resolved = page.replace("nodes { ...Row }", "nodes { ... on Node { id } ...Row }");
    assert_eq!(
        t.data(&page, json!({ "first": 50 })).await,
        t.data(&resolved, json!({ "first": 50 })).await
    );
}
