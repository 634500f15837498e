//! The history of specs: all versions that are kept, newest first.
//!
//! The newest version of a spec is its row in `cloud_provisioned`. A trigger of the database stores each earlier one when
//! it is superseded.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use entity::{
    cloud_drift as drift, cloud_provisioned as provisioned, spec_reasons as reasons,
    spec_versions as versions,
};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, ConnectionTrait, DbBackend, EntityTrait, QueryResult, Statement};
use serde_json::{Value, json};
use uuid::Uuid;

use super::page::{Key, Page, PageRequest};
use crate::db::lists::{self, Type};
use crate::db::{DatabaseTransaction, column, decode};
use crate::domain::changes::MemberNames;
use crate::domain::spec_history::{FieldChange, SpecVersion, field_changes};
use crate::error::Result;

/// The id of the newest version, which is not in the table of superseded ones.
const NEWEST: i64 = i64::MAX;

/// The columns of a version, as SQL about the row with the name `x`.
const COLUMNS: &str = "x.resource_id, x.spec_version, x.spec, x.not_compared, x.source, x.address, x.recorded_by, \
     x.recorded_at, x.retired_at, (SELECT r.reason FROM spec_reasons AS r \
     WHERE r.resource_id = x.resource_id AND r.spec_version = x.spec_version) AS reason";

/// Records the reason for a version of a spec, if there is one.
pub(super) async fn give_reason_in_txn(
    txn: &DatabaseTransaction,
    spec: &provisioned::Model,
    reason: Option<&str>,
) -> Result<()> {
    let Some(reason) = reason else {
        return Ok(());
    };
    let row = reasons::ActiveModel {
        resource_id: Set(spec.resource_id),
        spec_version: Set(spec.spec_version),
        reason: Set(reason.to_owned()),
        recorded_at: Set(spec.recorded_at),
    };
    // Another program may have reset the version.
    let again = OnConflict::columns([reasons::Column::ResourceId, reasons::Column::SpecVersion])
        .update_columns([reasons::Column::Reason, reasons::Column::RecordedAt])
        .to_owned();
    reasons::Entity::insert(row)
        .on_conflict(again)
        .exec_without_returning(txn)
        .await?;
    Ok(())
}

/// Returns the position of a row in the history of its spec. Versions are ordered by their numbers, because the clocks of
/// two servers may differ.
fn key(version: i32, id: i64) -> Key {
    Key {
        time: None,
        id: Uuid::from_u64_pair(
            u64::try_from(version).unwrap_or_default(),
            u64::try_from(id).unwrap_or_default(),
        ),
    }
}

fn place(key: Key) -> (i64, i64) {
    let (version, id) = key.id.as_u64_pair();
    (
        i64::try_from(version).unwrap_or(i64::MAX),
        i64::try_from(id).unwrap_or(i64::MAX),
    )
}

/// Requests the newest row of a version, or of an earlier one if the version is not kept.
pub(crate) fn up_to(version: i32) -> PageRequest {
    PageRequest {
        after: Some(key(version.saturating_add(1), 0)),
        ..PageRequest::first(1)
    }
}

/// Requests the first row of a version, or of a later one if the version is not kept. It differs from the newest row only
/// if another program changed the spec and kept its version.
pub(super) fn first_from(version: i32) -> PageRequest {
    PageRequest {
        backward: true,
        before: Some(key(version, 0)),
        ..PageRequest::first(1)
    }
}

/// Returns the version of a page that [`up_to`] or [`first_from`] requested, if it is the requested one.
pub(crate) fn only(page: Page<SpecVersion>, version: i32) -> Option<SpecVersion> {
    let mut rows = page.rows.into_iter().map(|(_, row)| row);
    rows.find(|row| row.version == version)
}

