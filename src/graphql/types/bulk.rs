//! Decisions about many drifts.

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::bulk_items::{self, ItemOutcome};
use entity::cloud_drift;
use uuid::Uuid;

use super::drift::DriftStatus;
use super::{Drift, DriftFilterInput, Resource};
use crate::error::{Error, Result};
use crate::graphql::arguments::{not_empty, parse_id};
use crate::graphql::error::ApiResult;
use crate::graphql::loader::ResourceById;
use crate::graphql::refusal::Refusal;
use crate::services::bulks::{self, MAX_DRIFTS, Preview, PreviewedResource, Selected};

/// Number of rows used to compute the complexity of the lists of a bulk.
pub(super) const TYPICAL_ROWS: usize = 200;

/// Input of `previewAcceptDrifts`. Set either `filter` or `driftIds`.
#[derive(InputObject)]
pub(in crate::graphql) struct PreviewAcceptDriftsInput {
    /// Selects open drifts, of which the preview has the newest 1,000. With `group`, the drifts of a group.
    filter: Option<DriftFilterInput>,
    /// The ids of the drifts, at most 1,000.
    drift_ids: Option<Vec<ID>>,
}

impl PreviewAcceptDriftsInput {
    /// Converts the selection for the service.
    ///
    /// # Errors
    ///
    /// BAD_USER_INPUT if the selection is not valid.
    pub(in crate::graphql) fn parse(self) -> Result<Selected> {
        selected(self.filter, self.drift_ids)
    }
}

/// Converts the selection of a bulk for the service.
///
/// # Errors
///
/// BAD_USER_INPUT if the selection is not valid.
pub(super) fn selected(filter: Option<DriftFilterInput>, drift_ids: Option<Vec<ID>>) -> Result<Selected> {
    match (filter, not_empty("driftIds", drift_ids)?) {
        (Some(filter), None) => Ok(Selected::Filter(Box::new(filter.parse()?))),
        (None, Some(ids)) if ids.len() > MAX_DRIFTS => Err(Error::BadUserInput(format!(
            "driftIds has more than {MAX_DRIFTS} ids"
        ))),
        (None, Some(ids)) => {
            let ids = ids.iter().map(parse_id).collect::<Result<_>>()?;
            Ok(Selected::Drifts(ids))
        }
        _ => Err(Error::BadUserInput(
            "set either filter or driftIds: filter: {} selects all open drifts".to_owned(),
        )),
    }
}

/// Result of `previewAcceptDrifts`.
#[derive(SimpleObject)]
pub(in crate::graphql) struct PreviewAcceptDriftsPayload {
    /// The token for `acceptDrifts`.
    token: ID,
    /// When the token becomes invalid, unless the execution has begun.
    expires_at: DateTime<Utc>,
    /// The number of drifts in the preview, at most 1,000.
    count: i32,
    /// The number of drifts that were selected.
    matching: i32,
    /// What would change, by resource; at most 1,000.
    #[graphql(complexity = "TYPICAL_ROWS * child_complexity")]
    resources: Vec<AcceptPreviewResource>,
    /// The drifts in `driftIds` that are not open any more, and are not in the preview; at most 1,000.
    closed: Vec<ClosedDrift>,
}

/// A drift that is not open any more.
#[derive(SimpleObject)]
pub(in crate::graphql) struct ClosedDrift {
    /// The id of the drift.
    drift_id: ID,
    /// Its status.
    status: DriftStatus,
}

impl From<(Uuid, cloud_drift::DriftStatus)> for ClosedDrift {
    fn from((id, status): (Uuid, cloud_drift::DriftStatus)) -> Self {
        Self {
            drift_id: id.into(),
            status: status.into(),
        }
    }
}

impl From<Preview> for PreviewAcceptDriftsPayload {
    fn from(preview: Preview) -> Self {
        let count: usize = preview.resources.iter().map(|of| of.drifts.len()).sum();
        Self {
            token: preview.bulk.id.into(),
            expires_at: preview.bulk.expires_at,
            count: i32::try_from(count).unwrap_or(i32::MAX),
            matching: i32::try_from(preview.matching).unwrap_or(i32::MAX),
            closed: preview.closed.into_iter().map(Into::into).collect(),
            resources: preview.resources.into_iter().map(AcceptPreviewResource).collect(),
        }
    }
}

