//! Imports of refresh-only Terraform plans. The plans in `tests/terraform-plans` were made by Terraform; each has the
//! truth beside it, written by the script that made the changes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::PathBuf;

use axum::body::{Body, to_bytes};
use axum::http::{Request, header};
use chrono::TimeDelta;
use drift_inbox::provider::terraform_plan::{Limits, Spool};
use drift_inbox::services::plans::{PlanOptions, PlanSummary, import_plan};
use entity::cloud_drift::DriftStatus;
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};

use crate::support::{ADMIN, TestApp};

/// The folder of the plans.
fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/terraform-plans")
}

/// Reads a file of the folder, or its compressed form.
pub(crate) fn file(name: &str) -> Option<Vec<u8>> {
    if let Ok(plain) = std::fs::read(folder().join(name)) {
        return Some(plain);
    }
    let packed = std::fs::File::open(folder().join(format!("{name}.gz"))).ok()?;
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(packed)
        .read_to_end(&mut plain)
        .unwrap();
    Some(plain)
}

pub(crate) fn parsed(name: &str) -> Value {
    serde_json::from_slice(&file(name).unwrap()).unwrap()
}

/// The names of all plans, sorted.
pub(crate) fn names() -> BTreeSet<String> {
    let files = std::fs::read_dir(folder()).unwrap();
    let names = files.filter_map(|file| {
        let name = file.unwrap().file_name().into_string().unwrap();
        name.strip_suffix(".oracle.json").map(str::to_owned)
    });
    let names: BTreeSet<String> = names.collect();
    assert!(names.len() > 40, "{names:?}");
    names
}

pub(crate) fn spool(bytes: &[u8]) -> Spool {
    let mut spool = Spool::new(Limits::default());
    for piece in bytes.chunks(1_000) {
        spool.push(piece).unwrap();
    }
    spool
}

pub(crate) fn options(state: &str) -> PlanOptions {
    PlanOptions {
        state: state.to_owned(),
        allow_mass_retire: false,
        interval: None,
    }
}

pub(crate) async fn import(
    t: &TestApp,
    state: &str,
    plan: &[u8],
    normal: Option<&[u8]>,
) -> Result<PlanSummary, String> {
    let (plan, normal) = (spool(plan), normal.map(spool));
    let done = import_plan(
        t.db(),
        t.app.clock(),
        ADMIN,
        plan,
        normal,
        &options(state),
        |_, _| {},
    )
    .await;
    done.map_err(|error| match error {
        drift_inbox::error::Error::PlanRefused { code, .. } => code.to_owned(),
        other => panic!("{other}"),
    })
}

/// Address and field of each open drift of a state.
pub(crate) async fn open(t: &TestApp, state: &str) -> BTreeSet<(String, String)> {
    let tables = t.tables().await;
    let prefix = format!("{state}/");
    let address: BTreeMap<_, _> = tables
        .resources
        .iter()
        .filter_map(|row| Some((row.id, row.provider_id.strip_prefix(&prefix)?.to_owned())))
        .collect();
    tables
        .drifts
        .iter()
        .filter(|drift| drift.status == DriftStatus::Open)
        .filter_map(|drift| Some((address.get(&drift.resource_id)?.clone(), drift.field.clone())))
        .collect()
}

/// Compares the open drifts of a state with the truth.
fn check(name: &str, open: &BTreeSet<(String, String)>, truth: &Value, with_normal: bool) {
    let mut wanted = BTreeSet::new();
    let mut allowed = BTreeSet::new();
    for row in truth["rows"].as_array().unwrap() {
        let of = |key: &str| row[key].as_str().unwrap().to_owned();
        let key = (of("address"), of("field"));
        let class = match &row["with_normal"] {
            Value::String(class) if with_normal => class.clone(),
            _ => of("class"),
        };
        match class.as_str() {
            "drift" => _ = wanted.insert(key.clone()),
            "default" => _ = allowed.insert(key.clone()),
            _ => {}
        }
    }
    // Drift that `apply -refresh-only` has written into the state stays open.
    for address in truth["must_not_close_as_fixed"].as_array().into_iter().flatten() {
        let of_address = open.iter().filter(|(at, _)| *address == json!(at));
        let of_address: Vec<_> = of_address.cloned().collect();
        assert!(!of_address.is_empty(), "{name}: {address} is closed");
        allowed.extend(of_address);
    }
    let missed: Vec<_> = wanted.difference(open).collect();
    let expected = wanted.union(&allowed).cloned().collect();
    let wrong: Vec<_> = open.difference(&expected).collect();
    assert!(
        missed.is_empty() && wrong.is_empty(),
        "{name}: missed {missed:?}, wrong {wrong:?}"
    );
}

