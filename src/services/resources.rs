//! Queries of the inventory.

use std::collections::HashMap;

use entity::resource_states::{self as states, Class};
use entity::{cloud_provisioned as provisioned, cloud_resources as resources};
use sea_orm::sea_query::{Expr, ExprTrait, Func, Query, SelectStatement};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, EntityTrait, Iterable as _, QueryFilter,
    QuerySelect as _, Select,
};
use uuid::Uuid;

use super::choices::Choice;
use super::page::{self, Order, Page, PageRequest};
use super::search::{self, Found};
use super::{drift_rows, totals};
use crate::db::{decodable, lists};
use crate::domain::validation::{MAX_TEXT_BYTES, check_text};
use crate::error::Result;

/// A filter of resources. A resource matches if it meets all conditions that are set.
#[derive(Clone, Debug, Default)]
pub struct ResourceFilter {
    /// The provider.
    pub provider: Option<String>,
    /// Kind within the provider.
    pub kind: Option<String>,
    /// Region slug.
    pub region: Option<String>,
    /// Name of the source that lists it.
    pub source: Option<String>,
    /// Whether it is managed (true) or unmanaged (false), as coverage counts it. Some resources are neither.
    pub managed: Option<bool>,
    /// Whether it has an open drift.
    pub drifted: Option<bool>,
    /// Whether it is gone.
    pub gone: Option<bool>,
    /// A substring of the name or the provider id. Case is ignored for ASCII letters.
    pub search: Option<String>,
    /// Conditions with several values.
    pub choices: ResourceChoices,
}

/// Conditions with several values, and exclusions. A resource without a region meets every exclusion of regions.
#[derive(Clone, Debug, Default)]
pub struct ResourceChoices {
    /// Providers.
    pub provider: Choice<String>,
    /// Kinds within the provider.
    pub kind: Choice<String>,
    /// Region slugs.
    pub region: Choice<String>,
    /// Names of the sources.
    pub source: Choice<String>,
}

impl ResourceChoices {
    fn sql(&self, backend: DbBackend) -> Condition {
        let texts = [
            (resources::Column::Provider, &self.provider),
            (resources::Column::Kind, &self.kind),
            (resources::Column::Region, &self.region),
            (resources::Column::Source, &self.source),
        ];
        let conditions = texts
            .into_iter()
            .flat_map(|(column, choice)| choice.sql(backend, &Expr::col((resources::Entity, column))));
        conditions.fold(Condition::all(), Condition::add)
    }

    /// Returns the conditions on the columns of provider, kind and region of another table, which has an empty text for
    /// no region. Returns None if it lacks a column.
    pub(super) fn of_columns<C: ColumnTrait>(&self, [provider, kind, region]: [C; 3]) -> Option<Condition> {
        if !self.source.is_any() || self.region.has_empty() {
            return None;
        }
        let all = totals::with_choice(Condition::all(), provider, &self.provider);
        let all = totals::with_choice(all, kind, &self.kind);
        Some(totals::with_choice(all, region, &self.region))
    }
}

/// Orders by id, which is the order in which the rows were created.
pub(crate) const BY_ID: Order<resources::Column> = Order {
    time: None,
    id: resources::Column::Id,
    descending: false,
};

/// Returns the name of the source that lists the resource; None until a listing contains it.
pub(crate) fn source_of(resource: &resources::Model) -> Option<&str> {
    Some(resource.source.as_str()).filter(|name| !name.is_empty())
}

/// Returns one page of the inventory.
///
/// # Errors
///
/// BAD_USER_INPUT if the filter is not valid.
pub(crate) async fn list<C: ConnectionTrait>(
    connection: &C,
    filter: &ResourceFilter,
    request: &PageRequest,
) -> Result<Page<resources::Model>> {
    check(filter)?;
    if let Some(condition) = of_states(filter) {
        return list_by_states(connection, condition, request).await;
    }
    let select = select_quickly(connection, filter).await?;
    page::fetch(connection, select, BY_ID, request).await
}

/// Returns the number of resources that match the filter.
pub(crate) async fn count<C: ConnectionTrait>(connection: &C, filter: &ResourceFilter) -> Result<i64> {
    check(filter)?;
    if let Some(total) = totals::count_resources(connection, filter).await? {
        return Ok(total);
    }
    let select = select_quickly(connection, filter).await?;
    page::count(connection, select, resources::Column::Id).await
}

/// Returns the number of unsynced resources with a spec in force.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn never_listed<C: ConnectionTrait>(connection: &C) -> Result<i64> {
    let never = resources::Entity::find()
        .filter(resources::Column::FirstSeenAt.is_null())
        .filter(resources::Column::GoneAt.is_null())
        .filter(has_spec());
    page::count(connection, never, resources::Column::Id).await
}

