//! Access rights of every root field. The fields are read from the schema, so that the tests cannot miss one.

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{TypeKind, TypeSystemDefinition};
use axum::http::{StatusCode, header::WWW_AUTHENTICATE};
use chrono::TimeDelta;
use drift_inbox::auth::{NewToken, issue};
use drift_inbox::domain::actor::RolesClaim;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::http_client::codes;
use crate::http_client::{GRAPHQL, JSON, Reply, get, post, send};
use crate::support::live::Listener;
use crate::support::{ADMIN, TestApp};

/// A call of each root field.
const CALLS: &[(&str, &str, &str)] = &[
    ("Query", "node", "node(id: $id) { id }"),
    ("Query", "viewer", "viewer { id email roles }"),
    ("Query", "drifts", "drifts { totalCount nodes { id } }"),
    ("Query", "drift", "drift(id: $id) { id }"),
    ("Query", "resources", "resources { totalCount nodes { id } }"),
    ("Query", "resource", "resource(id: $id) { id }"),
    ("Query", "sources", "sources { name state }"),
    (
        "Query",
        "planRevert",
        "planRevert(driftId: $id) { fields { field } }",
    ),
    ("Query", "leftovers", "leftovers { totalCount nodes { id } }"),
    ("Query", "leftoverSummary", "leftoverSummary { leftovers }"),
    ("Query", "listPrices", "listPrices { item }"),
    ("Query", "explain", "explain(resourceId: $id, field: \"name\") { verdict }"),
    (
        "Query",
        "specDifference",
        "specDifference(resourceId: $id, from: 1, to: 2) { fieldCount }",
    ),
    (
        "Mutation",
        "retireSource",
        r#"retireSource(input: { name: "none" }) { specs }"#,
    ),
    (
        "Mutation",
        "renameSource",
        r#"renameSource(input: { name: "none", newName: "other" }) { resources }"#,
    ),
    ("Query", "jobRuns", "jobRuns { totalCount nodes { id } }"),
    (
        "Query",
        "forgottenResources",
        "forgottenResources { totalCount nodes { kind } }",
    ),
    ("Query", "coverage", "coverage { kind }"),
    ("Query", "changes", "changes { totalCount nodes { id } }"),
    ("Query", "freshness", "freshness { vouched }"),
    ("Query", "driftFacets", "driftFacets { fields { value } }"),
    ("Query", "driftGroups", "driftGroups { totalCount nodes { key } }"),
    ("Query", "bulkRun", "bulkRun(id: $id) { id }"),
    (
        "Mutation",
        "previewAcceptDrifts",
        "previewAcceptDrifts(input: { filter: {} }) { token }",
    ),
    (
        "Mutation",
        "acceptDrifts",
        "acceptDrifts(input: { token: $id }) { run { id } }",
    ),
    (
        "Mutation",
        "undoBulk",
        "undoBulk(input: { bulkId: $id }) { undone }",
    ),
    (
        "Mutation",
        "snoozeDrift",
        "snoozeDrift(input: { driftId: $id, untilChange: true }) { drift { id } }",
    ),
    (
        "Mutation",
        "unsnoozeDrift",
        "unsnoozeDrift(input: { driftId: $id }) { drift { id } }",
    ),
    (
        "Mutation",
        "assignDrift",
        "assignDrift(input: { driftId: $id, assignee: \"bob\" }) { drift { id } }",
    ),
    (
        "Mutation",
        "takeDrift",
        "takeDrift(input: { driftId: $id }) { drift { id } }",
    ),
    (
        "Mutation",
        "unassignDrift",
        "unassignDrift(input: { driftId: $id }) { drift { id } }",
    ),
    (
        "Mutation",
        "addComment",
        "addComment(input: { driftId: $id, body: \"text\" }) { comment { id } }",
    ),
    (
        "Mutation",
        "previewBulk",
        "previewBulk(input: { filter: {}, action: UNASSIGN }) { token }",
    ),
    (
        "Mutation",
        "executeBulk",
        "executeBulk(input: { token: $id }) { run { id } }",
    ),
    ("Query", "jobSchedules", "jobSchedules { job }"),
    (
        "Mutation",
        "importTerraformState",
        "importTerraformState(input: { state: { version: 4, lineage: \"l\", serial: 1, resources: [] } })
            { summary { __typename } }",
    ),
    (
        "Mutation",
        "importTerraformPlan",
        "importTerraformPlan(input: { state: \"s\", plan: { format_version: \"1.2\", terraform_version: \"1.11.4\",
            planned_values: {}, prior_state: { values: { root_module: {} } }, configuration: { root_module: {} },
            timestamp: \"2026-12-31T10:00:00Z\", complete: true, errored: false } }) { summary { __typename } }",
    ),
    (
        "Mutation",
        "recordBaseline",
        "recordBaseline(input: { filter: {} }) { count }",
    ),
    (
        "Mutation",
        "acceptDrift",
        "acceptDrift(input: { driftId: $id }) { drift { id } }",
    ),
    (
        "Mutation",
        "acceptDriftMembers",
        "acceptDriftMembers(input: { driftId: $id, revision: 1, members: [1] }) { accepted { id } }",
    ),
    (
        "Mutation",
        "markReverting",
        "markReverting(input: { driftId: $id }) { drift { id } }",
    ),
    (
        "Mutation",
        "unmarkReverting",
        "unmarkReverting(input: { driftId: $id }) { drift { id } }",
    ),
    (
        "Mutation",
        "undoAccept",
        "undoAccept(input: { driftId: $id }) { drift { id } }",
    ),
    (
        "Mutation",
        "recordSpec",
        "recordSpec(input: { resourceId: $id, spec: {} }) { provisioned { id } }",
    ),
    (
        "Mutation",
        "retireSpec",
        "retireSpec(input: { resourceId: $id, expectedSpecVersion: 1 }) { specVersion }",
    ),
    (
        "Mutation",
        "forgetResource",
        "forgetResource(input: { resourceId: $id }) { forgotten { kind } }",
    ),
    ("Query", "severityRules", "severityRules { name }"),
    ("Query", "limits", "limits { depth }"),
    (
        "Query",
        "measures",
        r#"measures(from: "2026-01-01T00:00:00Z", to: "2026-02-01T00:00:00Z") { total { opened } }"#,
    ),
    ("Query", "ignoreRules", "ignoreRules { totalCount nodes { id } }"),
    (
        "Query",
        "ignoredDifferences",
        "ignoredDifferences { totalCount nodes { id } }",
    ),
    (
        "Query",
        "previewIgnoreRule",
        "previewIgnoreRule(definition: { field: \"size_slug\" }) { openCount }",
    ),
    ("Query", "ignoreRulePresets", "ignoreRulePresets { name }"),
    (
        "Mutation",
        "replaceIgnoreRule",
        "replaceIgnoreRule(input: { ruleId: $id, rule: { definition: { field: \"size_slug\" }, reason: \"expected\" } })
            { closed }",
    ),
    (
        "Mutation",
        "applyIgnoreRulePreset",
        r#"applyIgnoreRulePreset(input: { name: "none" }) { closed }"#,
    ),
    (
        "Mutation",
        "createIgnoreRule",
        "createIgnoreRule(input: { definition: { field: \"size_slug\" }, reason: \"expected\" }) { closed }",
    ),
    (
        "Mutation",
        "endIgnoreRule",
        "endIgnoreRule(input: { ruleId: $id }) { opened }",
    ),
    ("Query", "savedViews", "savedViews { viewId name }"),
    (
        "Mutation",
        "saveView",
        r#"saveView(input: { name: "one", link: "kind=droplet" }) { view { viewId } }"#,
    ),
    (
        "Mutation",
        "deleteSavedView",
        "deleteSavedView(input: { viewId: $id }) { viewId }",
    ),
    (
        "Mutation",
        "setDefaultView",
        "setDefaultView(input: { viewId: $id }) { viewId }",
    ),
    ("Mutation", "detectDrift", "detectDrift { run { id } }"),
    ("Mutation", "syncInventory", "syncInventory { run { id } }"),
    (
        "Query",
        "notificationTargets",
        "notificationTargets { totalCount nodes { id host } }",
    ),
    (
        "Query",
        "notificationDeliveries",
        "notificationDeliveries { totalCount nodes { id state } }",
    ),
    (
        "Mutation",
        "createNotificationTarget",
        r#"createNotificationTarget(input: { name: "one", kind: HEARTBEAT, url: "https://example.com/" }) { secret }"#,
    ),
    (
        "Mutation",
        "updateNotificationTarget",
        "updateNotificationTarget(input: { targetId: $id }) { secret }",
    ),
    (
        "Mutation",
        "deleteNotificationTarget",
        "deleteNotificationTarget(input: { targetId: $id }) { targetId }",
    ),
    (
        "Mutation",
        "sendTestNotification",
        "sendTestNotification(input: { targetId: $id }) { delivery { id } }",
    ),
    (
        "Mutation",
        "resendNotification",
        "resendNotification(input: { deliveryId: $id }) { delivery { id } }",
    ),
    ("Subscription", "jobRunChanged", "jobRunChanged { id }"),
    ("Subscription", "driftChanged", "driftChanged { id }"),
];

