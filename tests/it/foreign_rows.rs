//! Rows that other programs have written. A row that cannot be decoded is skipped and counted, and does not make a
//! sweep, a page or a sync fail.

use drift_inbox::jobs::JobRequest;
use drift_inbox::services::detection::SweepCounts;
use entity::job_runs::JobOutcome;
use serde_json::json;

use crate::support::TestApp;
use crate::support::cloud::{Listed, droplet};

pub(crate) const WANTED: &str = "s-1vcpu-1gb";

pub(crate) fn name(number: usize) -> String {
    format!("web-{number}")
}

/// Returns this many droplets. The size of each differs from its spec.
fn cloud(droplets: usize) -> Vec<Listed> {
    (1..=droplets)
        .map(|n| droplet(&name(n)).size("s-2vcpu-4gb").tags(["web"]).attr("n", n))
        .collect()
}

pub(crate) async fn resized(droplets: usize) -> TestApp {
    let t = TestApp::new().await;
    t.cloud_has(cloud(droplets)).await;
    for n in 1..=droplets {
        t.record_spec(&name(n), json!({ "size_slug": WANTED })).await;
    }
    t
}

/// SQL assignments that make a row undecodable, for SQLite and for PostgreSQL.
pub(crate) type Faults = [&'static [&'static str]; 2];

pub(crate) fn faults(t: &TestApp, faults: Faults) -> &'static [&'static str] {
    faults[usize::from(t.database.is_postgres())]
}

/// Applies an assignment to the rows of these droplets in a table.
pub(crate) async fn spoil(t: &TestApp, table: &str, fault: &str, numbers: &[usize]) {
    let names: Vec<String> = numbers.iter().map(|n| format!("'{}'", name(*n))).collect();
    let names = names.join(", ");
    let ids = format!("(SELECT id FROM cloud_resources WHERE name IN ({names}))");
    let column = if table == "cloud_resources" {
        "id"
    } else {
        "resource_id"
    };
    // SQLite enforces foreign keys only if a program enables them, and many programs do not.
    let unchecked = if t.database.is_postgres() {
        ""
    } else {
        "PRAGMA foreign_keys = OFF;"
    };
    let sql = format!("{unchecked} UPDATE {table} SET {fault} WHERE {column} IN {ids}");
    t.database.execute(sql).await.unwrap();
}

pub(crate) async fn sweep(t: &TestApp) -> (Option<JobOutcome>, SweepCounts) {
    let run = t.app.jobs().run(JobRequest::detect_all()).await.unwrap();
    (run.outcome, serde_json::from_value(run.counts).unwrap())
}

/// Checks that a sweep compares two of three droplets and skips one.
async fn the_others_are_swept(t: &TestApp, fault: &str) {
    let (outcome, counts) = sweep(t).await;
    assert_eq!(outcome, Some(JobOutcome::Partial), "{fault}: {counts:?}");
    assert_eq!(
        (counts.skipped, counts.resources, counts.opened),
        (1, 2, 2),
        "{fault}"
    );
    let (_, again) = sweep(t).await;
    assert_eq!(
        (again.skipped, again.resources, again.opened),
        (1, 2, 0),
        "{fault}"
    );
}

const LIVE_FAULTS: Faults = [
    &[
        "attrs = 'not json'",
        "attrs = '[]'",
        "attrs = '{\"n\":99999999999999999999999}'",
        "attrs = '{\"n\":1e400}'",
        "tags = '['",
        "revision = 'many'",
        "first_seen_at = 'yesterday'",
        "gone_at = 'never'",
        "settling_since = 'now'",
    ],
    &[
        "attrs = '[]'",
        "attrs = 'null'",
        "attrs = '{\"n\":99999999999999999999999}'",
        "attrs = '{\"n\":1e400}'",
        "tags = '[1e400]'",
        "first_seen_at = '-infinity'",
        "gone_at = 'infinity'",
        "settling_since = 'infinity'",
    ],
];