/// Returns the resources with these ids, with one statement.
pub async fn by_ids<C: ConnectionTrait>(connection: &C, ids: &[Uuid]) -> Result<Vec<resources::Model>> {
    let select = resources::Entity::find().filter(resources::Column::Id.is_in(ids.iter().copied()));
    Ok(decodable(select, connection).await?.0)
}

/// Returns the resources with these ids, with one statement. Their attributes, which may be large, are not read: the maps
/// are empty.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn without_attrs<C: ConnectionTrait>(
    connection: &C,
    ids: &[Uuid],
) -> Result<Vec<resources::Model>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let empty = match connection.get_database_backend() {
        DbBackend::Postgres => "CAST('{}' AS jsonb)",
        _ => "'{}'",
    };
    let others = resources::Column::iter().filter(|column| !matches!(column, resources::Column::Attrs));
    let select = resources::Entity::find()
        .select_only()
        .columns(others)
        .expr_as(Expr::cust(empty), "attrs")
        .filter(resources::Column::Id.is_in(ids.iter().copied()));
    Ok(decodable(select, connection).await?.0)
}

fn check(filter: &ResourceFilter) -> Result<()> {
    let texts = [
        ("provider", &filter.provider),
        ("kind", &filter.kind),
        ("region", &filter.region),
        ("source", &filter.source),
        ("search", &filter.search),
    ];
    for (what, text) in texts {
        check_text(what, text.as_deref().unwrap_or_default(), MAX_TEXT_BYTES)?;
    }
    let choices = &filter.choices;
    choices.provider.check("provider")?;
    choices.kind.check("kind")?;
    choices.region.check("region")?;
    choices.source.check("source")?;
    Ok(())
}

