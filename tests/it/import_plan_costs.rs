//! The cost of an import of a plan: statements, rows that are read, and memory.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};

use crate::import_plans::import;
use crate::support::TestApp;
use crate::support::db::TestDb;
use crate::support::process::Program;

/// Instances that are written at a time.
const CHUNK: usize = 200;

/// The texts of the statements of a server.
type Log = Arc<Mutex<Vec<Statement>>>;

async fn observed() -> (TestApp, Log) {
    let database = TestDb::create().await;
    let log = Log::default();
    let heard = Arc::clone(&log);
    let db = database.connect_and_migrate().await;
    let db = db.observed(move |info| heard.lock().unwrap().push(info.statement.clone()));
    (TestApp::over(db, database), log)
}

/// A plan of this many instances of `net_thing.a`, of which every tenth drifted. Each has a text of this length.
fn counted(number: u32, instances: usize, text: usize) -> Vec<u8> {
    let mut random: u64 = 1;
    let mut long = String::new();
    let mut resources = String::new();
    let mut drift = String::new();
    for index in 0..instances {
        long.clear();
        // Half of it does not compress.
        long.push_str(&"echo ".repeat(text / 10));
        while long.len() < text {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            write!(long, "{:016x}", random ^ (random >> 29)).unwrap();
        }
        let comma = if index == 0 { "" } else { "," };
        let head = format!(
            "\"address\":\"net_thing.a[{index}]\",\"mode\":\"managed\",\"type\":\"net_thing\",\"name\":\"a\",\
             \"provider_name\":\"registry.terraform.io/acme/net\""
        );
        let live = if index.is_multiple_of(10) { 2 } else { 1 };
        write!(
            resources,
            "{comma}{{{head},\"index\":{index},\"values\":{{\"size\":{live},\"text\":\"{long}\"}},\
             \"sensitive_values\":{{}}}}"
        )
        .unwrap();
        if live == 2 {
            write!(
                drift,
                "{comma}{{{head},\"change\":{{\"actions\":[\"update\"],\"before\":{{\"size\":1,\"text\":\"{long}\"}},\
                 \"after\":{{\"size\":2,\"text\":\"{long}\"}},\"before_sensitive\":{{}},\"after_sensitive\":{{}}}}}}"
            )
            .unwrap();
        }
    }
    format!(
        "{{\"format_version\":\"1.2\",\"terraform_version\":\"1.11.4\",\"resource_drift\":[{drift}],\
         \"prior_state\":{{\"values\":{{\"root_module\":{{\"resources\":[{resources}]}}}}}},\
         \"configuration\":{{\"root_module\":{{\"resources\":[{{\"mode\":\"managed\",\"type\":\"net_thing\",\
         \"name\":\"a\",\"provider_config_key\":\"net\",\"expressions\":{{\"size\":{{\"constant_value\":1}},\
         \"text\":{{\"references\":[\"var.x\"]}}}},\"count_expression\":{{\"references\":[\"var.n\"]}}}}]}}}},\
         \"timestamp\":\"2026-11-{number:02}T10:00:00Z\",\"complete\":true,\"errored\":false}}"
    )
    .into_bytes()
}

fn taken(log: &Log) -> Vec<Statement> {
    std::mem::take(&mut *log.lock().unwrap())
}

#[tokio::test]
async fn an_import_has_the_same_statements_for_each_chunk() {
    let (t, log) = observed().await;
    let mut counts = Vec::new();
    for (number, chunks) in [(1, 2), (2, 2), (3, 4), (4, 4), (5, 6), (6, 6)] {
        log.lock().unwrap().clear();
        import(&t, "prod", &counted(number, chunks * CHUNK, 20), None)
            .await
            .unwrap();
        counts.push(taken(&log).len());
    }
    // The second import of each number of instances changes nothing.
    let (two, four, six) = (counts[1], counts[3], counts[5]);
    let (added, more) = (four - two, six - four);
    // The sweep has fewer chunks of its own.
    assert!(added.abs_diff(more) <= 4 && more <= 2 * 10, "{counts:?}");
}

