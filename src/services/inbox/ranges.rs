//! The ranges of the indexes by status, kind and region of the resource, and time, which contain the drifts of a kind
//! or a region.

use entity::cloud_drift::{self as drift, DriftKind, DriftStatus};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{ActiveEnum as _, Condition, ConnectionTrait, DbBackend, QueryFilter as _, Select, Statement};

use super::DriftFilter;
use super::filter::{constant, resource_kind, resource_region};
use crate::db::column;
use crate::error::Result;
use crate::services::choices::Choice;
use crate::services::totals;

/// Maximum number of ranges of a page. The time to plan the statement of a page grows faster than their number.
const MAX_RANGES: usize = 64;

/// Selects the regions that drifts of a kind have. Reads one entry of the index for each region. Each subquery needs
/// the order of the index: PostgreSQL may read the whole table to find any one row.
const REGIONS: &str = "WITH RECURSIVE statuses (status) AS ({statuses}), found (status, value) AS ( \
     SELECT s.status, (SELECT min(d.resource_region) FROM cloud_drift AS d \
     WHERE d.status = s.status AND d.resource_kind = $1) FROM statuses AS s \
     UNION ALL SELECT f.status, (SELECT min(d.resource_region) FROM cloud_drift AS d \
     WHERE d.status = f.status AND d.resource_kind = $1 AND d.resource_region > f.value) \
     FROM found AS f WHERE f.value IS NOT NULL) \
     SELECT status, value FROM found WHERE value IS NOT NULL \
     UNION ALL SELECT s.status, NULL FROM statuses AS s WHERE (SELECT d.resource_region IS NULL FROM cloud_drift AS d \
     WHERE d.status = s.status AND d.resource_kind = $1 ORDER BY d.resource_region DESC NULLS FIRST LIMIT 1) \
     LIMIT {limit}";

/// Selects the kinds that drifts of a region have. Reads two entries of the index for each kind, in subqueries like
/// those of [`REGIONS`].
const KINDS: &str = "WITH RECURSIVE statuses (status) AS ({statuses}), found (status, value) AS ( \
     SELECT s.status, (SELECT min(d.resource_kind) FROM cloud_drift AS d WHERE d.status = s.status) \
     FROM statuses AS s \
     UNION ALL SELECT f.status, (SELECT min(d.resource_kind) FROM cloud_drift AS d \
     WHERE d.status = f.status AND d.resource_kind > f.value) FROM found AS f WHERE f.value IS NOT NULL) \
     SELECT f.status, f.value FROM found AS f WHERE f.value IS NOT NULL AND (SELECT min(d.resource_region) \
     FROM cloud_drift AS d WHERE d.status = f.status AND d.resource_kind = f.value AND d.resource_region >= $1) = $1 \
     LIMIT {limit}";

/// The drifts with one status, of resources of one kind and region.
struct Range {
    status: DriftStatus,
    kind: String,
    /// None means that the resources have no region.
    region: Option<String>,
}

impl Range {
    /// Selects the drifts of this range that match the other conditions of the filter.
    fn select(&self, filter: &DriftFilter, backend: DbBackend) -> Select<drift::Entity> {
        let mut of_status = DriftFilter {
            status: vec![self.status],
            resource_kind: None,
            region: None,
            ..filter.clone()
        };
        of_status.choices.resource_kind = Choice::default();
        of_status.choices.region = Choice::default();
        let of_region = match &self.region {
            Some(region) => resource_region().eq(region.as_str()),
            None => resource_region().is_null(),
        };
        let mut condition = Condition::all()
            .add(resource_kind().eq(self.kind.as_str()))
            .add(of_region);
        if self.status != DriftStatus::Open {
            // SQLite uses a partial index only if the statement has its condition.
            let status = Expr::col((drift::Entity, drift::Column::Status));
            condition = condition.add(status.ne(constant(DriftStatus::Open.to_value())));
        }
        of_status.select(backend).filter(condition)
    }
}

