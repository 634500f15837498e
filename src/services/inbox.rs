//! Reading the inbox.

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use entity::cloud_drift::{self as drift, DriftKind, DriftStatus};
use entity::cloud_resources as resources;
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, Select};
use uuid::Uuid;

use super::page::{self, Order, Page, PageRequest};
use super::resources::contains_ignoring_ascii_case;
use crate::db::decodable;
use crate::domain::validation::{InvalidInput, MAX_TEXT_BYTES, check_text, check_time};
use crate::error::Result;

/// Which drifts are wanted. Parts that are not set narrow nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DriftFilter {
    /// Any of these.
    pub status: Vec<DriftStatus>,
    /// A changed field or a missing resource.
    pub kind: Option<DriftKind>,
    /// Name of the field.
    pub field: Option<String>,
    /// Resource that drifted.
    pub resource_id: Option<Uuid>,
    /// Kind of the resource.
    pub resource_kind: Option<String>,
    /// Region of the resource.
    pub region: Option<String>,
    /// Part of the resource's name, its provider id, or the field; ASCII letters match in either case.
    pub search: Option<String>,
    /// Detected at or after.
    pub detected_after: Option<DateTime<Utc>>,
    /// Detected before.
    pub detected_before: Option<DateTime<Utc>>,
}

impl Default for DriftFilter {
    /// What is open.
    fn default() -> Self {
        Self {
            status: vec![DriftStatus::Open],
            kind: None,
            field: None,
            resource_id: None,
            resource_kind: None,
            region: None,
            search: None,
            detected_after: None,
            detected_before: None,
        }
    }
}

impl DriftFilter {
    /// Whether its texts and times may go to a database.
    pub(crate) fn check(&self) -> Result<(), InvalidInput> {
        let texts = [
            ("field", &self.field),
            ("resourceKind", &self.resource_kind),
            ("region", &self.region),
            ("search", &self.search),
        ];
        texts.into_iter().try_for_each(|(what, text)| {
            check_text(what, text.as_deref().unwrap_or_default(), MAX_TEXT_BYTES)
        })?;
        let times = [
            ("detectedAfter", self.detected_after),
            ("detectedBefore", self.detected_before),
        ];
        times
            .into_iter()
            .try_for_each(|(what, time)| time.map_or(Ok(()), |time| check_time(what, time)))
    }
}

/// A bound of a filter, rounded up to a whole microsecond. Rows have no finer times, and PostgreSQL would cut what is finer off.
pub(crate) fn up_to_micros(time: DateTime<Utc>) -> DateTime<Utc> {
    let whole = time.trunc_subsecs(6);
    if whole == time {
        time
    } else {
        whole
            .checked_add_signed(TimeDelta::microseconds(1))
            .unwrap_or(whole)
    }
}

/// What a filter asks of a resource.
#[derive(Clone, Debug, FromQueryResult, PartialEq, Eq)]
pub struct FilteredResource {
    /// Id of the resource.
    pub id: Uuid,
    /// Its kind.
    pub kind: String,
    /// Its id at the provider.
    pub provider_id: String,
    /// Its name.
    pub name: Option<String>,
    /// Its region slug.
    pub region: Option<String>,
}

impl DriftFilter {
    /// Whether a drift of this resource is wanted. The same rule as that of the queries here, for drifts that
    /// many want to hear of at once, each by a filter of his own.
    pub fn matches(&self, drift: &drift::Model, resource: &FilteredResource) -> bool {
        let is = |wanted: &Option<String>, text: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| text == Some(wanted))
        };
        self.status.contains(&drift.status)
            && self.kind.is_none_or(|kind| drift.kind == kind)
            && is(&self.field, Some(&drift.field))
            && self.resource_id.is_none_or(|id| drift.resource_id == id)
            && is(&self.resource_kind, Some(&resource.kind))
            && is(&self.region, resource.region.as_deref())
            && self.detected_after.is_none_or(|at| drift.detected_at >= at)
            && self.detected_before.is_none_or(|at| drift.detected_at < at)
            && self.matches_search(drift, resource)
    }

    /// Whether the searched text, if any, is in the drift or in its resource.
    fn matches_search(&self, drift: &drift::Model, resource: &FilteredResource) -> bool {
        let Some(text) = self.search.as_ref().filter(|text| !text.is_empty()) else {
            return true;
        };
        let needle = text.to_ascii_lowercase();
        let texts = [
            Some(&drift.field),
            resource.name.as_ref(),
            Some(&resource.provider_id),
        ];
        let mut texts = texts.into_iter().flatten();
        texts.any(|text| text.to_ascii_lowercase().contains(&needle))
    }
}

/// The drifts of these ids, in one statement.
pub(crate) async fn by_ids<C: ConnectionTrait>(
    connection: &C,
    ids: impl IntoIterator<Item = Uuid>,
) -> Result<Vec<drift::Model>> {
    let select = drift::Entity::find().filter(drift::Column::Id.is_in(ids));
    Ok(decodable(select, connection).await?.0)
}

