//! Turns the outbox into messages.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use entity::cloud_drift::{DriftKind, Severity};
use entity::job_runs::{Job, JobOutcome};
use entity::notification_deliveries::DeliveryKind;
use entity::notification_targets::{self as targets, TargetKind};
use sea_orm::{ConnectionTrait, DbBackend, QueryResult, Statement};
use serde_json::{Value, json};
use uuid::Uuid;

use super::body;
use super::deliveries::add_in_txn;
use super::targets::{filter_of, list};
use crate::db::{DatabaseTransaction, Db, column, lists};
use crate::domain::detection::WHOLE_RESOURCE;
use crate::domain::notifications::{Filter, Happened, KnownResource, Summary, Transition};
use crate::error::Result;
use crate::services::detection::SweepReport;
use crate::services::drift_rows::DECIDED;
use crate::services::events::SYSTEM;
use crate::services::{job_runs, resources};

/// Number of rows that one statement reads.
const BATCH: usize = 500;
/// Maximum number of rows that become one message. The others become the next one.
const MAX_ROWS: usize = 200_000;
/// Maximum number of sources that a message lists.
const MAX_SOURCES: usize = 100;
/// How long transitions wait for the end of an active sweep, so that they become one message.
const WAIT_FOR_SWEEP: TimeDelta = TimeDelta::minutes(5);
/// The type of the row for a good sweep.
const SWEEP_SUCCEEDED: &str = "sweep_succeeded";
/// The types of rows that this release knows, as SQL. Others are left to newer servers.
const KNOWN: &str = "type IN ('drift_detected', 'drift_changed', 'drift_accepted', 'drift_stale', 'drift_reverted', \
     'accept_undone', 'source_failed', 'source_overdue', 'source_recovered', 'sweep_succeeded')";

/// What is to be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pending {
    /// Whether a target is enabled.
    pub(crate) has_targets: bool,
    /// Whether the outbox has rows.
    pub(crate) has_rows: bool,
}

/// Returns whether there is anything to do. Runs one statement.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn pending(db: &Db) -> Result<Pending> {
    let sql = format!(
        "SELECT EXISTS (SELECT 1 FROM notification_targets WHERE enabled) AS targets, \
         EXISTS (SELECT 1 FROM notification_outbox WHERE {KNOWN}) AS waiting"
    );
    let row = db
        .reader()
        .query_one_raw(Statement::from_string(db.backend(), sql))
        .await?;
    let is = |name| row.as_ref().and_then(|row| column::<bool>(row, "", name).ok());
    Ok(Pending {
        has_targets: is("targets").unwrap_or_default(),
        has_rows: is("waiting").unwrap_or_default(),
    })
}

/// The message that is made for a target.
struct Making {
    target: Uuid,
    /// When the target was changed last.
    updated_at: DateTime<Utc>,
    kind: TargetKind,
    filter: Filter,
    drifts: Summary,
    sources: Vec<Value>,
    more_sources: u64,
    heartbeat: Option<Value>,
}

impl Making {
    fn of(target: &targets::Model, public_url: Option<&str>) -> Self {
        Self {
            target: target.id,
            updated_at: target.updated_at,
            kind: target.kind,
            filter: filter_of(target),
            drifts: Summary::new(public_url),
            sources: Vec::new(),
            more_sources: 0,
            heartbeat: None,
        }
    }

    fn add(&mut self, row: &Row) {
        match row {
            Row::Drift(happened) => {
                if self.kind != TargetKind::Heartbeat && self.filter.matches(happened) {
                    self.drifts.add(happened);
                }
            }
            Row::Source(transition, data) => {
                let name = data["name"].as_str().unwrap_or_default();
                if self.kind == TargetKind::Heartbeat || !self.filter.matches_source(*transition, name) {
                    return;
                }
                if self.sources.len() < MAX_SOURCES {
                    self.sources.push(data.clone());
                } else {
                    self.more_sources += 1;
                }
            }
            Row::GoodSweep(sweep) => {
                if self.kind == TargetKind::Heartbeat {
                    self.heartbeat = Some(sweep.clone());
                }
            }
            Row::Nothing => {}
        }
    }

