//! Complete responses of the API.

use chrono::TimeDelta;
use serde_json::{Map, Value, json};

use crate::support::cloud::{Listed, droplet};
use crate::support::graphql::stable;
use crate::support::{ADMIN, TestApp};

const FRAGMENTS: [(&str, &str); 6] = [
    (
        "...page",
        "fragment page on PageInfo { hasNextPage hasPreviousPage startCursor endCursor }",
    ),
    (
        "...event",
        "fragment event on ResourceEvent { __typename id type actor data occurredAt }",
    ),
    (
        "...spec",
        "fragment spec on ProvisionedSpec { __typename id spec specVersion address source { __typename kind name lineage address serial recordedAt }
            recordedBy recordedAt
            resource { id name } }",
    ),
    (
        "...drift",
        "fragment drift on Drift { __typename id kind address terraformLines field expected actual status revision detectedAt resolvedAt
            resolvedBy resolutionNote }",
    ),
    (
        "...resource",
        "fragment resource on Resource { __typename id provider kind providerId urn name region sizeSlug status ip
            vpcUuid projectId tags attrs firstSeenAt syncedAt goneAt }",
    ),
    (
        "...run",
        "fragment run on JobRun { __typename id job scheduledFor startedAt finishedAt outcome counts error }",
    ),
];

/// Appends the fragments that the query spreads. Unused fragments would be an error.
fn whole(query: &str) -> String {
    let used = FRAGMENTS.iter().filter(|(spread, _)| query.contains(spread));
    let fragments: Vec<&str> = used.map(|(_, fragment)| *fragment).collect();
    format!("{query} {}", fragments.join(" "))
}

/// Creates a server with two droplets and a volume. web-1 has an open and an accepted drift, and web-2 is gone.
async fn lived_in_cloud() -> TestApp {
    let t = TestApp::new().await;
    let web_1 = droplet("web-1")
        .size("s-2vcpu-4gb")
        .tags(["web", "eu"])
        .attr("backups", true)
        .attr("memory", 9_007_199_254_740_993_i64);
    let data_1 = Listed::new("volume", "data-1")
        .region("fra1")
        .attr("size_gigabytes", 100);
    t.cloud_has([web_1.clone(), droplet("web-2"), data_1.clone()])
        .await;
    let spec = json!({ "size_slug": "s-1vcpu-1gb", "backups": null, "tags": ["eu", "web"] });
    t.record_spec("web-1", spec).await;
    t.record_spec("web-2", json!({ "region": "nyc3", "size_slug": "s-1vcpu-1gb" }))
        .await;
    t.later(TimeDelta::minutes(5));
    t.sweep().await;
    let accept = "mutation($id: ID!) {
        acceptDrift(input: { driftId: $id, revision: 1, note: \"grown\" }) { drift { id } } }";
    let size = t.open_drift("web-1", "size_slug").await;
    t.later(TimeDelta::minutes(1));
    t.data(accept, json!({ "id": size.id })).await;
    t.cloud_has([web_1, data_1]).await;
    t.sweep().await;
    t
}

#[tokio::test]
async fn the_inbox_query_returns_all_selected_fields() {
    let t = lived_in_cloud().await;
    let query = whole(
        "{ drifts(first: 10) { totalCount pageInfo { ...page } nodes { id }
            edges { cursor node { ...drift resource { ...resource provisioned { ...spec }
                events(first: 2) { totalCount pageInfo { ...page } edges { cursor node { ...event } } }
                drifts { totalCount pageInfo { ...page } edges { cursor node { ...drift } } } } } } } }",
    );
    insta::assert_json_snapshot!(stable(t.ask(&query, json!({})).await));
}

#[tokio::test]
async fn a_resource_is_returned_with_its_spec_drifts_and_events() {
    let t = lived_in_cloud().await;
    let query = whole(
        "query($id: ID!) { resource(id: $id) { ...resource provisioned { ...spec }
            open: drifts { totalCount nodes { ...drift } }
            accepted: drifts(filter: { status: [ACCEPTED] }) { totalCount nodes { ...drift } }
            events { totalCount nodes { ...event } pageInfo { ...page } } } }",
    );
    let id = t.resource("web-1").await.id;
    insta::assert_json_snapshot!(stable(t.ask(&query, json!({ "id": id })).await));
}

#[tokio::test]
async fn the_drift_of_a_missing_resource_is_returned() {
    let t = lived_in_cloud().await;
    let query = whole(
        "query($id: ID!) { drift(id: $id) { ...drift resource { ...resource
            events { nodes { ...event } } provisioned { ...spec } } } }",
    );
    let id = t.open_drift("web-2", "*").await.id;
    insta::assert_json_snapshot!(stable(t.ask(&query, json!({ "id": id })).await));
}