/// What the inbox is ordered by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DriftTime {
    /// When a sweep first saw it.
    #[default]
    DetectedAt,
    /// When it left the inbox; rows that are open come after all others.
    ResolvedAt,
}

/// The order of the inbox.
pub fn order_by(time: DriftTime, descending: bool) -> Order<drift::Column> {
    let time = match time {
        DriftTime::DetectedAt => drift::Column::DetectedAt,
        DriftTime::ResolvedAt => drift::Column::ResolvedAt,
    };
    Order {
        time: Some(time),
        id: drift::Column::Id,
        descending,
    }
}

/// One page of the inbox. BAD_USER_INPUT if the filter cannot be asked for.
pub async fn list<C: ConnectionTrait>(
    connection: &C,
    filter: &DriftFilter,
    order: Order<drift::Column>,
    request: &PageRequest,
) -> Result<Page<drift::Model>> {
    filter.check()?;
    page::fetch(connection, select(connection, filter), order, request).await
}

/// How many drifts the filter lets through.
pub(crate) async fn count<C: ConnectionTrait>(connection: &C, filter: &DriftFilter) -> Result<i64> {
    filter.check()?;
    page::count(connection, select(connection, filter), drift::Column::Id).await
}

/// One page for each of several resources, in one statement that reads no more than the pages. Newest first.
pub(crate) async fn pages_of<C: ConnectionTrait>(
    connection: &C,
    requests: &[(Uuid, DriftFilter, PageRequest)],
) -> Result<Vec<Page<drift::Model>>> {
    let mut selects = Vec::with_capacity(requests.len());
    for (resource, filter, request) in requests {
        filter.check()?;
        let select = select(connection, filter).filter(drift::Column::ResourceId.eq(*resource));
        selects.push((select, request.clone()));
    }
    page::fetch_many(connection, selects, order_by(DriftTime::DetectedAt, true)).await
}

/// How many drifts of each resource the filter lets through.
pub(crate) async fn counts_of<C: ConnectionTrait>(
    connection: &C,
    filter: &DriftFilter,
    of: &[Uuid],
) -> Result<Vec<(Uuid, i64)>> {
    filter.check()?;
    let select = select(connection, filter).filter(drift::Column::ResourceId.is_in(of.iter().copied()));
    page::count_by_parent(connection, select, drift::Column::ResourceId).await
}

/// The drift of this id.
pub(crate) async fn find<C: ConnectionTrait>(connection: &C, id: Uuid) -> Result<Option<drift::Model>> {
    Ok(decodable(drift::Entity::find_by_id(id), connection)
        .await?
        .0
        .into_iter()
        .next())
}

pub(super) fn select<C: ConnectionTrait>(connection: &C, filter: &DriftFilter) -> Select<drift::Entity> {
    let own = Condition::all()
        .add(drift::Column::Status.is_in(filter.status.iter().copied()))
        .add_option(filter.kind.map(|kind| drift::Column::Kind.eq(kind)))
        .add_option(filter.field.as_ref().map(|field| drift::Column::Field.eq(field)))
        .add_option(filter.resource_id.map(|id| drift::Column::ResourceId.eq(id)))
        .add_option(filter.detected_after.map(|at| drift::Column::DetectedAt.gte(at)))
        .add_option(filter.detected_before.map(|at| drift::Column::DetectedAt.lt(at)));
    let mut select = drift::Entity::find().filter(own);
    let of_resource = Condition::all()
        .add_option(
            filter
                .resource_kind
                .as_ref()
                .map(|kind| resources::Column::Kind.eq(kind)),
        )
        .add_option(
            filter
                .region
                .as_ref()
                .map(|region| resources::Column::Region.eq(region)),
        );
    if !of_resource.is_empty() {
        select = select.filter(resource_is(of_resource));
    }
    if let Some(text) = filter.search.as_ref().filter(|text| !text.is_empty()) {
        let backend = connection.get_database_backend();
        let of_resource = Condition::any()
            .add(contains_ignoring_ascii_case(
                backend,
                resources::Column::Name,
                text,
            ))
            .add(contains_ignoring_ascii_case(
                backend,
                resources::Column::ProviderId,
                text,
            ));
        let own = contains_ignoring_ascii_case(backend, drift::Column::Field, text);
        select = select.filter(Condition::any().add(own).add(resource_is(of_resource)));
    }
    select
}

/// The resource meets a condition.
fn resource_is(condition: Condition) -> Expr {
    let ids = Query::select()
        .column((resources::Entity, resources::Column::Id))
        .from(resources::Entity)
        .cond_where(condition)
        .take();
    Expr::col((drift::Entity, drift::Column::ResourceId)).in_subquery(ids)
}
