//! Groups of drifts: those with the same field, values and kind of resource are one row.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use entity::cloud_drift::{self as drift, DriftKind};
use sea_orm::sea_query::{Alias, Asterisk, Expr, ExprTrait as _, Func, Query, SelectStatement};
use sea_orm::{ConnectionTrait, DbBackend, Order as Direction, QueryResult, QueryTrait as _};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::inbox::{self, DriftFilter, FilteredResource, resource_kind, resource_region};
use super::page::{Key, Page, PageRequest};
use super::search;
use crate::db::column;
use crate::domain::causes::{Cause, DIGEST};
use crate::domain::detection::value_or_null;
use crate::domain::validation::{InvalidInput, MAX_TEXT_BYTES, check_text};
use crate::error::Result;

/// A property by which drifts are grouped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum GroupBy {
    /// Name of the field.
    #[serde(rename = "f")]
    Field,
    /// Expected value; the kind of the resource if that is missing.
    #[serde(rename = "e")]
    Expected,
    /// Live value.
    #[serde(rename = "a")]
    Actual,
    /// Kind of the resource.
    #[serde(rename = "k")]
    Kind,
    /// Region of the resource.
    #[serde(rename = "r")]
    Region,
    /// Source that lists the resource.
    #[serde(rename = "s")]
    Source,
}

/// The properties that make one cause.
pub const BY_CAUSE: [GroupBy; 4] = [GroupBy::Field, GroupBy::Expected, GroupBy::Actual, GroupBy::Kind];

/// The live value of a missing resource, in keys of groups.
const MISSING: &str = "missing";

impl GroupBy {
    /// Returns the value of this property of a drift, as text. It is null for a resource without a region.
    fn sql(self, backend: DbBackend) -> Expr {
        let field = || Expr::col((drift::Entity, drift::Column::Field));
        match self {
            Self::Field => field(),
            Self::Kind => resource_kind(),
            Self::Region => resource_region(),
            Self::Source => search::source_of_resource(),
            Self::Expected => Expr::cust(digest_sql(
                backend,
                1,
                "'missing:' || \"cloud_drift\".\"resource_kind\"",
            )),
            Self::Actual => Expr::cust(digest_sql(backend, DIGEST + 1, "'missing'")),
        }
    }

    /// Returns the same for a drift in memory.
    fn of(self, drift: &drift::Model, resource: &FilteredResource) -> Option<String> {
        let cause = || Cause::of(value_or_null(&drift.expected), value_or_null(&drift.actual));
        match self {
            Self::Field => Some(drift.field.clone()),
            Self::Kind => Some(resource.kind.clone()),
            Self::Region => resource.region.clone(),
            Self::Source => Some(resource.source.clone()),
            Self::Expected if drift.kind == DriftKind::Missing => {
                Some(format!("{MISSING}:{}", resource.kind))
            }
            Self::Actual if drift.kind == DriftKind::Missing => Some(MISSING.to_owned()),
            Self::Expected => Some(cause().expected),
            Self::Actual => Some(cause().actual),
        }
    }
}

/// Returns SQL for one of the digests of a drift. A row that a server of an earlier release wrote has none for its
/// current values until the next sweep: it is a group of its own.
fn digest_sql(backend: DbBackend, from: usize, missing: &str) -> String {
    format!(
        "CASE WHEN \"cloud_drift\".\"kind\" = 'missing' THEN {missing} \
         WHEN \"cloud_drift\".\"cause_revision\" = \"cloud_drift\".\"revision\" \
         THEN substr(\"cloud_drift\".\"cause\", {from}, {DIGEST}) ELSE 'row:' || {} END",
        id_sql(backend)
    )
}

/// Returns SQL for the id of a drift as 32 hexadecimal digits, whose order is that of the ids.
fn id_sql(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::Postgres => "replace(CAST(\"cloud_drift\".\"id\" AS text), '-', '') COLLATE \"C\"",
        _ => "lower(hex(\"cloud_drift\".\"id\"))",
    }
}

/// The key of a group: the values of the properties that its drifts have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct GroupKey(Vec<(GroupBy, Option<String>)>);

