//! A drift, and how to ask for drifts.

use async_graphql::{Context, Enum, ID, InputObject, Object};
use chrono::{DateTime, Utc};
use entity::cloud_drift;
use serde_json::Value;

use super::{Json, Resource, ValueChange};
use crate::domain::changes::{Changes, changes};
use crate::domain::not_compared::NotCompared;
use crate::error::{Error, Result};
use crate::graphql::error::ApiResult;
use crate::graphql::input::{not_empty, parse_id};
use crate::graphql::loader::{ResourceById, SpecOf};
use crate::services::inbox::{DriftFilter, DriftTime, up_to_micros};

/// Where a drift stands. Resolved ones are kept as history.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
#[graphql(remote = "cloud_drift::DriftStatus")]
pub(in crate::graphql) enum DriftStatus {
    /// It differs and nobody has decided.
    Open,
    /// The live value became the desired one.
    Accepted,
    /// The live value was put back on purpose.
    Reverted,
    /// It no longer differs, or is no longer watched.
    Stale,
}

/// What differs.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
#[graphql(remote = "cloud_drift::DriftKind")]
pub(in crate::graphql) enum DriftKind {
    /// One field has another value.
    Changed,
    /// The whole resource is gone.
    Missing,
}

/// Which drifts are wanted. Parts that are absent narrow nothing, but for `status`.
#[derive(Default, InputObject)]
#[graphql(name = "DriftFilter")]
pub(in crate::graphql) struct DriftFilterInput {
    /// Any of these; OPEN when absent.
    status: Option<Vec<DriftStatus>>,
    /// A changed field or a missing resource.
    kind: Option<DriftKind>,
    /// Name of the field.
    field: Option<String>,
    /// Resource that drifted.
    resource_id: Option<ID>,
    /// Kind of the resource, such as `droplet`.
    resource_kind: Option<String>,
    /// Region slug of the resource.
    region: Option<String>,
    /// Part of the resource's name, its provider id, or the field; ASCII letters match in either case.
    search: Option<String>,
    /// Detected at this time or later.
    detected_after: Option<DateTime<Utc>>,
    /// Detected before this time.
    detected_before: Option<DateTime<Utc>>,
}

impl DriftFilterInput {
    /// As the inbox service wants it. BAD_USER_INPUT for what cannot be asked for: found out here, one field
    /// alone is refused and not all that are read in one batch with it.
    pub(in crate::graphql) fn parse(self) -> Result<DriftFilter> {
        let status = not_empty("filter.status", self.status)?;
        let defaults = DriftFilter::default();
        let filter = DriftFilter {
            status: status.map_or(defaults.status, |status| {
                status.into_iter().map(Into::into).collect()
            }),
            kind: self.kind.map(Into::into),
            field: self.field,
            resource_id: self.resource_id.map(|id| parse_id(&id)).transpose()?,
            resource_kind: self.resource_kind,
            region: self.region,
            search: self.search,
            detected_after: self.detected_after.map(up_to_micros),
            detected_before: self.detected_before.map(up_to_micros),
        };
        filter.check()?;
        Ok(filter)
    }
}

/// What a list of drifts is ordered by.
#[derive(Clone, Copy, Default, Enum, PartialEq, Eq)]
#[graphql(remote = "DriftTime")]
pub(in crate::graphql) enum DriftOrderField {
    /// When a sweep first saw it.
    #[default]
    DetectedAt,
    /// When it was resolved; open ones count as later than all others.
    ResolvedAt,
}

/// A direction.
#[derive(Clone, Copy, Default, Enum, PartialEq, Eq)]
pub(in crate::graphql) enum OrderDirection {
    /// Oldest first.
    Asc,
    /// Newest first.
    #[default]
    Desc,
}

/// The order of a list of drifts. Ties are broken by id.
#[derive(Clone, Copy, Default, InputObject)]
pub(in crate::graphql) struct DriftOrder {
    /// What to order by.
    #[graphql(default)]
    field: DriftOrderField,
    /// Which end comes first.
    #[graphql(default)]
    direction: OrderDirection,
}

impl DriftOrder {
    /// What to order by, and whether the newest come first.
    pub(in crate::graphql) fn parse(self) -> (DriftTime, bool) {
        (self.field.into(), self.direction == OrderDirection::Desc)
    }