/// The mutations of what belongs to the caller and decides nothing about drifts.
const OF_THE_CALLER: [&str; 3] = ["saveView", "deleteSavedView", "setDefaultView"];

/// Lists the fields of the root types, as `(type, field)`.
fn root_fields() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for definition in parse_schema(drift_inbox::graphql::sdl()).unwrap().definitions {
        let TypeSystemDefinition::Type(ty) = definition else {
            continue;
        };
        let name = ty.node.name.node.to_string();
        if let TypeKind::Object(object) = ty.node.kind
            && ["Query", "Mutation", "Subscription"].contains(&name.as_str())
        {
            found.extend(
                object
                    .fields
                    .into_iter()
                    .map(|field| (name.clone(), field.node.name.node.to_string())),
            );
        }
    }
    found
}

/// Calls a field and returns the code of the error, or an empty string without an error.
async fn code(t: &TestApp, token: Option<&str>, (root, field, call): (&str, &str, &str)) -> String {
    let arguments = if call.contains("$id") { "($id: ID!)" } else { "" };
    let query = format!("{}{arguments} {{ {call} }}", root.to_lowercase());
    let id = json!({ "id": "00000000-0000-7000-8000-000000000000" });
    let answer = if root == "Subscription" {
        let mut listener = Listener::new(&t.router, token, &query, id).await;
        // A refused subscription ends immediately. A permitted one sends no event before a drift changes.
        listener.event_at_once().map_or(Value::Null, |(_, data)| data)
    } else {
        t.ask_as(token, &query, id).await
    };
    match codes(&answer)[..] {
        [] => String::new(),
        [code] => code.to_owned(),
        _ => panic!("{root}.{field}: {answer:#}"),
    }
}

