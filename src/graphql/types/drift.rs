//! Drifts and their filters.

use async_graphql::{Context, Enum, ID, InputObject, InputType, Object};
use chrono::{DateTime, Utc};
use entity::{cloud_drift, cloud_provisioned};
use sea_orm::Iterable;
use serde_json::Value;

use super::comment::comments_of;
use super::condition::{Condition, texts};
use super::{
    Connection, DriftComment, DriftMember, IgnoreRule, Json, PageArgs, Resource, ValueChange, page_cost,
};
use crate::domain::changes::{Changes, changes_of};
use crate::domain::members::members_of;
use crate::domain::not_compared::NotCompared;
use crate::domain::redaction;
use crate::error::{Error, Result};
use crate::graphql::arguments::{not_empty, parse_id};
use crate::graphql::error::ApiResult;
use crate::graphql::loader::{AddressOf, DriftById, RecurrenceOf, ResourceById, RuleById, SpecOf};
use crate::provider::traits::MEMBER_NAMES;
use crate::services::acceptance::MAX_MEMBERS;
use crate::services::addresses;
use crate::services::groups::GroupKey;
use crate::services::inbox::{DriftChoices, DriftFilter, DriftTime, Recurrence, up_to_micros};

/// The status of a drift.
#[derive(Clone, Copy, Debug, Enum, PartialEq, Eq)]
#[graphql(remote = "cloud_drift::DriftStatus")]
pub(in crate::graphql) enum DriftStatus {
    /// The values differ, and no decision has been recorded.
    Open,
    /// The live value was made the expected value.
    Accepted,
    /// The live value was put back on purpose: `markReverting` noted the intent, and a later sweep found the values equal.
    Reverted,
    /// The drift was closed without a decision: the values no longer differ, or the field is no longer compared.
    Stale,
}

/// What kind of difference a drift is.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
#[graphql(remote = "cloud_drift::DriftKind")]
pub(in crate::graphql) enum DriftKind {
    /// The live value of one field differs from the expected value.
    Changed,
    /// The resource is gone, and a spec is in force for it.
    Missing,
}

/// Why a drift was closed.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
#[graphql(remote = "cloud_drift::CloseReason")]
pub(in crate::graphql) enum CloseReason {
    /// The live value was made the expected one, or the spec of a missing resource was retired.
    Accepted,
    /// The live value was put back on purpose.
    Reverted,
    /// The live value changed and now equals the expected value.
    Healed,
    /// The expected value changed and now equals the live value.
    SpecChanged,
    /// The spec no longer names the field.
    FieldRemoved,
    /// The spec was retired.
    SpecRetired,
    /// The resource is gone. A drift of the whole resource replaces those of its fields.
    ResourceGone,
    /// The missing resource is listed again.
    ResourceReturned,
    /// An ignore rule covers the difference.
    Ignored,
    /// The difference is no longer compared: the spec leaves it open, or the live value cannot be read.
    NotCompared,
}

/// How urgent a drift is.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
#[graphql(remote = "cloud_drift::Severity")]
pub(in crate::graphql) enum Severity {
    /// Has no effect on the service, such as a description.
    Low,
    /// Every difference to which no rule applies.
    Normal,
    /// May cost data, money or availability.
    High,
    /// Opens the resource to every address, or takes it away.
    Critical,
}