    /// Returns the messages, as kinds and bodies.
    fn messages(&self, now: DateTime<Utc>) -> Result<Vec<(DeliveryKind, String)>> {
        let mut messages = Vec::new();
        if self.drifts.total > 0 {
            messages.push((
                DeliveryKind::Drifts,
                body(DeliveryKind::Drifts, now, &self.drifts)?,
            ));
        }
        if !self.sources.is_empty() {
            let data = json!({ "sources": self.sources, "notListed": self.more_sources });
            messages.push((DeliveryKind::Sources, body(DeliveryKind::Sources, now, &data)?));
        }
        if let Some(sweep) = &self.heartbeat {
            messages.push((
                DeliveryKind::Heartbeat,
                body(DeliveryKind::Heartbeat, now, sweep)?,
            ));
        }
        Ok(messages)
    }
}

/// A row of the outbox.
enum Row {
    /// A transition of a drift.
    Drift(Box<Happened>),
    /// A transition of a source.
    Source(Transition, Value),
    /// A sweep that proves something.
    GoodSweep(Value),
    /// Something of which no target is notified.
    Nothing,
}

/// Turns the rows of the outbox into messages, unless a sweep that adds to them is active. Returns whether any row was
/// taken. Several servers may do this at the same time: the messages are made by the one that deletes the rows.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn collect(db: &Db, public_url: Option<&str>) -> Result<bool> {
    if waits_for_sweep(db).await? {
        return Ok(false);
    }
    let enabled = enabled_targets(db.reader()).await?;
    let mut making: Vec<Making> = enabled
        .iter()
        .map(|target| Making::of(target, public_url))
        .collect();
    let mut taken: Vec<i64> = Vec::new();
    loop {
        let rows = next_rows(db, taken.last().copied().unwrap_or(i64::MIN)).await?;
        taken.extend(rows.iter().filter_map(|row| column::<i64>(row, "", "id").ok()));
        if !making.is_empty() {
            for row in decode(db, &rows).await? {
                making.iter_mut().for_each(|making| making.add(&row));
            }
        }
        if rows.len() < BATCH || taken.len() >= MAX_ROWS {
            break;
        }
    }
    if taken.is_empty() {
        return Ok(false);
    }
    finish(db, &taken, &making).await
}

async fn enabled_targets<C: ConnectionTrait>(connection: &C) -> Result<Vec<targets::Model>> {
    let mut all = list(connection).await?;
    all.retain(|target| target.enabled);
    Ok(all)
}

/// Returns whether a sweep is active and its first transitions have not waited for too long.
async fn waits_for_sweep(db: &Db) -> Result<bool> {
    if !job_runs::is_active(db, Job::DetectDrift).await? {
        return Ok(false);
    }
    // A row that this release does not know is left to newer servers, so its age says nothing.
    let oldest =
        format!("SELECT occurred_at AS oldest FROM notification_outbox WHERE {KNOWN} ORDER BY id LIMIT 1");
    let row = db
        .reader()
        .query_one_raw(Statement::from_string(db.backend(), oldest))
        .await?;
    let oldest = row.and_then(|row| column::<DateTime<Utc>>(&row, "", "oldest").ok());
    let now = db.time(db.reader()).await?;
    Ok(oldest.is_some_and(|oldest| now - oldest < WAIT_FOR_SWEEP))
}

async fn next_rows(db: &Db, after: i64) -> Result<Vec<QueryResult>> {
    let sql = format!(
        "SELECT o.id, o.type, o.resource_id, o.actor, o.data, o.occurred_at, r.kind, r.provider_id, r.name, r.region, \
         r.source, p.address FROM notification_outbox AS o LEFT JOIN cloud_resources AS r ON r.id = o.resource_id \
         LEFT JOIN cloud_provisioned AS p ON p.resource_id = o.resource_id WHERE o.id > $1 AND o.{KNOWN} \
         ORDER BY o.id LIMIT {BATCH}"
    );
    let statement = Statement::from_sql_and_values(db.backend(), sql, [after.into()]);
    Ok(db.reader().query_all_raw(statement).await?)
}

