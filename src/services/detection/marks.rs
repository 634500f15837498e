//! Marks of resources whose comparison is due, and the record of the last comparison of everything.
//!
//! A trigger adds a mark in the transaction of each change. So a sweep that reads the marks first and the rows second
//! reads at least the marked changes. The ids of marks do not follow the order of commits: a sweep deletes the marks
//! that it read, each by its id, and no others.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use entity::{cloud_provisioned as provisioned, sweep_marks, upkeep};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait, Statement,
};
use uuid::Uuid;

use crate::db::lists::{self, Type};
use crate::db::{DatabaseTransaction, Db, column};
use crate::error::Result;
use crate::services::page;

/// Name of the comparison in the table of upkeep. The number identifies the rules of comparison. Increase it with each
/// change of a rule, so that the first sweep after an upgrade compares everything. The SQL of the migration finds the
/// rows by the prefix of the name.
const TASK: &str = "comparison of rules 2";
/// How long sweeps may rely on marks after a comparison of everything.
const VALID: TimeDelta = TimeDelta::days(1);
/// Marks that are read with one statement.
const MARKS: usize = 5_000;

/// Returns whether every resource was compared within a day, so that it is enough to compare the marked ones.
pub(super) async fn are_complete(db: &Db) -> Result<bool> {
    let select = upkeep::Entity::find_by_id(TASK.to_owned()).build(db.backend());
    let Some(row) = db.reader().query_one_raw(select).await? else {
        return Ok(false);
    };
    let time = |name| column::<Option<DateTime<Utc>>>(&row, "", name).ok().flatten();
    let (Some(started), Some(_)) = (time("started_at"), time("finished_at")) else {
        return Ok(false);
    };
    let age = db.time(db.reader()).await? - started;
    Ok((TimeDelta::zero()..VALID).contains(&age))
}

/// Returns whether a sweep would compare only the marked resources, and there is at least one.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn has_marked_changes(db: &Db) -> Result<bool> {
    Ok(are_complete(db).await? && read(db, 0, i64::MAX).await?.is_some())
}

/// Begins a comparison of everything: deletes all marks, and makes sweeps not rely on marks until it ends. Returns its
/// start time.
pub(super) async fn begin(db: &Db) -> Result<DateTime<Utc>> {
    db.write_txn(|txn| async move {
        let now = db.time(&*txn).await?;
        let row = upkeep::ActiveModel {
            task: Set(TASK.to_owned()),
            started_at: Set(Some(now)),
            finished_at: Set(None),
        };
        let replace = OnConflict::column(upkeep::Column::Task)
            .update_columns([upkeep::Column::StartedAt, upkeep::Column::FinishedAt])
            .to_owned();
        upkeep::Entity::insert(row)
            .on_conflict(replace)
            .exec_without_returning(&*txn)
            .await?;
        reset_others_in_txn(&txn).await?;
        sweep_marks::Entity::delete_many().exec(&*txn).await?;
        Ok(now)
    })
    .await
}

/// Makes servers with other rules compare everything again. Marks are shared: a deleted mark means that the resource was
/// compared with the rules of this server only.
async fn reset_others_in_txn(txn: &DatabaseTransaction) -> Result<()> {
    let none = upkeep::ActiveModel {
        started_at: Set(None),
        finished_at: Set(None),
        ..Default::default()
    };
    upkeep::Entity::update_many()
        .set(none)
        .filter(upkeep::Column::Task.starts_with("comparison of "))
        .filter(upkeep::Column::Task.ne(TASK))
        .filter(upkeep::Column::StartedAt.is_not_null())
        .exec(txn)
        .await?;
    Ok(())
}

/// Ends a comparison of everything, unless another one has begun since.
pub(super) async fn end(db: &Db, began: DateTime<Utc>) -> Result<()> {
    db.write_txn(|txn| async move {
        let done = upkeep::ActiveModel {
            finished_at: Set(Some(db.time(&*txn).await?)),
            ..Default::default()
        };
        upkeep::Entity::update_many()
            .set(done)
            .filter(upkeep::Column::Task.eq(TASK))
            .filter(upkeep::Column::StartedAt.eq(began))
            .exec(&*txn)
            .await?;
        Ok(())
    })
    .await
}

/// The marks of resources, by resource.
pub(super) struct Marks {
    /// The marks of each resource, in the order of their ids.
    pub(super) by_resource: BTreeMap<Uuid, Vec<i64>>,
    /// Whether a mark has a resource id that does not decode.
    pub(super) is_damaged: bool,
    /// Id of the last mark that was read.
    pub(super) last: i64,
    /// Whether no mark follows.
    pub(super) is_last: bool,
}

/// Reads the marks that follow the mark `after`, up to the mark `end`. Returns None at the end.
pub(super) async fn read(db: &Db, after: i64, end: i64) -> Result<Option<Marks>> {
    let select = sweep_marks::Entity::find()
        .filter(sweep_marks::Column::Id.gt(after))
        .filter(sweep_marks::Column::Id.lte(end))
        .order_by_asc(sweep_marks::Column::Id)
        .limit(MARKS as u64);
    let rows = db.reader().query_all_raw(select.build(db.backend())).await?;
    let mut marks = Marks {
        by_resource: BTreeMap::new(),
        is_damaged: false,
        last: after,
        is_last: rows.len() < MARKS,
    };
    for row in &rows {
        marks.last = row.try_get("", "id")?;
        match column::<Uuid>(row, "", "resource_id") {
            Ok(resource) => marks.by_resource.entry(resource).or_default().push(marks.last),
            Err(_) => marks.is_damaged = true,
        }
    }
    Ok((!rows.is_empty()).then_some(marks))
}