#[tokio::test]
async fn plans_of_terraform_give_the_changes_that_were_made_and_no_other() {
    let t = TestApp::new().await;
    let (mut refused, mut types) = (0, BTreeSet::new());
    for name in names() {
        let (plan, truth) = (
            file(&format!("{name}.plan.json")).unwrap(),
            parsed(&format!("{name}.oracle.json")),
        );
        // The plans of a sequence are those of one state.
        let state = name.split('.').next().unwrap();
        let before = open(&t, state).await;
        let imported = import(&t, state, &plan, None).await;
        match truth["verdict"].as_str().unwrap().strip_prefix("refuse:") {
            Some(code) => {
                let code = code.replace("EMPTY_STATE", "EMPTY");
                assert_eq!(imported, Err(code), "{name}");
                assert_eq!(open(&t, state).await, before, "{name}");
                refused += 1;
            }
            None => {
                let summary = imported.unwrap();
                let open = open(&t, state).await;
                assert_eq!(summary.open, open.len() as u64, "{name}");
                check(&name, &open, &truth, false);
                types.extend(
                    truth["rows"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .map(|row| row["type"].clone().to_string()),
                );
                let again = import(&t, state, &plan, None).await.unwrap();
                assert_eq!(
                    (again.recorded, again.changed, again.opened, again.closed),
                    (0, 0, 0, 0),
                    "{name}"
                );
            }
        }
    }
    assert!(refused >= 10, "{refused}");
    assert!(types.len() >= 25, "{types:?}");
}

#[tokio::test]
async fn a_normal_plan_decides_dynamic_blocks_defaults_and_ignored_changes() {
    let t = TestApp::new().await;
    let mut decided = 0;
    for name in names() {
        let Some(normal) = file(&format!("{name}.normal.json")) else {
            continue;
        };
        let (plan, truth) = (
            file(&format!("{name}.plan.json")).unwrap(),
            parsed(&format!("{name}.oracle.json")),
        );
        import(&t, &name, &plan, Some(&normal)).await.unwrap();
        check(&name, &open(&t, &name).await, &truth, true);
        decided += 1;
    }
    assert!(decided >= 12, "{decided}");
}

/// The text of all rows of the database.
pub(crate) async fn dump(t: &TestApp) -> String {
    let backend = t.db().backend();
    let postgres = backend == sea_orm::DbBackend::Postgres;
    let names = if postgres {
        "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public'"
    } else {
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
    };
    let reader = t.db().reader();
    let mut all = String::new();
    for row in reader
        .query_all_raw(Statement::from_string(backend, names))
        .await
        .unwrap()
    {
        let table: String = row.try_get("", "name").unwrap();
        let columns = if postgres {
            format!("SELECT column_name AS name FROM information_schema.columns WHERE table_name = '{table}'")
        } else {
            format!("SELECT name FROM pragma_table_info('{table}')")
        };
        let columns = reader
            .query_all_raw(Statement::from_string(backend, columns))
            .await
            .unwrap();
        for column in columns {
            let column: String = column.try_get("", "name").unwrap();
            let values =
                format!("SELECT CAST({column} AS text) AS value FROM {table} WHERE {column} IS NOT NULL");
            for row in reader
                .query_all_raw(Statement::from_string(backend, values))
                .await
                .unwrap()
            {
                // Binary columns of SQLite are ids.
                all.push_str(&row.try_get::<String>("", "value").unwrap_or_default());
                all.push('\n');
            }
        }
    }
    all
}

/// Planted values that nothing distinguishes from ordinary ones: the name of a database's user, three tags and an input
/// without a mark.
const UNRECOGNIZABLE: [&str; 5] = [
    "planted-secret-013",
    "planted-secret-038",
    "planted-secret-044",
    "planted-secret-049",
    "planted-secret-051",
];

/// The secrets that were planted in a plan.
pub(crate) fn secrets(name: &str) -> Vec<String> {
    let planted = parsed(&format!("{name}.secrets.json"));
    let planted = planted.as_array().unwrap().iter();
    let planted = planted.map(|secret| secret["value"].as_str().unwrap().to_owned());
    planted
        .filter(|secret| !UNRECOGNIZABLE.contains(&secret.as_str()))
        .collect()
}

const WITH_VALUES: &str =
    "{ drifts(first: 100) { nodes { field expected actual redacted changes { path before after }
    resource { name attrs provisioned { spec } events(first: 20) { nodes { type data } } } } } }";

