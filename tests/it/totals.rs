//! Totals that triggers of the database keep equal a count of the rows, whichever program writes them.

use proptest::prelude::RngExt as _;
use proptest::test_runner::{RngAlgorithm, TestRng};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, QueryResult, Statement,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::TestApp;
use crate::support::cloud::{Listed, droplet};
use crate::support::db::TestDb;

const NOW: &str = "'2027-01-01T12:00:00+00:00'";

/// Rows of `drift_totals` of level 1 whose sum is not the number of drifts.
const WRONG_DRIFTS: &str = "\
    SELECT status, drift_kind, field, provider, kind, region, sum(n) AS difference FROM ( \
        SELECT status, drift_kind, field, provider, kind, region, n FROM drift_totals WHERE level = 1 \
        UNION ALL \
        SELECT d.status, d.kind, d.field, r.provider, r.kind, coalesce(r.region, ''), -1 \
        FROM cloud_drift d JOIN cloud_resources r ON r.id = d.resource_id) AS both_sides \
    GROUP BY 1, 2, 3, 4, 5, 6 HAVING sum(n) <> 0";

const WRONG_STATUSES: &str = "\
    SELECT status, sum(n) AS difference FROM ( \
        SELECT status, n FROM drift_totals WHERE level = 0 \
        UNION ALL SELECT status, -1 FROM cloud_drift) AS both_sides \
    GROUP BY 1 HAVING sum(n) <> 0";

/// Rows of `resource_totals` whose sum is not the number of resources, counted from the tables of the product.
const WRONG_RESOURCES: &str = "\
    SELECT provider, kind, region, class, gone, changed, missing, sum(n) AS difference FROM ( \
        SELECT provider, kind, region, class, gone, changed, missing, n FROM resource_totals \
        UNION ALL \
        SELECT provider, kind, coalesce(region, ''), \
            CASE WHEN managed THEN 'managed' WHEN first_seen_at IS NULL OR gone_at IS NOT NULL THEN 'other' \
                WHEN owned THEN 'owned' ELSE 'unmanaged' END, \
            gone_at IS NOT NULL, changed, missing, -1 \
        FROM (SELECT r.*, \
            EXISTS (SELECT 1 FROM cloud_provisioned s WHERE s.resource_id = r.id AND s.retired_at IS NULL) AS managed, \
            EXISTS (SELECT 1 FROM cloud_drift d \
                WHERE d.resource_id = r.id AND d.status = 'open' AND d.kind = 'changed') AS changed, \
            EXISTS (SELECT 1 FROM cloud_drift d \
                WHERE d.resource_id = r.id AND d.status = 'open' AND d.kind = 'missing') AS missing \
            FROM cloud_resources r) AS facts) AS both_sides \
    GROUP BY 1, 2, 3, 4, 5, 6, 7 HAVING sum(n) <> 0";

/// Drifts whose copies differ from their resource.
const WRONG_COPIES: &str = "\
    SELECT d.id, d.resource_kind, r.kind, d.resource_region, r.region \
    FROM cloud_drift d LEFT JOIN cloud_resources r ON r.id = d.resource_id \
    WHERE d.resource_kind IS DISTINCT FROM r.kind OR d.resource_region IS DISTINCT FROM r.region";

/// A client of the database that uses no code of the server.
struct Client {
    connection: DatabaseConnection,
    random: TestRng,
}