/// Adds other states of many instances: the rows of a state are copied under other names.
async fn add_other_states(t: &TestApp, copies: usize) {
    let (id, text) = match t.database.is_postgres() {
        true => ("gen_random_uuid()", "c.n::text"),
        false => ("randomblob(16)", "c.n"),
    };
    let numbers = match t.database.is_postgres() {
        true => format!("generate_series(1, {copies}) AS c (n)"),
        false => format!(
            "(WITH RECURSIVE c (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM c WHERE n < {copies}) SELECT n FROM c) AS c"
        ),
    };
    for sql in [
        format!(
            "INSERT INTO cloud_resources (id, provider, kind, provider_id, urn, name, region, tags, attrs, revision, owned, \
             first_seen_at) SELECT {id}, r.provider, r.kind, 'other' || {text} || '/' || r.provider_id, \
             'other' || {text} || r.urn, r.name, r.region, r.tags, r.attrs, r.revision, r.owned, r.first_seen_at \
             FROM cloud_resources AS r, {numbers} WHERE r.provider_id LIKE 'prod/%'"
        ),
        "INSERT INTO plan_instances (resource_id, state, address, fields, not_compared) SELECT r.id, \
         'other' || length(r.urn), r.provider_id, i.fields, i.not_compared FROM cloud_resources AS r, \
         (SELECT fields, not_compared FROM plan_instances LIMIT 1) AS i WHERE r.provider_id LIKE 'other%'"
            .to_owned(),
        format!(
            "INSERT INTO cloud_provisioned (id, resource_id, spec, spec_version, source, recorded_by, recorded_at, \
             created_at, not_compared) SELECT {id}, r.id, s.spec, 1, 'terraform:other', 'me', s.recorded_at, \
             s.created_at, s.not_compared FROM cloud_resources AS r, (SELECT * FROM cloud_provisioned LIMIT 1) AS s \
             WHERE r.provider_id LIKE 'other%'"
        ),
        format!(
            "INSERT INTO cloud_drift (id, resource_id, kind, field, expected, actual, revision, status, detected_at) \
             SELECT {id}, r.id, d.kind, d.field, d.expected, d.actual, 1, d.status, d.detected_at \
             FROM cloud_resources AS r, (SELECT * FROM cloud_drift LIMIT 1) AS d WHERE r.provider_id LIKE 'other%'"
        ),
        "ANALYZE".to_owned(),
    ] {
        t.database.execute(sql).await.unwrap();
    }
}

#[tokio::test]
async fn an_import_reads_the_rows_of_its_own_state_only() {
    let (t, log) = observed().await;
    let instances = 40;
    import(&t, "prod", &counted(1, instances, 20), None)
        .await
        .unwrap();
    add_other_states(&t, 250).await;
    log.lock().unwrap().clear();
    let done = import(&t, "prod", &counted(2, instances, 20), None)
        .await
        .unwrap();
    assert_eq!(done.unchanged, instances as u64);
    let reads: Vec<Statement> = taken(&log)
        .into_iter()
        .filter(|statement| statement.sql.starts_with("SELECT"))
        .filter(|statement| {
            let tables = [
                "plan_instances",
                "cloud_resources",
                "cloud_provisioned",
                "cloud_drift",
            ];
            tables.iter().any(|table| statement.sql.contains(table))
        })
        // Which states contain a kind is a question about all states. Drifts of some resources belong to the sweep.
        .filter(|statement| !statement.sql.contains("terraform_plans"))
        .filter(|statement| {
            !statement.sql.contains("cloud_drift") || statement.sql.contains("plan_instances")
        })
        .collect();
    assert!(reads.len() >= 6, "{reads:#?}");
    for read in reads {
        // An index may still have the entries of earlier versions of the rows.
        reads_at_most(&t, &read, 3 * instances).await;
    }
}

/// No step of the plan of the statement reads more rows than this.
async fn reads_at_most(t: &TestApp, statement: &Statement, most: usize) {
    let explain = |how: &str| Statement {
        sql: format!("{how} {}", statement.sql),
        ..statement.clone()
    };
    let reader = t.db().reader();
    if t.db().backend() == DbBackend::Sqlite {
        let rows = reader.query_all_raw(explain("EXPLAIN QUERY PLAN")).await.unwrap();
        let steps: Vec<String> = rows
            .iter()
            .map(|row| row.try_get("", "detail").unwrap())
            .collect();
        let scans = |step: &&String| {
            let is_list =
                step.contains("VIRTUAL") || step.contains("json_each") || step.contains("(subquery");
            step.starts_with("SCAN") && !is_list
        };
        assert_eq!(steps.iter().find(scans), None, "{}\n{steps:#?}", statement.sql);
        return;
    }
    let rows = reader
        .query_all_raw(explain("EXPLAIN (ANALYZE, FORMAT JSON)"))
        .await
        .unwrap();
    let plan: Value = rows[0].try_get("", "QUERY PLAN").unwrap();
    let mut nodes = vec![&plan[0]["Plan"]];
    while let Some(node) = nodes.pop() {
        let number = |key: &str| node[key].as_f64().unwrap_or_default();
        let read = number("Actual Rows") + number("Rows Removed by Filter");
        assert!(
            read * number("Actual Loops") <= most as f64,
            "{}\n{plan:#}",
            statement.sql
        );
        nodes.extend(node["Plans"].as_array().into_iter().flatten());
    }
}

#[tokio::test]
async fn an_import_does_not_hold_the_specs_of_its_state() {
    let database = TestDb::create().await;
    database.connect_and_migrate().await.close().await.unwrap();
    let (instances, text) = (500, 32_000);
    let mut peaks = Vec::new();
    for number in 1..=2 {
        let program = Program::new()
            .with("DATABASE_URL", &database.url)
            .with_file("plan.json", counted(number, instances, text));
        let (peak, ended) = program
            .start(&["import-plan", "plan.json", "--state", "prod"])
            .peak_memory();
        assert_eq!(ended.code, Some(0), "{}", ended.output());
        assert!(ended.out.contains("50 open"), "{}", ended.out);
        peaks.push(peak);
    }
    // The specs have 16 MB.
    assert!(peaks[1] < peaks[0] + 8 * 1024, "{peaks:?} KiB");
    let text = json!(peaks).to_string();
    println!("peak memory of the first and the second import in KiB: {text}");
}