/// Selects drifts that match every condition. Absent fields do not restrict the selection, except `status`.
#[derive(Default, InputObject)]
#[graphql(name = "DriftFilter")]
pub(in crate::graphql) struct DriftFilterInput {
    /// Drifts with one of these statuses; `[OPEN]` if absent.
    status: Option<Vec<DriftStatus>>,
    /// Changed fields only, or missing resources only.
    kind: Option<DriftKind>,
    /// The name of the field.
    field: Option<String>,
    /// The id of the resource.
    resource_id: Option<ID>,
    /// The kind of the resource, such as `droplet`.
    resource_kind: Option<String>,
    /// The region slug of the resource.
    region: Option<String>,
    /// The name of the source that lists the resource.
    source: Option<String>,
    /// The Terraform address of the resource, such as `aws_sqs_queue.jobs["eu"]`. The address of a module, such as
    /// `module.net`, includes everything below it.
    address: Option<String>,
    /// A substring of the resource's name, its provider id, its address or the field name. ASCII letters match in
    /// either case.
    search: Option<String>,
    /// Detected at or after this time.
    detected_after: Option<DateTime<Utc>>,
    /// Detected before this time.
    detected_before: Option<DateTime<Utc>>,
    /// `true`: only snoozed drifts. `false`: only drifts that are not snoozed, as in the inbox of the page.
    snoozed: Option<bool>,
    /// `true`: only drifts that are assigned to a user. `false`: only those that are not.
    assigned: Option<bool>,
    /// The key of a group of drifts, from `driftGroups`.
    group: Option<ID>,
    /// Conditions with several values, and exclusions, for each property.
    #[graphql(name = "where")]
    conditions: Option<DriftConditions>,
}

/// Conditions with several values, and exclusions. A drift must meet all of them, and the other fields of the filter.
#[derive(Default, InputObject)]
pub(in crate::graphql) struct DriftConditions {
    /// The status. With this condition, closed drifts are selected too unless it excludes them.
    status: Option<Condition<DriftStatus>>,
    /// Whether the drift is a changed field or a missing resource.
    kind: Option<Condition<DriftKind>>,
    /// The name of the field.
    field: Option<Condition<String>>,
    /// The id of the resource.
    resource_id: Option<Condition<ID>>,
    /// The kind of the resource.
    resource_kind: Option<Condition<String>>,
    /// The region slug of the resource. A resource without a region meets every `notIn`.
    region: Option<Condition<String>>,
    /// The name of the source that lists the resource.
    source: Option<Condition<String>>,
    /// The Terraform address of the resource; that of a module includes everything below it. A resource without an
    /// address meets every `notIn`.
    address: Option<Condition<String>>,
    /// The cloud provider of the resource, such as `digitalocean`.
    provider: Option<Condition<String>>,
    /// How urgent the drift is.
    severity: Option<Condition<Severity>>,
    /// The user to whom the drift is assigned. A drift without an assignee meets every `notIn`.
    assignee: Option<Condition<String>>,
}

/// Returns the values of an enum that a condition permits.
fn permitted<T: InputType, U: PartialEq + Copy + From<T> + Iterable>(
    what: &str,
    condition: Option<Condition<T>>,
) -> Result<Option<Vec<U>>> {
    let Some(condition) = condition else {
        return Ok(None);
    };
    let choice = condition.parse(what, |value| Ok(U::from(value)))?;
    if choice.is_any() {
        return Ok(None);
    }
    Ok(Some(
        U::iter().filter(|value| choice.permits(Some(value))).collect(),
    ))
}

impl DriftConditions {
    /// Adds these conditions to a filter. `has_status` is whether the filter names its statuses.
    fn add_to(self, filter: &mut DriftFilter, has_status: bool) -> Result<()> {
        let statuses = permitted::<_, cloud_drift::DriftStatus>("status", self.status)?;
        match statuses {
            Some(statuses) if has_status => filter.status.retain(|status| statuses.contains(status)),
            Some(statuses) => filter.status = statuses,
            None => {}
        }
        if let Some(mut kinds) = permitted::<_, cloud_drift::DriftKind>("kind", self.kind)? {
            kinds.retain(|kind| filter.kind.is_none_or(|only| only == *kind));
            match kinds[..] {
                [] => filter.status.clear(),
                [only] => filter.kind = Some(only),
                _ => {}
            }
        }
        let ids = |condition: Condition<ID>| condition.parse("resourceId", |id| parse_id(&id));
        filter.choices = DriftChoices {
            field: texts("field", self.field)?,
            resource_id: self.resource_id.map(ids).transpose()?.unwrap_or_default(),
            resource_kind: texts("resourceKind", self.resource_kind)?,
            region: texts("region", self.region)?,
            source: texts("source", self.source)?,
            address: texts("address", self.address)?,
            provider: texts("provider", self.provider)?,
            severity: permitted::<_, cloud_drift::Severity>("severity", self.severity)?,
            assignee: texts("assignee", self.assignee)?,
            assigned: filter.choices.assigned,
            groups: std::mem::take(&mut filter.choices.groups),
        };
        Ok(())
    }
}