impl Client {
    async fn connect(database: &TestDb, seed: u8) -> Self {
        Self {
            // One connection, so that transactions can be opened by statements.
            connection: Database::connect(ConnectOptions::new(&database.url).max_connections(1).to_owned())
                .await
                .unwrap(),
            random: TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]),
        }
    }

    fn id(&self, id: Uuid) -> String {
        match self.connection.get_database_backend() {
            DbBackend::Postgres => format!("'{id}'"),
            _ => format!("x'{}'", id.simple()),
        }
    }

    fn one_of(&mut self, words: &[&str]) -> String {
        words[self.random.random_range(0..words.len())].to_owned()
    }

    fn one_id_of(&mut self, ids: &[Uuid]) -> String {
        let id = ids[self.random.random_range(0..ids.len())];
        self.id(id)
    }

    /// A random statement on the resources with these ids. Some violate a constraint and change nothing.
    fn statement(&mut self, resources: &[Uuid]) -> String {
        let resource = self.one_id_of(resources);
        let other = self.one_id_of(resources);
        let new_id = self.id(Uuid::now_v7());
        let kind = self.one_of(&["droplet", "volume"]);
        let region = self.one_of(&["NULL", "''", "'fra1'", "'nyc1'"]);
        let time = self.one_of(&["NULL", NOW]);
        let owned = self.one_of(&["TRUE", "FALSE"]);
        let status = self.one_of(&["open", "open", "accepted", "stale"]);
        let drift_kind = self.one_of(&["changed", "changed", "missing"]);
        let field = self.one_of(&["size", "tags", "ip"]);
        let provider_id = self.random.random_range(0..1_000_000);
        match self.random.random_range(0..16) {
            0 | 1 => format!(
                "INSERT INTO cloud_resources (id, provider, kind, provider_id, urn, name, region, first_seen_at, owned) \
                 VALUES ({resource}, 'do', '{kind}', '{provider_id}', 'u', 'n', {region}, {time}, {owned}) \
                 ON CONFLICT (id) DO UPDATE SET region = excluded.region, gone_at = NULL"
            ),
            2 => format!("UPDATE cloud_resources SET region = {region}, name = 'new' WHERE id = {resource}"),
            3 => format!(
                "UPDATE cloud_resources SET kind = '{kind}', owned = {owned} WHERE id IN ({resource}, {other})"
            ),
            4 => format!("UPDATE cloud_resources SET gone_at = {time} WHERE id IN ({resource}, {other})"),
            5 => format!("UPDATE cloud_resources SET first_seen_at = {time} WHERE id = {resource}"),
            6 => format!("DELETE FROM cloud_resources WHERE id = {resource}"),
            7 | 8 => format!(
                "INSERT INTO cloud_provisioned \
                 (id, resource_id, spec, spec_version, recorded_by, recorded_at, retired_at, created_at) \
                 VALUES ({new_id}, {resource}, '{{}}', 1, 'cron', {NOW}, {time}, {NOW}) \
                 ON CONFLICT (resource_id) DO UPDATE SET retired_at = excluded.retired_at"
            ),
            9 => format!(
                "UPDATE cloud_provisioned SET retired_at = {time} WHERE resource_id IN ({resource}, {other})"
            ),
            10 => format!("DELETE FROM cloud_provisioned WHERE resource_id IN ({resource}, {other})"),
            11..=13 => format!(
                "INSERT INTO cloud_drift (id, resource_id, kind, field, status, revision, detected_at) \
                 VALUES ({new_id}, {resource}, '{drift_kind}', '{field}', '{status}', 1, {NOW}) \
                 ON CONFLICT DO NOTHING"
            ),
            14 => format!(
                "UPDATE cloud_drift SET status = '{status}' \
                 WHERE resource_id IN ({resource}, {other}) AND field = '{field}' AND status <> 'open'"
            ),
            _ => format!(
                "DELETE FROM cloud_drift WHERE resource_id IN ({resource}, {other}) AND kind = '{drift_kind}'"
            ),
        }
    }

    async fn run(&mut self, resources: &[Uuid], statements: u32) -> u32 {
        let mut done = 0;
        for _ in 0..statements {
            let sql = self.statement(resources);
            done += u32::from(self.connection.execute_unprepared(&sql).await.is_ok());
        }
        done
    }

    async fn rows(&self, sql: &str) -> Vec<QueryResult> {
        let statement = Statement::from_string(self.connection.get_database_backend(), sql);
        self.connection.query_all_raw(statement).await.unwrap()
    }

    async fn check(&self) {
        for wrong in [WRONG_STATUSES, WRONG_DRIFTS, WRONG_RESOURCES, WRONG_COPIES] {
            let rows = self.rows(wrong).await;
            assert!(rows.is_empty(), "{rows:?}");
        }
    }

    async fn number(&self, sql: &str) -> i64 {
        self.rows(sql).await[0].try_get_by_index(0).unwrap()
    }
}