impl GroupKey {
    /// Parses the text of [`GroupKey::to_text`].
    ///
    /// # Errors
    ///
    /// The text is not the key of a group.
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidInput> {
        check_text("group", text, 4 * MAX_TEXT_BYTES)?;
        let bytes = URL_SAFE_NO_PAD.decode(text).ok();
        let key = bytes.and_then(|bytes| serde_json::from_slice::<Self>(&bytes).ok());
        let invalid = || InvalidInput::new("group is not the key of a group");
        let key = key
            .filter(|Self(values)| !values.is_empty() && values.len() <= 6)
            .ok_or_else(invalid)?;
        for text in key.0.iter().filter_map(|(_, text)| text.as_ref()) {
            check_text("group", text, MAX_TEXT_BYTES)?;
        }
        Ok(key)
    }

    /// Returns the key as an opaque text.
    pub(crate) fn to_text(&self) -> String {
        // A list of texts can always be written as JSON.
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    /// Returns the value of a property, if the group has one.
    pub(crate) fn value(&self, by: GroupBy) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(property, _)| *property == by)?;
        value.as_deref()
    }

    /// Returns whether drifts were grouped by this property.
    pub(crate) fn has(&self, by: GroupBy) -> bool {
        self.0.iter().any(|(property, _)| *property == by)
    }

    /// Returns the conditions that a drift is in the group.
    pub(super) fn sql(&self, backend: DbBackend) -> impl Iterator<Item = Expr> {
        self.0.iter().map(move |(by, value)| match value {
            Some(value) => by.sql(backend).eq(value.as_str()),
            None => by.sql(backend).is_null(),
        })
    }

    /// Returns whether a drift of this resource is in the group.
    pub(super) fn matches(&self, drift: &drift::Model, resource: &FilteredResource) -> bool {
        self.0.iter().all(|(by, value)| by.of(drift, resource) == *value)
    }
}

/// A group of drifts.
#[derive(Clone, Debug)]
pub(crate) struct DriftGroup {
    /// What the drifts have in common.
    pub(crate) key: GroupKey,
    /// Number of drifts.
    pub(crate) count: i64,
    /// Number of their resources.
    pub(crate) resources: i64,
    /// When the first of them was detected.
    pub(crate) first_detected_at: DateTime<Utc>,
    /// When the last of them was detected.
    pub(crate) last_detected_at: DateTime<Utc>,
    /// The newest drift; None if it does not decode.
    pub(crate) newest: Option<drift::Model>,
    /// The oldest drift; None if it does not decode.
    pub(crate) oldest: Option<drift::Model>,
}

fn alias(name: &str) -> Alias {
    Alias::new(name)
}

fn name_of(place: usize) -> Alias {
    alias(&format!("key_{place}"))
}

/// Selects the groups of the drifts that match: one row for each.
fn groups(backend: DbBackend, filter: &DriftFilter, by: &[GroupBy]) -> SelectStatement {
    let mut drifts = filter.select(backend).into_query();
    drifts.clear_selects();
    for (place, by) in by.iter().enumerate() {
        drifts.expr_as(by.sql(backend), name_of(place));
    }
    drifts
        .expr_as(Expr::cust(id_sql(backend)), alias("row_id"))
        .expr_as(Expr::col((drift::Entity, drift::Column::ResourceId)), alias("of"))
        .expr_as(Expr::col((drift::Entity, drift::Column::DetectedAt)), alias("at"));
    let keys = || (0..by.len()).map(name_of);
    let col = |name: &str| Expr::col(alias(name));
    Query::select()
        .columns(keys())
        .expr_as(Expr::col(Asterisk).count(), alias("n"))
        .expr_as(Func::count_distinct(col("of")), alias("resources"))
        .expr_as(col("at").min(), alias("first_at"))
        .expr_as(col("at").max(), alias("last_at"))
        .expr_as(col("row_id").min(), alias("oldest"))
        .expr_as(col("row_id").max(), alias("newest"))
        .from_subquery(drifts, alias("drifts"))
        .group_by_columns(keys())
        .to_owned()
}