#[tokio::test]
async fn the_runs_of_the_jobs_are_returned() {
    let t = lived_in_cloud().await;
    let query = whole(
        "{ jobRuns { totalCount pageInfo { ...page } edges { cursor node { ...run } } }
           sweeps: jobRuns(job: DETECT_DRIFT, first: 1) { totalCount nodes { ...run } pageInfo { ...page } } }",
    );
    insta::assert_json_snapshot!(stable(t.ask(&query, json!({})).await));
}

#[tokio::test]
async fn viewer_returns_the_name_and_role_of_the_caller() {
    let t = TestApp::new().await;
    let query = "{ viewer { __typename id email roles } }";
    let admin = t.ask(query, json!({})).await;
    let viewer = t.token(None, &["platform-viewer", "something else"]);
    let viewer = t.ask_as(Some(&viewer), query, json!({})).await;
    insta::assert_json_snapshot!(json!({ "admin": admin, "viewer without an email": viewer }));
}

#[tokio::test]
async fn every_type_with_an_id_is_a_node() {
    let t = lived_in_cloud().await;
    let ids = "{ drifts { nodes { id resource { id } } } jobRuns(first: 1) { nodes { id } }
        resources(filter: { search: \"web-1\" }) { nodes { provisioned { id } events(last: 1) { nodes { id } } } } }";
    let ids = t.data(ids, json!({})).await;
    let drift = &ids["drifts"]["nodes"][0];
    let resource = &ids["resources"]["nodes"][0];
    let query = whole(
        "query($drift: ID!, $resource: ID!, $spec: ID!, $event: ID!, $run: ID!, $none: ID!) {
            drift: node(id: $drift) { id ...drift } resource: node(id: $resource) { id ...resource }
            spec: node(id: $spec) { id ...spec } event: node(id: $event) { id ...event }
            run: node(id: $run) { id ...run } none: node(id: $none) { id } }",
    );
    let variables = json!({
        "drift": drift["id"],
        "resource": drift["resource"]["id"],
        "spec": resource["provisioned"]["id"],
        "event": resource["events"]["nodes"][0]["id"],
        "run": ids["jobRuns"]["nodes"][0]["id"],
        "none": "00000000-0000-7000-8000-000000000000",
    });
    insta::assert_json_snapshot!(stable(t.ask(&query, variables).await));
}

#[tokio::test]
async fn an_unknown_id_is_null_and_a_malformed_id_is_an_error() {
    let t = TestApp::new().await;
    for field in ["node", "drift", "resource"] {
        let query = format!("query($id: ID!) {{ it: {field}(id: $id) {{ id }} }}");
        let unknown = json!({ "id": "00000000-0000-7000-8000-000000000000" });
        assert_eq!(t.data(&query, unknown).await, json!({ "it": null }));
        for malformed in ["", "1", "not-a-uuid", "00000000-0000-7000-8000-00000000000\0"] {
            assert_eq!(
                t.refusal(&query, json!({ "id": malformed })).await,
                "BAD_USER_INPUT",
                "{field} {malformed:?}"
            );
        }
    }
}

#[tokio::test]
async fn each_resource_filter_returns_the_matching_resources() {
    let t = lived_in_cloud().await;
    let filters = [
        json!(null),
        json!({}),
        json!({ "provider": "digitalocean" }),
        json!({ "provider": "DigitalOcean" }),
        json!({ "kind": "volume" }),
        json!({ "region": "nyc3" }),
        json!({ "managed": true }),
        json!({ "managed": false }),
        json!({ "managed": null }),
        json!({ "drifted": true }),
        json!({ "drifted": false }),
        json!({ "drifted": null }),
        json!({ "gone": true }),
        json!({ "gone": false }),
        json!({ "gone": null }),
        json!({ "search": "WEB" }),
        json!({ "search": "" }),
        json!({ "kind": "droplet", "gone": false, "drifted": true }),
    ];
    let query = "query($filter: ResourceFilter) {
        resources(filter: $filter) { totalCount nodes { name } } }";
    let mut found = Map::new();
    for filter in filters {
        let page = t.data(query, json!({ "filter": filter })).await["resources"].clone();
        let rows = page["nodes"].as_array().unwrap();
        assert_eq!(page["totalCount"], rows.len(), "{filter}");
        let mut names: Vec<&str> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
        names.sort_unstable();
        found.insert(filter.to_string(), names.join(" ").into());
    }
    insta::assert_json_snapshot!(Value::Object(found));
}