/// Returns one select for each range with drifts of a filter by kind or region. Returns None if there are more than 64
/// ranges, or if another index may find the drifts with less work.
///
/// # Errors
///
/// The database is unavailable.
pub(super) async fn of<C: ConnectionTrait>(
    connection: &C,
    filter: &DriftFilter,
) -> Result<Option<Vec<Select<drift::Entity>>>> {
    let choices = &filter.choices;
    let has_other_index = filter.field.is_some()
        || !choices.field.is_any()
        || !choices.groups.is_empty()
        || filter.resource_id.is_some()
        || filter.flapping == Some(true)
        || choices.resource_id.any_of.is_some()
        || filter.address.is_some()
        || choices.address.any_of.is_some();
    if has_other_index || filter.kind == Some(DriftKind::Missing) {
        return Ok(None);
    }
    let statuses = filter.statuses();
    if !choices.resource_kind.is_any() || !choices.region.is_any() {
        return of_several(connection, filter).await;
    }
    let ranges = match (&filter.resource_kind, &filter.region) {
        (Some(kind), Some(region)) => {
            let range = |status| Range {
                status,
                kind: kind.clone(),
                region: Some(region.clone()),
            };
            Some(statuses.into_iter().map(range).collect())
        }
        (Some(kind), None) => {
            let regions = values(connection, REGIONS, &statuses, kind).await?;
            let range = |(status, region)| Range {
                status,
                kind: kind.clone(),
                region,
            };
            regions.map(|regions| regions.into_iter().map(range).collect())
        }
        (None, Some(region)) => {
            let kinds = values(connection, KINDS, &statuses, region).await?;
            let range = |(status, kind): (_, Option<String>)| {
                Some(Range {
                    status,
                    kind: kind?,
                    region: Some(region.clone()),
                })
            };
            kinds.and_then(|kinds| kinds.into_iter().map(range).collect())
        }
        (None, None) => None,
    };
    let backend = connection.get_database_backend();
    Ok(ranges.map(|ranges: Vec<Range>| ranges.iter().map(|range| range.select(filter, backend)).collect()))
}

/// Returns one select for each range with drifts of a filter by several kinds or regions. The totals name the ranges.
async fn of_several<C: ConnectionTrait>(
    connection: &C,
    filter: &DriftFilter,
) -> Result<Option<Vec<Select<drift::Entity>>>> {
    let backend = connection.get_database_backend();
    let Some(places) = totals::places(connection, filter, MAX_RANGES).await? else {
        return Ok(None);
    };
    let mut selects = Vec::with_capacity(places.len());
    for (status, kind, region) in places {
        // The totals have no region as an empty one.
        let has_none = region.is_empty();
        let mut range = Range {
            status,
            kind,
            region: Some(region),
        };
        selects.push(range.select(filter, backend));
        if has_none {
            range.region = None;
            selects.push(range.select(filter, backend));
        }
    }
    Ok(Some(selects))
}

/// Returns the values that a statement selects, each with its status. Returns None if there are too many, or if one
/// does not decode, which another program may have written.
async fn values<C: ConnectionTrait>(
    connection: &C,
    sql: &str,
    statuses: &[DriftStatus],
    of: &str,
) -> Result<Option<Vec<(DriftStatus, Option<String>)>>> {
    if statuses.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let words = statuses
        .iter()
        .map(|status| format!("SELECT '{}'", status.to_value()));
    let sql = sql
        .replace("{statuses}", &words.collect::<Vec<_>>().join(" UNION ALL "))
        .replace("{limit}", &(MAX_RANGES + 1).to_string());
    let statement = Statement::from_sql_and_values(connection.get_database_backend(), sql, [of.into()]);
    let rows = connection.query_all_raw(statement).await?;
    if rows.len() > MAX_RANGES {
        return Ok(None);
    }
    let values = rows.iter().map(|row| {
        let value = column::<Option<String>>(row, "", "value").ok()?;
        Some((column::<DriftStatus>(row, "", "status").ok()?, value))
    });
    Ok(values.collect())
}