/// Returns a page of the groups of the drifts that match, those with the newest drifts first. The database groups them,
/// with two statements; a drift that is in no page changes no page but its own.
///
/// # Errors
///
/// BAD_USER_INPUT if the filter is not valid.
pub(crate) async fn list<C: ConnectionTrait>(
    connection: &C,
    filter: &DriftFilter,
    by: &[GroupBy],
    request: &PageRequest,
) -> Result<Page<DriftGroup>> {
    filter.check()?;
    let backend = connection.get_database_backend();
    let direction = match request.backward {
        true => Direction::Asc,
        false => Direction::Desc,
    };
    let mut select = Query::select()
        .column(Asterisk)
        .from_subquery(groups(backend, filter, by), alias("groups"))
        .order_by(alias("last_at"), direction.clone())
        .order_by(alias("newest"), direction)
        .limit(request.limit + 1)
        .to_owned();
    let place = || Expr::tuple([Expr::col(alias("last_at")), Expr::col(alias("newest"))]);
    let at =
        |time: DateTime<Utc>, id: Uuid| Expr::tuple([Expr::val(time), Expr::val(id.simple().to_string())]);
    if let Some(Key { time: Some(time), id }) = request.after {
        select.and_where(place().lt(at(time, id)));
    }
    if let Some(Key { time: Some(time), id }) = request.before {
        select.and_where(place().gt(at(time, id)));
    }
    let rows = connection.query_all(&select).await?;
    let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
    let has_more = rows.len() > limit;
    let mut read: Vec<(Key, Uuid, DriftGroup)> = rows
        .iter()
        .take(limit)
        .filter_map(|row| group_of(row, by))
        .collect();
    if request.backward {
        read.reverse();
    }
    let mut ids: Vec<Uuid> = read
        .iter()
        .flat_map(|(key, oldest, _)| [key.id, *oldest])
        .collect();
    ids.sort_unstable();
    ids.dedup();
    let examples = inbox::by_ids(connection, ids).await?;
    let find = |id: Uuid| examples.iter().find(|drift| drift.id == id).cloned();
    let with_examples = |(key, oldest, mut group): (Key, Uuid, DriftGroup)| {
        group.newest = find(key.id);
        group.oldest = find(oldest);
        (key, group)
    };
    let rows: Vec<_> = read.into_iter().map(with_examples).collect();
    Ok(Page {
        start: rows.first().map(|(key, _)| *key),
        end: rows.last().map(|(key, _)| *key),
        has_next: if request.backward {
            request.before.is_some()
        } else {
            has_more
        },
        has_previous: if request.backward {
            has_more
        } else {
            request.after.is_some()
        },
        rows,
    })
}

/// Returns the number of groups of the drifts that match.
///
/// # Errors
///
/// BAD_USER_INPUT if the filter is not valid.
pub(crate) async fn count<C: ConnectionTrait>(
    connection: &C,
    filter: &DriftFilter,
    by: &[GroupBy],
) -> Result<i64> {
    filter.check()?;
    let groups = groups(connection.get_database_backend(), filter, by);
    let select = Query::select()
        .expr_as(Expr::col(Asterisk).count(), alias("n"))
        .from_subquery(groups, alias("groups"))
        .to_owned();
    let row = connection.query_one(&select).await?;
    Ok(row.map_or(Ok(0), |row| row.try_get("", "n"))?)
}

/// Decodes a row of [`groups`]: its position, the id of its oldest drift, and the group. Returns None if it does not
/// decode, which another program may have caused.
fn group_of(row: &QueryResult, by: &[GroupBy]) -> Option<(Key, Uuid, DriftGroup)> {
    let id = |name| Uuid::try_parse(&column::<String>(row, "", name).ok()?).ok();
    let time = |name| column::<DateTime<Utc>>(row, "", name).ok();
    let values = by.iter().enumerate().map(|(place, by)| {
        let value = column::<Option<String>>(row, "", &format!("key_{place}")).ok()?;
        Some((*by, value))
    });
    let group = DriftGroup {
        key: GroupKey(values.collect::<Option<_>>()?),
        count: column(row, "", "n").ok()?,
        resources: column(row, "", "resources").ok()?,
        first_detected_at: time("first_at")?,
        last_detected_at: time("last_at")?,
        newest: None,
        oldest: None,
    };
    let key = Key {
        time: Some(group.last_detected_at),
        id: id("newest")?,
    };
    Some((key, id("oldest")?, group))
}
