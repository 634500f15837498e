//! Versions of specs, and differences between two of them.

use async_graphql::{Context, Enum, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::cloud_provisioned;
use uuid::Uuid;

use super::{Drift, Json, MAX_SHOWN, SpecSource, ValueChange};
use crate::domain::spec_history::{self, FieldChange};
use crate::graphql::error::ApiResult;
use crate::graphql::loader::DriftsOfVersion;
use crate::services::spec_history::{DriftsOf, SpecDifference as Difference};

/// One version of the spec of a resource, in force or superseded.
pub(in crate::graphql) struct SpecVersion(pub(in crate::graphql) spec_history::SpecVersion);

impl SpecVersion {
    async fn drifts_of(&self, ctx: &Context<'_>, what: DriftsOf) -> ApiResult<Vec<Drift>> {
        let key = DriftsOfVersion(self.0.resource_id, self.0.version, what);
        let drifts = crate::graphql::loaders(ctx)?.load_one(key).await?;
        let drifts = drifts.unwrap_or_default().into_iter();
        Ok(drifts.take(MAX_SHOWN).map(Drift).collect())
    }
}

/// One version of the spec of a resource, in force or superseded.
#[Object]
impl SpecVersion {
    /// The version: 1, 2, 3 and so on.
    async fn spec_version(&self) -> i32 {
        self.0.version
    }

    /// The expected values: a JSON object that maps fields to values. Null means that the field must be unset.
    async fn spec(&self) -> Json {
        Json(self.0.spec.clone())
    }

    /// Parts of fields that the version leaves open and that are not compared; at most 200.
    async fn not_compared(&self) -> Vec<String> {
        let mut open = self.0.not_compared.texts();
        open.truncate(MAX_SHOWN);
        open
    }

    /// What owned the spec, and which instance of a Terraform state it came from.
    async fn source(&self) -> SpecSource {
        let version = self.0.clone();
        SpecSource(cloud_provisioned::Model {
            id: Uuid::nil(),
            resource_id: version.resource_id,
            spec: serde_json::Value::Null,
            spec_version: version.version,
            source: version.source,
            recorded_by: version.recorded_by,
            recorded_at: version.recorded_at,
            retired_at: version.retired_at,
            created_at: version.recorded_at,
            not_compared: None,
            address: version.address,
        })
    }

    /// The user who recorded the version.
    async fn recorded_by(&self) -> &str {
        &self.0.recorded_by
    }

    /// When the version was recorded.
    async fn recorded_at(&self) -> DateTime<Utc> {
        self.0.recorded_at
    }

    /// The reason that the user gave: the note of an accept, or the reason of `recordSpec` or `undoAccept`. Null if there
    /// is none.
    async fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }

    /// Whether the version ended the spec: from then on, the resource was not compared.
    async fn retired(&self) -> bool {
        self.0.retired_at.is_some()
    }

    /// When the next version was recorded; null for the newest version.
    async fn superseded_at(&self) -> Option<DateTime<Utc>> {
        self.0.superseded_at
    }

    /// The drifts whose accepts made the version, ordered by field; at most 200. Also those whose accepts were undone later.
    async fn drifts(&self, ctx: &Context<'_>) -> ApiResult<Vec<Drift>> {
        self.drifts_of(ctx, DriftsOf::Accepted).await
    }

    /// The drifts whose accepts the version undid, ordered by field; at most 200.
    async fn undone_drifts(&self, ctx: &Context<'_>) -> ApiResult<Vec<Drift>> {
        self.drifts_of(ctx, DriftsOf::Undone).await
    }
}

/// How a field differs between two versions of a spec.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
#[graphql(remote = "spec_history::FieldChangeKind")]
pub(in crate::graphql) enum FieldChangeKind {
    /// Only the second version names the field.
    Added,
    /// Only the first version names the field.
    Removed,
    /// Both name the field, with different values.
    Changed,
}

/// A field that differs between two versions of a spec.
pub(in crate::graphql) struct SpecFieldChange(FieldChange);

/// A field that differs between two versions of a spec.
#[Object]
impl SpecFieldChange {
    /// The name of the field.
    async fn field(&self) -> &str {
        &self.0.field
    }

    /// Whether the field was added, removed or changed.
    async fn kind(&self) -> FieldChangeKind {
        self.0.kind.into()
    }

    /// Whether the values are secret, so that they are not shown.
    async fn redacted(&self) -> bool {
        self.0.redacted
    }

    /// The value in the first version; null if it is secret, or the version does not name the field.
    async fn before(&self) -> Json {
        Json(self.0.before.clone())
    }

    /// The value in the second version; null if it is secret, or the version does not name the field.
    async fn after(&self) -> Json {
        Json(self.0.after.clone())
    }

    /// The differences inside the field, ordered by path; at most 200.
    async fn changes(&self) -> Vec<ValueChange> {
        let list = self.0.changes.list.iter();
        list.cloned().map(ValueChange).collect()
    }

    /// Whether there are more differences than the 200 in `changes`.
    async fn changes_truncated(&self) -> bool {
        self.0.changes.truncated
    }
}

/// The difference between two versions of the spec of a resource.
#[derive(SimpleObject)]
pub(in crate::graphql) struct SpecDifference {
    /// The first version.
    from: SpecVersion,
    /// The second version.
    to: SpecVersion,
    /// The fields that differ, ordered by name; at most 200.
    fields: Vec<SpecFieldChange>,
    /// The number of fields that differ.
    field_count: i32,
}

impl From<Difference> for SpecDifference {
    fn from(found: Difference) -> Self {
        Self {
            from: SpecVersion(found.from),
            to: SpecVersion(found.to),
            field_count: i32::try_from(found.fields.len()).unwrap_or(i32::MAX),
            fields: found
                .fields
                .into_iter()
                .take(MAX_SHOWN)
                .map(SpecFieldChange)
                .collect(),
        }
    }
}
