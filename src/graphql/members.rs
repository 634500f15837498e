//! The mutation that accepts some members of a list.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use serde_json::Value;

use super::arguments::parse_id;
use super::error::ApiResult;
use super::guard::{AtLeast, caller};
use super::mutation::app_with_fresh_loaders;
use super::refusal::{Outcome, Refusal};
use super::types::{Drift, Json, ProvisionedSpec, SpecSource};
use crate::domain::actor::Role;
use crate::services::acceptance::{self, AcceptMembers};

/// Input of `acceptDriftMembers`.
#[derive(InputObject)]
struct AcceptDriftMembersInput {
    /// The id of the drift.
    drift_id: ID,
    /// The revision that you have seen. If the drift has another revision, the accept fails with LIVE_VALUE_MOVED.
    revision: i32,
    /// The values of the members to accept, as in `members` of the drift: 1 to 1000.
    #[graphql(secret)]
    members: Vec<Option<Json>>,
    /// The reason for the decision, at most 4096 bytes.
    #[graphql(secret)]
    note: Option<String>,
}

/// Result of `acceptDriftMembers`.
#[derive(SimpleObject)]
struct AcceptDriftMembersPayload {
    /// The closed drift that records the accepted members. Its `actual` is the expected value with them. `undoAccept` takes its
    /// id. If no other member differed, it is the drift itself.
    /// Null if the accept was refused.
    accepted: Option<Drift>,
    /// The drift, which stays open with the other members; null if no other member differed, if an ignore rule covers all
    /// that is left, or if the accept was refused.
    drift: Option<Drift>,
    /// The new version of the spec.
    provisioned: Option<ProvisionedSpec>,
    /// The source of the spec if a Terraform state owns it. Otherwise null.
    owned_by: Option<SpecSource>,
    /// A warning that the next apply of Terraform will undo this accept unless the configuration follows; null if no state
    /// owns the spec.
    warning: Option<String>,
    /// Why the mutation was refused; null if it was done. Select it to get a refusal as data instead of an error.
    refusal: Option<Refusal>,
}

/// The mutation that accepts some members of a list.
#[derive(Default)]
pub(super) struct MemberMutation;

/// The mutation that accepts some members of a list.
#[Object]
impl MemberMutation {
    /// Accepts some members of a drifted list, such as one of three added tags. A member that only the live list has becomes
    /// expected, and one that only the expected list has is no longer expected. The drift stays open with the others. It is
    /// one decision: if one member is in both lists or in none, nothing is accepted and the error is BAD_USER_INPUT.
    /// Otherwise it fails as `acceptDrift` does.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn accept_drift_members(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The members to accept.")] input: AcceptDriftMembersInput,
    ) -> ApiResult<Option<AcceptDriftMembersPayload>> {
        let app = app_with_fresh_loaders(ctx)?;
        let accept = AcceptMembers {
            drift_id: parse_id(&input.drift_id)?,
            revision: input.revision,
            members: input
                .members
                .into_iter()
                .map(|member| member.map_or(Value::Null, |json| json.0))
                .collect(),
            note: input.note,
        };
        let actor = caller(ctx)?.name();
        let done = acceptance::accept_members_of(app.db(), actor, &accept, app.clock().now()).await;
        Ok(Some(match Outcome::of(ctx, done, Some(accept.drift_id))? {
            Outcome::Done(done) => AcceptDriftMembersPayload {
                accepted: Some(Drift(done.accepted.drift)),
                drift: done.open.map(Drift),
                provisioned: done.accepted.provisioned.map(ProvisionedSpec),
                owned_by: done.accepted.owned_by.map(SpecSource),
                warning: done.accepted.warning,
                refusal: None,
            },
            Outcome::Refused(refusal, _) => AcceptDriftMembersPayload {
                accepted: None,
                drift: None,
                provisioned: None,
                owned_by: None,
                warning: None,
                refusal: Some(*refusal),
            },
        }))
    }
}
