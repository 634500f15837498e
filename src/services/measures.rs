//! Measures of the inbox. They are read from ranges of indexes, and from at most [`MAX_ROWS`] drifts for each status.

use chrono::{DateTime, TimeDelta, Utc};
use entity::cloud_drift::{self as drift, DriftStatus};
use entity::cloud_resources as resources;
use sea_orm::sea_query::{Alias, Expr, ExprTrait as _, Order, SelectStatement};
use sea_orm::{ConnectionTrait, FromQueryResult, QueryTrait as _};

use super::inbox::{DriftFilter, resource_kind};
use crate::db::Db;
use crate::domain::measures::{By, Group, Sample, What, grouped};
use crate::domain::validation::check_time;
use crate::error::{Error, Result};

/// Maximum number of drifts of one status that are read for one of the measures.
pub const MAX_ROWS: u64 = 20_000;

/// Longest range.
pub const MAX_DAYS: i64 = 366;

/// Maximum number of groups in one answer.
pub const MAX_GROUPS: usize = 100;

/// The measures of a range.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The measures of all drifts that the filter selects.
    pub total: Group,
    /// The same by group, those with the most drifts first; empty without grouping.
    pub groups: Vec<Group>,
    /// Number of groups, also of those that are left out.
    pub group_count: usize,
    /// Whether a list of drifts was longer than [`MAX_ROWS`]. Then the counts are lower bounds.
    pub truncated: bool,
}

/// A drift as the measures need it.
#[derive(Debug, FromQueryResult)]
struct Row {
    source: Option<String>,
    kind: Option<String>,
    detected_at: DateTime<Utc>,
    resolved_at: Option<DateTime<Utc>>,
}

/// Measures the drifts that the filter selects: those that were opened or closed from `from` to before `to`, and those that
/// are open now.
///
/// # Errors
///
/// BAD_USER_INPUT if the filter is not valid, or the range is empty or longer than [`MAX_DAYS`].
pub async fn of(
    db: &Db,
    filter: &DriftFilter,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
    by: By,
    now: DateTime<Utc>,
) -> Result<Measured> {
    of_at_most(db, filter, (from, to), by, (now, MAX_ROWS)).await
}

/// Measures like [`of`], from at most `max_rows` drifts of each status for each of the measures.
///
/// # Errors
///
/// The same as those of [`of`].
pub async fn of_at_most(
    db: &Db,
    filter: &DriftFilter,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
    by: By,
    (now, max_rows): (DateTime<Utc>, u64),
) -> Result<Measured> {
    filter.check()?;
    check_time("from", from)?;
    check_time("to", to)?;
    if from >= to || to - from > TimeDelta::days(MAX_DAYS) {
        return Err(Error::BadUserInput(format!(
            "from must be before to, by at most {MAX_DAYS} days"
        )));
    }
    let connection = db.reader();
    let (mut samples, mut truncated) = (Vec::new(), false);
    for status in &filter.status {
        let parts = match status {
            DriftStatus::Open => [Part::Opened, Part::Open],
            _ => [Part::Opened, Part::Closed],
        };
        for part in parts {
            let select = rows_of(connection, filter, *status, part, (from, to))
                .limit(max_rows + 1)
                .to_owned();
            let rows = connection.query_all(&select).await?;
            truncated |= rows.len() as u64 > max_rows;
            // As in lists, a row that does not decode is left out.
            let rows = rows.iter().filter_map(|row| Row::from_query_result(row, "").ok());
            samples.extend(
                rows.take(max_rows as usize)
                    .filter_map(|row| sample(row, part, now)),
            );
        }
    }
    let range = (from, to);
    let total = grouped(samples.clone(), By::default(), range).into_iter().next();
    let total = total.ok_or_else(|| Error::Internal("there are no measures".to_owned()))?;
    let mut groups = match by == By::default() {
        true => Vec::new(),
        false => grouped(samples, by, range),
    };
    let group_count = groups.len();
    groups.truncate(MAX_GROUPS);
    Ok(Measured {
        total,
        groups,
        group_count,
        truncated,
    })
}

/// What one statement reads of the drifts of a status.
#[derive(Clone, Copy)]
enum Part {
    /// Those that were opened in the range, newest first.
    Opened,
    /// Those that were closed in the range, newest first.
    Closed,
    /// Those that are open now, oldest first.
    Open,
}

fn sample(row: Row, part: Part, now: DateTime<Utc>) -> Option<Sample> {
    let seconds = |end: DateTime<Utc>| Ord::max((end - row.detected_at).num_seconds(), 0);
    let what = match part {
        Part::Opened => What::Opened(row.detected_at),
        Part::Closed => {
            let at = row.resolved_at?;
            What::Closed(at, seconds(at))
        }
        Part::Open => What::OpenFor(seconds(now)),
    };
    Some(Sample {
        source: row.source.unwrap_or_default(),
        kind: row.kind.unwrap_or_default(),
        what,
    })
}

/// Selects the drifts of one status in the order of an index. The records of accepted members are left out: they were never
/// open, and the drift that they belong to counts when it is closed.
fn rows_of<C: ConnectionTrait>(
    connection: &C,
    filter: &DriftFilter,
    status: DriftStatus,
    part: Part,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
) -> SelectStatement {
    let one = DriftFilter {
        status: vec![status],
        ..filter.clone()
    };
    let column = |column: drift::Column| Expr::col((drift::Entity, column));
    let (time, order) = match part {
        Part::Opened => (drift::Column::DetectedAt, Order::Desc),
        Part::Closed => (drift::Column::ResolvedAt, Order::Desc),
        Part::Open => (drift::Column::DetectedAt, Order::Asc),
    };
    let mut select = one.select(connection.get_database_backend()).into_query();
    select
        .clear_selects()
        .expr_as(
            Expr::col((resources::Entity, resources::Column::Source)),
            Alias::new("source"),
        )
        .expr_as(resource_kind(), Alias::new("kind"))
        .expr_as(column(drift::Column::DetectedAt), Alias::new("detected_at"))
        .expr_as(column(drift::Column::ResolvedAt), Alias::new("resolved_at"))
        .left_join(
            resources::Entity,
            Expr::col((resources::Entity, resources::Column::Id))
                .equals((drift::Entity, drift::Column::ResourceId)),
        )
        .and_where(Expr::col((drift::Entity, Alias::new("split_from"))).is_null())
        .order_by((drift::Entity, time), order.clone())
        .order_by((drift::Entity, drift::Column::Id), order);
    if !matches!(part, Part::Open) {
        select
            .and_where(column(time).gte(from))
            .and_where(column(time).lt(to));
    }
    select
}