/// Returns the id of the last mark; None if there are more marks than specs in force, so that it costs less to compare
/// everything.
pub(super) async fn last_of_few(db: &Db) -> Result<Option<i64>> {
    let extent = sweep_marks::Entity::find()
        .select_only()
        .expr(Expr::cust("coalesce(max(id), 0)"))
        .expr(Expr::cust("count(*)"))
        .into_tuple::<(i64, i64)>()
        .one(db.reader())
        .await?;
    let (last, count) = extent.unwrap_or_default();
    Ok((count.unsigned_abs() <= count_in_force(db).await?).then_some(last))
}

impl Marks {
    /// Deletes the marks of the resources that are done, and all but the last mark of those that are left to the next
    /// sweep.
    pub(super) async fn delete(self, db: &Db, left: &BTreeSet<Uuid>) -> Result<()> {
        let done: Vec<i64> = self
            .by_resource
            .into_iter()
            .flat_map(|(resource, mut ids)| {
                if left.contains(&resource) {
                    ids.pop();
                }
                ids
            })
            .collect();
        if done.is_empty() {
            return Ok(());
        }
        let done = &done;
        db.write_txn(|txn| async move {
            let (list, sql) = match txn.get_database_backend() {
                DbBackend::Postgres => ("{}", "id = ANY(CAST($1 AS bigint[]))"),
                _ => ("[]", "id IN (SELECT value FROM json_each(?))"),
            };
            let (open, close) = list.split_at(1);
            let ids: Vec<String> = done.iter().map(ToString::to_string).collect();
            let ids = format!("{open}{}{close}", ids.join(","));
            sweep_marks::Entity::delete_many()
                .filter(Expr::cust_with_values(sql, [ids]))
                .exec(&*txn)
                .await?;
            reset_others_in_txn(&txn).await
        })
        .await
    }
}

/// Marks resources that a comparison of everything left to the next sweep.
pub(super) async fn add(db: &Db, resources: &[Uuid]) -> Result<()> {
    db.write_txn(|txn| async move { add_in_txn(&txn, resources).await })
        .await
}

/// Marks resources, so that the next sweep compares them.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn add_in_txn(txn: &DatabaseTransaction, resources: &[Uuid]) -> Result<()> {
    if resources.is_empty() {
        return Ok(());
    }
    let backend = txn.get_database_backend();
    let list = lists::rows(backend, &[("resource_id", Type::Uuid)]);
    let sql = format!("INSERT INTO \"sweep_marks\" (resource_id) SELECT v.resource_id FROM {list}");
    let rows: Vec<_> = resources
        .iter()
        .map(|id| serde_json::json!({ "resource_id": lists::uuid(*id) }))
        .collect();
    let rows = serde_json::Value::Array(rows).to_string();
    let insert = Statement::from_sql_and_values(backend, sql, [rows.into()]);
    txn.execute_raw(insert).await?;
    Ok(())
}

/// Setting of a transaction of a sweep on PostgreSQL, which makes the triggers skip its changes.
const OF_A_SWEEP: &str = "SET LOCAL drift_inbox.sweeping = 'on'";

/// The sweep's own changes. They need no marks, because the values that it writes agree with the rows that it has
/// locked.
pub(super) struct OwnChanges {
    /// The id of the last mark before them, on SQLite, where only one transaction writes at a time.
    last: Option<i64>,
}

impl OwnChanges {
    /// Call it before the first statement of the transaction.
    pub(super) async fn begin_in_txn(txn: &DatabaseTransaction) -> Result<Self> {
        if txn.get_database_backend() == DbBackend::Postgres {
            txn.execute_unprepared(OF_A_SWEEP).await?;
            lists::plan_by_index_in_txn(txn).await?;
            return Ok(Self { last: None });
        }
        let last = sweep_marks::Entity::find()
            .select_only()
            .expr(Expr::cust("coalesce(max(id), 0)"))
            .into_tuple::<i64>()
            .one(txn)
            .await?;
        Ok(Self {
            last: Some(last.unwrap_or_default()),
        })
    }

    /// Deletes the marks of the sweep's own changes. Call it after the last change.
    pub(super) async fn end_in_txn(self, txn: &DatabaseTransaction) -> Result<()> {
        if let Some(last) = self.last {
            sweep_marks::Entity::delete_many()
                .filter(sweep_marks::Column::Id.gt(last))
                .exec(txn)
                .await?;
        }
        Ok(())
    }
}

/// Returns the number of specs in force. On PostgreSQL, it is a sum of kept totals: a resource has one spec at most, and
/// each spec has a resource. On SQLite, where other programs may not enforce foreign keys, a small index is read.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn count_in_force(db: &Db) -> Result<u64> {
    if db.backend() == DbBackend::Postgres {
        let total = "SELECT CAST(coalesce(sum(n), 0) AS bigint) FROM resource_totals WHERE class = 'managed'";
        let total = Statement::from_string(db.backend(), total);
        let row = db.reader().query_one_raw(total).await?;
        let total: Option<i64> = row.map(|row| row.try_get_by_index(0)).transpose()?;
        return Ok(total.unwrap_or_default().max(0).unsigned_abs());
    }
    let in_force = provisioned::Entity::find().filter(provisioned::Column::RetiredAt.is_null());
    Ok(
        page::count(db.reader(), in_force, provisioned::Column::ResourceId)
            .await?
            .unsigned_abs(),
    )
}