    /// Name of the order in cursors.
    pub(in crate::graphql) fn name(self) -> &'static str {
        match (self.field, self.direction) {
            (DriftOrderField::DetectedAt, OrderDirection::Desc) => "d-",
            (DriftOrderField::DetectedAt, OrderDirection::Asc) => "d+",
            (DriftOrderField::ResolvedAt, OrderDirection::Desc) => "r-",
            (DriftOrderField::ResolvedAt, OrderDirection::Asc) => "r+",
        }
    }
}

/// One field of one resource whose live value is not what its spec says, now or at some time in the past.
pub(in crate::graphql) struct Drift(pub(in crate::graphql) cloud_drift::Model);

impl Drift {
    async fn compared(&self, ctx: &Context<'_>) -> ApiResult<Changes> {
        let drift = &self.0;
        if drift.kind == cloud_drift::DriftKind::Missing {
            return Ok(Changes::default());
        }
        let none = Value::Null;
        let (expected, actual) = (
            drift.expected.as_ref().unwrap_or(&none),
            drift.actual.as_ref().unwrap_or(&none),
        );
        // Only a list or a map can have parts that the spec leaves open.
        let has_parts = expected.is_object() || expected.is_array();
        let mut open = NotCompared::default();
        if has_parts && drift.status == cloud_drift::DriftStatus::Open {
            let spec = crate::graphql::loaders(ctx)?
                .load_one(SpecOf(drift.resource_id))
                .await?
                .flatten();
            open = spec.as_ref().map(NotCompared::of).unwrap_or_default();
        }
        Ok(changes(
            &open.compared_part(&drift.field, expected),
            &open.compared_part(&drift.field, actual),
        ))
    }
}

/// One field of one resource whose live value is not what its spec says, now or at some time in the past.
#[Object]
impl Drift {
    /// The id.
    pub(in crate::graphql) async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// The resource that drifted.
    async fn resource(&self, ctx: &Context<'_>) -> ApiResult<Resource> {
        let row = crate::graphql::loaders(ctx)?
            .load_one(ResourceById(self.0.resource_id))
            .await?;
        Ok(Resource(row.ok_or_else(|| {
            Error::Internal("a drift's resource does not decode".to_owned())
        })?))
    }

    /// Whether a field changed or the resource is missing.
    async fn kind(&self) -> DriftKind {
        self.0.kind.into()
    }

    /// Name of the field; `*` for a missing resource.
    async fn field(&self) -> &str {
        &self.0.field
    }

    /// What the spec says; null if the field must be unset, the whole spec for a missing resource.
    async fn expected(&self) -> Option<Json> {
        self.0.expected.clone().map(Json)
    }

    /// What the cloud has; null if the field is unset or the resource is missing.
    async fn actual(&self) -> Option<Json> {
        self.0.actual.clone().map(Json)
    }

    /// The values inside the field that differ, in the order of their paths: at most 200. List members of the same
    /// name are compared with each other, texts of several lines line by line. Parts that the spec leaves open are
    /// left out. Empty for a missing resource.
    async fn changes(&self, ctx: &Context<'_>) -> ApiResult<Vec<ValueChange>> {
        let found = self.compared(ctx).await?;
        Ok(found.list.into_iter().map(ValueChange).collect())
    }

    /// Whether `changes` has more than 200 entries, of which the first 200 are listed.
    async fn changes_truncated(&self, ctx: &Context<'_>) -> ApiResult<bool> {
        Ok(self.compared(ctx).await?.truncated)
    }

    /// Where it stands.
    async fn status(&self) -> DriftStatus {
        self.0.status.into()
    }

    /// Rises with every change of `expected` or `actual`. Give it to `acceptDrift`, so that you accept what
    /// you have seen.
    async fn revision(&self) -> i32 {
        self.0.revision
    }

    /// When a sweep first saw it.
    async fn detected_at(&self) -> DateTime<Utc> {
        self.0.detected_at
    }

    /// When it was resolved; null while it is open.
    async fn resolved_at(&self) -> Option<DateTime<Utc>> {
        self.0.resolved_at
    }

    /// Who resolved it; null while it is open, and where nobody had to.
    async fn resolved_by(&self) -> Option<&str> {
        self.0.resolved_by.as_deref()
    }

    /// What that person had to say.
    async fn resolution_note(&self) -> Option<&str> {
        self.0.resolution_note.as_deref()
    }
}
