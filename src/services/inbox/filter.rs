//! The filter of drifts. Each of its conditions has an SQL form and an equivalent test in memory.

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use entity::cloud_drift::{self as drift, DriftKind, DriftStatus};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, SelectStatement};
use sea_orm::{ActiveEnum as _, ColumnTrait, DbBackend, EntityTrait, FromQueryResult, QueryFilter, Select};
use uuid::Uuid;

use crate::domain::addresses::is_at;
use crate::domain::validation::{InvalidInput, MAX_TEXT_BYTES, check_text, check_time};
use crate::services::resources::contains_ignoring_ascii_case;
use crate::services::search;

/// A filter of drifts. A drift matches if it meets all conditions that are set.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DriftFilter {
    /// The drift has one of these statuses.
    pub status: Vec<DriftStatus>,
    /// Whether the drift is a changed field or a missing resource.
    pub kind: Option<DriftKind>,
    /// Name of the field.
    pub field: Option<String>,
    /// Id of the resource.
    pub resource_id: Option<Uuid>,
    /// Kind of the resource.
    pub resource_kind: Option<String>,
    /// Region of the resource.
    pub region: Option<String>,
    /// Name of the source that lists the resource.
    pub source: Option<String>,
    /// Terraform address of the resource; the address of a module includes everything below it.
    pub address: Option<String>,
    /// A substring of the resource's name, its provider id, its address or the field. Case is ignored for ASCII letters.
    pub search: Option<String>,
    /// Detected at or after this time.
    pub detected_after: Option<DateTime<Utc>>,
    /// Detected before this time.
    pub detected_before: Option<DateTime<Utc>>,
}

impl Default for DriftFilter {
    /// Returns the filter of the inbox: all open drifts.
    fn default() -> Self {
        Self {
            status: vec![DriftStatus::Open],
            kind: None,
            field: None,
            resource_id: None,
            resource_kind: None,
            region: None,
            source: None,
            address: None,
            search: None,
            detected_after: None,
            detected_before: None,
        }
    }
}

impl DriftFilter {
    /// Returns whether the filter has no condition other than the statuses. Its SQL then contains no text from the
    /// caller.
    pub(super) fn is_of_statuses_only(&self) -> bool {
        self.terms().all(|term| matches!(term, Term::Status(_)))
    }

