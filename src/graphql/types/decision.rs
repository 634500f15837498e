//! The inputs and results of decisions about open drifts other than accepts.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};

use super::bulk::{ClosedDrift, PreviewedDrift, TYPICAL_ROWS, selected};
use super::{BulkAction, BulkRun, Drift, DriftComment, DriftFilterInput, Resource};
use crate::domain::snooze::Snooze;
use crate::error::{Error, Result};
use crate::graphql::error::ApiResult;
use crate::graphql::loader::ResourceById;
use crate::graphql::refusal::Refusal;
use crate::services::bulks::{Action, Preview, PreviewedResource, RuleTerms, Selected};

/// Input of `snoozeDrift`. Set `until`, `untilChange`, or both.
#[derive(InputObject)]
pub(in crate::graphql) struct SnoozeDriftInput {
    /// The id of the drift.
    pub(in crate::graphql) drift_id: ID,
    /// The revision that you have seen. Without it, the drift is snoozed whatever its values are by now.
    pub(in crate::graphql) revision: Option<i32>,
    /// The time at which the snooze ends at the latest, in the next 366 days.
    pub(in crate::graphql) until: Option<DateTime<Utc>>,
    /// Whether a change of the expected or the live value ends the snooze.
    #[graphql(default)]
    pub(in crate::graphql) until_change: bool,
    /// The reason, at most 4096 bytes.
    #[graphql(secret)]
    pub(in crate::graphql) reason: Option<String>,
}

/// Result of `snoozeDrift`.
#[derive(SimpleObject)]
pub(in crate::graphql) struct SnoozeDriftPayload {
    /// The drift, which is still OPEN; if the mutation was refused, the drift as it is now.
    pub(in crate::graphql) drift: Drift,
    /// Why the mutation was refused; null if it was done. Select it to get a refusal as data instead of an error.
    pub(in crate::graphql) refusal: Option<Refusal>,
}

/// Input of `unsnoozeDrift`.
#[derive(InputObject)]
pub(in crate::graphql) struct UnsnoozeDriftInput {
    /// The id of the drift.
    pub(in crate::graphql) drift_id: ID,
    /// The reason, at most 4096 bytes.
    #[graphql(secret)]
    pub(in crate::graphql) reason: Option<String>,
}

/// Result of `unsnoozeDrift`.
#[derive(SimpleObject)]
pub(in crate::graphql) struct UnsnoozeDriftPayload {
    /// The drift.
    pub(in crate::graphql) drift: Drift,
}

/// Input of `assignDrift`.
#[derive(InputObject)]
pub(in crate::graphql) struct AssignDriftInput {
    /// The id of the drift.
    pub(in crate::graphql) drift_id: ID,
    /// The email address or name of the user, at most 254 bytes. It is not checked whether there is such a user.
    pub(in crate::graphql) assignee: String,
}

/// Result of `assignDrift`.
#[derive(SimpleObject)]
pub(in crate::graphql) struct AssignDriftPayload {
    /// The drift; if the mutation was refused, the drift as it is now.
    pub(in crate::graphql) drift: Drift,
    /// Why the mutation was refused; null if it was done. Select it to get a refusal as data instead of an error.
    pub(in crate::graphql) refusal: Option<Refusal>,
}

/// Input of `takeDrift`.
#[derive(InputObject)]
pub(in crate::graphql) struct TakeDriftInput {
    /// The id of the drift.
    pub(in crate::graphql) drift_id: ID,
}

/// Result of `takeDrift`.
#[derive(SimpleObject)]
pub(in crate::graphql) struct TakeDriftPayload {
    /// The drift; if the mutation was refused, the drift as it is now.
    pub(in crate::graphql) drift: Drift,
    /// Why the mutation was refused; null if it was done. Select it to get a refusal as data instead of an error.
    pub(in crate::graphql) refusal: Option<Refusal>,
}

/// Input of `unassignDrift`.
#[derive(InputObject)]
pub(in crate::graphql) struct UnassignDriftInput {
    /// The id of the drift.
    pub(in crate::graphql) drift_id: ID,
}

/// Result of `unassignDrift`.
#[derive(SimpleObject)]
pub(in crate::graphql) struct UnassignDriftPayload {
    /// The drift; if the mutation was refused, the drift as it is now.
    pub(in crate::graphql) drift: Drift,
    /// Why the mutation was refused; null if it was done. Select it to get a refusal as data instead of an error.
    pub(in crate::graphql) refusal: Option<Refusal>,
}

/// Input of `addComment`.
#[derive(InputObject)]
pub(in crate::graphql) struct AddCommentInput {
    /// The id of the drift.
    pub(in crate::graphql) drift_id: ID,
    /// Plain text, at most 4096 bytes. Spaces at its ends are removed.
    #[graphql(secret)]
    pub(in crate::graphql) body: String,
}

/// Result of `addComment`.
#[derive(SimpleObject)]
pub(in crate::graphql) struct AddCommentPayload {
    /// The comment.
    pub(in crate::graphql) comment: DriftComment,
}