#[tokio::test]
async fn totals_equal_the_counts_after_any_statements() {
    let (database, db) = TestDb::migrated().await;
    let resources: Vec<Uuid> = (0..12).map(|_| Uuid::now_v7()).collect();
    let mut client = Client::connect(&database, 1).await;
    for _ in 0..30 {
        let done = client.run(&resources, 20).await;
        assert!(done > 0);
        client.check().await;
    }
    assert!(client.number("SELECT count(*) FROM cloud_drift").await > 0);
    assert!(
        client
            .number("SELECT count(*) FROM resource_totals WHERE n > 0")
            .await
            > 1
    );
    db.close().await.unwrap();
}

/// Concurrent writers of the same rows. Deadlocks roll a statement back; the totals stay exact.
#[tokio::test]
async fn totals_equal_the_counts_after_concurrent_transactions() {
    let (database, db) = TestDb::migrated().await;
    let resources: Vec<Uuid> = (0..6).map(|_| Uuid::now_v7()).collect();
    let mut writers = tokio::task::JoinSet::new();
    for seed in 0..4 {
        let mut client = Client::connect(&database, seed).await;
        let resources = resources.clone();
        writers.spawn(async move {
            for _ in 0..25 {
                _ = client.connection.execute_unprepared("BEGIN").await;
                client.run(&resources, 3).await;
                let end = if client.random.random_bool(0.8) {
                    "COMMIT"
                } else {
                    "ROLLBACK"
                };
                _ = client.connection.execute_unprepared(end).await;
            }
        });
    }
    while let Some(done) = writers.join_next().await {
        done.unwrap();
    }
    Client::connect(&database, 0).await.check().await;
    db.close().await.unwrap();
}

/// Rows that were written before the migration are counted, and `down` removes the triggers.
#[tokio::test]
async fn totals_count_the_rows_of_the_release_before() {
    use migration::{Migrator, MigratorTrait as _};
    let (database, db) = TestDb::migrated().await;
    let resources: Vec<Uuid> = (0..12).map(|_| Uuid::now_v7()).collect();
    let mut client = Client::connect(&database, 7).await;
    client.run(&resources, 200).await;
    let steps = Migrator::migrations()
        .iter()
        .rev()
        .position(|migration| migration.name().ends_with("keep_totals"))
        .unwrap();
    Migrator::down(&client.connection, Some(u32::try_from(steps).unwrap() + 1))
        .await
        .unwrap();
    assert!(client.run(&resources, 100).await > 0);
    Migrator::up(&client.connection, None).await.unwrap();
    client.check().await;
    client.run(&resources, 100).await;
    client.check().await;
    assert!(client.number("SELECT count(*) FROM cloud_drift").await > 0);
    db.close().await.unwrap();
}

const LISTS: &str = "query($drifts: DriftFilter, $resources: ResourceFilter) {
    drifts(filter: $drifts, first: 200) { totalCount nodes { id } }
    resources(filter: $resources, first: 200) { totalCount nodes { id } } }";

/// Returns the total of a list and the number of its rows.
fn total_and_rows(data: &Value, list: &str) -> (u64, u64) {
    let rows = data[list]["nodes"].as_array().unwrap().len() as u64;
    (data[list]["totalCount"].as_u64().unwrap(), rows)
}

