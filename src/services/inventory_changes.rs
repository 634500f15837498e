//! The log of what syncs saw change in the account.

use chrono::{DateTime, Utc};
use entity::inventory_changes::{self as changes, ChangeType};
use entity::upkeep;
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ActiveEnum as _, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, Select, Statement,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::page::{self, Order, Page, PageRequest};
use crate::db::lists::{self, Type};
use crate::db::{DatabaseTransaction, Db};
use crate::domain::validation::{MAX_TEXT_BYTES, check_text, check_time};
use crate::error::Result;

/// Name of the row in `upkeep` whose start is the time since which all changes are kept. A migration inserts it.
pub(super) const SINCE: &str = "changes since";

/// A change to append.
#[derive(Clone, Debug)]
pub(crate) struct NewChange {
    /// Id of the resource.
    pub(crate) resource_id: Uuid,
    /// What happened.
    pub(crate) change_type: ChangeType,
    /// Name of the field; `*` for the whole resource.
    pub(crate) field: String,
    /// The values before and after; None if the one before is not known.
    pub(crate) values: Option<(Value, Value)>,
    /// Whether the listing before had the resource.
    pub(crate) was_listed: bool,
}

/// Appends the changes of resources that a sync has just written. `last_listed_at` is the start of the listing before, if
/// that one was complete.
///
/// # Errors
///
/// The database is unavailable.
pub(super) async fn write_in_txn(
    txn: &DatabaseTransaction,
    seen: Vec<NewChange>,
    last_listed_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<()> {
    if seen.is_empty() {
        return Ok(());
    }
    let backend = txn.get_database_backend();
    let columns = [
        ("id", Type::Uuid),
        ("resource_id", Type::Uuid),
        ("type", Type::Text),
        ("field", Type::Text),
        ("before", Type::Json),
        ("after", Type::Json),
        ("has_values", Type::Integer),
        ("last_listed_at", Type::Time),
    ];
    // The rows of the resources were written before, so that the region is that after the change.
    let sql = format!(
        "INSERT INTO inventory_changes (id, resource_id, provider, kind, region, source, type, field, before, after, \
         has_values, last_listed_at, seen_at) \
         SELECT v.id, v.resource_id, r.provider, r.kind, r.region, r.source, v.type, v.field, v.before, v.after, \
         v.has_values = 1, v.last_listed_at, $2 \
         FROM {} JOIN cloud_resources AS r ON r.id = v.resource_id",
        lists::rows(backend, &columns)
    );
    let rows: Vec<Value> = seen
        .iter()
        .map(|change| {
            let (before, after) = change
                .values
                .as_ref()
                .map_or((&Value::Null, &Value::Null), |(b, a)| (b, a));
            json!({
                "id": lists::uuid(Uuid::now_v7()),
                "resource_id": lists::uuid(change.resource_id),
                "type": change.change_type.to_value(),
                "field": change.field,
                "before": lists::json(backend, before),
                "after": lists::json(backend, after),
                "has_values": i32::from(change.values.is_some()),
                "last_listed_at": last_listed_at.filter(|_| change.was_listed).map(lists::time),
            })
        })
        .collect();
    let values = [Value::Array(rows).to_string().into(), now.into()];
    txn.execute_raw(Statement::from_sql_and_values(backend, sql, values))
        .await?;
    Ok(())
}

/// A filter of changes. A change matches if it meets all conditions that are set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ChangeFilter {
    /// What happened: one of these; anything if empty.
    pub types: Vec<ChangeType>,
    /// Id of the resource.
    pub resource_id: Option<Uuid>,
    /// Kind of the resource.
    pub kind: Option<String>,
    /// Region of the resource after the change.
    pub region: Option<String>,
    /// Name of the source that listed the resource.
    pub source: Option<String>,
    /// Name of the field.
    pub field: Option<String>,
    /// Seen at or after this time.
    pub seen_after: Option<DateTime<Utc>>,
    /// Seen before this time.
    pub seen_before: Option<DateTime<Utc>>,
}