/// Returns one page of the versions of each spec, newest first. Equal requests of several resources are one statement.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn pages_of<C: ConnectionTrait>(
    connection: &C,
    requests: &[(Uuid, PageRequest)],
) -> Result<HashMap<(Uuid, PageRequest), Page<SpecVersion>>> {
    let mut alike: HashMap<&PageRequest, Vec<Uuid>> = HashMap::new();
    for (resource, request) in requests {
        alike.entry(request).or_default().push(*resource);
    }
    let mut pages = HashMap::new();
    for (request, resources) in alike {
        let backend = connection.get_database_backend();
        let mut found: HashMap<Uuid, Vec<QueryResult>> = HashMap::new();
        let statement = select_pages(backend, &resources, request);
        for row in connection.query_all_raw(statement).await? {
            let resource = column::<Uuid>(&row, "", "resource_id")?;
            found.entry(resource).or_default().push(row);
        }
        for resource in resources {
            let rows = found.remove(&resource).unwrap_or_default();
            pages.insert((resource, request.clone()), assembled(&rows, request));
        }
    }
    Ok(pages)
}

fn select_pages(backend: DbBackend, resources: &[Uuid], request: &PageRequest) -> Statement {
    let direction = if request.backward { "ASC" } else { "DESC" };
    let between = |id: &str| {
        format!(
            "(x.spec_version, {id}) < (CAST($3 AS bigint), CAST($4 AS bigint)) \
             AND (x.spec_version, {id}) > (CAST($5 AS bigint), CAST($6 AS bigint))"
        )
    };
    let in_order = format!("ORDER BY x.spec_version {direction}, x.id {direction} LIMIT $2");
    let ids = lists::numbered_ids(backend);
    let superseded = match backend {
        DbBackend::Postgres => format!(
            "SELECT s.* FROM {ids} CROSS JOIN LATERAL (SELECT x.id, {COLUMNS}, x.superseded_at \
             FROM spec_versions AS x WHERE x.resource_id = p.id AND {} {in_order}) AS s",
            between("x.id")
        ),
        _ => format!(
            "SELECT y.id, {}, y.superseded_at FROM {ids} CROSS JOIN spec_versions AS y WHERE y.id IN \
             (SELECT x.id FROM spec_versions AS x WHERE x.resource_id = p.id AND {} {in_order})",
            COLUMNS.replace("x.", "y."),
            between("x.id")
        ),
    };
    // The newest version has no time at which it was superseded; the column needs one to decode.
    let newest = format!(
        "SELECT CAST({NEWEST} AS bigint) AS id, {COLUMNS}, x.recorded_at AS superseded_at \
         FROM {ids} JOIN cloud_provisioned AS x ON x.resource_id = p.id WHERE {}",
        between(&format!("CAST({NEWEST} AS bigint)"))
    );
    let (before_version, before_id) = request.after.map_or((i64::MAX, i64::MAX), place);
    let (after_version, after_id) = request.before.map_or((i64::MIN, i64::MIN), place);
    let limit = i64::try_from(request.limit).unwrap_or(i64::MAX).saturating_add(1);
    let values = [
        lists::ids(backend, resources.iter().copied()),
        limit.into(),
        before_version.into(),
        before_id.into(),
        after_version.into(),
        after_id.into(),
    ];
    Statement::from_sql_and_values(backend, format!("{superseded} UNION ALL {newest}"), values)
}

/// Builds a page from rows in any order.
fn assembled(rows: &[QueryResult], request: &PageRequest) -> Page<SpecVersion> {
    let mut placed: Vec<(Key, Option<SpecVersion>)> = rows
        .iter()
        .filter_map(|row| {
            let version = column(row, "", "spec_version").ok()?;
            let id = column(row, "", "id").ok()?;
            Some((key(version, id), version_of(row)))
        })
        .collect();
    placed.sort_by_key(|(key, _)| std::cmp::Reverse(place(*key)));
    if request.backward {
        placed.reverse();
    }
    let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
    let more = placed.len() > limit;
    placed.truncate(limit);
    if request.backward {
        placed.reverse();
    }
    let (has_next, has_previous) = match request.backward {
        true => (request.before.is_some(), more),
        false => (more, request.after.is_some()),
    };
    Page {
        start: placed.first().map(|(key, _)| *key),
        end: placed.last().map(|(key, _)| *key),
        has_next,
        has_previous,
        rows: placed
            .into_iter()
            .filter_map(|(key, row)| Some((key, row?)))
            .collect(),
    }
}