/// What the row of a drift says about a transition.
struct KnownDrift {
    kind: Option<DriftKind>,
    revision: Option<i32>,
    severity: Option<Severity>,
    expected: Option<Value>,
    actual: Option<Value>,
}

async fn decode(db: &Db, rows: &[QueryResult]) -> Result<Vec<Row>> {
    let data = |row: &QueryResult| column::<Value>(row, "", "data").unwrap_or_default();
    let ids: Vec<Uuid> = rows
        .iter()
        .filter_map(|row| id_in(&data(row), "driftId"))
        .collect();
    let drifts = known_drifts(db, &ids).await?;
    let mut decoded = Vec::with_capacity(rows.len());
    for row in rows {
        let word: String = column(row, "", "type")?;
        let data = data(row);
        decoded.push(match Transition::of_word(&word) {
            _ if word == SWEEP_SUCCEEDED => good_sweep(db, &data).await?.map_or(Row::Nothing, Row::GoodSweep),
            Some(
                transition @ (Transition::SourceFailed
                | Transition::SourceOverdue
                | Transition::SourceRecovered),
            ) => Row::Source(transition, data),
            // The decision itself is notified.
            Some(Transition::DriftChanged) if data.get(DECIDED).is_some() => Row::Nothing,
            Some(transition) => Row::Drift(Box::new(happened(row, transition, &data, &drifts))),
            None => Row::Nothing,
        });
    }
    Ok(decoded)
}

fn id_in(data: &Value, name: &str) -> Option<Uuid> {
    Uuid::try_parse(data.get(name)?.as_str()?).ok()
}

fn happened(
    row: &QueryResult,
    transition: Transition,
    data: &Value,
    drifts: &HashMap<Uuid, KnownDrift>,
) -> Happened {
    let text = |name| column::<Option<String>>(row, "", name).ok().flatten();
    let drift_id = id_in(data, "driftId");
    let drift = drift_id.and_then(|id| drifts.get(&id));
    let resource = text("kind").map(|kind| KnownResource {
        kind,
        provider_id: text("provider_id").unwrap_or_default(),
        name: text("name"),
        region: text("region"),
        source: text("source").unwrap_or_default(),
        address: text("address"),
    });
    // The event has the values of its time. That of a drift that was closed has none, so the row of the drift is used.
    let has_values = data.get("expected").is_some() || data.get("actual").is_some();
    let (expected, actual) = if has_values {
        (data.get("expected").cloned(), data.get("actual").cloned())
    } else {
        drift.map_or((None, None), |drift| {
            (drift.expected.clone(), drift.actual.clone())
        })
    };
    Happened {
        transition,
        resource_id: column(row, "", "resource_id").ok().flatten(),
        resource,
        drift_id,
        kind: drift.and_then(|drift| drift.kind),
        revision: drift.and_then(|drift| drift.revision),
        severity: drift.and_then(|drift| drift.severity),
        field: data["field"].as_str().unwrap_or_default().to_owned(),
        expected,
        actual,
        actor: text("actor").unwrap_or_else(|| SYSTEM.to_owned()),
    }
}

/// Reads what is needed of drifts. The expected value of a missing resource is its whole spec, which messages do not
/// contain.
async fn known_drifts(db: &Db, ids: &[Uuid]) -> Result<HashMap<Uuid, KnownDrift>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let side =
        |name: &str| format!("CASE WHEN d.field = '{WHOLE_RESOURCE}' THEN NULL ELSE d.{name} END AS {name}");
    let sql = format!(
        "SELECT d.id, d.kind, d.revision, d.severity, {}, {} FROM cloud_drift AS d WHERE d.id {}",
        side("expected"),
        side("actual"),
        lists::in_list(db.backend())
    );
    let values = [lists::ids(db.backend(), ids.iter().copied())];
    let statement = Statement::from_sql_and_values(db.backend(), sql, values);
    let rows = db.reader().query_all_raw(statement).await?;
    let value = |row: &QueryResult, name| column::<Option<Value>>(row, "", name).ok().flatten();
    let known = rows.iter().filter_map(|row| {
        let known = KnownDrift {
            kind: column(row, "", "kind").ok(),
            revision: column(row, "", "revision").ok(),
            severity: column(row, "", "severity").ok(),
            expected: value(row, "expected"),
            actual: value(row, "actual"),
        };
        Some((column(row, "", "id").ok()?, known))
    });
    Ok(known.collect())
}

