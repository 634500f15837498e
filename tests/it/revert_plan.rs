//! Plans that put live values back.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::cloud::{Listed, droplet};
use crate::support::process::Program;
use crate::support::{ADMIN, TestApp};

const PLAN: &str = "query($drift: ID, $resource: ID, $fields: [String!]) {
    planRevert(driftId: $drift, resourceId: $resource, fields: $fields) {
        resource { name }
        fields { field expected actual outcome obstacle explanation drift { id } calls { path } }
        calls { method path body effect doctl curl note source placeholders { text meaning } }
        terraform { address plan apply }
        closing { source nextSyncAt nextSweepAt }
    } }";

async fn plan(t: &TestApp, variables: Value) -> Value {
    t.data(PLAN, variables).await["planRevert"].clone()
}

/// Returns the code of the error of a plan.
async fn code(t: &TestApp, variables: Value) -> Value {
    t.ask(PLAN, variables).await["errors"][0]["extensions"]["code"].clone()
}

/// A droplet with another size and other tags than expected.
async fn resized() -> TestApp {
    let t = TestApp::new().await;
    let web = Listed {
        resource: drift_inbox::domain::inventory::ListedResource {
            provider_id: "42".to_owned(),
            urn: "do:droplet:42".to_owned(),
            ..droplet("web-1").size("l").tags(["prod", "old"]).resource
        },
        ..droplet("web-1")
    };
    t.cloud_has([web]).await;
    t.record_spec(
        "web-1",
        json!({ "size_slug": "s", "tags": ["prod"], "region": "nyc3", "monitoring": true }),
    )
    .await;
    t.sweep().await;
    t
}

#[tokio::test]
async fn a_plan_has_the_calls_and_what_they_do_and_changes_nothing() {
    let t = resized().await;
    let drift = t.open_drift("web-1", "size_slug").await;
    let before = t.tables().await;
    let plan = plan(&t, json!({ "drift": drift.id })).await;
    assert_eq!(
        plan["fields"],
        json!([{ "field": "size_slug", "expected": "s", "actual": "l", "outcome": "CALLS", "obstacle": null,
            "explanation": null, "drift": { "id": drift.id },
            "calls": [{ "path": "/v2/droplets/42/actions" }, { "path": "/v2/droplets/42/actions" },
                { "path": "/v2/droplets/42/actions" }] }])
    );
    let call = &plan["calls"][1];
    assert_eq!(
        call["body"],
        json!({ "type": "resize", "disk": false, "size": "s" })
    );
    assert_eq!(
        (&call["method"], &call["effect"]),
        (&json!("POST"), &json!("POWERS_OFF"))
    );
    assert_eq!(
        call["doctl"],
        "doctl compute droplet-action resize 42 --size=s --wait"
    );
    assert_eq!(
        call["curl"],
        "curl --request POST --header \"Authorization: Bearer $DIGITALOCEAN_ACCESS_TOKEN\" --header 'Content-Type: \
         application/json' --data '{\"disk\":false,\"size\":\"s\",\"type\":\"resize\"}' \
         https://api.digitalocean.com/v2/droplets/42/actions"
    );
    assert_eq!(
        (&plan["terraform"], &plan["closing"]["source"]),
        (&Value::Null, &json!("cloud"))
    );
    assert_eq!(t.tables().await, before, "a plan changes nothing");
}