impl DriftFilterInput {
    /// Selects drifts of every status, unless the filter names statuses.
    pub(in crate::graphql) fn default_to_every_status(&mut self) {
        let of_conditions = self.conditions.as_ref().and_then(|of| of.status.as_ref());
        if self.status.is_none() && of_conditions.is_none() {
            self.status = Some(cloud_drift::DriftStatus::iter().map(Into::into).collect());
        }
    }

    /// Converts the filter for the inbox service. The filter is checked here, so that only this field fails, and not
    /// all fields that are loaded in the same batch.
    ///
    /// # Errors
    ///
    /// BAD_USER_INPUT if a condition is not valid.
    pub(in crate::graphql) fn parse(self) -> Result<DriftFilter> {
        let status = not_empty("filter.status", self.status)?;
        // Each status once and in one order, so that equal filters give the same statement.
        let status = status.map(|listed| {
            let listed: Vec<cloud_drift::DriftStatus> = listed.into_iter().map(Into::into).collect();
            let all = cloud_drift::DriftStatus::iter();
            all.filter(|status| listed.contains(status)).collect()
        });
        let defaults = DriftFilter::default();
        let has_status = status.is_some();
        let mut filter = DriftFilter {
            status: status.unwrap_or(defaults.status),
            kind: self.kind.map(Into::into),
            field: self.field,
            resource_id: self.resource_id.map(|id| parse_id(&id)).transpose()?,
            resource_kind: self.resource_kind,
            region: self.region,
            source: self.source,
            address: self.address,
            search: self.search,
            detected_after: self.detected_after.map(up_to_micros),
            detected_before: self.detected_before.map(up_to_micros),
            snoozed: self.snoozed,
            choices: DriftChoices {
                assigned: self.assigned,
                ..DriftChoices::default()
            },
        };
        if let Some(group) = &self.group {
            filter.choices.groups.push(GroupKey::parse(group)?);
        }
        if let Some(conditions) = self.conditions {
            conditions.add_to(&mut filter, has_status)?;
        }
        filter.check()?;
        Ok(filter.simplified())
    }
}

/// The field that a list of drifts is ordered by.
#[derive(Clone, Copy, Default, Enum, PartialEq, Eq)]
#[graphql(remote = "DriftTime")]
pub(in crate::graphql) enum DriftOrderField {
    /// The time at which a sweep first detected the drift.
    #[default]
    DetectedAt,
    /// The time at which the drift was closed. Open drifts count as later than all others.
    ResolvedAt,
}

/// The direction of an order.
#[derive(Clone, Copy, Default, Enum, PartialEq, Eq)]
pub(in crate::graphql) enum OrderDirection {
    /// Oldest first.
    Asc,
    /// Newest first.
    #[default]
    Desc,
}

/// The order of a list of drifts. Drifts with equal times are ordered by id.
#[derive(Clone, Copy, Default, InputObject)]
pub(in crate::graphql) struct DriftOrder {
    /// The field to order by.
    #[graphql(default)]
    field: DriftOrderField,
    /// Whether the newest or the oldest drifts come first.
    #[graphql(default)]
    direction: OrderDirection,
}

impl DriftOrder {
    /// Returns the field to order by, and whether the newest drifts come first.
    pub(in crate::graphql) fn parse(self) -> (DriftTime, bool) {
        (self.field.into(), self.direction == OrderDirection::Desc)
    }