/// An account with droplets in two regions and volumes in one, with open, accepted and stale drifts.
async fn account() -> TestApp {
    let t = TestApp::new().await;
    let listed = |size: &'static str| {
        (0..4).flat_map(move |n| {
            let region = if n % 2 == 0 { "fra1" } else { "nyc1" };
            [
                droplet(&format!("web-{n}")).region(region).attr("size", size),
                Listed::new("volume", &format!("data-{n}"))
                    .region("")
                    .attr("size", size),
            ]
        })
    };
    t.cloud_has(listed("small").chain([droplet("gone"), droplet("unmanaged")]))
        .await;
    for n in 0..4 {
        let spec = json!({ "size": "small", "region": "ams3" });
        t.record_spec(&format!("web-{n}"), spec.clone()).await;
        t.record_spec(&format!("data-{n}"), spec).await;
    }
    t.record_spec("gone", json!({ "size": "small" })).await;
    t.cloud_has(listed("large").chain([droplet("unmanaged")])).await;
    t.sweep().await;
    let accepted = t.open_drift("web-0", "size").await;
    t.accept(&accepted).await.unwrap();
    t.record_spec("web-1", json!({ "region": "ams3" })).await;
    t.sweep().await;
    t
}

#[tokio::test]
async fn total_count_equals_the_number_of_rows_for_each_filter() {
    let t = account().await;
    let drift_filters = [
        json!({}),
        json!({ "status": ["REVERTED"] }),
        json!({ "status": ["OPEN", "ACCEPTED", "STALE"] }),
        json!({ "status": ["ACCEPTED"], "resourceKind": "droplet" }),
        json!({ "kind": "MISSING" }),
        json!({ "field": "size" }),
        json!({ "resourceKind": "volume" }),
        json!({ "region": "fra1" }),
        json!({ "region": "" }),
        json!({ "resourceKind": "droplet", "region": "nyc1", "field": "region", "kind": "CHANGED" }),
        json!({ "search": "web-1" }),
        json!({ "detectedAfter": "2020-01-01T00:00:00Z" }),
    ];
    let resource_filters = [
        json!({}),
        json!({ "provider": "digitalocean" }),
        json!({ "kind": "droplet", "region": "fra1" }),
        json!({ "region": "" }),
        json!({ "managed": true }),
        json!({ "managed": false }),
        json!({ "drifted": true }),
        json!({ "drifted": false, "managed": true }),
        json!({ "gone": true }),
        json!({ "gone": false, "kind": "volume" }),
        json!({ "search": "data" }),
        json!({ "search": "", "managed": true }),
    ];
    let mut totals = 0;
    for (drifts, resources) in drift_filters.into_iter().zip(resource_filters) {
        let variables = json!({ "drifts": drifts, "resources": resources });
        let data = t.data(LISTS, variables.clone()).await;
        for list in ["drifts", "resources"] {
            let (total, rows) = total_and_rows(&data, list);
            assert_eq!(total, rows, "{list} {variables}");
            totals += total;
        }
    }
    assert!(totals > 50, "{totals}");
}

/// The rows of the tables are not counted: a total that was changed by hand is returned.
#[tokio::test]
async fn total_count_is_read_from_the_kept_totals() {
    let t = account().await;
    t.database
        .execute("UPDATE drift_totals SET n = n + 1000 WHERE status = 'open'; UPDATE resource_totals SET n = n + 1000")
        .await
        .unwrap();
    for filter in [json!({}), json!({ "resourceKind": "droplet" })] {
        let data = t.data(LISTS, json!({ "drifts": filter, "resources": {} })).await;
        for list in ["drifts", "resources"] {
            let (total, rows) = total_and_rows(&data, list);
            assert!(total >= rows + 1000, "{list} {total}");
        }
    }
    let data = t
        .data(
            "{ coverage { managed } driftFacets { fields { count } } }",
            json!({}),
        )
        .await;
    assert!(data["coverage"][0]["managed"].as_u64().unwrap() > 1000);
    assert!(data["driftFacets"]["fields"][0]["count"].as_u64().unwrap() > 1000);
}

const WRONG_ROWS: &str = "\
    SELECT of_rows, key, sum(n) AS difference FROM ( \
        SELECT of_rows, key, n FROM row_totals \
        UNION ALL SELECT 'job_runs', job, -1 FROM job_runs \
        UNION ALL SELECT 'forgotten_resources', '', -1 FROM forgotten_resources) AS both_sides \
    GROUP BY 1, 2 HAVING sum(n) <> 0";

