//! Terraform addresses: imports of states and of plans record them, drifts have them, and are found by them.

use chrono::TimeDelta;
use drift_inbox::provider::terraform;
use drift_inbox::provider::terraform_plan::{Limits, Spool};
use drift_inbox::services::imports::ImportOptions;
use drift_inbox::services::plans::{PlanOptions, import_plan};
use serde_json::{Value, json};

use crate::support::cloud::droplet;
use crate::support::state::{droplets, state_file};
use crate::support::{ADMIN, TestApp};

const DRIFTS: &str = "query($filter: DriftFilter) { drifts(filter: $filter, first: 50) { totalCount nodes {
    address terraformLines field resource { name provisioned { address source { name address } } } } } }";
const SOURCE: &str = "query($id: ID!) { resource(id: $id) { provisioned { address
    source { kind name lineage address serial } } } }";

/// A state with droplets in modules and with keys. Their ids are the second texts, their sizes `s-1`.
fn in_modules(serial: i64, instances: &[(&str, &str, Value)]) -> terraform::State {
    let mut state = state_file("l-1", serial, []);
    let resources: Vec<Value> = instances
        .iter()
        .map(|(module, name, key)| {
            let attributes = json!({ "id": name, "name": name, "region": "nyc3", "size": "s-1" });
            json!({
                "mode": "managed", "type": "digitalocean_droplet", "name": "web", "module": module,
                "provider": "provider[\"registry.terraform.io/digitalocean/digitalocean\"]",
                "instances": [{ "schema_version": 1, "index_key": key, "attributes": attributes }],
            })
        })
        .collect();
    state["resources"] = json!(resources);
    terraform::parse_value(state).unwrap()
}

