//! Plans that put live values back.

use async_graphql::{Context, Enum, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::job_runs::Job;

use super::{Drift, Json, Resource};
use crate::domain::revert as rules;
use crate::graphql::error::ApiResult;
use crate::services::revert_plan::{self, FieldResult, MAX_CALLS};

/// The HTTP method of a call.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
#[graphql(remote = "rules::Method")]
pub(in crate::graphql) enum RevertMethod {
    /// Only reads.
    Get,
    /// Creates something or starts an action.
    Post,
    /// Replaces the object.
    Put,
    /// Changes the properties that the body names.
    Patch,
    /// Removes something.
    Delete,
}

/// What a call does to the resource besides the change.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
#[graphql(remote = "rules::Effect")]
pub(in crate::graphql) enum RevertEffect {
    /// Nothing else.
    None,
    /// It, or a part of it, restarts.
    Reboots,
    /// It is powered off.
    PowersOff,
    /// Parts of it are replaced by new ones, such as the nodes of a cluster.
    Replaced,
    /// The change cannot be undone.
    Irreversible,
    /// Data is lost.
    DestroysData,
}

/// Why a live value cannot be put back by calls.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
#[graphql(remote = "rules::Obstacle")]
pub(in crate::graphql) enum RevertObstacle {
    /// The cloud sets the value, or it follows from other fields.
    ReadOnly,
    /// The value is fixed when the resource is created: only a new resource can have another.
    NeedsReplacement,
    /// The value can change in one direction only, such as the size of a disk.
    OneWay,
    /// The expected value is a secret, or contains parts that are not stored.
    Secret,
    /// The resource is gone and must be created again.
    MustBeCreated,
    /// The API has no call for it.
    NoCall,
    /// The expected value is not one that the API accepts.
    InvalidValue,
    /// The field is not known to this server.
    UnknownField,
    /// The calls of this provider are not known to this server.
    UnknownProvider,
}

/// How a field can be put back.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
pub(in crate::graphql) enum RevertOutcome {
    /// By the calls.
    Calls,
    /// Not by calls; `obstacle` and `explanation` say why.
    Cannot,
    /// The values are equal by now.
    Equal,
    /// The spec no longer names the field, so nothing is expected of it.
    NotExpected,
}

/// A text in a path or body that you replace before you send the call.
#[derive(SimpleObject)]
pub(in crate::graphql) struct RevertPlaceholder {
    /// The text.
    text: String,
    /// What takes its place, and where to find it.
    meaning: String,
}

/// A call that this server does not send.
pub(in crate::graphql) struct RevertCall(rules::Call);

/// A call that this server does not send.
#[Object]
impl RevertCall {
    /// The HTTP method.
    async fn method(&self) -> RevertMethod {
        self.0.method.into()
    }

    /// The path and query, such as `/v2/droplets/7/actions`.
    async fn path(&self) -> &str {
        &self.0.path
    }

    /// The JSON body; null if the call has none.
    async fn body(&self) -> Option<Json> {
        self.0.body.clone().map(Json)
    }

    /// Texts that you replace before you send the call, at most 200.
    async fn placeholders(&self) -> Vec<RevertPlaceholder> {
        let placeholders = self.0.placeholders.iter().take(super::MAX_SHOWN);
        placeholders
            .map(|placeholder| RevertPlaceholder {
                text: placeholder.text.clone(),
                meaning: placeholder.meaning.clone(),
            })
            .collect()
    }

    /// What it does to the resource besides the change.
    async fn effect(&self) -> RevertEffect {
        self.0.effect.into()
    }

    /// The same call as a line for `doctl`, quoted for a POSIX shell; null if `doctl` has no equivalent, or a value has
    /// characters that are not safe to paste.
    async fn doctl(&self) -> Option<&str> {
        self.0.command.as_deref()
    }

    /// The same call as a line for curl, quoted for a POSIX shell, with the token in `DIGITALOCEAN_ACCESS_TOKEN`; null if a
    /// value has characters that are not safe to paste.
    async fn curl(&self) -> Option<&str> {
        self.0.curl.as_deref()
    }

    /// What to know before and after it.
    async fn note(&self) -> &str {
        &self.0.note
    }

    /// Where the facts about the call come from.
    async fn source(&self) -> &str {
        self.0.source
    }
}

/// A field of a plan.
pub(in crate::graphql) struct RevertField(revert_plan::PlannedField);

/// A field of a plan.
#[Object]
impl RevertField {
    /// The name of the field; `*` for a resource that is gone.
    async fn field(&self) -> &str {
        &self.0.field
    }

    /// The open drift of the field; null if there is none.
    async fn drift(&self) -> Option<Drift> {
        self.0.drift.clone().map(Drift)
    }

    /// The expected value; null if it is unset or redacted.
    async fn expected(&self) -> Option<Json> {
        Some(self.0.expected.clone())
            .filter(|value| !value.is_null())
            .map(Json)
    }

    /// The live value, as the last listing returned it; null if it is unset or redacted.
    async fn actual(&self) -> Option<Json> {
        Some(self.0.actual.clone())
            .filter(|value| !value.is_null())
            .map(Json)
    }

    /// How the field can be put back.
    async fn outcome(&self) -> RevertOutcome {
        match &self.0.result {
            FieldResult::Planned(rules::Outcome::Calls(_)) => RevertOutcome::Calls,
            FieldResult::Planned(rules::Outcome::Cannot(..)) => RevertOutcome::Cannot,
            FieldResult::Equal => RevertOutcome::Equal,
            FieldResult::NotExpected => RevertOutcome::NotExpected,
        }
    }

    /// Why no call can put the field back; null unless the outcome is CANNOT.
    async fn obstacle(&self) -> Option<RevertObstacle> {
        match &self.0.result {
            FieldResult::Planned(rules::Outcome::Cannot(obstacle, _)) => Some((*obstacle).into()),
            _ => None,
        }
    }

    /// Why no call can put the field back, as a sentence; null unless the outcome is CANNOT.
    async fn explanation(&self) -> Option<&str> {
        match &self.0.result {
            FieldResult::Planned(rules::Outcome::Cannot(_, why)) => Some(why),
            _ => None,
        }
    }

    /// The calls of this field in order, at most 200. Calls of several fields are the same if one call puts back all of them.
    async fn calls(&self) -> Vec<RevertCall> {
        match &self.0.result {
            FieldResult::Planned(rules::Outcome::Calls(calls)) => {
                calls.iter().take(MAX_CALLS).cloned().map(RevertCall).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// How Terraform puts a resource back.
#[derive(SimpleObject)]
pub(in crate::graphql) struct RevertTerraform {
    /// The address of the resource in the state that declares it.
    address: String,
    /// The command that shows what Terraform would change. Run it where the configuration is.
    plan: String,
    /// The command that changes it.
    apply: String,
}

/// How a drift closes after its value was put back.
#[derive(SimpleObject)]
pub(in crate::graphql) struct RevertClosing {
    /// The name of the source that must list the resource first; null if no source lists it yet.
    source: Option<String>,
    /// The next listing of this source on a schedule; null if this server has no schedule for it.
    next_sync_at: Option<DateTime<Utc>>,
    /// The next sweep on a schedule after that; null if this server has no schedule for sweeps. A sync that changes a value
    /// is followed by a sweep at once, if the server runs both.
    next_sweep_at: Option<DateTime<Utc>>,
}

/// A plan that puts live values of one resource back to the expected ones. It is data: this server only reads the cloud.
pub(in crate::graphql) struct RevertPlan(pub(in crate::graphql) revert_plan::RevertPlan);

/// A plan that puts live values of one resource back to the expected ones. It is data: this server only reads the cloud.
#[Object]
impl RevertPlan {
    /// The resource.
    async fn resource(&self) -> Resource {
        Resource(self.0.resource.clone())
    }

    /// The fields by name, at most 100.
    async fn fields(&self) -> Vec<RevertField> {
        let fields = self.0.fields.iter().take(revert_plan::MAX_FIELDS);
        fields.cloned().map(RevertField).collect()
    }

    /// The calls of all fields in order, each once, at most 200.
    async fn calls(&self) -> Vec<RevertCall> {
        self.0
            .calls
            .iter()
            .take(MAX_CALLS)
            .cloned()
            .map(RevertCall)
            .collect()
    }

    /// How Terraform puts the resource back; null if no Terraform state declares it.
    async fn terraform(&self) -> Option<RevertTerraform> {
        self.0.terraform.as_ref().map(|terraform| RevertTerraform {
            address: terraform.address.clone(),
            plan: terraform.plan.clone(),
            apply: terraform.apply.clone(),
        })
    }

    /// Which sweep closes the drifts. With `markReverting`, they become REVERTED, otherwise STALE.
    async fn closing(&self, ctx: &Context<'_>) -> ApiResult<RevertClosing> {
        let app = crate::graphql::app(ctx)?;
        let (now, source) = (app.clock().now(), self.0.source.as_deref());
        let timetable = app.timetable();
        let of_source = timetable.iter().find(|(request, _)| {
            request.job() == Job::SyncInventory && source.is_some() && request.source() == source
        });
        let next_sync_at = of_source.and_then(|(_, schedule)| schedule.next_tick(now));
        let sweep = timetable
            .iter()
            .find(|(request, _)| request.job() == Job::DetectDrift);
        Ok(RevertClosing {
            source: self.0.source.clone(),
            next_sweep_at: sweep.and_then(|(_, schedule)| schedule.next_tick(next_sync_at.unwrap_or(now))),
            next_sync_at,
        })
    }
}
