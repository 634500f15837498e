//! What is recorded about the fields whose drifts a sweep opens: when the difference came into being, and whether it keeps
//! coming back. A few statements read it for all drifts of a transaction.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use entity::cloud_drift::DriftKind;
use entity::inventory_changes::ChangeType;
use sea_orm::{ConnectionTrait, DbBackend, QueryResult, Statement, TryGetable};
use serde_json::{Value, json};
use uuid::Uuid;

use super::inventory_changes::SINCE;
use crate::db::lists::{self, Type};
use crate::db::{DatabaseTransaction, column};
use crate::domain::detection::Finding;
use crate::domain::equality::loosely_equal;
use crate::domain::not_compared::NotCompared;
use crate::domain::windows::{
    Change, EarlierVersion, ExpectedSince, FLAPPING_TIME, Facts, MAX_CHANGES, Window, expected_since,
    is_flapping, window, window_of_missing,
};
use crate::error::Result;

/// Superseded versions of a spec that are searched for an expected value.
const MAX_VERSIONS: usize = 3;

/// What a drift records when it opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opening {
    /// When the difference came into being.
    pub(super) window: Window,
    /// Whether the field flaps.
    pub(super) flapping: bool,
}

/// Returns what the drifts of these findings record, in their order. The resources are locked.
///
/// # Errors
///
/// The database is unavailable.
pub(super) async fn of_in_txn(
    txn: &DatabaseTransaction,
    findings: &[(Uuid, Uuid, &Finding)],
    now: DateTime<Utc>,
) -> Result<Vec<Opening>> {
    if findings.is_empty() {
        return Ok(Vec::new());
    }
    let mut known = specs_in_txn(txn, findings, now).await?;
    add_changes_in_txn(txn, findings, &mut known).await?;
    add_earlier_versions_in_txn(txn, findings, &mut known).await?;
    let numbered = findings.iter().enumerate();
    Ok(numbered
        .map(|(n, (_, _, finding))| known.remove(&n).unwrap_or_default().opening(finding))
        .collect())
}

/// What is recorded about one finding.
#[derive(Debug, Default)]
struct Known {
    spec: Option<SpecFacts>,
    first_seen_at: Option<DateTime<Utc>>,
    recorded_since: Option<DateTime<Utc>>,
    healed: u64,
    changes: Vec<(Uuid, Change)>,
    earlier: Vec<EarlierVersion>,
}

#[derive(Debug)]
struct SpecFacts {
    recorded_at: DateTime<Utc>,
    created_at: DateTime<Utc>,
    version: i32,
    not_compared: NotCompared,
}

impl Known {
    fn opening(mut self, finding: &Finding) -> Opening {
        let flapping = is_flapping(self.healed);
        let Some(spec) = self.spec else {
            return Opening {
                window: Window::NONE,
                flapping,
            };
        };
        self.changes
            .sort_by_key(|(id, change)| std::cmp::Reverse((change.seen_at, *id)));
        let is_missing = finding.kind == DriftKind::Missing;
        let since = match is_missing {
            true => ExpectedSince::Known(spec.created_at),
            false => expected_since(spec.recorded_at, spec.version, &self.earlier, |value| {
                loosely_equal(value, &finding.expected)
            }),
        };
        let facts = Facts {
            changes: self.changes.into_iter().map(|(_, change)| change).collect(),
            expected_since: since,
            first_seen_at: self.first_seen_at,
            recorded_since: self.recorded_since,
        };
        let window = match is_missing {
            true => window_of_missing(&facts),
            false => {
                let open = &spec.not_compared;
                window(
                    |value| open.are_equal(&finding.field, &finding.expected, value),
                    &facts,
                )
            }
        };
        Opening { window, flapping }
    }
}

/// The findings as a list of rows.
fn rows_of<'f>(findings: impl Iterator<Item = (usize, &'f (Uuid, Uuid, &'f Finding))>) -> String {
    let rows = findings.map(|(n, (_, resource_id, finding))| {
        json!({ "n": n, "resource_id": lists::uuid(*resource_id), "field": finding.field })
    });
    Value::Array(rows.collect()).to_string()
}

fn list(backend: DbBackend) -> String {
    lists::rows(
        backend,
        &[
            ("n", Type::Integer),
            ("resource_id", Type::Uuid),
            ("field", Type::Text),
        ],
    )
}

/// Returns a column of a row that was selected for a finding. A value that does not decode counts as unset: nothing is
/// known of it.
fn get<T: TryGetable>(row: &QueryResult, name: &str) -> Option<T> {
    column::<Option<T>>(row, "", name).ok().flatten()
}

fn number(row: &QueryResult) -> Option<usize> {
    let n: i64 = get::<i32>(row, "n").map(i64::from).or_else(|| get(row, "n"))?;
    usize::try_from(n).ok()
}