/// Selects the resources that match. Those with a rare text are found by their ids.
async fn select_quickly<C: ConnectionTrait>(
    connection: &C,
    filter: &ResourceFilter,
) -> Result<Select<resources::Entity>> {
    let select = select(connection, filter)?;
    let text = filter.search.as_ref().filter(|text| !text.is_empty());
    let found = match text {
        Some(text) => search::resources_with(connection, text).await?,
        None => Found::Many,
    };
    Ok(match found {
        Found::Few(ids) => {
            let backend = connection.get_database_backend();
            select.filter(lists::among(backend, r#""cloud_resources"."id""#, ids))
        }
        Found::Several(_) | Found::Many => select,
    })
}

/// Selects the resources that match, by the tables that the states are kept from. A write decides by these.
pub(super) fn select<C: ConnectionTrait>(
    connection: &C,
    filter: &ResourceFilter,
) -> Result<Select<resources::Entity>> {
    check(filter)?;
    let mut condition = of_columns(filter)
        .add(filter.choices.sql(connection.get_database_backend()))
        .add_option(filter.managed.map(managed))
        .add_option(filter.drifted.map(drifted));
    if let Some(text) = filter.search.as_ref().filter(|text| !text.is_empty()) {
        condition = condition.add(search::in_resource(connection.get_database_backend(), text));
    }
    Ok(resources::Entity::find().filter(condition))
}

/// Returns the conditions of the filter on columns of the resource.
fn of_columns(filter: &ResourceFilter) -> Condition {
    let equal = |column: resources::Column, text: &Option<String>| text.as_ref().map(|text| column.eq(text));
    Condition::all()
        .add_option(equal(resources::Column::Provider, &filter.provider))
        .add_option(equal(resources::Column::Kind, &filter.kind))
        .add_option(equal(resources::Column::Region, &filter.region))
        .add_option(equal(resources::Column::Source, &filter.source))
        .add_option(filter.gone.map(|gone| {
            if gone {
                resources::Column::GoneAt.is_not_null()
            } else {
                resources::Column::GoneAt.is_null()
            }
        }))
}

/// Returns the conditions of the filter on the states of resources, whose indexes give the order of a page for each
/// class. Returns None if the states lack a column of the filter: a state has an empty text for no region.
fn of_states(filter: &ResourceFilter) -> Option<Condition> {
    let is_searched = filter.search.as_ref().is_some_and(|text| !text.is_empty());
    if filter.managed.is_none() && filter.drifted.is_none()
        || is_searched
        || filter.source.is_some()
        || filter.region.as_deref() == Some("")
    {
        return None;
    }
    let columns = [
        states::Column::Provider,
        states::Column::Kind,
        states::Column::Region,
    ];
    let choices = filter.choices.of_columns(columns)?;
    let equal = |column: states::Column, text: &Option<String>| text.as_ref().map(|text| column.eq(text));
    let has_drift = |wanted| {
        let open = states::Column::OpenChanged
            .gt(0)
            .or(states::Column::OpenMissing.gt(0));
        if wanted { open } else { open.not() }
    };
    let class = |managed| if managed { Class::Managed } else { Class::Unmanaged };
    let conditions = choices
        .add_option(
            filter
                .managed
                .map(|managed| states::Column::Class.eq(class(managed))),
        )
        .add_option(filter.drifted.map(has_drift))
        .add_option(equal(states::Column::Provider, &filter.provider))
        .add_option(equal(states::Column::Kind, &filter.kind))
        .add_option(equal(states::Column::Region, &filter.region))
        .add_option(filter.gone.map(|gone| states::Column::Gone.eq(gone)));
    Some(conditions)
}

/// Returns one page of the resources whose states meet the condition.
async fn list_by_states<C: ConnectionTrait>(
    connection: &C,
    condition: Condition,
    request: &PageRequest,
) -> Result<Page<resources::Model>> {
    let by_id = Order {
        time: None,
        id: states::Column::ResourceId,
        descending: false,
    };
    let page = page::fetch(
        connection,
        states::Entity::find().filter(condition),
        by_id,
        request,
    )
    .await?;
    let ids: Vec<Uuid> = page.rows.iter().map(|(key, _)| key.id).collect();
    let found = by_ids(connection, &ids).await?;
    let mut found: HashMap<Uuid, resources::Model> = found.into_iter().map(|row| (row.id, row)).collect();
    let rows = page
        .rows
        .iter()
        .filter_map(|(key, _)| Some((*key, found.remove(&key.id)?)));
    Ok(Page {
        rows: rows.collect(),
        start: page.start,
        end: page.end,
        has_next: page.has_next,
        has_previous: page.has_previous,
    })
}

fn drifted(wanted: bool) -> Expr {
    let exists = drift_rows::exists_open_of((resources::Entity, resources::Column::Id), None);
    if wanted { exists } else { exists.not() }
}

fn managed(wanted: bool) -> Condition {
    if wanted {
        Condition::all().add(has_spec())
    } else {
        unmanaged()
    }
}

/// Returns the condition that a resource is unmanaged: it exists, has no spec in force and is not owned.
pub(super) fn unmanaged() -> Condition {
    without_spec().add(resources::Column::Owned.eq(false))
}

/// Returns the condition that a resource exists without a spec in force. It excludes unsynced resources, because it is
/// not known whether they exist.
fn without_spec() -> Condition {
    Condition::all()
        .add(resources::Column::FirstSeenAt.is_not_null())
        .add(resources::Column::GoneAt.is_null())
        .add(has_spec().not())
}

/// Returns the condition that a spec is in force.
pub(super) fn has_spec() -> Expr {
    Expr::exists(active_spec())
}

/// Returns the condition that a spec is in force and sets this top-level field.
pub(super) fn spec_sets(field: &str, backend: DbBackend) -> Expr {
    let spec = Expr::col((provisioned::Entity, provisioned::Column::Spec));
    let value = match backend {
        DbBackend::Sqlite => {
            Expr::cust_with_exprs("json_type(?, ?)", [spec, Expr::val(format!("$.\"{field}\""))])
        }
        _ => Expr::cust_with_exprs("$1 -> $2", [spec, Expr::val(field)]),
    };
    Expr::exists(active_spec().and_where(value.is_not_null()).to_owned())
}

fn active_spec() -> SelectStatement {
    Query::select()
        .expr(Expr::cust("1"))
        .from(provisioned::Entity)
        .and_where(
            Expr::col((provisioned::Entity, provisioned::Column::ResourceId))
                .equals((resources::Entity, resources::Column::Id)),
        )
        .and_where(provisioned::Column::RetiredAt.is_null())
        .take()
}

/// Returns the condition that the column contains `text`. Case is ignored for ASCII letters only, because `lower()` of
/// SQLite converts no other letters. The collation limits `lower()` of PostgreSQL to the same letters. LIKE is not
/// used, because it treats `%` and `_` as wildcards.
pub(super) fn contains_ignoring_ascii_case<C: ColumnTrait>(
    backend: DbBackend,
    column: C,
    text: &str,
) -> Expr {
    let column = Expr::col(column.as_column_ref());
    let needle = text.to_ascii_lowercase();
    let place = match backend {
        DbBackend::Sqlite => Func::cust("instr").arg(Func::lower(column)).arg(needle),
        _ => Func::cust("strpos")
            .arg(Expr::cust_with_exprs(r#"lower($1 COLLATE "C")"#, [column]))
            .arg(needle),
    };
    Expr::expr(place).gt(0)
}