#[tokio::test]
async fn a_resource_that_does_not_decode_is_skipped_until_a_sync_repairs_it() {
    for number in 0.. {
        let t = resized(3).await;
        let Some(fault) = faults(&t, LIVE_FAULTS).get(number) else {
            break;
        };
        spoil(&t, "cloud_resources", fault, &[2]).await;
        the_others_are_swept(&t, fault).await;
        let run = t.sync().await;
        assert_eq!(
            run.outcome,
            Some(JobOutcome::Succeeded),
            "{fault}: {:?}",
            run.error
        );
        let (outcome, counts) = sweep(&t).await;
        assert_eq!(outcome, Some(JobOutcome::Succeeded), "{fault}: {counts:?}");
        assert_eq!(counts.opened, 1, "{fault}");
        let healed = t.resource("web-2").await;
        assert_eq!(
            (&healed.attrs, &healed.tags),
            (&json!({ "n": 2 }), &json!(["web"]))
        );
    }
}

const SPEC_FAULTS: Faults = [
    &[
        "spec = 'not json'",
        "spec = '[1]'",
        "spec = '{\"n\":99999999999999999999999}'",
        "spec_version = 'next'",
        "recorded_at = 'yesterday'",
        "id = 'nonsense'",
        "resource_id = 'nonsense'",
        "resource_id = x'ffffffffffffffffffffffffffffffffff'",
    ],
    &[
        "spec = '[1]'",
        "spec = '\"text\"'",
        "spec = '{\"size_slug\":1e400}'",
        "spec = '{\"n\":99999999999999999999999}'",
        "recorded_at = 'infinity'",
    ],
];

#[tokio::test]
async fn a_spec_that_does_not_decode_is_skipped() {
    for number in 0.. {
        let t = resized(3).await;
        let Some(fault) = faults(&t, SPEC_FAULTS).get(number) else {
            break;
        };
        spoil(&t, "cloud_provisioned", fault, &[2]).await;
        the_others_are_swept(&t, fault).await;
    }
}

#[tokio::test]
async fn a_spec_that_does_not_decode_can_be_recorded_again() {
    for number in 0.. {
        let t = resized(1).await;
        let Some(fault) = faults(&t, SPEC_FAULTS).get(number) else {
            break;
        };
        if fault.starts_with("resource_id") {
            // The spec belongs to no resource any more.
            continue;
        }
        spoil(&t, "cloud_provisioned", fault, &[1]).await;
        let spec = t
            .record_spec(&name(1), json!({ "size_slug": "s-2vcpu-4gb" }))
            .await;
        let lost = fault.starts_with("spec_version =");
        assert_eq!(spec.spec_version, if lost { 1 } else { 2 }, "{fault}");
        assert_eq!(t.spec(&name(1)).await, spec, "{fault}");
        assert_eq!(sweep(&t).await.0, Some(JobOutcome::Succeeded), "{fault}");
        assert!(t.inbox().await.is_empty(), "{fault}");
    }
}

#[tokio::test]
async fn more_than_a_batch_of_undecodable_specs_does_not_end_a_sweep() {
    let t = resized(3).await;
    let now = "'2027-01-01T12:00:00+00:00'";
    let (id, resource, spec) = if t.database.is_postgres() {
        ("gen_random_uuid()", "r.id", "[1]")
    } else {
        ("'id-' || n", "'nonsense-' || n", "{}")
    };
    // PostgreSQL enforces UUIDs. So the specs have resources there, and are undecodable because they are not JSON
    // objects.
    let resources = if t.database.is_postgres() {
        "INSERT INTO cloud_resources (id, provider, kind, provider_id, urn, name) \
         SELECT gen_random_uuid(), 'other', 'thing', n, 'urn', 'thing' FROM generate_series(1, 450) n;"
    } else {
        "PRAGMA foreign_keys = OFF;"
    };
    let from = if t.database.is_postgres() {
        "cloud_resources r WHERE r.kind = 'thing'"
    } else {
        "(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 450) SELECT n FROM s)"
    };
    let sql = format!(
        "{resources} INSERT INTO cloud_provisioned \
         (id, resource_id, spec, spec_version, recorded_by, recorded_at, created_at) \
         SELECT {id}, {resource}, '{spec}', 1, 'cron', {now}, {now} FROM {from}"
    );
    t.database.execute(sql).await.unwrap();
    let (outcome, counts) = sweep(&t).await;
    assert_eq!(outcome, Some(JobOutcome::Partial));
    assert_eq!((counts.skipped, counts.resources, counts.opened), (450, 3, 3));
}