    /// Returns the name of the order in cursors.
    pub(in crate::graphql) fn name(self) -> &'static str {
        match (self.field, self.direction) {
            (DriftOrderField::DetectedAt, OrderDirection::Desc) => "d-",
            (DriftOrderField::DetectedAt, OrderDirection::Asc) => "d+",
            (DriftOrderField::ResolvedAt, OrderDirection::Desc) => "r-",
            (DriftOrderField::ResolvedAt, OrderDirection::Asc) => "r+",
        }
    }
}

/// Number of members used to compute the complexity of `members`.
const LISTED_MEMBERS: usize = 20;

/// A difference between a spec and the inventory: a field whose live value differs from the expected value, or a
/// missing resource.
pub(in crate::graphql) struct Drift(pub(in crate::graphql) cloud_drift::Model);

fn is_redacted(drift: &cloud_drift::Model) -> bool {
    redaction::hides(drift.expected.as_ref(), drift.actual.as_ref())
}

impl Drift {
    async fn load_address(&self, ctx: &Context<'_>) -> ApiResult<Option<String>> {
        let loaders = crate::graphql::loaders(ctx)?;
        Ok(loaders.load_one(AddressOf(self.0.resource_id)).await?.flatten())
    }

    async fn recurrence(&self, ctx: &Context<'_>) -> ApiResult<Recurrence> {
        let loaders = crate::graphql::loaders(ctx)?;
        let found = loaders.load_one(RecurrenceOf(self.0.id)).await?;
        // A drift that was deleted meanwhile has none.
        Ok(found.unwrap_or_default())
    }

    /// Returns the spec of an open drift whose values can have parts that the spec leaves open: a list or a map.
    async fn spec_with_parts(&self, ctx: &Context<'_>) -> ApiResult<Option<cloud_provisioned::Model>> {
        let drift = &self.0;
        let has_parts = matches!(drift.expected, Some(Value::Object(_) | Value::Array(_)));
        if !has_parts || drift.status != cloud_drift::DriftStatus::Open {
            return Ok(None);
        }
        let loaders = crate::graphql::loaders(ctx)?;
        Ok(loaders.load_one(SpecOf(drift.resource_id)).await?.flatten())
    }

    async fn compared(&self, ctx: &Context<'_>) -> ApiResult<Changes> {
        let spec = self.spec_with_parts(ctx).await?;
        Ok(changes_of(&self.0, spec.as_ref(), &MEMBER_NAMES))
    }
}

/// A difference between a spec and the inventory: a field whose live value differs from the expected value, or a
/// missing resource.
#[Object]
impl Drift {
    /// The unique id of the drift.
    pub(in crate::graphql) async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// The resource that differs from its spec.
    async fn resource(&self, ctx: &Context<'_>) -> ApiResult<Resource> {
        let row = crate::graphql::loaders(ctx)?
            .load_one(ResourceById(self.0.resource_id))
            .await?;
        Ok(Resource(row.ok_or_else(|| {
            Error::Internal("the resource of a drift cannot be read".to_owned())
        })?))
    }

    /// The Terraform address of the resource, such as `aws_sqs_queue.jobs["eu"]`; null if no import recorded one.
    async fn address(&self, ctx: &Context<'_>) -> ApiResult<Option<String>> {
        self.load_address(ctx).await
    }

    /// For an open drift of a missing resource with an address: the Terraform command that creates the resource again,
    /// and the one that removes it from the state, quoted for a POSIX shell; at most 2. Otherwise empty.
    async fn terraform_lines(&self, ctx: &Context<'_>) -> ApiResult<Vec<String>> {
        if self.0.kind != cloud_drift::DriftKind::Missing {
            return Ok(Vec::new());
        }
        let address = self.load_address(ctx).await?;
        Ok(addresses::terraform_lines(&self.0, address.as_deref()))
    }

    /// Whether a field changed or the resource is missing.
    async fn kind(&self) -> DriftKind {
        self.0.kind.into()
    }

