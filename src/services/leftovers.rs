//! Leftovers: unmanaged resources that serve nothing. A check after a sync finds them, and pages are read from its result.

mod check;
mod facts;

use chrono::{DateTime, TimeDelta, Utc};
use entity::leftovers::{self as leftovers, LeftoverState};
use entity::{cloud_resources as resources, leftover_checks as checks};
use sea_orm::sea_query::{Expr, ExprTrait as _, Query};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    Select,
};
use uuid::Uuid;

pub use self::check::check_if_due;
use super::page::{self, Order, Page, PageRequest};
use super::resources::has_spec;
use super::sources;
use crate::db::{Db, column, decodable};
use crate::domain::freshness::MaxAge;
use crate::domain::validation::{MAX_TEXT_BYTES, check_text};
use crate::error::{Error, Result};
use crate::provider::leftovers::PROVIDERS;

/// Maximum number of days in a filter.
const MAX_DAYS: i64 = 36_500;

/// Selects leftovers that match every condition.
#[derive(Clone, Debug, Default)]
pub struct LeftoverFilter {
    /// Name of the rule.
    pub rule: Option<String>,
    /// Kind of the resource.
    pub kind: Option<String>,
    /// Region of the resource.
    pub region: Option<String>,
    /// Source of the resource.
    pub source: Option<String>,
    /// Whether it is known to be one.
    pub state: Option<LeftoverState>,
}

/// A leftover as it is shown.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The row.
    pub row: leftovers::Model,
    /// The resource.
    pub resource: resources::Model,
    /// Why it is not known whether it serves something; None if it is known to serve nothing.
    pub unknown_because: Option<String>,
}

/// The number and the price of the selected leftovers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Number of those that are known to serve nothing.
    pub leftovers: i64,
    /// Number of those of which this is not known.
    pub unknown: i64,
    /// Number of known leftovers without a known price.
    pub unpriced: i64,
    /// Sum of the known prices of the known leftovers, in millionths of the currency.
    pub monthly_micros: i64,
    /// When the last check ended.
    pub checked_at: Option<DateTime<Utc>>,
}

/// The order of a page: the oldest first.
const OLDEST_FIRST: Order<leftovers::Column> = Order {
    time: Some(leftovers::Column::Since),
    id: leftovers::Column::Id,
    descending: false,
};

/// The selection of leftovers at one time.
struct Selection {
    filter: LeftoverFilter,
    /// Latest time since which they serve nothing.
    latest: DateTime<Utc>,
    /// Sources whose inventory may be out of date, with the reason.
    stale: Vec<(String, String)>,
}

async fn selection(db: &Db, filter: &LeftoverFilter, days: i64, max_age: &MaxAge) -> Result<Selection> {
    let texts = [&filter.rule, &filter.kind, &filter.region, &filter.source];
    for text in texts.into_iter().flatten() {
        check_text("filter", text, MAX_TEXT_BYTES)?;
    }
    if !(0..=MAX_DAYS).contains(&days) {
        return Err(Error::BadUserInput(format!(
            "olderThanDays must be from 0 to {MAX_DAYS}"
        )));
    }
    let stale = sources::list(db, max_age).await?.into_iter();
    let stale = stale.filter(|source| !source.state.is_recent());
    Ok(Selection {
        filter: filter.clone(),
        latest: db.time(db.reader()).await? - TimeDelta::days(days),
        stale: stale
            .map(|source| (source.row.name.clone(), source.state.text().to_owned()))
            .collect(),
    })
}

impl Selection {
    fn select(&self) -> Select<leftovers::Entity> {
        let filter = &self.filter;
        let equal =
            |column: resources::Column, text: &Option<String>| text.as_ref().map(|text| column.eq(text));
        let of_resource = Condition::all()
            .add(
                Expr::col((resources::Entity, resources::Column::Id))
                    .equals((leftovers::Entity, leftovers::Column::ResourceId)),
            )
            .add(resources::Column::Owned.eq(false))
            .add(resources::Column::GoneAt.is_null())
            .add(has_spec().not())
            .add_option(equal(resources::Column::Kind, &filter.kind))
            .add_option(equal(resources::Column::Region, &filter.region))
            .add_option(equal(resources::Column::Source, &filter.source));
        let mut select = leftovers::Entity::find()
            .filter(leftovers::Column::Since.lte(self.latest))
            .filter(exists(of_resource));
        if let Some(rule) = &filter.rule {
            select = select.filter(leftovers::Column::Rule.eq(rule));
        }
        match filter.state {
            Some(LeftoverState::Leftover) => select.filter(self.is_known()),
            Some(LeftoverState::Unknown) => select.filter(self.is_known().not()),
            None => select,
        }
    }

