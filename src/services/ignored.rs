//! The differences that ignore rules keep out of the inbox now. Sweeps write them, with an event for each.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use entity::cloud_resource_events::EventType;
use entity::ignored_differences as ignored;
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QuerySelect, QueryTrait, Select,
    Statement,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::events::NewEvent;
use super::page::{self, Order, Page, PageRequest};
use crate::db::lists::{self, Type};
use crate::db::{DatabaseTransaction, column, decodable};
use crate::domain::detection::{Ignored, Pair, WHOLE_RESOURCE};
use crate::domain::ignore_rules::IgnoreRules;
use crate::error::Result;

/// The condition that the resource has an id from `first` to `last`.
pub(super) fn between(first: Uuid, last: Uuid) -> Expr {
    ignored::Column::ResourceId
        .gte(first)
        .and(ignored::Column::ResourceId.lte(last))
}

/// The condition that the resource has one of these ids.
pub(super) fn among(backend: DbBackend, ids: impl IntoIterator<Item = Uuid>) -> Expr {
    lists::among(backend, r#""ignored_differences"."resource_id""#, ids)
}

/// Returns the resources of which a difference is ignored, of those that the condition selects. Without rules there never
/// was one.
///
/// # Errors
///
/// The database is unavailable.
pub(super) async fn resources<C: ConnectionTrait>(
    connection: &C,
    rules: &IgnoreRules,
    of: Expr,
) -> Result<BTreeSet<Uuid>> {
    if rules.revision == 0 {
        return Ok(BTreeSet::new());
    }
    let select = ignored::Entity::find()
        .select_only()
        .column(ignored::Column::ResourceId)
        .filter(of)
        .build(connection.get_database_backend());
    let rows = connection.query_all_raw(select).await?;
    Ok(rows
        .iter()
        .filter_map(|row| column(row, "", "resource_id").ok())
        .collect())
}

/// Adds its ignored differences to each pair.
///
/// # Errors
///
/// The database is unavailable.
pub(super) async fn add<C: ConnectionTrait>(
    connection: &C,
    rules: &IgnoreRules,
    pairs: &mut BTreeMap<Uuid, Pair>,
) -> Result<()> {
    if rules.revision == 0 {
        return Ok(());
    }
    let of_pairs = among(connection.get_database_backend(), pairs.keys().copied());
    let (rows, _) = decodable(ignored::Entity::find().filter(of_pairs), connection).await?;
    for row in rows {
        if let Some(pair) = pairs.get_mut(&row.resource_id) {
            pair.ignored.push(row);
        }
    }
    Ok(())
}

/// What was written about ignored differences.
#[derive(Default)]
pub(super) struct Written {
    /// The number of differences that were recorded.
    pub(super) recorded: u64,
    /// The events to append.
    pub(super) events: Vec<NewEvent>,
}

/// Records ignored differences of locked resources, deletes the records of others, and counts the hits of the rules.
///
/// # Errors
///
/// The database is unavailable.
pub(super) async fn write_in_txn(
    txn: &DatabaseTransaction,
    recorded: &[(Uuid, &Ignored)],
    deleted: &[(Uuid, &str)],
    now: DateTime<Utc>,
) -> Result<Written> {
    delete_in_txn(txn, deleted).await?;
    if recorded.is_empty() {
        return Ok(Written::default());
    }
    let backend = txn.get_database_backend();
    let rows = recorded.iter().map(|(resource_id, ignored)| {
        json!({
            "id": lists::uuid(Uuid::now_v7()),
            "resource_id": lists::uuid(*resource_id),
            "field": ignored.finding.field,
            "rule_id": lists::uuid(ignored.rule),
            "expected": lists::json(backend, &ignored.finding.expected),
            "actual": lists::json(backend, &ignored.finding.actual),
            "sweeps": ignored.sweeps,
        })
    });
    let list = lists::rows(
        backend,
        &[
            ("id", Type::Uuid),
            ("resource_id", Type::Uuid),
            ("field", Type::Text),
            ("rule_id", Type::Uuid),
            ("expected", Type::Json),
            ("actual", Type::Json),
            ("sweeps", Type::Integer),
        ],
    );
    let sql = format!(
        "INSERT INTO ignored_differences \
         (id, resource_id, field, rule_id, expected, actual, sweeps, ignored_at, changed_at) \
         SELECT v.id, v.resource_id, v.field, v.rule_id, v.expected, v.actual, v.sweeps, $2, $2 FROM {list} WHERE true \
         ON CONFLICT (resource_id, field) DO UPDATE SET rule_id = excluded.rule_id, expected = excluded.expected, \
         actual = excluded.actual, sweeps = excluded.sweeps, changed_at = excluded.changed_at"
    );
    execute_in_txn(txn, &sql, rows.collect(), Some(now)).await?;
    count_hits_in_txn(txn, recorded, now).await?;
    Ok(Written {
        recorded: recorded.len() as u64,
        events: recorded.iter().map(|(id, ignored)| event(*id, ignored)).collect(),
    })
}

/// Writes how many sweeps in a row have seen differences that wait.
///
/// # Errors
///
/// The database is unavailable.
pub(super) async fn count_sweeps_in_txn(
    txn: &DatabaseTransaction,
    counted: &[(Uuid, &str, i32)],
) -> Result<()> {
    if counted.is_empty() {
        return Ok(());
    }
    let list = lists::rows(
        txn.get_database_backend(),
        &[
            ("resource_id", Type::Uuid),
            ("field", Type::Text),
            ("sweeps", Type::Integer),
        ],
    );
    let sql = format!(
        "UPDATE ignored_differences SET sweeps = v.sweeps FROM {list} \
         WHERE ignored_differences.resource_id = v.resource_id AND ignored_differences.field = v.field"
    );
    let rows = counted.iter().map(
        |(id, field, sweeps)| json!({ "resource_id": lists::uuid(*id), "field": field, "sweeps": sweeps }),
    );
    execute_in_txn(txn, &sql, rows.collect(), None).await
}

/// Returns how many differences of each kind wait until more sweeps have seen them, by provider and kind.
///
/// # Errors
///
/// The database is unavailable.
pub(super) async fn count_waiting<C: ConnectionTrait>(
    connection: &C,
) -> Result<BTreeMap<(String, String), i64>> {
    let sql = "SELECT r.provider, r.kind, count(*) AS n FROM ignored_differences AS i \
         JOIN cloud_resources AS r ON r.id = i.resource_id WHERE i.sweeps IS NOT NULL GROUP BY r.provider, r.kind";
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    let rows = connection.query_all_raw(statement).await?;
    let counted = rows.iter().filter_map(|row| {
        let kind = (column(row, "", "provider").ok()?, column(row, "", "kind").ok()?);
        Some((kind, column(row, "", "n").ok()?))
    });
    Ok(counted.collect())
}

/// Deletes what is recorded of resources whose specs are retired: nothing of them is compared.
///
/// # Errors
///
/// The database is unavailable.
pub(super) async fn delete_of_in_txn(
    txn: &DatabaseTransaction,
    resources: impl IntoIterator<Item = Uuid>,
) -> Result<()> {
    let of_resources = among(txn.get_database_backend(), resources);
    ignored::Entity::delete_many()
        .filter(of_resources)
        .exec(txn)
        .await?;
    Ok(())
}

async fn delete_in_txn(txn: &DatabaseTransaction, deleted: &[(Uuid, &str)]) -> Result<()> {
    if deleted.is_empty() {
        return Ok(());
    }
    let list = lists::rows(
        txn.get_database_backend(),
        &[("resource_id", Type::Uuid), ("field", Type::Text)],
    );
    let sql = format!(
        "DELETE FROM ignored_differences WHERE (resource_id, field) IN (SELECT v.resource_id, v.field FROM {list})"
    );
    let rows = deleted
        .iter()
        .map(|(id, field)| json!({ "resource_id": lists::uuid(*id), "field": field }));
    execute_in_txn(txn, &sql, rows.collect(), None).await
}

/// Adds to the hits of each rule, in the order of their ids.
async fn count_hits_in_txn(
    txn: &DatabaseTransaction,
    recorded: &[(Uuid, &Ignored)],
    now: DateTime<Utc>,
) -> Result<()> {
    let mut hits: BTreeMap<Uuid, u32> = BTreeMap::new();
    for (_, ignored) in recorded {
        *hits.entry(ignored.rule).or_default() += 1;
    }
    let list = lists::rows(
        txn.get_database_backend(),
        &[("id", Type::Uuid), ("hits", Type::Integer)],
    );
    let sql = format!(
        "UPDATE ignore_rules SET hits = ignore_rules.hits + v.hits, last_hit_at = $2 FROM {list} \
         WHERE ignore_rules.id = v.id"
    );
    let rows = hits
        .iter()
        .map(|(id, hits)| json!({ "id": lists::uuid(*id), "hits": hits }));
    execute_in_txn(txn, &sql, rows.collect(), Some(now)).await
}

async fn execute_in_txn(
    txn: &DatabaseTransaction,
    sql: &str,
    rows: Vec<Value>,
    now: Option<DateTime<Utc>>,
) -> Result<()> {
    let rows = Value::Array(rows).to_string();
    let values = std::iter::once(rows.into()).chain(now.map(Into::into));
    let statement = Statement::from_sql_and_values(txn.get_database_backend(), sql, values);
    txn.execute_raw(statement).await?;
    Ok(())
}

/// Returns the event of an ignored difference. The expected value of a missing resource is its whole spec, which is not
/// logged.
fn event(resource_id: Uuid, ignored: &Ignored) -> NewEvent {
    let finding = &ignored.finding;
    let mut data = json!({ "field": finding.field, "ruleId": ignored.rule });
    if let (Some(data), true) = (data.as_object_mut(), finding.field != WHOLE_RESOURCE) {
        data.insert("expected".to_owned(), finding.expected.clone());
        data.insert("actual".to_owned(), finding.actual.clone());
    }
    NewEvent {
        resource_id,
        event_type: EventType::DifferenceIgnored,
        data,
    }
}

/// Newest first.
pub(crate) const NEWEST_FIRST: Order<ignored::Column> = Order {
    time: Some(ignored::Column::IgnoredAt),
    id: ignored::Column::Id,
    descending: true,
};

/// Which ignored differences to return.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct IgnoredFilter {
    /// Only those of this rule.
    pub(crate) rule: Option<Uuid>,
    /// Only those that wait until more sweeps have seen them, or only the others.
    pub(crate) waiting: Option<bool>,
}