impl ChangeFilter {
    /// Checks that the texts and times can be passed to a database.
    ///
    /// # Errors
    ///
    /// BAD_USER_INPUT if a text is too long or not storable, or a time is out of range.
    pub fn check(&self) -> Result<()> {
        for (what, text) in [
            ("kind", &self.kind),
            ("region", &self.region),
            ("source", &self.source),
            ("field", &self.field),
        ] {
            check_text(what, text.as_deref().unwrap_or_default(), MAX_TEXT_BYTES)?;
        }
        for (what, time) in [("seenAfter", self.seen_after), ("seenBefore", self.seen_before)] {
            time.map_or(Ok(()), |time| check_time(what, time))?;
        }
        Ok(())
    }

    /// Selects the changes that match. `change_type` is the only type, if there is one. An index has the changes of each
    /// single condition in the order of a page.
    fn select(&self, change_type: Option<ChangeType>) -> Select<changes::Entity> {
        let text =
            |select: Select<changes::Entity>, column: changes::Column, text: &Option<String>| match text {
                Some(text) => select.filter(column.eq(text.as_str())),
                None => select,
            };
        let mut select = changes::Entity::find();
        select = text(select, changes::Column::Kind, &self.kind);
        select = text(select, changes::Column::Region, &self.region);
        select = text(select, changes::Column::Source, &self.source);
        select = text(select, changes::Column::Field, &self.field);
        if let Some(resource) = self.resource_id {
            select = select.filter(changes::Column::ResourceId.eq(resource));
        }
        if let Some(change_type) = change_type {
            // The word is a part of the text: how many changes have a type depends on the type.
            let column = Expr::col((changes::Entity, changes::Column::ChangeType));
            select = select.filter(column.eq(Expr::Constant(change_type.to_value().into())));
        }
        if let Some(time) = self.seen_after {
            select = select.filter(changes::Column::SeenAt.gte(time));
        }
        if let Some(time) = self.seen_before {
            select = select.filter(changes::Column::SeenAt.lt(time));
        }
        select
    }

    /// Returns a select for each type, so that an index gives the order of each.
    fn selects(&self) -> Vec<Select<changes::Entity>> {
        if self.types.is_empty() {
            return vec![self.select(None)];
        }
        self.types.iter().map(|only| self.select(Some(*only))).collect()
    }
}

/// Newest first.
pub(crate) const NEWEST_FIRST: Order<changes::Column> = Order {
    time: Some(changes::Column::SeenAt),
    id: changes::Column::Id,
    descending: true,
};

/// Returns one page of the changes that match the filter, newest first.
///
/// # Errors
///
/// BAD_USER_INPUT if the filter is not valid.
pub(crate) async fn list<C: ConnectionTrait>(
    connection: &C,
    filter: &ChangeFilter,
    request: &PageRequest,
) -> Result<Page<changes::Model>> {
    filter.check()?;
    page::fetch_any(connection, &filter.selects(), NEWEST_FIRST, request).await
}

/// Returns the number of changes that match the filter.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn count<C: ConnectionTrait>(connection: &C, filter: &ChangeFilter) -> Result<i64> {
    let mut count = 0;
    for select in filter.selects() {
        count += page::count(connection, select, changes::Column::Id).await?;
    }
    Ok(count)
}

/// Returns the change with this id.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn find<C: ConnectionTrait>(connection: &C, id: Uuid) -> Result<Option<changes::Model>> {
    page::find_one(connection, changes::Entity::find_by_id(id)).await
}

/// Records that changes before this time are deleted, before they are.
///
/// # Errors
///
/// The database is unavailable.
pub(super) async fn begin_purge(db: &Db, before: DateTime<Utc>) -> Result<()> {
    db.write_txn(|txn| async move {
        upkeep::Entity::update_many()
            .col_expr(upkeep::Column::StartedAt, Expr::val(before))
            .filter(upkeep::Column::Task.eq(SINCE))
            .filter(upkeep::Column::StartedAt.lt(before))
            .exec(&*txn)
            .await?;
        Ok(())
    })
    .await
}

/// Selects the changes before a time, oldest first.
pub(super) fn before(time: DateTime<Utc>) -> Select<changes::Entity> {
    changes::Entity::find()
        .filter(changes::Column::SeenAt.lt(time))
        .order_by_asc(changes::Column::SeenAt)
}