/// Input of `previewBulk`. Set either `filter` or `driftIds`.
#[derive(InputObject)]
pub(in crate::graphql) struct PreviewBulkInput {
    /// Selects open drifts, of which the preview has the newest 1,000. With `group`, the drifts of a group.
    filter: Option<DriftFilterInput>,
    /// The ids of the drifts, at most 1,000.
    drift_ids: Option<Vec<ID>>,
    /// What is done to the drifts.
    action: BulkAction,
    /// Only with SNOOZE: the time at which the snoozes end at the latest, in the next 366 days.
    until: Option<DateTime<Utc>>,
    /// Only with SNOOZE: whether a change of the expected or the live value of a drift ends its snooze.
    until_change: Option<bool>,
    /// Only with ASSIGN, and required there: the email address or name of the user, at most 254 bytes.
    assignee: Option<String>,
    /// Only with IGNORE: the person or team that answers for the rules.
    owner: Option<String>,
    /// Only with IGNORE: when the rules end by themselves.
    expires_at: Option<DateTime<Utc>>,
}

impl PreviewBulkInput {
    /// Converts the input for the service.
    ///
    /// # Errors
    ///
    /// BAD_USER_INPUT if the selection is not valid, or something is set that the action does not use.
    pub(in crate::graphql) fn parse(self) -> Result<(Selected, Action)> {
        let Self {
            filter,
            drift_ids,
            action,
            until,
            until_change,
            assignee,
            owner,
            expires_at,
        } = self;
        for (name, is_set, by) in [
            ("until", until.is_some(), BulkAction::Snooze),
            ("untilChange", until_change.is_some(), BulkAction::Snooze),
            ("assignee", assignee.is_some(), BulkAction::Assign),
            ("owner", owner.is_some(), BulkAction::Ignore),
            ("expiresAt", expires_at.is_some(), BulkAction::Ignore),
        ] {
            if is_set && by != action {
                return Err(Error::BadUserInput(format!("the action does not use {name}")));
            }
        }
        let action = match action {
            BulkAction::Accept => Action::Accept,
            BulkAction::Snooze => Action::Snooze(Snooze {
                until,
                until_change: until_change.unwrap_or_default(),
            }),
            BulkAction::Assign if assignee.is_none() => {
                return Err(Error::BadUserInput("assignee is missing".to_owned()));
            }
            BulkAction::Assign => Action::Assign(assignee),
            BulkAction::Unassign => Action::Assign(None),
            BulkAction::Ignore => Action::Ignore(RuleTerms { owner, expires_at }),
        };
        Ok((selected(filter, drift_ids)?, action))
    }
}

/// Result of `previewBulk`.
#[derive(SimpleObject)]
pub(in crate::graphql) struct PreviewBulkPayload {
    /// The token for `executeBulk`.
    token: ID,
    /// When the token becomes invalid, unless the execution has begun.
    expires_at: DateTime<Utc>,
    /// The number of drifts in the preview, at most 1,000.
    count: i32,
    /// The number of drifts that were selected.
    matching: i32,
    /// The number of different fields of the drifts: IGNORE makes one rule for each.
    fields: i32,
    /// The drifts by resource; at most 1,000.
    #[graphql(complexity = "TYPICAL_ROWS * child_complexity")]
    resources: Vec<BulkPreviewResource>,
    /// The drifts in `driftIds` that are not open any more, and are not in the preview; at most 1,000.
    closed: Vec<ClosedDrift>,
}

impl From<Preview> for PreviewBulkPayload {
    fn from(preview: Preview) -> Self {
        let drifts = || preview.resources.iter().flat_map(|of| &of.drifts);
        let fields: std::collections::BTreeSet<&str> = drifts().map(|drift| drift.field.as_str()).collect();
        let to_int = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
        Self {
            token: preview.bulk.id.into(),
            expires_at: preview.bulk.expires_at,
            count: to_int(drifts().count()),
            fields: to_int(fields.len()),
            matching: i32::try_from(preview.matching).unwrap_or(i32::MAX),
            closed: preview.closed.into_iter().map(Into::into).collect(),
            resources: preview.resources.into_iter().map(BulkPreviewResource).collect(),
        }
    }
}

/// The drifts of one resource in a preview.
pub(in crate::graphql) struct BulkPreviewResource(PreviewedResource);

/// The drifts of one resource in a preview.
#[Object]
impl BulkPreviewResource {
    /// The resource.
    async fn resource(&self, ctx: &Context<'_>) -> ApiResult<Resource> {
        let id = ResourceById(self.0.resource_id);
        let row = crate::graphql::loaders(ctx)?.load_one(id).await?;
        Ok(Resource(row.ok_or_else(|| {
            Error::Internal("the resource of a drift cannot be read".to_owned())
        })?))
    }

    /// The drifts, by field; at most 1,000.
    async fn drifts(&self) -> Vec<PreviewedDrift> {
        self.0.drifts.iter().cloned().map(Into::into).collect()
    }
}

/// Input of `executeBulk`.
#[derive(InputObject)]
pub(in crate::graphql) struct ExecuteBulkInput {
    /// The token of a preview.
    pub(in crate::graphql) token: ID,
    /// The reason for the decision, at most 4096 bytes. Required to ignore drifts.
    #[graphql(secret)]
    pub(in crate::graphql) note: Option<String>,
}

/// Result of `executeBulk`.
#[derive(SimpleObject)]
pub(in crate::graphql) struct ExecuteBulkPayload {
    /// The bulk. `finishedAt` is null if it is still active. Null if the mutation was refused.
    pub(in crate::graphql) run: Option<BulkRun>,
    /// Why the mutation was refused; null if it was done. Select it to get a refusal as data instead of an error.
    pub(in crate::graphql) refusal: Option<Refusal>,
}