#[tokio::test]
async fn no_secret_of_a_plan_is_stored_or_shown() {
    let t = TestApp::new().await;
    let mut planted = Vec::new();
    for name in names() {
        if file(&format!("{name}.secrets.json")).is_none() {
            continue;
        }
        import(&t, &name, &file(&format!("{name}.plan.json")).unwrap(), None)
            .await
            .unwrap();
        planted.extend(secrets(&name));
    }
    assert!(planted.len() >= 40, "{planted:?}");
    let answer = t.ask(WITH_VALUES, Value::Null).await;
    assert_eq!(answer["errors"], Value::Null, "{answer}");
    let rows = answer["data"]["drifts"]["nodes"].as_array().unwrap();
    let redacted: Vec<_> = rows.iter().filter(|row| row["redacted"] == true).collect();
    assert!(redacted.len() >= 5, "{answer:#}");
    for row in &redacted {
        assert_eq!(
            (&row["expected"], &row["actual"]),
            (&Value::Null, &Value::Null),
            "{row:#}"
        );
        assert_eq!(row["changes"], json!([]), "{row:#}");
    }
    // The same without the fast path, which does not know aliases of a fragment with a directive.
    let slow = WITH_VALUES
        .replace("{ drifts", "query($yes: Boolean = true) { drifts")
        .replace("redacted", "redacted @include(if: $yes)");
    let slow = t.ask(&slow, Value::Null).await;
    let rest = t.call_as_admin("GET", "/api/v1/drift").await;
    let shown = format!("{answer}{slow}{}{}", rest.body, dump(&t).await);
    for secret in planted {
        assert!(!shown.contains(&secret), "{secret} is stored or shown");
    }
    assert!(!format!("{answer}{slow}{}", rest.body).contains("drift-inbox:redacted"));
}

#[tokio::test]
async fn a_redacted_drift_can_be_accepted_without_being_shown() {
    let t = TestApp::new().await;
    let plan = file("secrets-marked.plan.json").unwrap();
    import(&t, "prod", &plan, None).await.unwrap();
    let before = open(&t, "prod").await;
    let drift = t
        .inbox()
        .await
        .into_iter()
        .find(|drift| drift_inbox::domain::redaction::hides(drift.expected.as_ref(), drift.actual.as_ref()))
        .unwrap();
    t.accept(&drift).await.unwrap();
    t.sweep().await;
    assert_eq!(open(&t, "prod").await.len(), before.len() - 1);
    // The accept stays in force until the code follows.
    let again = import(&t, "prod", &plan, None).await.unwrap();
    assert_eq!((again.opened, again.open), (0, before.len() as u64 - 1));
}