/// A session that applies changes of a replica fires only the triggers that are always enabled.
#[tokio::test]
async fn totals_equal_the_counts_after_statements_of_a_replica() {
    let (database, db) = TestDb::migrated().await;
    if database.is_postgres() {
        let resources: Vec<Uuid> = (0..8).map(|_| Uuid::now_v7()).collect();
        let mut client = Client::connect(&database, 11).await;
        client.run(&resources, 60).await;
        let role = "SET session_replication_role = replica";
        client.connection.execute_unprepared(role).await.unwrap();
        let before = client.number("SELECT count(*) FROM sweep_marks").await;
        for id in &resources {
            let (id, new) = (client.id(*id), client.id(Uuid::now_v7()));
            let sql = format!(
                "INSERT INTO cloud_resources (id, provider, kind, provider_id, urn, name) \
                 VALUES ({id}, 'do', 'droplet', {id}, 'u', 'n') ON CONFLICT DO NOTHING; \
                 UPDATE cloud_resources SET listed_digest = 'd', region = 'r' WHERE id = {id}; \
                 UPDATE cloud_resources SET region = 'x' WHERE id = {id}; \
                 INSERT INTO cloud_drift (id, resource_id, kind, field, status, revision, detected_at) \
                 VALUES ({new}, {id}, 'changed', 'replica', 'open', 1, {NOW})"
            );
            client.connection.execute_unprepared(&sql).await.unwrap();
        }
        client.check().await;
        assert!(client.number("SELECT count(*) FROM sweep_marks").await > before);
        let digests = "SELECT count(*) FROM cloud_resources WHERE listed_digest IS NOT NULL";
        assert_eq!(client.number(digests).await, 0);
    }
    db.close().await.unwrap();
}

/// INSERT OR REPLACE deletes rows without a trigger, unless triggers are recursive.
#[tokio::test]
async fn totals_equal_the_counts_after_replaced_rows() {
    let (database, db) = TestDb::migrated().await;
    if !database.is_postgres() {
        let resources: Vec<Uuid> = (0..6).map(|_| Uuid::now_v7()).collect();
        let mut client = Client::connect(&database, 12).await;
        client.run(&resources, 60).await;
        let mut replaced = 0;
        for round in 0..60 {
            let recursive = if round % 2 == 0 { "OFF" } else { "ON" };
            let pragma = format!("PRAGMA recursive_triggers = {recursive}");
            client.connection.execute_unprepared(&pragma).await.unwrap();
            let (resource, id) = (client.one_id_of(&resources), client.one_id_of(&resources));
            let status = client.one_of(&["open", "open", "accepted"]);
            let kind = client.one_of(&["changed", "missing"]);
            let time = client.one_of(&["NULL", NOW]);
            for sql in [
                format!(
                    "INSERT OR REPLACE INTO cloud_drift (id, resource_id, kind, field, status, revision, detected_at) \
                     VALUES ({id}, {resource}, '{kind}', 'size', '{status}', 1, {NOW})"
                ),
                format!(
                    "INSERT OR REPLACE INTO cloud_provisioned \
                     (id, resource_id, spec, spec_version, recorded_by, recorded_at, retired_at, created_at) \
                     VALUES ({resource}, {resource}, '{{}}', 1, 'cron', {NOW}, {time}, {NOW})"
                ),
            ] {
                replaced += u32::from(client.connection.execute_unprepared(&sql).await.is_ok());
                client.check().await;
            }
        }
        assert!(replaced > 60, "{replaced}");
    }
    db.close().await.unwrap();
}