    /// Checks that the texts and times can be passed to a database.
    ///
    /// # Errors
    ///
    /// A text is too long or not storable, or a time is out of range.
    pub(crate) fn check(&self) -> Result<(), InvalidInput> {
        let texts = [
            ("field", &self.field),
            ("resourceKind", &self.resource_kind),
            ("region", &self.region),
            ("source", &self.source),
            ("address", &self.address),
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

/// Rounds a bound of a filter up to a whole microsecond. Rows have no finer times, and PostgreSQL would round down.
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

/// The fields of a resource that a filter tests.
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
    /// Its region.
    pub region: Option<String>,
    /// The name of the source that lists it.
    pub source: String,
    /// The Terraform address of its spec.
    pub address: Option<String>,
}

/// One condition of a filter.
enum Term<'f> {
    Status(&'f [DriftStatus]),
    Kind(DriftKind),
    Field(&'f str),
    Resource(Uuid),
    ResourceKind(&'f str),
    Region(&'f str),
    Source(&'f str),
    Address(&'f str),
    DetectedFrom(DateTime<Utc>),
    DetectedBefore(DateTime<Utc>),
    Search(&'f str),
}

impl DriftFilter {
    /// Selects the drifts that match.
    pub(in crate::services) fn select(&self, backend: DbBackend) -> Select<drift::Entity> {
        self.terms().fold(drift::Entity::find(), |select, term| {
            select.filter(term.sql(backend))
        })
    }

    /// Returns the statuses, each once.
    pub(super) fn statuses(&self) -> Vec<DriftStatus> {
        let mut statuses = Vec::new();
        for status in &self.status {
            if !statuses.contains(status) {
                statuses.push(*status);
            }
        }
        statuses
    }

    /// Returns whether a drift of this resource matches.
    pub fn matches(&self, drift: &drift::Model, resource: &FilteredResource) -> bool {
        self.terms().all(|term| term.matches(drift, resource))
    }

    /// Returns the text to search for. An empty one is no condition.
    pub(super) fn searched(&self) -> Option<&str> {
        self.search.as_deref().filter(|text| !text.is_empty())
    }

    /// Returns this filter without its address.
    pub(super) fn without_address(&self) -> Self {
        Self {
            address: None,
            ..self.clone()
        }
    }

    /// Returns this filter without its search.
    pub(super) fn without_search(&self) -> Self {
        Self {
            search: None,
            ..self.clone()
        }
    }

    fn terms(&self) -> impl Iterator<Item = Term<'_>> {
        let search = self.searched();
        [
            Some(Term::Status(&self.status)),
            self.kind.map(Term::Kind),
            self.field.as_deref().map(Term::Field),
            self.resource_id.map(Term::Resource),
            self.resource_kind.as_deref().map(Term::ResourceKind),
            self.region.as_deref().map(Term::Region),
            self.source.as_deref().map(Term::Source),
            self.address.as_deref().map(Term::Address),
            self.detected_after.map(Term::DetectedFrom),
            self.detected_before.map(Term::DetectedBefore),
            search.map(Term::Search),
        ]
        .into_iter()
        .flatten()
    }
}

impl Term<'_> {
    fn sql(&self, backend: DbBackend) -> Expr {
        match *self {
            Self::ResourceKind(kind) => resource_kind().eq(kind),
            Self::Region(region) => resource_region().eq(region),
            Self::Source(source) => search::source_of_resource().eq(source),
            Self::Status(any) => {
                let statuses = any.iter().map(|status| constant(status.to_value()));
                Expr::col((drift::Entity, drift::Column::Status)).is_in(statuses)
            }
            Self::Address(address) => resource_is_among(search::ids_at(address)),
            Self::Kind(kind) => Expr::col((drift::Entity, drift::Column::Kind)).eq(constant(kind.to_value())),
            Self::Field(field) => drift::Column::Field.eq(field),
            Self::Resource(id) => drift::Column::ResourceId.eq(id),
            Self::DetectedFrom(time) => drift::Column::DetectedAt.gte(time),
            Self::DetectedBefore(time) => drift::Column::DetectedAt.lt(time),
            Self::Search(text) => {
                let field = contains_ignoring_ascii_case(backend, drift::Column::Field, text);
                field
                    .or(resource_is_among(search::ids_with(backend, text)))
                    .or(resource_is_among(search::ids_with_address(backend, text)))
            }
        }
    }

    fn matches(&self, drift: &drift::Model, resource: &FilteredResource) -> bool {
        match *self {
            Self::Status(any) => any.contains(&drift.status),
            Self::Kind(kind) => drift.kind == kind,
            Self::Field(field) => drift.field == field,
            Self::Resource(id) => drift.resource_id == id,
            Self::ResourceKind(kind) => resource.kind == kind,
            Self::Region(region) => resource.region.as_deref() == Some(region),
            Self::Source(source) => resource.source == source,
            Self::Address(wanted) => resource
                .address
                .as_deref()
                .is_some_and(|address| is_at(address, wanted)),
            Self::DetectedFrom(time) => drift.detected_at >= time,
            Self::DetectedBefore(time) => drift.detected_at < time,
            Self::Search(text) => {
                let needle = text.to_ascii_lowercase();
                let contains = |text: &str| text.to_ascii_lowercase().contains(&needle);
                contains(&drift.field)
                    || contains(&resource.provider_id)
                    || resource.name.as_deref().is_some_and(contains)
                    || resource.address.as_deref().is_some_and(contains)
            }
        }
    }
}

/// Writes one of a few words of this program into the text of the statement. PostgreSQL keeps plans that do not depend
/// on the parameters, but how many rows have a status does depend on the status.
pub(super) fn constant(word: String) -> Expr {
    Expr::Constant(word.into())
}

/// Returns the kind of the drift's resource: a copy in the row of the drift, which the database itself keeps.
pub(in crate::services) fn resource_kind() -> Expr {
    Expr::col((drift::Entity, Alias::new("resource_kind")))
}

/// Returns the region of the drift's resource: a copy like [`resource_kind`].
pub(in crate::services) fn resource_region() -> Expr {
    Expr::col((drift::Entity, Alias::new("resource_region")))
}

/// Returns the condition that the resource of the drift is one of those that a select returns.
fn resource_is_among(ids: SelectStatement) -> Expr {
    Expr::col((drift::Entity, drift::Column::ResourceId)).in_subquery(ids)
}

#[cfg(test)]
mod tests {
    use sea_orm::QueryTrait as _;

    use super::*;

    #[test]
    fn a_filter_by_kind_and_region_reads_no_resources() {
        let filter = DriftFilter {
            resource_kind: Some("server".to_owned()),
            region: Some("north".to_owned()),
            ..DriftFilter::default()
        };
        for backend in [DbBackend::Sqlite, DbBackend::Postgres] {
            let sql = filter.select(backend).build(backend).sql;
            assert!(!sql.contains("cloud_resources"), "{sql}");
        }
    }
}