    /// The name of the field; `*` for a missing resource.
    async fn field(&self) -> &str {
        &self.0.field
    }

    /// The value that the spec has for the field; null if the field must be unset or is redacted. For a missing
    /// resource, the whole spec.
    async fn expected(&self) -> Option<Json> {
        let shown = self.0.expected.clone().filter(|_| !is_redacted(&self.0));
        shown.map(Json)
    }

    /// The live value; null if the field is unset or redacted, or the resource is missing.
    async fn actual(&self) -> Option<Json> {
        let shown = self.0.actual.clone().filter(|_| !is_redacted(&self.0));
        shown.map(Json)
    }

    /// Whether the values are secret. They are compared and can be accepted, but are not stored and not shown.
    async fn redacted(&self) -> bool {
        is_redacted(&self.0)
    }

    /// The differences inside the field, ordered by path; at most 200. List items with the same name are compared
    /// with each other, and texts with several lines are compared line by line. Parts that the spec leaves open
    /// are omitted. Empty for a missing resource.
    async fn changes(&self, ctx: &Context<'_>) -> ApiResult<Vec<ValueChange>> {
        let found = self.compared(ctx).await?;
        Ok(found.list.into_iter().map(ValueChange).collect())
    }

    /// Whether there are more differences than the 200 in `changes`.
    async fn changes_truncated(&self, ctx: &Context<'_>) -> ApiResult<bool> {
        Ok(self.compared(ctx).await?.truncated)
    }

    /// The members that only one of two lists has, at most 1000; null if the values are not lists, or are redacted.
    /// `acceptDriftMembers` accepts some of them.
    #[graphql(complexity = "LISTED_MEMBERS * child_complexity")]
    async fn members(&self, ctx: &Context<'_>) -> ApiResult<Option<Vec<DriftMember>>> {
        let not_compared = self.spec_with_parts(ctx).await?.as_ref().map(NotCompared::of);
        let members = members_of(&self.0, &not_compared.unwrap_or_default());
        Ok(members.map(|members| members.into_iter().take(MAX_MEMBERS).map(DriftMember).collect()))
    }

    /// The drift of which this one records the accept of some members; null if it was accepted as a whole or not at all.
    async fn split_from(&self, ctx: &Context<'_>) -> ApiResult<Option<Drift>> {
        let Some(drift) = self.recurrence(ctx).await?.split_from else {
            return Ok(None);
        };
        let loaders = crate::graphql::loaders(ctx)?;
        Ok(loaders.load_one(DriftById(drift)).await?.map(Drift))
    }

    /// The status of the drift.
    async fn status(&self) -> DriftStatus {
        self.0.status.into()
    }

    /// A number that rises with each change of `expected` or `actual`. Pass it to `acceptDrift` to accept only
    /// the values that you have seen.
    async fn revision(&self) -> i32 {
        self.0.revision
    }

    /// The time at which a sweep first detected the drift.
    async fn detected_at(&self) -> DateTime<Utc> {
        self.0.detected_at
    }

    /// When the drift was closed; null while it is open.
    async fn resolved_at(&self) -> Option<DateTime<Utc>> {
        self.0.resolved_at
    }

    /// The user who closed the drift; null if it is open or was closed without a decision.
    async fn resolved_by(&self) -> Option<&str> {
        self.0.resolved_by.as_deref()
    }

    /// The note of the user who closed the drift; null if there is none.
    async fn resolution_note(&self) -> Option<&str> {
        self.0.resolution_note.as_deref()
    }

    /// The version of the spec that the accept of this drift made; null if it was not accepted, or by a release that did
    /// not record it.
    async fn spec_version(&self) -> Option<i32> {
        self.0.spec_version
    }

    /// When a user noted the intent to put the live value back (`markReverting`); null if no user did.
    async fn reverting_at(&self) -> Option<DateTime<Utc>> {
        self.0.reverting_at
    }

    /// The user who noted the intent to put the live value back; null if no user did.
    async fn reverting_by(&self) -> Option<&str> {
        self.0.reverting_by.as_deref()
    }