#[test]
fn every_root_field_has_a_call_in_these_tests() {
    let fields = root_fields();
    assert!(fields.len() >= 11, "{fields:?}");
    for (root, field) in &fields {
        let has_call = CALLS.iter().any(|call| (call.0, call.1) == (root, field));
        assert!(has_call, "add {root}.{field} to CALLS, and guard it");
    }
    assert_eq!(
        CALLS.len(),
        fields.len(),
        "CALLS has a field that the schema lacks"
    );
}

#[tokio::test]
async fn an_anonymous_caller_is_rejected() {
    let t = TestApp::new().await;
    for call in CALLS {
        assert_eq!(code(&t, None, *call).await, "UNAUTHENTICATED", "{call:?}");
    }
}

#[tokio::test]
async fn a_token_without_a_known_role_is_rejected() {
    let t = TestApp::new().await;
    let strangers = [
        vec![],
        vec!["billing_admin"],
        vec![
            "admin",
            "Platform_Admin",
            "platform_admin ",
            "platform admin",
            "platform_admins",
            "*",
        ],
    ];
    for roles in strangers {
        let token = t.token(Some("eve@example.com"), &roles);
        for call in CALLS {
            assert_eq!(
                code(&t, Some(&token), *call).await,
                "FORBIDDEN",
                "{roles:?} {call:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_viewer_may_read_but_change_only_the_own_views() {
    let t = TestApp::new().await;
    for role in ["platform_viewer", "platform-viewer"] {
        let token = t.token(None, &["other", role]);
        for call in CALLS {
            let wanted = match call {
                ("Mutation", field, call) if OF_THE_CALLER.contains(field) => match call.contains("$id") {
                    true => "NOT_FOUND",
                    false => "",
                },
                ("Mutation", ..) => "FORBIDDEN",
                _ => "",
            };
            assert_eq!(code(&t, Some(&token), *call).await, wanted, "{role} {call:?}");
        }
    }
}

#[tokio::test]
async fn an_admin_may_do_everything() {
    for roles in [vec!["platform_admin"], vec!["platform-viewer", "platform-admin"]] {
        let t = TestApp::new().await;
        let token = t.token(Some(ADMIN), &roles);
        for call in CALLS {
            // The guard permits it; the unknown id is a separate error.
            let wanted = if call.0 == "Mutation" && (call.2.contains("$id") || call.2.contains("none")) {
                "NOT_FOUND"
            } else {
                ""
            };
            assert_eq!(code(&t, Some(&token), *call).await, wanted, "{roles:?} {call:?}");
        }
    }
}

#[tokio::test]
async fn a_refused_mutation_changes_nothing_and_starts_nothing() {
    let t = TestApp::new().await;
    let token = t.token(None, &["platform_viewer"]);
    for call in CALLS.iter().filter(|call| call.0 == "Mutation") {
        code(&t, Some(&token), *call).await;
        code(&t, None, *call).await;
    }
    let data = t
        .data("{ jobRuns { totalCount } resources { totalCount } }", json!({}))
        .await;
    assert_eq!(
        data,
        json!({ "jobRuns": { "totalCount": 0 }, "resources": { "totalCount": 0 } })
    );
}

#[tokio::test]
async fn an_anonymous_caller_may_read_the_schema() {
    let t = TestApp::new().await;
    let query = "{ __typename __schema { queryType { name } } __type(name: \"Drift\") { name } }";
    let wanted = json!({ "__typename": "Query", "__schema": { "queryType": { "name": "Query" } },
        "__type": { "name": "Drift" } });
    assert_eq!(t.ask_as(None, query, json!({})).await, json!({ "data": wanted }));
    let mutation = t.ask_as(None, "mutation { __typename }", json!({})).await;
    assert_eq!(mutation, json!({ "data": { "__typename": "Mutation" } }));
}

#[tokio::test]
async fn a_public_field_does_not_permit_other_fields_of_the_document() {
    let t = TestApp::new().await;
    let answer = t
        .ask_as(None, "{ __typename drift(id: \"x\") { id } }", json!({}))
        .await;
    assert_eq!(codes(&answer), ["UNAUTHENTICATED"]);
    assert_eq!(answer["data"], json!({ "__typename": "Query", "drift": null }));
}

/// Invalid tokens: malformed, of another secret, for another audience, expired.
fn bad_tokens(t: &TestApp) -> Vec<(&'static str, String)> {
    let signed = |secret: &str, issuer: &str, audience: &str| {
        let new = NewToken {
            subject: "user-1".to_owned(),
            email: Some(ADMIN.to_owned()),
            roles: vec!["platform_admin".to_owned()],
            ttl: std::time::Duration::from_secs(36_000),
        };
        let claim = RolesClaim::default();
        issue(
            &SecretString::from(secret),
            issuer,
            audience,
            &claim,
            new,
            t.now(),
        )
        .unwrap()
    };
    let secret = "a secret for tests, and long enough for them";
    let good = signed(secret, "drift-inbox", "drift-inbox");
    let expired = t.token(Some(ADMIN), &["platform_admin"]);
    // The other tokens are valid for ten hours, this one for one hour.
    t.later(TimeDelta::hours(2));
    vec![
        ("garbage", "garbage".to_owned()),
        ("empty", String::new()),
        ("cut", good[..good.len() - 4].to_owned()),
        ("no signature", good.rsplit_once('.').unwrap().0.to_owned() + "."),
        (
            "another secret",
            signed(&"x".repeat(44), "drift-inbox", "drift-inbox"),
        ),
        (
            "the claim iss has another issuer",
            signed(secret, "elsewhere", "drift-inbox"),
        ),
        (
            "the claim aud has another audience",
            signed(secret, "drift-inbox", "elsewhere"),
        ),
        ("expired", expired),
    ]
}

fn refused(reply: &Reply, body: &Value, what: &str) {
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{what}: {}", reply.body);
    assert_eq!(reply.headers[WWW_AUTHENTICATE], "Bearer", "{what}");
    assert_eq!(
        reply.body.pointer(body["at"].as_str().unwrap()),
        Some(&body["is"]),
        "{what}"
    );
    assert!(reply.body.get("data").is_none(), "{what}");
}

#[tokio::test]
async fn a_bad_token_is_rejected_everywhere_and_not_treated_as_anonymous() {
    let t = TestApp::new().await;
    let code = json!({ "at": "/errors/0/extensions/code", "is": "UNAUTHENTICATED" });
    let error = json!({ "at": "/error", "is": "unauthenticated" });
    for (what, token) in bad_tokens(&t) {
        for mut request in [
            post(GRAPHQL, json!({ "query": "{ __typename }" }).to_string()),
            post(JSON, json!({ "query": "{ viewer { id } }" }).to_string()),
            get(GRAPHQL, &[("query", "{ __typename }")]),
        ] {
            let bearer = format!("Bearer {token}").parse().unwrap();
            request.headers_mut().insert("authorization", bearer);
            refused(&send(t.router.clone(), request).await, &code, what);
        }
        for (method, path) in [
            ("GET", "/api/v1/drift"),
            (
                "POST",
                "/api/v1/drift/00000000-0000-7000-8000-000000000000/accept",
            ),
            ("POST", "/api/v1/drift/x/accept?revision=x"),
        ] {
            refused(&t.call(method, path, Some(&token)).await, &error, what);
        }
    }
}