fn version_of(row: &QueryResult) -> Option<SpecVersion> {
    let stored: versions::Model = decode(row, "")?;
    let superseded_at: Option<DateTime<Utc>> = (stored.id != NEWEST).then_some(stored.superseded_at);
    Some(SpecVersion {
        superseded_at,
        reason: column(row, "", "reason").ok().flatten(),
        ..stored.into()
    })
}

/// Returns the number of versions of each spec that are kept. Resources without a spec are left out.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn counts_of<C: ConnectionTrait>(
    connection: &C,
    resources: &[Uuid],
) -> Result<HashMap<Uuid, i64>> {
    let backend = connection.get_database_backend();
    let list = lists::in_list(backend);
    let sql = format!(
        "SELECT resource_id, count(*) AS n FROM \
         (SELECT resource_id FROM spec_versions WHERE resource_id {list} \
         UNION ALL SELECT resource_id FROM cloud_provisioned WHERE resource_id {list}) AS v GROUP BY resource_id"
    );
    let ids = lists::ids(backend, resources.iter().copied());
    let rows = connection
        .query_all_raw(Statement::from_sql_and_values(backend, sql, [ids]))
        .await?;
    rows.iter()
        .map(|row| Ok((column(row, "", "resource_id")?, column(row, "", "n")?)))
        .collect()
}

/// What drifts have to do with a version of a spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum DriftsOf {
    /// Their accepts made the version.
    Accepted,
    /// The undo of their accepts made the version.
    Undone,
}

/// Returns the drifts of versions of specs, ordered by field.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn drifts_of<C: ConnectionTrait>(
    connection: &C,
    what: DriftsOf,
    versions: &[(Uuid, i32)],
) -> Result<HashMap<(Uuid, i32), Vec<drift::Model>>> {
    let backend = connection.get_database_backend();
    let list = lists::rows(
        backend,
        &[("resource_id", Type::Uuid), ("spec_version", Type::Integer)],
    );
    let version = match what {
        DriftsOf::Accepted => "spec_version",
        DriftsOf::Undone => "undone_version",
    };
    let sql = format!(
        "SELECT d.* FROM {list} CROSS JOIN cloud_drift AS d \
         WHERE d.resource_id = v.resource_id AND d.{version} = v.spec_version ORDER BY d.field, d.id"
    );
    let rows: Vec<Value> = versions
        .iter()
        .map(|(resource, version)| json!({ "resource_id": lists::uuid(*resource), "spec_version": version }))
        .collect();
    let rows = Value::Array(rows).to_string();
    let statement = Statement::from_sql_and_values(backend, sql, [rows.into()]);
    let mut found: HashMap<(Uuid, i32), Vec<drift::Model>> = HashMap::new();
    for row in connection.query_all_raw(statement).await? {
        let Some(drift) = decode::<drift::Model>(&row, "") else {
            continue;
        };
        let version = match what {
            DriftsOf::Accepted => drift.spec_version,
            DriftsOf::Undone => drift.undone_version,
        };
        if let Some(version) = version {
            found.entry((drift.resource_id, version)).or_default().push(drift);
        }
    }
    Ok(found)
}

/// Two versions of a spec, and the fields that differ between them.
#[derive(Clone, Debug)]
pub(crate) struct SpecDifference {
    /// The first version.
    pub(crate) from: SpecVersion,
    /// The second version.
    pub(crate) to: SpecVersion,
    /// The fields, ordered by name.
    pub(crate) fields: Vec<FieldChange>,
}

/// Compares two versions of the spec of a resource. Returns None if one of them is not kept.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn difference<C: ConnectionTrait>(
    connection: &C,
    resource: Uuid,
    [from, to]: [i32; 2],
    names: &MemberNames,
) -> Result<Option<SpecDifference>> {
    let requests = [from, to].map(|version| (resource, up_to(version)));
    let pages = pages_of(connection, &requests).await?;
    let version = |number: i32, request: &(Uuid, PageRequest)| only(pages.get(request)?.clone(), number);
    let [first, second] = &requests;
    Ok(version(from, first)
        .zip(version(to, second))
        .map(|(from, to)| SpecDifference {
            fields: field_changes(&from.spec, &to.spec, names),
            from,
            to,
        }))
}
