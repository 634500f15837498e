//! The tables: their migrations and their constraints.

use std::collections::BTreeSet;

use drift_inbox::db::Db;
use drift_inbox::services::bulks::Action;
use drift_inbox::services::comments;
use migration::{Migrator, MigratorTrait as _};
use sea_orm::{ConnectionTrait, Database, Statement};
use serde_json::json;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::retention::rows;
use crate::support::cloud::droplet;
use crate::support::db::TestDb;
use crate::support::{ADMIN, TestApp};

/// Each table and its columns.
const TABLES: [(&str, &[&str]); 39] = [
    (
        "leftovers",
        &[
            "id",
            "resource_id",
            "rule",
            "state",
            "unknown_because",
            "since",
            "monthly_micros",
            "checked_by",
        ],
    ),
    ("leftover_marks", &["id"]),
    (
        "leftover_checks",
        &["provider", "number", "finished", "checked_at", "listings"],
    ),
    ("ignore_rule_revisions", &["id", "revision"]),
    (
        "ignore_rules",
        &[
            "id",
            "name",
            "definition",
            "field",
            "reason",
            "owner",
            "origin",
            "created_by",
            "created_at",
            "expires_at",
            "ended_at",
            "ended_by",
            "end_reason",
            "hits",
            "last_hit_at",
            "bulk_id",
        ],
    ),
    (
        "ignored_differences",
        &[
            "id",
            "resource_id",
            "field",
            "rule_id",
            "expected",
            "actual",
            "ignored_at",
            "changed_at",
            "sweeps",
        ],
    ),
    (
        "notification_targets",
        &[
            "id",
            "name",
            "kind",
            "url",
            "method",
            "secret",
            "previous_secret",
            "previous_until",
            "filter",
            "digest_minute",
            "digest_due_at",
            "enabled",
            "created_at",
            "created_by",
            "updated_at",
            "updated_by",
        ],
    ),
    (
        "notification_outbox",
        &["id", "type", "resource_id", "actor", "data", "occurred_at"],
    ),
    (
        "notification_deliveries",
        &[
            "id",
            "target_id",
            "kind",
            "body",
            "state",
            "attempts",
            "created_at",
            "next_attempt_at",
            "give_up_at",
            "ended_at",
            "status_code",
            "error",
        ],
    ),
    (
        "notification_attempts",
        &[
            "id",
            "delivery_id",
            "number",
            "started_at",
            "ended_at",
            "status_code",
            "error",
        ],
    ),
    ("notified_sources", &["name", "state", "noted_at"]),
    (
        "spec_versions",
        &[
            "id",
            "resource_id",
            "spec_version",
            "spec",
            "not_compared",
            "source",
            "address",
            "recorded_by",
            "recorded_at",
            "retired_at",
            "superseded_at",
        ],
    ),
    (
        "spec_reasons",
        &["resource_id", "spec_version", "reason", "recorded_at"],
    ),
    ("row_totals", &["id", "of_rows", "key", "n"]),
    (
        "drift_totals",
        &[
            "id",
            "level",
            "status",
            "drift_kind",
            "field",
            "provider",
            "kind",
            "region",
            "n",
        ],
    ),
    (
        "resource_states",
        &[
            "resource_id",
            "provider",
            "kind",
            "region",
            "present",
            "gone",
            "owned",
            "specs",
            "class",
            "open_changed",
            "open_missing",
        ],
    ),
    (
        "resource_totals",
        &[
            "id", "provider", "kind", "region", "class", "gone", "changed", "missing", "n",
        ],
    ),
    (
        "cloud_resources",
        &[
            "id",
            "provider",
            "kind",
            "provider_id",
            "urn",
            "name",
            "region",
            "size_slug",
            "status",
            "tags",
            "ip",
            "vpc_uuid",
            "project_id",
            "attrs",
            "revision",
            "first_seen_at",
            "gone_at",
            "settling_since",
            "owned",
            "source",
            "listed_digest",
        ],
    ),
    (
        "cloud_provisioned",
        &[
            "id",
            "resource_id",
            "spec",
            "spec_version",
            "source",
            "recorded_by",
            "recorded_at",
            "retired_at",
            "created_at",
            "not_compared",
            "address",
        ],
    ),
    (
        "cloud_drift",
        &[
            "id",
            "resource_id",
            "kind",
            "field",
            "expected",
            "actual",
            "revision",
            "status",
            "detected_at",
            "resolved_at",
            "resolved_by",
            "resolution_note",
            "resource_kind",
            "resource_region",
            "close_reason",
            "closed_by_rule",
            "severity",
            "severity_rule",
            "spec_version",
            "undone_at",
            "undone_by",
            "undone_version",
            "reverting_at",
            "reverting_by",
            "reverting_note",
            "cause",
            "cause_revision",
            "bulk_id",
            "split_from",
            "snoozed",
            "snoozed_at",
            "snoozed_by",
            "snoozed_until",
            "snoozed_until_change",
            "snooze_reason",
            "snooze_bulk_id",
            "assignee",
            "split_from",
            "last_seen_equal_at",
            "first_seen_different_at",
            "window_basis",
            "flapping",
        ],
    ),
    (
        "inventory_changes",
        &[
            "id",
            "resource_id",
            "provider",
            "kind",
            "region",
            "source",
            "type",
            "field",
            "before",
            "after",
            "has_values",
            "last_listed_at",
            "seen_at",
        ],
    ),
    (
        "cloud_actions",
        &[
            "id",
            "source",
            "provider",
            "number",
            "type",
            "status",
            "ended",
            "kind",
            "provider_id",
            "region",
            "started_at",
            "completed_at",
        ],
    ),
    (
        "saved_views",
        &[
            "id",
            "subject",
            "author",
            "name",
            "link",
            "shared",
            "created_at",
            "updated_at",
        ],
    ),
    ("default_views", &["subject", "view_id"]),
    (
        "bulks",
        &[
            "id",
            "action",
            "actor",
            "subject",
            "created_at",
            "expires_at",
            "note",
            "started_at",
            "finished_at",
            "parameters",
        ],
    ),
    (
        "drift_comments",
        &["id", "drift_id", "author", "body", "created_at"],
    ),
    (
        "bulk_items",
        &[
            "bulk_id",
            "drift_id",
            "resource_id",
            "field",
            "revision",
            "outcome",
            "code",
            "message",
            "spec_version",
            "before",
        ],
    ),
    (
        "cloud_resource_events",
        &["id", "resource_id", "type", "actor", "data", "occurred_at"],
    ),
    (
        "sources",
        &[
            "name",
            "kind",
            "provider",
            "account",
            "schedule",
            "expected_interval",
            "registered_at",
        ],
    ),
    (
        "inventory_kinds",
        &[
            "source",
            "provider",
            "kind",
            "account",
            "listing_started_at",
            "completed_at",
            "outcome",
            "listing_number",
            "numbered_at",
            "unconfirmed",
            "unread_fields",
            "expected_interval",
        ],
    ),
    (
        "terraform_plans",
        &[
            "state",
            "made_at",
            "imported_at",
            "imported_by",
            "attempted_at",
            "refusal",
            "refusal_reason",
            "expected_interval",
        ],
    ),
    (
        "plan_instances",
        &["resource_id", "state", "address", "fields", "not_compared"],
    ),
    ("installation_keys", &["name", "secret"]),
    ("inventory_listings", &["id", "last_number"]),
    (
        "job_runs",
        &[
            "id",
            "job",
            "narrowed",
            "source",
            "trigger",
            "scheduled_for",
            "started_at",
            "heartbeat_at",
            "finished_at",
            "outcome",
            "counts",
            "error",
        ],
    ),
    (
        "forgotten_resources",
        &[
            "id",
            "resource_id",
            "provider",
            "kind",
            "provider_id",
            "name",
            "decisions",
            "forgotten_at",
            "forgotten_by",
            "note",
        ],
    ),
    ("upkeep", &["task", "started_at", "finished_at"]),
    ("sweep_marks", &["id", "resource_id"]),
    (
        "terraform_states",
        &["lineage", "serial", "imported_at", "imported_by", "file_lineage"],
    ),
];