/// A drift of a preview.
#[derive(SimpleObject)]
pub(in crate::graphql) struct PreviewedDrift {
    /// The drift with the revision and the values that the token stands for.
    drift: Drift,
}

impl From<cloud_drift::Model> for PreviewedDrift {
    fn from(drift: cloud_drift::Model) -> Self {
        Self { drift: Drift(drift) }
    }
}

/// What a bulk would change of one resource.
pub(in crate::graphql) struct AcceptPreviewResource(PreviewedResource);

/// What a bulk would change of one resource.
#[Object]
impl AcceptPreviewResource {
    /// The resource.
    async fn resource(&self, ctx: &Context<'_>) -> ApiResult<Resource> {
        let row = crate::graphql::loaders(ctx)?
            .load_one(ResourceById(self.0.resource_id))
            .await?;
        let none = || Error::Internal("the resource of a drift cannot be read".to_owned());
        Ok(Resource(row.ok_or_else(none)?))
    }

    /// The drifts that would be accepted, by field; at most 1,000. The live value of each becomes the expected one.
    async fn drifts(&self) -> Vec<PreviewedDrift> {
        self.0.drifts.iter().cloned().map(Into::into).collect()
    }

    /// The version of the spec in force; null if there is none.
    async fn spec_version(&self) -> Option<i32> {
        self.0.spec_version
    }

    /// Whether the spec would be retired, because the resource is missing.
    async fn retires_spec(&self) -> bool {
        let missing = cloud_drift::DriftKind::Missing;
        self.0.drifts.iter().any(|drift| drift.kind == missing)
    }

    /// A warning that the next apply of Terraform will undo the accept unless the configuration follows; null if no state
    /// owns the spec.
    async fn warning(&self) -> Option<&str> {
        self.0.warning.as_deref()
    }
}

/// Input of `acceptDrifts`.
#[derive(InputObject)]
pub(in crate::graphql) struct AcceptDriftsInput {
    /// The token of a preview.
    pub(in crate::graphql) token: ID,
    /// The reason for the decision, at most 4096 bytes.
    #[graphql(secret)]
    pub(in crate::graphql) note: Option<String>,
}

/// Result of `acceptDrifts`.
#[derive(SimpleObject)]
pub(in crate::graphql) struct AcceptDriftsPayload {
    /// The bulk. `finishedAt` is null if it is still active. Null if the mutation was refused.
    pub(in crate::graphql) run: Option<BulkRun>,
    /// Why the mutation was refused; null if it was done. Select it to get a refusal as data instead of an error.
    pub(in crate::graphql) refusal: Option<Refusal>,
}

/// What a bulk does to its drifts.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
pub(in crate::graphql) enum BulkAction {
    /// Makes the live values the expected ones.
    Accept,
    /// Snoozes the drifts.
    Snooze,
    /// Assigns the drifts to a user.
    Assign,
    /// Removes the assignees of the drifts.
    Unassign,
    /// Makes ignore rules: one for each field, which covers this field on the resources of the drifts. Differences that
    /// appear there later are ignored, too, whatever their values.
    Ignore,
}

/// What became of a drift of a bulk.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
pub(in crate::graphql) enum BulkItemOutcome {
    /// The drift waits.
    Pending,
    /// The action was done.
    Done,
    /// The drift was left as it is. `code` has the reason.
    Refused,
}

/// A decision about many drifts, from a preview.
pub(in crate::graphql) struct BulkRun(pub(in crate::graphql) bulks::BulkRun);

/// A decision about many drifts, from a preview.
#[Object]
impl BulkRun {
    /// The unique id of the bulk, which is the token of its preview.
    pub(in crate::graphql) async fn id(&self) -> ID {
        self.0.bulk.id.into()
    }