#[tokio::test]
async fn all_open_drifts_of_a_resource_are_planned_together() {
    let t = resized().await;
    let resource = t.resource("web-1").await.id;
    let all = plan(&t, json!({ "resource": resource })).await;
    let outcomes = |plan: &Value| -> Vec<(String, String)> {
        let fields = plan["fields"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        fields
            .map(|field| (text(&field["field"]), text(&field["outcome"])))
            .collect()
    };
    let of = |field: &str, outcome: &str| (field.to_owned(), outcome.to_owned());
    assert_eq!(
        outcomes(&all),
        [
            of("monitoring", "CANNOT"),
            of("size_slug", "CALLS"),
            of("tags", "CALLS")
        ]
    );
    assert_eq!(all["fields"][0]["obstacle"], "NO_CALL");
    assert_eq!(all["calls"].as_array().unwrap().len(), 4);
    let named = plan(&t, json!({ "resource": resource, "fields": ["region", "name"] })).await;
    assert_eq!(
        outcomes(&named),
        [of("name", "NOT_EXPECTED"), of("region", "EQUAL")]
    );
    assert_eq!(named["calls"], json!([]));
}

#[tokio::test]
async fn the_commands_of_terraform_name_the_address() {
    let t = resized().await;
    let address = r#"module.web["it's"].digitalocean_droplet.node[0]"#;
    let sql = format!(
        "UPDATE cloud_provisioned SET address = '{}'",
        address.replace('\'', "''")
    );
    t.database.execute(sql).await.unwrap();
    let drift = t.open_drift("web-1", "tags").await;
    let plan = plan(&t, json!({ "drift": drift.id })).await;
    let word = r#"'module.web["it'\''s"].digitalocean_droplet.node[0]'"#;
    assert_eq!(
        plan["terraform"],
        json!({ "address": address, "plan": format!("terraform plan -target={word}"),
            "apply": format!("terraform apply -target={word}") })
    );
}

#[tokio::test]
async fn what_cannot_be_planned_says_why() {
    let t = resized().await;
    let none = plan(&t, json!({ "drift": uuid::Uuid::now_v7() })).await;
    assert_eq!(none, Value::Null);
    let drift = t.open_drift("web-1", "size_slug").await;
    for variables in [
        json!({}),
        json!({ "drift": drift.id, "resource": drift.resource_id }),
        json!({ "drift": drift.id, "fields": ["a"] }),
    ] {
        assert_eq!(code(&t, variables).await, "BAD_USER_INPUT");
    }
    t.accept(&drift).await.unwrap();
    assert_eq!(code(&t, json!({ "drift": drift.id })).await, "ALREADY_RESOLVED");
    t.cloud_has([]).await;
    t.later(TimeDelta::hours(1));
    t.sweep().await;
    let gone = t.open_drift("web-1", "*").await;
    let missing = plan(&t, json!({ "drift": gone.id })).await;
    assert_eq!(missing["fields"][0]["obstacle"], "MUST_BE_CREATED");
    assert_eq!(missing["calls"], json!([]));
}

#[tokio::test]
async fn a_plan_never_shows_a_secret() {
    let t = resized().await;
    let secret = r#"{"size_slug": {"drift-inbox:redacted": "00ff"}}"#;
    let cast = if t.database.is_postgres() { "::jsonb" } else { "" };
    let sql = format!("UPDATE cloud_provisioned SET spec = '{secret}'{cast}");
    t.database.execute(sql).await.unwrap();
    let resource = t.resource("web-1").await.id;
    let plan = plan(&t, json!({ "resource": resource, "fields": ["size_slug"] })).await;
    let field = &plan["fields"][0];
    assert_eq!(
        (&field["obstacle"], &field["expected"], &field["actual"]),
        (&json!("SECRET"), &Value::Null, &Value::Null)
    );
    assert!(!plan.to_string().contains("00ff"));
}

#[tokio::test]
async fn the_calls_of_other_providers_are_not_known() {
    let t = resized().await;
    t.database
        .execute("UPDATE cloud_resources SET provider = 'aws'")
        .await
        .unwrap();
    let drift = t.open_drift("web-1", "size_slug").await;
    let plan = plan(&t, json!({ "drift": drift.id })).await;
    assert_eq!(plan["fields"][0]["obstacle"], "UNKNOWN_PROVIDER");
}

#[tokio::test]
async fn a_plan_says_when_the_drift_will_close() {
    let t = resized().await;
    let sync = drift_inbox::domain::schedule::Schedule::parse("*/5 * * * *", t.now()).unwrap();
    let schedules = drift_inbox::domain::schedule::Schedules {
        sync: Some(sync.clone()),
        detect: Some(sync),
        ..Default::default()
    };
    let t = t.with_schedules(schedules);
    let drift = t.open_drift("web-1", "tags").await;
    let closing = plan(&t, json!({ "drift": drift.id })).await["closing"].clone();
    assert_eq!(closing["source"], "cloud");
    assert_eq!(closing["nextSyncAt"], "2027-01-01T12:05:00+00:00");
    assert_eq!(closing["nextSweepAt"], "2027-01-01T12:10:00+00:00");
    drift_inbox::services::reverting::note_revert(t.db(), (ADMIN, None), drift.id, true, t.now())
        .await
        .unwrap();
}

#[tokio::test]
async fn the_command_prints_the_plan_and_no_control_characters() {
    let t = TestApp::today().await;
    t.cloud_has([droplet("web-1").size("l")]).await;
    t.record_spec(
        "web-1",
        json!({ "size_slug": "s", "region": "ams3\u{1b}[2J", "name": "a\u{9b}b" }),
    )
    .await;
    t.sweep().await;
    let program = Program::new().with("DATABASE_URL", &t.database.url);
    let run = async |field: &str| {
        let drift = t.open_drift("web-1", field).await;
        program.run(&["plan-revert", &drift.id.to_string()])
    };
    let ended = run("size_slug").await;
    assert_eq!(ended.code, Some(0), "{}", ended.output());
    for line in [
        "2. POST /v2/droplets/web-1/actions",
        "   {\"disk\":false,\"size\":\"s\",\"type\":\"resize\"}",
        "   effect: the resource is powered off",
        "   doctl compute droplet-action resize web-1 --size=s --wait",
        "Nothing was sent. The sweep after the next complete listing closes the drift.",
    ] {
        assert!(
            ended.out.lines().any(|printed| printed == line),
            "{line}: {}",
            ended.out
        );
    }
    let region = run("region").await;
    assert!(
        region.out.starts_with("region: A droplet stays in its region."),
        "{}",
        region.out
    );
    for field in ["region", "name"] {
        let out = run(field).await.out;
        assert!(
            !out.contains(|letter: char| letter.is_control() && letter != '\n'),
            "{out:?}"
        );
    }
    let none = program.run(&["plan-revert", &uuid::Uuid::now_v7().to_string()]);
    assert_eq!(none.code, Some(1), "{}", none.output());
}