/// Drifts of the size of four droplets in modules, and of one droplet whose spec the API recorded.
async fn with_modules() -> TestApp {
    let t = TestApp::new().await;
    let names = ["web-1", "web-2", "web-3", "web-4", "web-5"];
    t.cloud_has(names.map(|name| droplet(name).size("s-2"))).await;
    t.import(&in_modules(
        1,
        &[
            ("module.net", "web-1", Value::Null),
            (r#"module.net["a.b"]"#, "web-2", json!(0)),
            ("module.network", "web-3", json!("x")),
            ("", "web-4", json!("${it's}")),
        ],
    ))
    .await;
    t.record_spec("web-5", json!({ "size_slug": "s-1" })).await;
    t.sweep().await;
    t
}

async fn found(t: &TestApp, filter: Value) -> Vec<String> {
    let page = t.data(DRIFTS, json!({ "filter": filter })).await["drifts"].take();
    let nodes = page["nodes"].as_array().unwrap();
    assert_eq!(page["totalCount"], nodes.len(), "{filter}");
    let mut names: Vec<String> = nodes
        .iter()
        .map(|node| node["resource"]["name"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

async fn source_of(t: &TestApp, name: &str) -> Value {
    let id = t.resource(name).await.id;
    t.data(SOURCE, json!({ "id": id })).await["resource"]["provisioned"].take()
}

#[tokio::test]
async fn a_drift_of_a_state_has_the_address_of_its_instance() {
    let t = with_modules().await;
    let page = t.data(DRIFTS, json!({ "filter": { "search": "web-4" } })).await;
    let node = &page["drifts"]["nodes"][0];
    let address = r#"digitalocean_droplet.web["$${it's}"]"#;
    assert_eq!(
        (&node["address"], &node["terraformLines"]),
        (&json!(address), &json!([]))
    );
    let spec = &node["resource"]["provisioned"];
    assert_eq!(spec["address"], address);
    assert_eq!(spec["source"], json!({ "name": "l-1", "address": address }));
    assert_eq!(
        source_of(&t, "web-1").await["source"],
        json!({ "kind": "TERRAFORM_STATE", "name": "l-1", "lineage": "l-1",
            "address": "module.net.digitalocean_droplet.web", "serial": 1 })
    );
    assert_eq!(
        source_of(&t, "web-5").await["source"],
        json!({ "kind": "API", "name": null, "lineage": null, "address": null, "serial": null })
    );
    let events = t.event_rows(t.resource("web-1").await.id).await;
    let with_address = events
        .iter()
        .filter(|event| event.data["address"] == "module.net.digitalocean_droplet.web");
    assert_eq!(with_address.count(), 2, "the spec and the drift: {events:#?}");
    let list = t
        .call_as_admin("GET", "/api/v1/drift?address=module.network")
        .await;
    assert_eq!(list.body["count"], 1);
    assert_eq!(
        list.body["drift"][0]["address"],
        r#"module.network.digitalocean_droplet.web["x"]"#
    );
}

#[tokio::test]
async fn drifts_are_found_by_their_addresses() {
    let t = with_modules().await;
    for (address, names) in [
        ("module.net", &["web-1", "web-2"][..]),
        (r#"module.net["a.b"]"#, &["web-2"]),
        ("module.network", &["web-3"]),
        (r#"module.network.digitalocean_droplet.web["x"]"#, &["web-3"]),
        ("module.network.digitalocean_droplet.web", &[]),
        ("module.ne", &[]),
        ("", &[]),
    ] {
        assert_eq!(found(&t, json!({ "address": address })).await, names, "{address}");
        let with_kind =
            json!({ "address": address, "resourceKind": "droplet", "search": "digitalocean_DROPLET" });
        assert_eq!(found(&t, with_kind).await, names, "{address}");
    }
    for (search, names) in [
        ("MODULE.net", &["web-1", "web-2", "web-3"][..]),
        ("a.b", &["web-2"]),
        ("[0]", &["web-2"]),
        ("web-1", &["web-1"]),
        ("droplet.web", &["web-1", "web-2", "web-3", "web-4"]),
    ] {
        assert_eq!(found(&t, json!({ "search": search })).await, names, "{search}");
    }
}

#[tokio::test]
async fn a_missing_resource_has_the_commands_that_put_it_right() {
    let t = with_modules().await;
    t.cloud_has(["web-1", "web-2", "web-3"].map(|name| droplet(name).size("s-2")))
        .await;
    t.sweep().await;
    let page = t
        .data(
            DRIFTS,
            json!({ "filter": { "kind": "MISSING", "search": "web-4" } }),
        )
        .await;
    let word = r#"'digitalocean_droplet.web["$${it'\''s}"]'"#;
    assert_eq!(
        page["drifts"]["nodes"][0]["terraformLines"],
        json!([
            format!("terraform apply -target={word}"),
            format!("terraform state rm {word}")
        ])
    );
    let drift = t.open_drift("web-4", "*").await;
    let alone = "query($id: ID!) { drift(id: $id) { terraformLines } }";
    let read = t.data(alone, json!({ "id": drift.id })).await;
    assert_eq!(read["drift"]["terraformLines"].as_array().unwrap().len(), 2);
    let page = t
        .data(
            DRIFTS,
            json!({ "filter": { "kind": "MISSING", "search": "web-5" } }),
        )
        .await;
    assert_eq!(page["drifts"]["nodes"][0]["terraformLines"], json!([]));
}

#[tokio::test]
async fn an_address_follows_its_instance_and_ends_with_its_source() {
    let t = with_modules().await;
    let version = t.spec("web-1").await.spec_version;
    let all = |first: (&'static str, &'static str, Value)| {
        in_modules(
            2,
            &[
                first,
                (r#"module.net["a.b"]"#, "web-2", json!(0)),
                ("module.network", "web-3", json!("x")),
                ("", "web-4", json!("${it's}")),
            ],
        )
    };
    let summary = t.import(&all(("module.moved", "web-1", Value::Null))).await;
    assert_eq!((summary.unchanged, summary.changed), (4, 0));
    let moved = t.spec("web-1").await;
    assert_eq!(
        moved.address.as_deref(),
        Some("module.moved.digitalocean_droplet.web")
    );
    assert_eq!(moved.spec_version, version);
    // An accept keeps the source, and so the address.
    t.accept(&t.open_drift("web-1", "size_slug").await).await.unwrap();
    assert!(t.spec("web-1").await.address.is_some());
    let accepted = t.event_rows(t.resource("web-1").await.id).await.pop().unwrap();
    assert_eq!(accepted.data["address"], "module.moved.digitalocean_droplet.web");
    let take_over = "mutation($id: ID!) { recordSpec(input: { resourceId: $id, spec: {}, takeOver: true }) {
        provisioned { address source { kind name } } } }";
    let id = t.resource("web-1").await.id;
    let taken = t.data(take_over, json!({ "id": id })).await;
    assert_eq!(
        taken["recordSpec"]["provisioned"],
        json!({ "address": null, "source": { "kind": "API", "name": null } })
    );
}

/// A server of the previous release does not know the column.
#[tokio::test]
async fn a_change_of_the_source_by_an_older_server_clears_the_address() {
    let t = with_modules().await;
    let of = |name: &str| {
        format!("WHERE resource_id IN (SELECT id FROM cloud_resources WHERE provider_id = '{name}')")
    };
    for (name, change) in [
        ("web-1", "spec_version = spec_version + 1, source = source"),
        ("web-2", "source = 'api'"),
    ] {
        let sql = format!("UPDATE cloud_provisioned SET {change} {}", of(name));
        t.database.execute(sql).await.unwrap();
    }
    assert!(t.spec("web-1").await.address.is_some());
    assert_eq!(t.spec("web-2").await.address, None);
}

/// The state got another name, so that all its specs get another source and keep their addresses.
#[tokio::test]
async fn a_state_that_is_imported_under_another_name_has_its_addresses() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1").size("s-2")]).await;
    t.import(&droplets("l-1", 1, &[("web-1", "s-1")])).await;
    let emptied = ImportOptions {
        allow_mass_retire: true,
        ..ImportOptions::default()
    };
    t.try_import(&droplets("l-1", 2, &[]), emptied).await.unwrap();
    let named = ImportOptions {
        lineage: Some("prod".to_owned()),
        ..ImportOptions::default()
    };
    t.try_import(&droplets("l-1", 1, &[("web-1", "s-1")]), named)
        .await
        .unwrap();
    assert_eq!(
        source_of(&t, "web-1").await["source"],
        json!({ "kind": "TERRAFORM_STATE", "name": "prod", "lineage": "l-1",
            "address": "digitalocean_droplet.web-1", "serial": 1 })
    );
}

fn spool(text: &str) -> Spool {
    let mut spool = Spool::new(Limits::default());
    spool.push(text.as_bytes()).unwrap();
    spool
}

#[tokio::test]
async fn a_drift_of_a_plan_has_the_address_of_its_instance() {
    let t = TestApp::new().await;
    t.later(TimeDelta::days(1));
    let values = |size: i64| json!({ "name": "jobs", "visibility_timeout_seconds": size });
    let instance = |size| {
        json!({ "address": "aws_sqs_queue.jobs[\"eu\"]", "mode": "managed", "type": "aws_sqs_queue",
        "name": "jobs", "index": "eu", "provider_name": "registry.terraform.io/hashicorp/aws", "schema_version": 0,
        "values": values(size), "sensitive_values": {} })
    };
    let plan = json!({
        "format_version": "1.2", "terraform_version": "1.11.4", "timestamp": "2027-01-01T12:00:00Z", "applyable": true,
        "complete": true, "errored": false,
        "prior_state": { "format_version": "1.0", "terraform_version": "1.11.4",
            "values": { "root_module": { "resources": [instance(45)] } } },
        "resource_drift": [{ "address": "aws_sqs_queue.jobs[\"eu\"]", "mode": "managed", "type": "aws_sqs_queue",
            "name": "jobs", "index": "eu", "provider_name": "registry.terraform.io/hashicorp/aws",
            "change": { "actions": ["update"], "before": values(30), "after": values(45),
                "before_sensitive": {}, "after_sensitive": {} } }],
        "configuration": { "provider_config": {}, "root_module": { "resources": [{
            "address": "aws_sqs_queue.jobs", "mode": "managed", "type": "aws_sqs_queue", "name": "jobs",
            "provider_config_key": "aws", "schema_version": 0, "for_each_expression": { "constant_value": ["eu"] },
            "expressions": { "name": { "constant_value": "jobs" },
                "visibility_timeout_seconds": { "references": ["var.size"] } } }] } },
        "relevant_attributes": [],
    });
    let options = PlanOptions {
        state: "prod".to_owned(),
        allow_mass_retire: false,
        interval: None,
    };
    let plan = spool(&plan.to_string());
    import_plan(t.db(), t.app.clock(), ADMIN, plan, None, &options, |_, _| {})
        .await
        .unwrap();
    let page = t
        .data(
            DRIFTS,
            json!({ "filter": { "address": "aws_sqs_queue.jobs[\"eu\"]" } }),
        )
        .await;
    assert_eq!(page["drifts"]["totalCount"], 1, "{page}");
    assert_eq!(
        page["drifts"]["nodes"][0]["address"],
        "aws_sqs_queue.jobs[\"eu\"]"
    );
    assert_eq!(
        source_of(&t, "jobs").await["source"],
        json!({ "kind": "TERRAFORM_PLAN", "name": "prod", "lineage": null, "serial": null,
            "address": "aws_sqs_queue.jobs[\"eu\"]" })
    );
    let accept = t.open_drift("jobs", "visibility_timeout_seconds").await;
    let path = format!("/api/v1/drift/{}/accept", accept.id);
    let accepted = t.call_as_admin("POST", &path).await;
    let warning = accepted.body["warning"].as_str().unwrap();
    assert!(
        warning.contains("prod") && warning.contains("next apply"),
        "{warning}"
    );
}

/// The addresses of plans that were imported by the release before are filled in.
#[tokio::test]
async fn the_migration_fills_in_the_addresses_of_plans() {
    use migration::{Migrator, MigratorTrait as _};
    let t = with_modules().await;
    let of = |name: &str| format!("(SELECT id FROM cloud_resources WHERE provider_id = '{name}')");
    for (name, state) in [("web-1", "l-1"), ("web-2", "other")] {
        let sql = format!(
            "INSERT INTO plan_instances (resource_id, state, address, fields, not_compared) \
             SELECT {}, '{state}', 'aws_sqs_queue.{name}', '{{}}', '[]'",
            of(name)
        );
        t.database.execute(sql).await.unwrap();
    }
    let steps = Migrator::migrations()
        .iter()
        .rev()
        .position(|migration| migration.name().ends_with("record_addresses"))
        .unwrap();
    let connection = sea_orm::Database::connect(&t.database.url).await.unwrap();
    Migrator::down(&connection, Some(u32::try_from(steps).unwrap() + 1))
        .await
        .unwrap();
    Migrator::up(&connection, None).await.unwrap();
    assert_eq!(
        t.spec("web-1").await.address.as_deref(),
        Some("aws_sqs_queue.web-1")
    );
    assert_eq!(t.spec("web-2").await.address, None, "another state owns its spec");
    assert_eq!(t.spec("web-3").await.address, None);
}

/// Addresses beyond the limit of the index are not stored, and the instance is imported.
#[tokio::test]
async fn an_address_that_is_too_long_is_not_stored() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1").size("s-2")]).await;
    let module: String = (0..3000).map(|n| char::from(b'a' + (n * 7 % 26) as u8)).collect();
    let module = format!("module.{module}");
    let state = in_modules(1, &[(module.as_str(), "web-1", Value::Null)]);
    let summary = t.import(&state).await;
    assert_eq!(summary.recorded, 1);
    assert_eq!(t.spec("web-1").await.address, None);
}