async fn columns(db: &Db, is_postgres: bool, table: &str) -> BTreeSet<String> {
    let sql = if is_postgres {
        format!("SELECT column_name AS name FROM information_schema.columns WHERE table_name = '{table}'")
    } else {
        format!("SELECT name FROM pragma_table_info('{table}')")
    };
    let rows = db
        .reader()
        .query_all_raw(Statement::from_string(db.backend(), sql));
    let names = rows.await.unwrap().into_iter();
    names.map(|row| row.try_get("", "name").unwrap()).collect()
}

async fn has_every_table(db: &Db, is_postgres: bool) {
    for (table, wanted) in TABLES {
        let wanted: BTreeSet<String> = wanted.iter().map(ToString::to_string).collect();
        assert_eq!(columns(db, is_postgres, table).await, wanted, "{table}");
    }
}

#[tokio::test]
async fn a_migrated_database_has_every_table_with_its_columns() {
    let database = TestDb::create().await;
    let db = database.connect_and_migrate().await;
    has_every_table(&db, database.is_postgres()).await;
}

#[tokio::test]
async fn a_database_is_ready_once_it_is_migrated() {
    let database = TestDb::create().await;
    let db = database.connect().await;
    assert!(!db.is_ready().await.unwrap());
    for (table, _) in TABLES {
        let found = columns(&db, database.is_postgres(), table).await;
        assert!(found.is_empty(), "asking makes no table");
    }
    db.migrate().await.unwrap();
    assert!(db.is_ready().await.unwrap());
    db.migrate().await.unwrap();
    assert!(db.is_ready().await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn four_servers_can_migrate_an_empty_database_concurrently() {
    for round in 0..5 {
        let database = TestDb::create().await;
        let mut servers = JoinSet::new();
        for _ in 0..4 {
            let url = database.url.clone();
            servers.spawn(async move {
                let db = Db::connect(&url, 4).await?;
                db.migrate().await?;
                db.is_ready().await
            });
        }
        for ready in servers.join_all().await {
            assert!(ready.unwrap(), "round {round}");
        }
        has_every_table(&database.connect().await, database.is_postgres()).await;
    }
}

#[tokio::test]
async fn migrations_go_up_and_down_and_up_again() {
    let database = TestDb::create().await;
    let db = database.connect_and_migrate().await;
    let connection = Database::connect(&database.url).await.unwrap();
    Migrator::down(&connection, None).await.unwrap();
    connection.close().await.unwrap();
    assert!(!db.is_ready().await.unwrap());
    for (table, _) in TABLES {
        let left = columns(&db, database.is_postgres(), table).await;
        assert!(left.is_empty(), "{table} still exists");
    }
    db.migrate().await.unwrap();
    has_every_table(&db, database.is_postgres()).await;
}

/// Returns an id as SQL.
fn id(t: &TestApp, id: Uuid) -> String {
    if t.database.is_postgres() {
        format!("'{id}'")
    } else {
        format!("x'{}'", id.simple())
    }
}

fn new_id(t: &TestApp) -> String {
    id(t, Uuid::now_v7())
}

/// Inserts a resource as another program does, with only the required columns. Returns its id as SQL.
async fn foreign_resource(t: &TestApp) -> String {
    let id = new_id(t);
    let sql = format!(
        "INSERT INTO cloud_resources (id, provider, kind, provider_id, urn, name) \
         VALUES ({id}, 'digitalocean', 'droplet', 'p-1', 'do:droplet:p-1', 'web-1')"
    );
    t.database.execute(sql).await.unwrap();
    id
}

const NOW: &str = "'2027-01-01T12:00:00+00:00'";

/// Inserts a drift with these values of `field`, `status`, `kind` and `revision`.
async fn insert_drift(
    t: &TestApp,
    resource: &str,
    [field, status, kind, revision]: [&str; 4],
) -> Result<u64, sea_orm::DbErr> {
    let id = new_id(t);
    let sql = format!(
        "INSERT INTO cloud_drift (id, resource_id, kind, field, status, revision, detected_at) \
         VALUES ({id}, {resource}, '{kind}', '{field}', '{status}', {revision}, {NOW})"
    );
    t.database.execute(sql).await
}

async fn insert_run(t: &TestApp, job: &str, tick: &str, finished: &str) -> Result<u64, sea_orm::DbErr> {
    let id = new_id(t);
    let sql = format!(
        "INSERT INTO job_runs (id, job, scheduled_for, started_at, heartbeat_at, finished_at) \
         VALUES ({id}, '{job}', {tick}, {NOW}, {NOW}, {finished})"
    );
    t.database.execute(sql).await
}

/// Checks that the statement violated a constraint, and was not invalid.
fn refused(outcome: Result<u64, sea_orm::DbErr>) {
    let error = outcome.unwrap_err().to_string().to_lowercase();
    assert!(error.contains("constraint"), "{error}");
}

#[tokio::test]
async fn the_database_refuses_a_second_open_drift_of_a_field() {
    let t = TestApp::new().await;
    let resource = foreign_resource(&t).await;
    insert_drift(&t, &resource, ["region", "open", "changed", "1"])
        .await
        .unwrap();
    refused(insert_drift(&t, &resource, ["region", "open", "changed", "1"]).await);
    for resolved in ["stale", "accepted", "reverted", "stale"] {
        insert_drift(&t, &resource, ["region", resolved, "changed", "1"])
            .await
            .unwrap();
    }
    insert_drift(&t, &resource, ["size_slug", "open", "changed", "1"])
        .await
        .unwrap();
    assert_eq!(t.inbox().await.len(), 2);
}

#[tokio::test]
async fn the_database_refuses_unknown_statuses_and_versions_below_1() {
    let t = TestApp::new().await;
    let resource = foreign_resource(&t).await;
    refused(insert_drift(&t, &resource, ["region", "snoozed", "changed", "1"]).await);
    refused(insert_drift(&t, &resource, ["region", "OPEN", "changed", "1"]).await);
    refused(insert_drift(&t, &resource, ["region", "open", "moved", "1"]).await);
    refused(insert_drift(&t, &resource, ["region", "open", "changed", "0"]).await);
    refused(insert_drift(&t, &new_id(&t), ["region", "open", "changed", "1"]).await);
    let zero = format!("UPDATE cloud_resources SET revision = 0 WHERE id = {resource}");
    refused(t.database.execute(zero).await);
    for (version, may_enter) in [("0", false), ("-1", false), ("1", true), ("2", false)] {
        let sql = format!(
            "INSERT INTO cloud_provisioned (id, resource_id, spec, spec_version, recorded_by, recorded_at, created_at) \
             VALUES ({}, {resource}, '{{}}', {version}, 'cron', {NOW}, {NOW})",
            new_id(&t)
        );
        let outcome = t.database.execute(sql).await;
        if may_enter {
            assert_eq!(outcome.unwrap(), 1);
        } else {
            refused(outcome);
        }
    }
    assert!(t.drifts().await.is_empty());
}

#[tokio::test]
async fn the_database_refuses_a_second_active_sync_and_a_second_run_of_a_tick() {
    let t = TestApp::new().await;
    insert_run(&t, "sync_inventory", "NULL", "NULL").await.unwrap();
    refused(insert_run(&t, "sync_inventory", "NULL", "NULL").await);
    refused(insert_run(&t, "sync_inventory", NOW, "NULL").await);
    insert_run(&t, "sync_inventory", "NULL", NOW).await.unwrap();
    insert_run(&t, "detect_drift", "NULL", "NULL").await.unwrap();
    insert_run(&t, "detect_drift", "NULL", "NULL").await.unwrap();
    insert_run(&t, "detect_drift", NOW, NOW).await.unwrap();
    refused(insert_run(&t, "detect_drift", NOW, NOW).await);
    insert_run(&t, "sync_inventory", NOW, NOW).await.unwrap();
}

#[tokio::test]
async fn the_database_refuses_a_second_resource_with_one_provider_id() {
    let t = TestApp::new().await;
    foreign_resource(&t).await;
    let same = format!(
        "INSERT INTO cloud_resources (id, provider, kind, provider_id, urn, name) \
         VALUES ({}, 'digitalocean', 'droplet', 'p-1', 'other', 'other')",
        new_id(&t)
    );
    refused(t.database.execute(same).await);
}

#[tokio::test]
async fn a_row_inserted_by_another_program_gets_the_column_defaults() {
    let t = TestApp::new().await;
    let resource = foreign_resource(&t).await;
    let row = t.resource("web-1").await;
    assert_eq!((row.tags, row.attrs, row.revision), (json!([]), json!({}), 1));
    assert!(
        row.first_seen_at.is_some(),
        "the default is the time of the insertion"
    );
    assert_eq!((row.gone_at, row.settling_since), (None, None));
    let sql = format!(
        "INSERT INTO cloud_provisioned (id, resource_id, spec, spec_version, recorded_by, recorded_at, created_at) \
         VALUES ({}, {resource}, '{{\"region\":\"nyc3\"}}', 1, 'cron', {NOW}, {NOW})",
        new_id(&t)
    );
    t.database.execute(sql).await.unwrap();
    assert_eq!(t.spec("web-1").await.source, "api");
    let counts = t.sweep().await;
    assert_eq!((counts.resources, counts.opened, counts.skipped), (1, 1, 0));
}

/// The tables whose rows belong to drifts and resources without a foreign key.
const PARTS: [&str; 6] = [
    "drift_comments",
    "bulk_items",
    "ignored_differences",
    "spec_versions",
    "spec_reasons",
    "inventory_changes",
];

/// Creates a server with rows in each of [`PARTS`].
async fn with_parts() -> TestApp {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1").region("ams3").size("m")]).await;
    t.cloud_has([droplet("web-1").region("ams3").size("l")]).await;
    t.record_spec("web-1", json!({})).await;
    let record =
        "mutation($input: RecordSpecInput!) { recordSpec(input: $input) { provisioned { specVersion } } }";
    let spec = json!({ "region": "nyc3", "size_slug": "s" });
    let input = json!({ "resourceId": t.resource("web-1").await.id, "spec": spec, "reason": "agreed" });
    t.data(record, json!({ "input": input })).await;
    let rule = "mutation { createIgnoreRule(input: { reason: \"known\", definition: { field: \"size_slug\" } }) { closed } }";
    t.data(rule, json!({})).await;
    t.sweep().await;
    let id = t.open_drift("web-1", "region").await.id;
    comments::add(t.db(), ADMIN, id, "asked the shop", t.now())
        .await
        .unwrap();
    t.bulk(&[id], &Action::Assign(Some(ADMIN.to_owned()))).await;
    for table in PARTS {
        assert!(rows(&t, table).await > 0, "{table}");
    }
    t.database.execute("DELETE FROM leftover_marks").await.unwrap();
    t
}

#[tokio::test]
async fn whichever_program_deletes_rows_deletes_what_belongs_to_them() {
    let schema = |name: &str| {
        let tables = [
            "cloud_drift",
            "cloud_provisioned",
            "cloud_resource_events",
            "cloud_resources",
        ];
        tables
            .map(|table| format!("DELETE FROM {name}{table}"))
            .join("; ")
    };
    let mut cases = vec![schema("")];
    if with_parts().await.database.is_postgres() {
        let rights = "GRANT SELECT, INSERT, UPDATE, DELETE ON cloud_drift, cloud_provisioned, cloud_resource_events, \
                      cloud_resources TO pg_monitor; SET ROLE pg_monitor";
        cases.extend([
            format!("{rights}; {}", schema("")),
            format!("SET search_path = pg_catalog; {}", schema("public.")),
            format!("SET session_replication_role = replica; {}", schema("")),
            "TRUNCATE cloud_resources CASCADE".to_owned(),
        ]);
    }
    for deletes in cases {
        let t = with_parts().await;
        t.database.execute(deletes.as_str()).await.unwrap();
        assert_eq!(rows(&t, "cloud_resources").await, 0, "{deletes}");
        for table in PARTS {
            assert_eq!(rows(&t, table).await, 0, "{table}: {deletes}");
        }
        assert!(rows(&t, "leftover_marks").await > 0, "{deletes}");
    }
}

#[tokio::test]
async fn the_comments_of_emptied_drifts_are_deleted() {
    let t = with_parts().await;
    let empty = match t.database.is_postgres() {
        true => "TRUNCATE cloud_drift",
        false => "DELETE FROM cloud_drift",
    };
    t.database.execute(empty).await.unwrap();
    assert_eq!(rows(&t, "drift_comments").await, 0);
    assert!(rows(&t, "bulk_items").await > 0, "the resource is still there");
}