async fn specs_in_txn(
    txn: &DatabaseTransaction,
    findings: &[(Uuid, Uuid, &Finding)],
    now: DateTime<Utc>,
) -> Result<BTreeMap<usize, Known>> {
    let backend = txn.get_database_backend();
    // The index by resource and time of detection finds the drifts.
    let sql = format!(
        "SELECT v.n, p.recorded_at, p.created_at, p.spec_version, p.not_compared, r.first_seen_at, \
         (SELECT u.started_at FROM upkeep AS u WHERE u.task = '{SINCE}') AS recorded_since, \
         (SELECT count(*) FROM cloud_drift AS d WHERE d.resource_id = v.resource_id \
         AND d.field = v.field AND d.detected_at >= $2 AND d.status <> 'open' \
         AND d.close_reason IN ('healed', 'resource_returned', 'reverted')) AS healed \
         FROM {} JOIN cloud_resources AS r ON r.id = v.resource_id \
         JOIN cloud_provisioned AS p ON p.resource_id = v.resource_id",
        list(backend)
    );
    let since = now - FLAPPING_TIME;
    let values = [rows_of(findings.iter().enumerate()).into(), since.into()];
    let rows = txn
        .query_all_raw(Statement::from_sql_and_values(backend, sql, values))
        .await?;
    let known = rows.iter().filter_map(|row| {
        let version: i32 = get(row, "spec_version")?;
        let open: Option<Value> = get(row, "not_compared");
        let known = Known {
            spec: Some(SpecFacts {
                recorded_at: get(row, "recorded_at")?,
                created_at: get(row, "created_at")?,
                version,
                not_compared: NotCompared::stored(open.as_ref(), version),
            }),
            first_seen_at: get(row, "first_seen_at"),
            recorded_since: get(row, "recorded_since"),
            healed: get::<i64>(row, "healed").unwrap_or_default().unsigned_abs(),
            ..Known::default()
        };
        Some((number(row)?, known))
    });
    Ok(known.collect())
}

async fn add_changes_in_txn(
    txn: &DatabaseTransaction,
    findings: &[(Uuid, Uuid, &Finding)],
    known: &mut BTreeMap<usize, Known>,
) -> Result<()> {
    let backend = txn.get_database_backend();
    let list = list(backend);
    let columns = "c.id, c.type, c.before, c.has_values, c.last_listed_at, c.seen_at";
    let of_field = format!(
        "FROM inventory_changes AS i WHERE i.resource_id = v.resource_id AND i.field = v.field \
         ORDER BY i.seen_at DESC, i.id DESC LIMIT {MAX_CHANGES}"
    );
    let sql = match backend {
        DbBackend::Postgres => {
            format!("SELECT v.n, {columns} FROM {list} CROSS JOIN LATERAL (SELECT * {of_field}) AS c")
        }
        _ => format!(
            "SELECT v.n, {columns} FROM {list} CROSS JOIN inventory_changes AS c \
             WHERE c.rowid IN (SELECT i.rowid {of_field})"
        ),
    };
    let values = [rows_of(findings.iter().enumerate()).into()];
    let rows = txn
        .query_all_raw(Statement::from_sql_and_values(backend, sql, values))
        .await?;
    for row in &rows {
        let Some(known) = number(row).and_then(|n| known.get_mut(&n)) else {
            continue;
        };
        let change = || {
            let has_values: bool = get(row, "has_values")?;
            let before: Option<Value> = column(row, "", "before").ok()?;
            let change = Change {
                change_type: get::<ChangeType>(row, "type")?,
                before: has_values.then(|| before.unwrap_or_default()),
                last_listed_at: get(row, "last_listed_at"),
                seen_at: get(row, "seen_at")?,
            };
            Some((get(row, "id")?, change))
        };
        match change() {
            Some(change) => known.changes.push(change),
            // Without a change that does not decode, the others do not say what made the difference.
            None => known.recorded_since = None,
        }
    }
    Ok(())
}

/// Adds superseded versions of specs with more than one version. The value of a field is only taken out of the spec here;
/// values are never compared in SQL.
async fn add_earlier_versions_in_txn(
    txn: &DatabaseTransaction,
    findings: &[(Uuid, Uuid, &Finding)],
    known: &mut BTreeMap<usize, Known>,
) -> Result<()> {
    let later = findings.iter().enumerate().filter(|(n, (_, _, finding))| {
        let spec = known.get(n).and_then(|known| known.spec.as_ref());
        finding.kind == DriftKind::Changed && spec.is_some_and(|spec| spec.version > 1)
    });
    let later: Vec<_> = later.collect();
    if later.is_empty() {
        return Ok(());
    }
    let backend = txn.get_database_backend();
    let list = list(backend);
    let columns = "s.spec_version, s.recorded_at, s.spec -> v.field AS value";
    let of_spec = format!(
        "FROM spec_versions AS i WHERE i.resource_id = v.resource_id \
         ORDER BY i.spec_version DESC, i.id DESC LIMIT {MAX_VERSIONS}"
    );
    let sql = match backend {
        DbBackend::Postgres => {
            format!("SELECT v.n, {columns} FROM {list} CROSS JOIN LATERAL (SELECT * {of_spec}) AS s")
        }
        _ => format!(
            "SELECT v.n, {columns} FROM {list} CROSS JOIN spec_versions AS s \
             WHERE s.id IN (SELECT i.id {of_spec})"
        ),
    };
    let values = [rows_of(later.into_iter()).into()];
    let rows = txn
        .query_all_raw(Statement::from_sql_and_values(backend, sql, values))
        .await?;
    for row in &rows {
        let Some(known) = number(row).and_then(|n| known.get_mut(&n)) else {
            continue;
        };
        if let (Some(version), Some(recorded_at), Ok(value)) = (
            get(row, "spec_version"),
            get(row, "recorded_at"),
            column::<Option<Value>>(row, "", "value"),
        ) {
            known.earlier.push(EarlierVersion {
                version,
                recorded_at,
                value,
            });
        }
    }
    Ok(())
}