#[tokio::test]
async fn a_recount_corrects_totals_that_are_wrong() {
    use drift_inbox::services::recount::recount;
    let (database, db) = TestDb::migrated().await;
    let resources: Vec<Uuid> = (0..8).map(|_| Uuid::now_v7()).collect();
    let mut client = Client::connect(&database, 13).await;
    client.run(&resources, 200).await;
    assert_eq!(recount(&db).await.unwrap(), 0);
    for damage in [
        "UPDATE drift_totals SET n = n + 3",
        "DELETE FROM drift_totals WHERE level = 1",
        "UPDATE resource_totals SET n = n + 1; INSERT INTO row_totals (of_rows, key, n) VALUES ('job_runs', 'x', 4)",
        "UPDATE resource_states SET class = 'owned', specs = 7, open_changed = 9",
        "DELETE FROM resource_states",
        "UPDATE cloud_drift SET resource_kind = 'x', resource_region = NULL",
    ] {
        client.connection.execute_unprepared(damage).await.unwrap();
        assert!(recount(&db).await.unwrap() > 0, "{damage}");
        client.check().await;
        assert!(client.rows(WRONG_ROWS).await.is_empty());
        assert_eq!(recount(&db).await.unwrap(), 0, "{damage}");
    }
    client.run(&resources, 100).await;
    client.check().await;
    db.close().await.unwrap();
}

/// Writers that meet add rows of the same key, which a recount merges.
#[tokio::test]
async fn a_recount_merges_the_rows_of_a_key() {
    let (database, db) = TestDb::migrated().await;
    if database.is_postgres() {
        let client = Client::connect(&database, 14).await;
        for sql in [
            "INSERT INTO row_totals (of_rows, key, n) VALUES ('job_runs', 'x', 4), ('job_runs', 'x', -4)",
            "INSERT INTO drift_totals (level, status, drift_kind, field, provider, kind, region, n) \
             SELECT 0, 'open', '', '', '', '', '', n FROM (VALUES (5), (-5)) AS v (n)",
        ] {
            client.connection.execute_unprepared(sql).await.unwrap();
        }
        assert_eq!(drift_inbox::services::recount::recount(&db).await.unwrap(), 0);
        assert_eq!(client.number("SELECT count(*) FROM drift_totals").await, 0);
        client.check().await;
    }
    db.close().await.unwrap();
}

#[tokio::test]
async fn the_numbers_of_runs_and_forgotten_resources_are_kept() {
    let t = account().await;
    let client = Client::connect(&t.database, 15).await;
    let [a, b] = [client.id(Uuid::now_v7()), client.id(Uuid::now_v7())];
    for sql in [
        format!(
            "INSERT INTO forgotten_resources (id, resource_id, provider, kind, provider_id, forgotten_at, forgotten_by) \
             VALUES ({a}, {a}, 'do', 'droplet', '1', {NOW}, 'x'), ({b}, {b}, 'do', 'droplet', '2', {NOW}, 'x')"
        ),
        format!("DELETE FROM forgotten_resources WHERE id = {a}"),
        format!(
            "INSERT INTO job_runs (id, job, started_at, heartbeat_at, finished_at) \
             VALUES ({a}, 'detect_drift', {NOW}, {NOW}, {NOW}), ({b}, 'detect_drift', {NOW}, {NOW}, {NOW})"
        ),
        format!("UPDATE job_runs SET job = 'sync_inventory' WHERE id = {b}"),
    ] {
        client.connection.execute_unprepared(&sql).await.unwrap();
        assert!(client.rows(WRONG_ROWS).await.is_empty(), "{sql}");
    }
    let query =
        "{ forgottenResources { totalCount } all: jobRuns { totalCount } one: jobRuns(job: SYNC_INVENTORY) {
        totalCount } }";
    let data = t.data(query, json!({})).await;
    assert_eq!(data["forgottenResources"]["totalCount"], 1);
    let runs = client.number("SELECT count(*) FROM job_runs").await;
    assert_eq!(data["all"]["totalCount"], runs);
    let syncs = client
        .number("SELECT count(*) FROM job_runs WHERE job = 'sync_inventory'")
        .await;
    assert_eq!(data["one"]["totalCount"], syncs);
}