#[tokio::test]
async fn a_refused_plan_changes_nothing_and_a_sweep_then_says_so() {
    let t = TestApp::new().await;
    let good = plan("2027-01-01T11:59:00Z", &["a", "b"]);
    import(&t, "prod", &good, None).await.unwrap();
    assert_eq!(reasons(&t).await, json!([]));
    let before = contents(&t).await;
    let errored = String::from_utf8(good.clone())
        .unwrap()
        .replace("\"errored\":false", "\"errored\":true");
    let refused = import(&t, "prod", errored.as_bytes(), None).await;
    assert_eq!(refused, Err("ERRORED".to_owned()));
    assert_eq!(contents(&t).await, before);
    assert_eq!(reasons(&t).await, json!(["INCOMPLETE"]));
    import(&t, "prod", &good, None).await.unwrap();
    assert_eq!(reasons(&t).await, json!([]));
    // Twice the expected time without an import.
    t.later(TimeDelta::hours(47));
    assert_eq!(reasons(&t).await, json!([]));
    t.later(TimeDelta::hours(2));
    assert_eq!(reasons(&t).await, json!(["OVERDUE"]));
}

#[tokio::test]
async fn a_kind_of_two_states_is_overdue_when_the_first_of_them_is() {
    let t = TestApp::new().await;
    let plan = plan("2027-01-01T11:59:00Z", &["a"]);
    let hourly = PlanOptions {
        interval: Some(TimeDelta::hours(1)),
        ..options("hourly")
    };
    import_plan(
        t.db(),
        t.app.clock(),
        ADMIN,
        spool(&plan),
        None,
        &hourly,
        |_, _| {},
    )
    .await
    .unwrap();
    import(&t, "daily", &plan, None).await.unwrap();
    assert_eq!(reasons(&t).await, json!([]));
    t.later(TimeDelta::hours(3));
    assert_eq!(reasons(&t).await, json!(["OVERDUE"]));
    import(&t, "daily", &plan, None).await.unwrap();
    assert_eq!(reasons(&t).await, json!(["OVERDUE"]));
}

/// The reasons why kinds may be out of date.
async fn reasons(t: &TestApp) -> Value {
    let answer = t
        .ask("{ freshness { neverSynced stale { reason } } }", Value::Null)
        .await;
    let freshness = &answer["data"]["freshness"];
    assert_eq!(freshness["neverSynced"], false, "{answer}");
    let kinds = freshness["stale"].as_array().unwrap();
    kinds.iter().map(|kind| kind["reason"].clone()).collect()
}

async fn contents(t: &TestApp) -> Vec<String> {
    let tables = t.tables().await;
    vec![
        format!("{:?}", tables.resources),
        format!("{:?}", tables.specs),
        format!("{:?}", tables.drifts),
        format!("{:?}", tables.events),
    ]
}

/// A plan with one attribute for each of these instances.
pub(crate) fn plan(made_at: &str, instances: &[&str]) -> Vec<u8> {
    let resources: Vec<Value> = instances
        .iter()
        .map(|name| {
            json!({ "address": format!("net_thing.{name}"), "mode": "managed", "type": "net_thing", "name": name,
                "provider_name": "registry.terraform.io/acme/net", "values": { "size": 1 }, "sensitive_values": {} })
        })
        .collect();
    let declared: Vec<Value> = instances
        .iter()
        .map(|name| {
            json!({ "address": format!("net_thing.{name}"), "mode": "managed", "type": "net_thing", "name": name,
                "provider_config_key": "net", "expressions": { "size": { "constant_value": 1 } } })
        })
        .collect();
    json!({ "format_version": "1.2", "terraform_version": "1.11.4", "planned_values": { "root_module": {} },
        "prior_state": { "format_version": "1.0", "values": { "root_module": { "resources": resources } } },
        "configuration": { "root_module": { "resources": declared } },
        "timestamp": made_at, "applyable": true, "complete": true, "errored": false })
    .to_string()
    .into_bytes()
}