/// Returns the contents of a heartbeat, if the sweep proves that the inbox is up to date: everything was compared, with an
/// inventory that is complete and recent.
async fn good_sweep(db: &Db, data: &Value) -> Result<Option<Value>> {
    let run = match id_in(data, "run") {
        Some(id) => job_runs::find(db.reader(), id).await?,
        None => None,
    };
    let Some(run) = run.filter(|run| run.outcome == Some(JobOutcome::Succeeded)) else {
        return Ok(None);
    };
    let report: SweepReport = serde_json::from_value(run.counts).unwrap_or_default();
    let proves = report.counts.compared_everything()
        && report.freshness.is_vouched()
        && resources::never_listed(db.reader()).await? == 0;
    Ok(proves.then(
        || json!({ "runId": run.id, "finishedAt": run.finished_at, "resources": report.counts.resources }),
    ))
}

/// Deletes the rows and adds the messages, in one transaction. Returns false if another server has taken one of the rows,
/// or if a target was added or changed since the rows were read, because it may want them.
async fn finish(db: &Db, taken: &[i64], making: &[Making]) -> Result<bool> {
    let list = numbers(db.backend(), taken);
    let list = &list;
    db.write_txn(|txn| async move {
        let now = db.time(&*txn).await?;
        let enabled = enabled_targets(&*txn).await?;
        let is_same = enabled.iter().map(|target| (target.id, target.updated_at));
        if !is_same.eq(making.iter().map(|making| (making.target, making.updated_at)))
            || !lock_rows_in_txn(&txn, list, taken.len()).await?
        {
            return Ok(false);
        }
        let sql = format!("DELETE FROM notification_outbox WHERE id {}", among(db.backend()));
        let delete = Statement::from_sql_and_values(db.backend(), sql, [list.clone()]);
        txn.execute_raw(delete).await?;
        for making in making {
            for (kind, body) in making.messages(now)? {
                add_in_txn(&txn, making.target, kind, body, now).await?;
            }
        }
        Ok(true)
    })
    .await
}

/// Locks the rows, and returns whether all of them are still there.
async fn lock_rows_in_txn(txn: &DatabaseTransaction, list: &sea_orm::Value, rows: usize) -> Result<bool> {
    let backend = txn.get_database_backend();
    let lock = if backend == DbBackend::Postgres {
        "ORDER BY id FOR UPDATE"
    } else {
        ""
    };
    let sql = format!(
        "SELECT count(*) AS n FROM (SELECT id FROM notification_outbox WHERE id {} {lock}) AS locked",
        among(backend)
    );
    let count = Statement::from_sql_and_values(backend, sql, [list.clone()]);
    let row = txn.query_one_raw(count).await?;
    let count = row.and_then(|row| column::<i64>(&row, "", "n").ok());
    Ok(count.is_some_and(|count| usize::try_from(count) == Ok(rows)))
}

fn among(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::Postgres => "IN (SELECT unnest(CAST($1 AS bigint[])))",
        _ => "IN (SELECT value FROM json_each($1))",
    }
}

fn numbers(backend: DbBackend, numbers: &[i64]) -> sea_orm::Value {
    let list: Vec<String> = numbers.iter().map(i64::to_string).collect();
    let list = list.join(",");
    match backend {
        DbBackend::Postgres => format!("{{{list}}}"),
        _ => format!("[{list}]"),
    }
    .into()
}