    /// The note of that user; null if there is none.
    async fn reverting_note(&self) -> Option<&str> {
        self.0.reverting_note.as_deref()
    }

    /// When the accept was undone; null if it was not. Then the status stays `ACCEPTED`, and the difference is open again as
    /// another drift.
    async fn undone_at(&self) -> Option<DateTime<Utc>> {
        self.0.undone_at
    }

    /// The user who undid the accept; null if it was not undone.
    async fn undone_by(&self) -> Option<&str> {
        self.0.undone_by.as_deref()
    }

    /// Why the drift was closed; null if it is open, or was closed before reasons were recorded.
    async fn close_reason(&self) -> Option<CloseReason> {
        self.0.close_reason.map(Into::into)
    }

    /// The ignore rule that closed the drift; null if none did.
    async fn closed_by_rule(&self, ctx: &Context<'_>) -> ApiResult<Option<IgnoreRule>> {
        let Some(id) = self.0.closed_by_rule else {
            return Ok(None);
        };
        let loaders = crate::graphql::loaders(ctx)?;
        Ok(loaders.load_one(RuleById(id)).await?.map(IgnoreRule::new))
    }

    /// How urgent the drift is.
    async fn severity(&self) -> Severity {
        self.0.severity.into()
    }

    /// The name of the rule that decided the severity; null if no rule applies.
    async fn severity_rule(&self) -> Option<&str> {
        self.0.severity_rule.as_deref()
    }

    /// Whether the drift is snoozed: open, but left out of the inbox until the snooze ends.
    async fn snoozed(&self) -> bool {
        self.0.snoozed
    }

    /// When the drift was snoozed; null if it is not.
    async fn snoozed_at(&self) -> Option<DateTime<Utc>> {
        self.0.snoozed_at
    }

    /// The user who snoozed the drift; null if it is not snoozed.
    async fn snoozed_by(&self) -> Option<&str> {
        self.0.snoozed_by.as_deref()
    }

    /// The time at which the snooze ends at the latest; null if only a change ends it, or the drift is not snoozed.
    async fn snoozed_until(&self) -> Option<DateTime<Utc>> {
        self.0.snoozed_until
    }

    /// Whether a change of the expected or the live value ends the snooze.
    async fn snoozed_until_change(&self) -> bool {
        self.0.snoozed_until_change
    }

    /// The reason for the snooze; null if there is none, or the drift is not snoozed.
    async fn snooze_reason(&self) -> Option<&str> {
        self.0.snooze_reason.as_deref()
    }

    /// The user who takes care of the drift; null if it is not assigned.
    async fn assignee(&self) -> Option<&str> {
        self.0.assignee.as_deref()
    }

    /// Comments on the drift, oldest first.
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn comments(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Returns at most this many rows from the start of the list. Default: 50.")]
        first: Option<i32>,
        #[graphql(desc = "Returns only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Returns at most this many rows from the end of the list.")] last: Option<i32>,
        #[graphql(desc = "Returns only rows before this cursor.")] before: Option<String>,
    ) -> ApiResult<Connection<DriftComment>> {
        let args = PageArgs::new(first, after, last, before);
        comments_of(ctx, self.0.id, &args).await
    }

    /// The last earlier drift of the same field of the same resource; null if there is none.
    async fn predecessor(&self, ctx: &Context<'_>) -> ApiResult<Option<Drift>> {
        let loaders = crate::graphql::loaders(ctx)?;
        let Some(previous) = self.recurrence(ctx).await?.previous else {
            return Ok(None);
        };
        Ok(loaders.load_one(DriftById(previous)).await?.map(Drift))
    }

    /// How many drifts of this field of the resource were detected in the 30 days up to the detection of this one,
    /// itself included.
    async fn occurrences(&self, ctx: &Context<'_>) -> ApiResult<i64> {
        Ok(self.recurrence(ctx).await?.occurrences)
    }
}