    /// What is done to the drifts.
    async fn action(&self) -> ApiResult<BulkAction> {
        Ok(match bulks::Action::of(&self.0.bulk)? {
            bulks::Action::Accept => BulkAction::Accept,
            bulks::Action::Snooze(_) => BulkAction::Snooze,
            bulks::Action::Assign(Some(_)) => BulkAction::Assign,
            bulks::Action::Assign(None) => BulkAction::Unassign,
            bulks::Action::Ignore(_) => BulkAction::Ignore,
        })
    }

    /// The user who decided.
    async fn actor(&self) -> &str {
        &self.0.bulk.actor
    }

    /// The reason of the user; null if there is none.
    async fn note(&self) -> Option<&str> {
        self.0.bulk.note.as_deref()
    }

    /// When the preview was made.
    async fn previewed_at(&self) -> DateTime<Utc> {
        self.0.bulk.created_at
    }

    /// When the execution began.
    async fn started_at(&self) -> Option<DateTime<Utc>> {
        self.0.bulk.started_at
    }

    /// When each drift had an outcome; null as long as one waits.
    async fn finished_at(&self) -> Option<DateTime<Utc>> {
        self.0.bulk.finished_at
    }

    /// The number of drifts, at most 1,000.
    async fn total(&self) -> i32 {
        to_int(self.0.done + self.0.refused + self.0.pending)
    }

    /// The number of drifts for which the action was done.
    async fn done(&self) -> i32 {
        to_int(self.0.done)
    }

    /// The number of drifts that were left as they are.
    async fn refused(&self) -> i32 {
        to_int(self.0.refused)
    }

    /// The number of drifts that wait.
    async fn pending(&self) -> i32 {
        to_int(self.0.pending)
    }

    /// The drifts with their outcomes, by resource; at most 1,000.
    #[graphql(complexity = "TYPICAL_ROWS * child_complexity")]
    async fn items(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Returns only drifts that were done, or were refused.")] outcome: Option<
            BulkItemOutcome,
        >,
    ) -> ApiResult<Vec<BulkItem>> {
        let db = crate::graphql::app(ctx)?.db();
        let wanted = match outcome {
            Some(BulkItemOutcome::Done) => Some(ItemOutcome::Done),
            Some(BulkItemOutcome::Refused) => Some(ItemOutcome::Refused),
            Some(BulkItemOutcome::Pending) | None => None,
        };
        let mut items = bulks::items_of(db.reader(), self.0.bulk.id, wanted).await?;
        if outcome == Some(BulkItemOutcome::Pending) {
            items.retain(|item| item.outcome.is_none());
        }
        Ok(items.into_iter().map(BulkItem).collect())
    }
}

fn to_int(count: i64) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// A drift of a bulk.
pub(in crate::graphql) struct BulkItem(bulk_items::Model);

/// A drift of a bulk.
#[Object]
impl BulkItem {
    /// The id of the drift.
    async fn drift_id(&self) -> ID {
        self.0.drift_id.into()
    }

    /// The id of its resource.
    async fn resource_id(&self) -> ID {
        self.0.resource_id.into()
    }

    /// The name of the field; `*` for a missing resource.
    async fn field(&self) -> &str {
        &self.0.field
    }

    /// The revision of the drift in the preview.
    async fn revision(&self) -> i32 {
        self.0.revision
    }

    /// What became of the drift.
    async fn outcome(&self) -> BulkItemOutcome {
        match self.0.outcome {
            None => BulkItemOutcome::Pending,
            Some(ItemOutcome::Done) => BulkItemOutcome::Done,
            Some(ItemOutcome::Refused) => BulkItemOutcome::Refused,
        }
    }

    /// The code of the error if the drift was refused, such as `LIVE_VALUE_MOVED`; otherwise null.
    async fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// The message of the error if the drift was refused; otherwise null.
    async fn message(&self) -> Option<&str> {
        self.0.message.as_deref()
    }

    /// Why the drift was refused, with the drift as it is now; null if it was not refused, or because the server failed.
    async fn refusal(&self) -> Option<Refusal> {
        let (code, message) = (self.0.code.as_deref()?, self.0.message.as_deref()?);
        Refusal::stored(code, message, self.0.drift_id)
    }

    /// The version of the spec that has the accepted value; null if the drift was not accepted or the spec was retired.
    async fn spec_version(&self) -> Option<i32> {
        self.0.spec_version
    }
}