#[tokio::test]
async fn numbers_beyond_double_precision_are_returned_exactly() {
    let t = TestApp::new().await;
    let numbers = json!({
        "odd": 9_007_199_254_740_993_i64, "least": i64::MIN, "most": u64::MAX, "tenth": 0.1, "tiny": 5e-324
    });
    let mut web = droplet("web-1");
    for (name, number) in numbers.as_object().unwrap() {
        web = web.attr(name, number.clone());
    }
    t.cloud_has([web]).await;
    let record = "mutation($input: RecordSpecInput!) { recordSpec(input: $input) { provisioned { spec } } }";
    let input = json!({ "resourceId": t.resource("web-1").await.id, "spec": numbers });
    let recorded = t.data(record, json!({ "input": input })).await;
    assert_eq!(recorded["recordSpec"]["provisioned"]["spec"], numbers);
    assert_eq!(t.sweep().await.opened, 0);
    let read = t
        .data(
            "{ resources { nodes { attrs provisioned { spec } } } }",
            json!({}),
        )
        .await;
    let node = &read["resources"]["nodes"][0];
    assert_eq!(
        (&node["attrs"], &node["provisioned"]["spec"]),
        (&numbers, &numbers)
    );

    t.record_spec(
        "web-1",
        json!({ "odd": 9_007_199_254_740_992_i64, "most": u64::MAX - 1 }),
    )
    .await;
    t.sweep().await;
    let drifts = t
        .data("{ drifts { nodes { field expected actual } } }", json!({}))
        .await;
    let wanted = json!([
        { "field": "odd", "expected": 9_007_199_254_740_992_i64, "actual": 9_007_199_254_740_993_i64 },
        { "field": "most", "expected": u64::MAX - 1, "actual": u64::MAX },
    ]);
    assert_eq!(drifts["drifts"]["nodes"], wanted);
}

#[tokio::test]
async fn a_full_page_with_resources_specs_and_events_is_within_the_limits() {
    let t = lived_in_cloud().await;
    let full = whole(
        "{ drifts(first: 200) { totalCount nodes { ...drift resource { ...resource
            provisioned { ...spec } events(first: 5) { nodes { ...event } } } } } }",
    );
    let page = t.data(&full, json!({})).await;
    assert_eq!(page["drifts"]["totalCount"], 2);
    let nonsense = "{ resources(first: 200) { nodes { drifts(first: 200) { nodes { id } } } } }";
    assert_eq!(t.refusal(nonsense, json!({})).await, "QUERY_TOO_COSTLY");
    let by_default =
        "{ drifts { nodes { resource { drifts { nodes { resource { events { nodes { id } } } } } } } } }";
    assert_eq!(t.refusal(by_default, json!({})).await, "QUERY_TOO_COSTLY");
}

#[tokio::test]
async fn nested_pages_with_different_arguments_are_independent() {
    let t = lived_in_cloud().await;
    let query =
        "query($filter: DriftFilter) { resources(filter: { kind: \"droplet\" }, first: 5) { nodes { name
        oldest: events(last: 1) { totalCount nodes { type } }
        newest: events(first: 1) { totalCount nodes { type } }
        open: drifts { totalCount nodes { field } }
        accepted: drifts(filter: { status: ACCEPTED }) { totalCount nodes { field } }
        stale: drifts(filter: $filter) { totalCount nodes { field } }
        both: drifts(filter: { status: [OPEN, ACCEPTED] }, last: 1) { totalCount nodes { field } } } } }";
    let answer = t.data(query, json!({ "filter": { "status": ["STALE"] } })).await;
    insta::assert_json_snapshot!(answer);
}

#[tokio::test]
async fn an_invalid_filter_of_one_field_does_not_affect_other_fields() {
    let t = lived_in_cloud().await;
    let query = "query($id: ID!, $other: ID!, $filter: DriftFilter) {
        bad: resource(id: $id) { drifts(filter: $filter) { nodes { id } } }
        good: resource(id: $other) { drifts { nodes { field } } } }";
    let (id, other) = (t.resource("web-1").await.id, t.resource("web-2").await.id);
    let filter = json!({ "search": "a\0b" });
    let answer = t
        .ask(query, json!({ "id": id, "other": other, "filter": filter }))
        .await;
    assert_eq!(answer["errors"].as_array().unwrap().len(), 1, "{answer:#}");
    assert_eq!(answer["data"]["bad"], Value::Null);
    assert_eq!(
        answer["data"]["good"]["drifts"]["nodes"],
        json!([{ "field": "*" }])
    );
}

#[tokio::test]
async fn a_retired_spec_is_not_a_node() {
    let t = lived_in_cloud().await;
    let spec = t.spec("web-2").await;
    let missing = t.open_drift("web-2", "*").await;
    assert_eq!(
        t.accept(&missing).await.unwrap().drift.resolved_by.as_deref(),
        Some(ADMIN)
    );
    let query = "query($id: ID!) { node(id: $id) { id } }";
    assert_eq!(
        t.data(query, json!({ "id": spec.id })).await,
        json!({ "node": null })
    );
}