    /// Returns the condition that a row is known to be a leftover: its check says so, and its source is up to date.
    fn is_known(&self) -> Condition {
        let names: Vec<&str> = self.stale.iter().map(|(name, _)| name.as_str()).collect();
        let known = Condition::all().add(leftovers::Column::State.eq(LeftoverState::Leftover));
        if names.is_empty() {
            return known;
        }
        let of_stale = Condition::all()
            .add(
                Expr::col((resources::Entity, resources::Column::Id))
                    .equals((leftovers::Entity, leftovers::Column::ResourceId)),
            )
            .add(resources::Column::Source.is_in(names));
        known.add(exists(of_stale).not())
    }
}

impl Selection {
    fn show(&self, row: leftovers::Model, resource: resources::Model) -> Shown {
        let stale = self.stale.iter().find(|(name, _)| *name == resource.source);
        let unknown_because = match (&row.state, stale) {
            (_, Some((name, state))) => Some(format!("The source {name} {state}.")),
            (LeftoverState::Unknown, None) => row.unknown_because.clone(),
            (LeftoverState::Leftover, None) => None,
        };
        Shown {
            row,
            resource,
            unknown_because,
        }
    }
}

/// Returns the leftover with this id; None if there is none, or it is managed by now.
///
/// # Errors
///
/// The database is unavailable.
pub async fn find(db: &Db, id: Uuid, max_age: &MaxAge) -> Result<Option<Shown>> {
    let selection = selection(db, &LeftoverFilter::default(), 0, max_age).await?;
    let select = selection.select().filter(leftovers::Column::Id.eq(id));
    let Some(row) = page::find_one(db.reader(), select).await? else {
        return Ok(None);
    };
    let found = super::resources::by_ids(db.reader(), &[row.resource_id]).await?;
    Ok(found
        .into_iter()
        .next()
        .map(|resource| selection.show(row, resource)))
}

fn exists(condition: Condition) -> Expr {
    Expr::exists(
        Query::select()
            .expr(Expr::cust("1"))
            .from(resources::Entity)
            .cond_where(condition)
            .to_owned(),
    )
}

/// Returns one page of the unmanaged resources that have served nothing for this many days, the oldest first.
///
/// # Errors
///
/// BAD_USER_INPUT if the filter is not valid; the database is unavailable.
pub async fn list(
    db: &Db,
    filter: &LeftoverFilter,
    days: i64,
    request: &PageRequest,
    max_age: &MaxAge,
) -> Result<Page<Shown>> {
    let selection = selection(db, filter, days, max_age).await?;
    let page = page::fetch(db.reader(), selection.select(), OLDEST_FIRST, request).await?;
    let ids: Vec<Uuid> = page.rows.iter().map(|(_, row)| row.resource_id).collect();
    let found = super::resources::by_ids(db.reader(), &ids).await?;
    // A resource that was deleted meanwhile is left out.
    let rows = page.rows.into_iter().filter_map(|(key, row)| {
        let resource = found.iter().find(|resource| resource.id == row.resource_id)?;
        Some((key, selection.show(row, resource.clone())))
    });
    Ok(Page {
        rows: rows.collect(),
        start: page.start,
        end: page.end,
        has_next: page.has_next,
        has_previous: page.has_previous,
    })
}

/// Counts the leftovers that [`list`] lists, and sums their known prices.
///
/// # Errors
///
/// The errors of [`list`].
pub async fn summary(db: &Db, filter: &LeftoverFilter, days: i64, max_age: &MaxAge) -> Result<Summary> {
    let reader = db.reader();
    let selection = selection(db, filter, days, max_age).await?;
    let mut summary = Summary::default();
    for state in [LeftoverState::Leftover, LeftoverState::Unknown] {
        let selected = selection.select();
        let selected = match state {
            LeftoverState::Leftover => selected.filter(selection.is_known()),
            LeftoverState::Unknown => selected.filter(selection.is_known().not()),
        };
        let select = selected
            .select_only()
            .expr_as(Expr::cust("count(*)"), "rows_found")
            .expr_as(Expr::cust("count(monthly_micros)"), "priced")
            .expr_as(
                Expr::cust("CAST(coalesce(sum(monthly_micros), 0) AS bigint)"),
                "micros",
            )
            .build(reader.get_database_backend());
        let Some(row) = reader.query_one_raw(select).await? else {
            continue;
        };
        let number = |name| column::<i64>(&row, "", name);
        match state {
            LeftoverState::Leftover => {
                summary.leftovers = number("rows_found")?;
                summary.unpriced = summary.leftovers - number("priced")?;
                summary.monthly_micros = number("micros")?;
            }
            LeftoverState::Unknown => summary.unknown = number("rows_found")?,
        }
    }
    let select = checks::Entity::find()
        .filter(checks::Column::Provider.is_in(PROVIDERS))
        .order_by_asc(checks::Column::Provider);
    let rows = decodable(select, reader).await?.0;
    summary.checked_at = rows.iter().filter_map(|row| row.checked_at).min();
    Ok(summary)
}
