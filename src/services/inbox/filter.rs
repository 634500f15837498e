//! The filter of drifts. Each of its conditions has an SQL form and an equivalent test in memory.

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use entity::cloud_drift::{self as drift, DriftKind, DriftStatus, Severity};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, SelectStatement};
use sea_orm::{ActiveEnum as _, ColumnTrait, DbBackend, EntityTrait, FromQueryResult, QueryFilter, Select};
use uuid::Uuid;

use crate::domain::addresses::is_at;
use crate::domain::validation::{InvalidInput, MAX_TEXT_BYTES, check_text, check_time};
use crate::services::choices::Choice;
use crate::services::groups::GroupKey;
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
    /// Whether the drift is snoozed.
    pub snoozed: Option<bool>,
    /// Whether the field was flapping when the drift opened.
    pub flapping: Option<bool>,
    /// Conditions with several values.
    pub choices: DriftChoices,
}

/// Conditions with several values, and exclusions. A resource without a region or an address meets every exclusion.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct DriftChoices {
    /// Names of fields.
    pub field: Choice<String>,
    /// Ids of resources.
    pub resource_id: Choice<Uuid>,
    /// Kinds of resources.
    pub resource_kind: Choice<String>,
    /// Regions of resources.
    pub region: Choice<String>,
    /// Names of sources.
    pub source: Choice<String>,
    /// Terraform addresses; the address of a module includes everything below it.
    pub address: Choice<String>,
    /// Providers of resources.
    pub provider: Choice<String>,
    /// The drift has one of these severities; None permits all.
    pub severity: Option<Vec<Severity>>,
    /// Users to whom drifts are assigned.
    pub assignee: Choice<String>,
    /// Whether the drift is assigned to a user.
    pub assigned: Option<bool>,
    /// The drift is in all of these groups.
    pub groups: Vec<GroupKey>,
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
            snoozed: None,
            flapping: None,
            choices: DriftChoices::default(),
        }
    }
}

impl DriftFilter {
    /// Returns whether the filter has no condition other than the statuses and whether drifts are snoozed. Its SQL then
    /// contains no text from the caller.
    pub(super) fn is_of_statuses_only(&self) -> bool {
        self.terms()
            .all(|term| matches!(term, Term::Status(_) | Term::Snoozed(_)))
    }