/// Selects ignored differences.
fn select(filter: IgnoredFilter) -> Select<ignored::Entity> {
    let select = match filter.rule {
        Some(rule) => ignored::Entity::find().filter(ignored::Column::RuleId.eq(rule)),
        None => ignored::Entity::find(),
    };
    match filter.waiting {
        Some(true) => select.filter(ignored::Column::Sweeps.is_not_null()),
        Some(false) => select.filter(ignored::Column::Sweeps.is_null()),
        None => select,
    }
}

/// Returns one page of the ignored differences, newest first.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn list<C: ConnectionTrait>(
    connection: &C,
    filter: IgnoredFilter,
    request: &PageRequest,
) -> Result<Page<ignored::Model>> {
    page::fetch(connection, select(filter), NEWEST_FIRST, request).await
}

/// Returns the number of ignored differences.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn count<C: ConnectionTrait>(connection: &C, filter: IgnoredFilter) -> Result<i64> {
    page::count(connection, select(filter), ignored::Column::Id).await
}

/// Returns the number of ignored differences of each of these rules. Rules without any are left out.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn counts_of<C: ConnectionTrait>(
    connection: &C,
    rules: &[Uuid],
) -> Result<Vec<(Uuid, i64)>> {
    let of_rules =
        select(IgnoredFilter::default()).filter(ignored::Column::RuleId.is_in(rules.iter().copied()));
    page::count_by_parent(connection, of_rules, ignored::Column::RuleId).await
}

/// Returns the ignored difference with this id.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn find<C: ConnectionTrait>(connection: &C, id: Uuid) -> Result<Option<ignored::Model>> {
    page::find_one(connection, ignored::Entity::find_by_id(id)).await
}

/// Returns the ignored differences of a resource.
///
/// # Errors
///
/// The database is unavailable.
pub(super) async fn of<C: ConnectionTrait>(connection: &C, resource: Uuid) -> Result<Vec<ignored::Model>> {
    let select = ignored::Entity::find().filter(ignored::Column::ResourceId.eq(resource));
    Ok(decodable(select, connection).await?.0)
}