#[tokio::test]
async fn an_older_plan_and_one_that_lost_most_instances_are_refused() {
    let t = TestApp::new().await;
    let newer = plan("2026-12-31T10:00:00Z", &["a", "b", "c"]);
    import(&t, "prod", &newer, None).await.unwrap();
    let older = plan("2026-12-31T09:00:00Z", &["a", "b", "c"]);
    assert_eq!(import(&t, "prod", &older, None).await, Err("OLDER".to_owned()));
    let emptied = plan("2026-12-31T11:00:00Z", &["a"]);
    assert_eq!(
        import(&t, "prod", &emptied, None).await,
        Err("MASS_RETIRE".to_owned())
    );
    // An instance that is in no list has left the state. Another state is not affected.
    import(&t, "test", &newer, None).await.unwrap();
    let fewer = import(&t, "prod", &plan("2026-12-31T12:00:00Z", &["a", "b"]), None)
        .await
        .unwrap();
    assert_eq!((fewer.left, fewer.opened, fewer.open), (1, 0, 0));
    let specs = t.tables().await.specs;
    assert_eq!(specs.iter().filter(|spec| spec.retired_at.is_none()).count(), 5);
}

#[tokio::test]
async fn a_plan_is_imported_by_rest_and_by_graphql() {
    let t = TestApp::new().await;
    let body = plan("2026-12-31T10:00:00Z", &["a"]);
    let post = |token: String, body: Vec<u8>| {
        Request::post("/api/v1/plans/prod?every=12h")
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .body(Body::from(body))
            .unwrap()
    };
    let viewer = t.token(Some("bo@example.com"), &["viewer"]);
    assert_eq!(t.send(post(viewer, body.clone())).await.status(), 403);
    let admin = || t.token(Some(ADMIN), &["platform_admin"]);
    let response = t.send(post(admin(), body.clone())).await;
    assert_eq!(response.status(), 200);
    let summary: Value =
        serde_json::from_slice(&to_bytes(response.into_body(), 65_536).await.unwrap()).unwrap();
    assert_eq!(
        (&summary["instances"], &summary["recorded"]),
        (&json!(1), &json!(1))
    );
    let response = t.send(post(admin(), b"{".to_vec())).await;
    assert_eq!(response.status(), 422);
    let import = "mutation($input: ImportTerraformPlanInput!) { importTerraformPlan(input: $input) {
        summary { state instances recorded unchanged open notCompared { address } } } }";
    let text = String::from_utf8(body).unwrap();
    let input = json!({ "input": { "plan": text, "state": "prod" } });
    let answer = t.ask(import, input).await;
    let summary = &answer["data"]["importTerraformPlan"]["summary"];
    assert_eq!(
        (&summary["recorded"], &summary["unchanged"]),
        (&json!(0), &json!(1)),
        "{answer}"
    );
    let refused = t
        .ask(
            import,
            json!({ "input": { "plan": { "a": 1 }, "state": "prod" } }),
        )
        .await;
    let extensions = &refused["errors"][0]["extensions"];
    assert_eq!(
        (&extensions["code"], &extensions["reason"]),
        (&json!("PLAN_REFUSED"), &json!("NOT_A_PLAN")),
        "{refused}"
    );
}

/// A plan of `net_thing.b` that was `net_thing.a` in the applied state, which has size 1, and is size 2 now.
fn moved_plan(made_at: &str) -> Vec<u8> {
    let mut moved: Value = serde_json::from_slice(&plan(made_at, &["b"])).unwrap();
    moved["prior_state"]["values"]["root_module"]["resources"][0]["values"]["size"] = json!(2);
    moved["resource_drift"] = json!([{ "address": "net_thing.b", "previous_address": "net_thing.a", "mode": "managed",
        "type": "net_thing", "name": "b", "provider_name": "registry.terraform.io/acme/net",
        "change": { "actions": ["update"], "before": { "size": 1 }, "after": { "size": 2 },
            "before_sensitive": {}, "after_sensitive": {} } }]);
    moved.to_string().into_bytes()
}