    /// Returns this filter without snoozes, and its snoozed drifts, if it excludes these. Few drifts are snoozed, so a
    /// difference costs less to count than all others.
    pub(in crate::services) fn as_difference(&self) -> Option<[Self; 2]> {
        (self.snoozed == Some(false)).then(|| {
            [None, Some(true)].map(|snoozed| Self {
                snoozed,
                ..self.clone()
            })
        })
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
        let choices = [
            ("field", &self.choices.field),
            ("resourceKind", &self.choices.resource_kind),
            ("region", &self.choices.region),
            ("source", &self.choices.source),
            ("address", &self.choices.address),
            ("provider", &self.choices.provider),
            ("assignee", &self.choices.assignee),
        ];
        choices
            .into_iter()
            .try_for_each(|(what, choice)| choice.check(what))?;
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
    /// Its provider.
    pub provider: String,
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
    Snoozed(bool),
    Flapping(bool),
    Choices(&'f DriftChoices),
}

impl DriftFilter {
    /// Selects the drifts that match.
    pub(in crate::services) fn select(&self, backend: DbBackend) -> Select<drift::Entity> {
        self.terms()
            .flat_map(|term| term.sql(backend))
            .fold(drift::Entity::find(), |select, condition| {
                select.filter(condition)
            })
    }

    /// Returns the same filter in its simplest form: a condition with one permitted value is that of one value, which an
    /// index answers. A filter that nothing matches has no status.
    #[must_use]
    pub fn simplified(mut self) -> Self {
        let choices = &mut self.choices;
        let mut is_possible = choices.field.simplify(&mut self.field);
        is_possible &= choices.resource_id.simplify(&mut self.resource_id);
        is_possible &= choices.resource_kind.simplify(&mut self.resource_kind);
        is_possible &= choices.region.simplify(&mut self.region);
        is_possible &= choices.source.simplify(&mut self.source);
        // Addresses are not simplified by equality: one address may include another one.
        if self.address.is_none()
            && let Some([only]) = choices.address.any_of.as_deref()
        {
            self.address = Some(only.clone());
            choices.address.any_of = None;
        }
        is_possible &= choices
            .severity
            .as_ref()
            .is_none_or(|permitted| !permitted.is_empty());
        if !is_possible {
            self.status.clear();
        }
        self
    }

    /// Returns this filter for each severity that it names, if it names several. An index has the open drifts of each
    /// severity in the order of a page.
    pub(super) fn by_severity(self) -> Vec<Self> {
        let Some(severities) = self
            .choices
            .severity
            .clone()
            .filter(|permitted| permitted.len() > 1)
        else {
            return vec![self];
        };
        let with = |severity| {
            let mut filter = self.clone();
            filter.choices.severity = Some(vec![severity]);
            filter
        };
        severities.into_iter().map(with).collect()
    }

    /// Returns this filter for one field.
    pub(super) fn with_field(&self, field: String) -> Self {
        let mut filter = self.clone();
        filter.field = Some(field);
        filter.choices.field = Choice::default();
        filter
    }

    /// Returns whether the filter permits a field with this name.
    pub(super) fn permits_field(&self, field: &str) -> bool {
        self.field.as_deref().is_none_or(|only| only == field) && self.choices.field.permits(Some(field))
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

    /// Returns the addresses one of which the resource must have, with this filter without them.
    pub(super) fn split_addresses(&self) -> Option<(Vec<String>, Self)> {
        let mut filter = self.clone();
        let addresses = match filter.address.take() {
            Some(address) => vec![address],
            None => filter.choices.address.any_of.take()?,
        };
        Some((addresses, filter))
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
            self.snoozed.map(Term::Snoozed),
            self.flapping.map(Term::Flapping),
            (self.choices != DriftChoices::default()).then_some(Term::Choices(&self.choices)),
        ]
        .into_iter()
        .flatten()
    }
}

impl Term<'_> {
    fn sql(&self, backend: DbBackend) -> Vec<Expr> {
        let one = match *self {
            Self::Choices(choices) => return choices.sql(backend),
            Self::ResourceKind(kind) => resource_kind().eq(kind),
            Self::Region(region) => resource_region().eq(region),
            Self::Source(source) => search::source_of_resource().eq(source),
            Self::Status(any) => {
                let statuses = any.iter().map(|status| constant(status.to_value()));
                Expr::col((drift::Entity, drift::Column::Status)).is_in(statuses)
            }
            Self::Address(address) => resource_is_among(search::ids_at(&[address.to_owned()])),
            Self::Kind(kind) => Expr::col((drift::Entity, drift::Column::Kind)).eq(constant(kind.to_value())),
            Self::Field(field) => drift::Column::Field.eq(field),
            Self::Resource(id) => drift::Column::ResourceId.eq(id),
            Self::DetectedFrom(time) => drift::Column::DetectedAt.gte(time),
            Self::DetectedBefore(time) => drift::Column::DetectedAt.lt(time),
            // As the conditions of partial indexes.
            Self::Snoozed(true) => Expr::cust("\"cloud_drift\".\"snoozed\""),
            Self::Snoozed(false) => Expr::cust("NOT \"cloud_drift\".\"snoozed\""),
            // The condition of the partial index.
            Self::Flapping(true) => Expr::cust(r#""cloud_drift"."flapping""#),
            Self::Flapping(false) => Expr::cust(r#"NOT "cloud_drift"."flapping""#),
            Self::Search(text) => {
                let field = contains_ignoring_ascii_case(backend, drift::Column::Field, text);
                field
                    .or(resource_is_among(search::ids_with(backend, text)))
                    .or(resource_is_among(search::ids_with_address(backend, text)))
            }
        };
        vec![one]
    }

    fn matches(&self, drift: &drift::Model, resource: &FilteredResource) -> bool {
        match *self {
            Self::Choices(choices) => choices.matches(drift, resource),
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
            Self::Snoozed(snoozed) => drift.snoozed == snoozed,
            Self::Flapping(wanted) => drift.flapping == wanted,
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

impl DriftChoices {
    fn sql(&self, backend: DbBackend) -> Vec<Expr> {
        let field = Expr::col((drift::Entity, drift::Column::Field));
        let mut conditions = self.field.sql(backend, &field);
        conditions.extend(self.resource_id.sql(backend, r#""cloud_drift"."resource_id""#));
        conditions.extend(self.resource_kind.sql(backend, &resource_kind()));
        conditions.extend(self.region.sql(backend, &resource_region()));
        conditions.extend(self.source.sql(backend, &search::source_of_resource()));
        conditions.extend(self.provider.sql(backend, &search::provider_of_resource()));
        let Choice { any_of, none_of } = &self.address;
        conditions.extend(
            any_of
                .iter()
                .map(|addresses| resource_is_among(search::ids_at(addresses))),
        );
        if !none_of.is_empty() {
            conditions.push(resource_is_among(search::ids_at(none_of)).not());
        }
        conditions.extend(self.groups.iter().flat_map(|group| group.sql(backend)));
        conditions.extend(self.decided_sql(backend));
        conditions
    }

    /// Returns the conditions on the severity and the assignee.
    fn decided_sql(&self, backend: DbBackend) -> Vec<Expr> {
        let severity = || Expr::col((drift::Entity, drift::Column::Severity));
        let assignee = || Expr::col((drift::Entity, drift::Column::Assignee));
        let mut conditions = Vec::new();
        match self.severity.as_deref() {
            Some([only]) => conditions.push(severity().eq(constant(only.to_value()))),
            Some(any) => conditions.push(severity().is_in(any.iter().map(|one| constant(one.to_value())))),
            None => {}
        }
        match &self.assignee {
            // An index has the drifts of one user.
            Choice {
                any_of: Some(any_of),
                none_of,
            } if any_of.len() == 1 && none_of.is_empty() => {
                conditions.push(assignee().eq(any_of[0].as_str()))
            }
            choice => conditions.extend(choice.sql(backend, &assignee())),
        }
        match self.assigned {
            Some(true) => conditions.push(assignee().is_not_null()),
            Some(false) => conditions.push(assignee().is_null()),
            None => {}
        }
        conditions
    }

    fn matches(&self, drift: &drift::Model, resource: &FilteredResource) -> bool {
        let region = resource.region.as_deref();
        let is_at_any = |listed: &Vec<String>| {
            let address = resource.address.as_deref();
            address.is_some_and(|address| listed.iter().any(|wanted| is_at(address, wanted)))
        };
        self.field.permits(Some(drift.field.as_str()))
            && self.resource_id.permits(Some(&drift.resource_id))
            && self.resource_kind.permits(Some(resource.kind.as_str()))
            && self.region.permits(region)
            && self.source.permits(Some(resource.source.as_str()))
            && self.provider.permits(Some(resource.provider.as_str()))
            && self.address.any_of.as_ref().is_none_or(is_at_any)
            && !is_at_any(&self.address.none_of)
            && self.groups.iter().all(|group| group.matches(drift, resource))
            && self
                .severity
                .as_ref()
                .is_none_or(|any| any.contains(&drift.severity))
            && self.assignee.permits(drift.assignee.as_deref())
            && self
                .assigned
                .is_none_or(|assigned| assigned == drift.assignee.is_some())
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