pub(crate) const DRIFT_FAULTS: Faults = [
    &[
        "actual = 'not json'",
        "detected_at = 'yesterday'",
        "detected_at = '0000'",
        "revision = 'many'",
        "resolved_at = 'never'",
        "id = 'nonsense-' || hex(resource_id)",
    ],
    &[
        "actual = '{\"n\":1e400}'",
        "expected = '[1e400]'",
        "detected_at = 'infinity'",
        "detected_at = '-infinity'",
        "resolved_at = 'infinity'",
    ],
];

#[tokio::test]
async fn a_resource_whose_open_drift_does_not_decode_is_skipped() {
    for number in 0.. {
        let t = resized(3).await;
        let Some(fault) = faults(&t, DRIFT_FAULTS).get(number) else {
            break;
        };
        sweep(&t).await;
        spoil(&t, "cloud_drift", fault, &[2]).await;
        t.record_spec("web-3", json!({ "size_slug": "s-4vcpu-8gb" }))
            .await;
        let (outcome, counts) = sweep(&t).await;
        assert_eq!(outcome, Some(JobOutcome::Partial), "{fault}");
        let seen = (counts.skipped, counts.resources, counts.opened, counts.changed);
        assert_eq!(seen, (1, 2, 0, 1), "{fault}");
    }
}

#[tokio::test]
async fn a_kind_whose_row_does_not_decode_fails_no_page_and_no_sync() {
    for column in ["listing_started_at", "completed_at"] {
        let t = resized(2).await;
        let fault = if t.database.is_postgres() {
            "infinity"
        } else {
            "soon"
        };
        let sql = format!("UPDATE inventory_kinds SET {column} = '{fault}'");
        t.database.execute(sql).await.unwrap();
        let query = "{ resources { nodes { name syncedAt } } }";
        let data = t.data(query, json!({})).await;
        assert_eq!(data["resources"]["nodes"].as_array().unwrap().len(), 2);
        let run = t.sync().await;
        assert_eq!(
            run.outcome,
            Some(JobOutcome::Succeeded),
            "{column}: {:?}",
            run.error
        );
        let data = t.data(query, json!({})).await;
        assert!(data["resources"]["nodes"][0]["syncedAt"].is_string(), "{column}");
    }
}

#[tokio::test]
async fn a_sync_does_not_change_a_resource_whose_id_is_not_a_uuid() {
    let t = resized(3).await;
    if t.database.is_postgres() {
        // PostgreSQL enforces UUIDs.
        let sql = "UPDATE cloud_resources SET id = 'nonsense' WHERE name = 'web-2'";
        t.database.execute(sql).await.unwrap_err();
        return;
    }
    spoil(&t, "cloud_resources", "id = 'nonsense'", &[2]).await;
    let mut changed = cloud(4);
    changed[0] = droplet("web-1").size("s-4vcpu-8gb");
    t.cloud.set(changed);
    let run = t.sync().await;
    assert_eq!(run.outcome, Some(JobOutcome::Partial), "{:?}", run.error);
    assert_eq!(run.counts["skipped"], 1);
    assert_eq!(
        (&run.counts["changed"], &run.counts["discovered"]),
        (&json!(1), &json!(1))
    );
    let (outcome, counts) = sweep(&t).await;
    assert_eq!(
        (outcome, counts.skipped, counts.opened),
        (Some(JobOutcome::Partial), 1, 2)
    );
}