#[tokio::test]
async fn a_moved_instance_keeps_its_row_and_an_accept_stays_in_force() {
    let t = TestApp::new().await;
    import(&t, "prod", &plan("2026-12-31T10:00:00Z", &["a"]), None)
        .await
        .unwrap();
    let row = t.tables().await.resources[0].id;
    import(&t, "prod", &moved_plan("2026-12-31T11:00:00Z"), None)
        .await
        .unwrap();
    let tables = t.tables().await;
    assert_eq!(tables.resources.len(), 1);
    assert_eq!(
        (tables.resources[0].id, tables.resources[0].provider_id.as_str()),
        (row, "prod/net_thing.b")
    );
    let drift = t.inbox().await.remove(0);
    t.accept(&drift).await.unwrap();
    // The move is in every plan until the next apply.
    let again = import(&t, "prod", &moved_plan("2026-12-31T12:00:00Z"), None)
        .await
        .unwrap();
    assert_eq!((again.opened, again.open), (0, 0));
}

#[tokio::test]
async fn an_instance_of_another_provider_or_that_was_left_behind_takes_over_an_address() {
    let t = TestApp::new().await;
    let first = plan("2026-12-31T10:00:00Z", &["a", "b", "c"]);
    import(&t, "prod", &first, None).await.unwrap();
    // b leaves the state; then a moves to its address.
    import(&t, "prod", &plan("2026-12-31T11:00:00Z", &["a", "c"]), None)
        .await
        .unwrap();
    let mut moved: Value = serde_json::from_slice(&moved_plan("2026-12-31T12:00:00Z")).unwrap();
    let c: Value = serde_json::from_slice(&plan("2026-12-31T12:00:00Z", &["c"])).unwrap();
    for place in [
        "/prior_state/values/root_module/resources",
        "/configuration/root_module/resources",
    ] {
        let other = c.pointer(place).unwrap()[0].clone();
        moved
            .pointer_mut(place)
            .unwrap()
            .as_array_mut()
            .unwrap()
            .push(other);
    }
    let done = import(&t, "prod", moved.to_string().as_bytes(), None)
        .await
        .unwrap();
    assert_eq!((done.instances, done.open), (2, 1));
    // The same address with another provider.
    let replaced = String::from_utf8(first)
        .unwrap()
        .replace("registry.terraform.io", "registry.opentofu.org");
    let replaced = replaced.replace("10:00:00", "13:00:00");
    let mut options = options("prod");
    options.allow_mass_retire = true;
    let spools = (spool(replaced.as_bytes()), None);
    let done = import_plan(
        t.db(),
        t.app.clock(),
        ADMIN,
        spools.0,
        spools.1,
        &options,
        |_, _| {},
    )
    .await
    .unwrap();
    assert_eq!((done.instances, done.open), (3, 0));
}

#[tokio::test]
async fn what_cannot_be_stored_is_named_and_an_accepted_deletion_stays_accepted() {
    let t = TestApp::new().await;
    let long = format!("a{}", "x".repeat(600));
    let done = import(&t, "prod", &plan("2026-12-31T10:00:00Z", &["b", &long]), None)
        .await
        .unwrap();
    assert_eq!((done.instances, done.refused.len()), (1, 1), "{done:?}");
    let mut gone: Value = serde_json::from_slice(&plan("2026-12-31T11:00:00Z", &["b"])).unwrap();
    gone["prior_state"]["values"]["root_module"]["resources"] = json!([]);
    gone["resource_drift"] = json!([{ "address": "net_thing.b", "mode": "managed", "type": "net_thing", "name": "b",
        "provider_name": "registry.terraform.io/acme/net", "change": { "actions": ["delete"], "before": { "size": 1 },
            "after": null, "before_sensitive": {}, "after_sensitive": false } }]);
    let gone = |at: &str| gone.to_string().replace("11:00:00", at).into_bytes();
    assert_eq!(import(&t, "prod", &gone("11:00:00"), None).await.unwrap().open, 1);
    let missing = t.inbox().await.remove(0);
    t.accept(&missing).await.unwrap();
    assert_eq!(import(&t, "prod", &gone("12:00:00"), None).await.unwrap().open, 0);
    // A plan from a clock that is ahead would make all later ones older.
    let ahead = import(&t, "prod", &plan("2028-01-01T00:00:00Z", &["b"]), None).await;
    assert_eq!(ahead, Err("IN_THE_FUTURE".to_owned()));
}
