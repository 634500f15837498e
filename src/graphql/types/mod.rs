//! The types of the schema. Most of them are views of a database row.

mod baseline;
mod bulk;
mod change;
mod cloud_action;
mod comment;
mod condition;
mod connection;
mod coverage;
mod decision;
mod drift;
mod event;
mod explanation;
mod facets;
mod forgotten;
mod freshness;
mod group;
mod ignore_rule;
mod import;
mod inventory_change;
mod job_run;
mod leftover;
mod notification;
mod plan;
mod resource;
mod revert;
mod scalars;
mod source;
mod spec;
mod spec_source;
mod spec_version;
mod stored;
mod viewer;

pub(super) use baseline::{RecordBaselineInput, RecordBaselinePayload};
pub(super) use bulk::{
    AcceptDriftsInput, AcceptDriftsPayload, BulkAction, BulkRun, PreviewAcceptDriftsInput,
    PreviewAcceptDriftsPayload,
};
pub(super) use change::{DriftMember, ValueChange};
pub(super) use cloud_action::CloudAction;
pub(super) use comment::DriftComment;
pub(super) use connection::{Connection, DEFAULT_PAGE, Edge, PageArgs, PageInfo, Total, cursor, page_cost};
pub(super) use coverage::KindCoverage;
pub(super) use decision::{
    AddCommentInput, AddCommentPayload, AssignDriftInput, AssignDriftPayload, ExecuteBulkInput,
    ExecuteBulkPayload, PreviewBulkInput, PreviewBulkPayload, SnoozeDriftInput, SnoozeDriftPayload,
    TakeDriftInput, TakeDriftPayload, UnassignDriftInput, UnassignDriftPayload, UnsnoozeDriftInput,
    UnsnoozeDriftPayload,
};
pub(super) use drift::{Drift, DriftFilterInput, DriftOrder, DriftStatus, Severity};
pub(super) use event::ResourceEvent;
pub(super) use explanation::Explanation;
pub(super) use facets::DriftFacets;
pub(super) use forgotten::ForgottenResource;
pub(super) use freshness::Freshness;
pub(super) use group::{DriftGroup, DriftGroupBy, by_or_cause};
pub(super) use ignore_rule::{
    ApplyIgnoreRulePresetInput, ApplyIgnoreRulePresetPayload, CreateIgnoreRuleInput, CreateIgnoreRulePayload,
    EndIgnoreRuleInput, EndIgnoreRulePayload, IgnoreRule, IgnoreRuleDefinitionInput, IgnoreRulePreset,
    IgnoreRulePreview, IgnoredDifference, ReplaceIgnoreRuleInput, ReplaceIgnoreRulePayload, ignored_page,
};
pub(super) use import::{ImportTerraformStateInput, ImportTerraformStatePayload};
pub(super) use inventory_change::{InventoryChange, InventoryChangeFilterInput};
pub(super) use job_run::{Job, JobRun, JobSchedule};
pub(super) use leftover::{Leftover, LeftoverFilterInput, LeftoverSummary, ListPrice, list_prices};
pub(super) use notification::{
    CreateNotificationTargetInput, CreateNotificationTargetPayload, DeleteNotificationTargetInput,
    DeleteNotificationTargetPayload, NotificationDelivery, NotificationState, NotificationTarget,
    ResendNotificationInput, ResendNotificationPayload, SendTestNotificationInput,
    SendTestNotificationPayload, UpdateNotificationTargetInput, UpdateNotificationTargetPayload,
    with_all_details, with_details,
};
pub(super) use plan::{ImportTerraformPlanInput, ImportTerraformPlanPayload};
pub(super) use resource::{Resource, ResourceFilterInput};
pub(super) use revert::RevertPlan;
pub(super) use scalars::Json;
pub(super) use source::Source;
pub(super) use spec::ProvisionedSpec;
pub(super) use spec_source::{SpecSource, SpecSourceKind};
pub(super) use spec_version::{SpecDifference, SpecVersion};
pub(super) use viewer::Viewer;

use async_graphql::{ID, Interface};

/// Maximum number of entries of a list without pages. A separate count field has the total.
const MAX_SHOWN: usize = 200;

/// Maximum number of sources in one answer.
pub(super) const MAX_LISTED_SOURCES: usize = 1_000;

/// Number of kinds used to compute the complexity of lists of kinds and sources: about the number of kinds of one provider.
pub(super) const COVERED_KINDS: usize = 25;

/// Complexity of a field that reads many rows to return a few: about the time of the database, compared with a page.
pub(super) const MANY_ROWS: usize = 1_000;

/// Complexity of a field with a whole object as JSON, whose values do not count one by one.
pub(super) const WHOLE_OBJECT: usize = 5;

/// An object with an id.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID", desc = "The id: a UUID, unique across all types."))]
pub(super) enum Node {
    /// A drift.
    Drift(Drift),
    /// A resource.
    Resource(Resource),
    /// A spec.
    ProvisionedSpec(ProvisionedSpec),
    /// An event.
    ResourceEvent(ResourceEvent),
    /// A run of a job.
    JobRun(JobRun),
    /// The record of a forgotten resource.
    ForgottenResource(ForgottenResource),
    /// An ignore rule.
    IgnoreRule(IgnoreRule),
    /// An ignored difference.
    IgnoredDifference(IgnoredDifference),
    /// A target of notifications.
    NotificationTarget(NotificationTarget),
    /// A message to a target of notifications.
    NotificationDelivery(NotificationDelivery),
    /// A bulk.
    BulkRun(BulkRun),
    /// A comment on a drift.
    DriftComment(DriftComment),
    /// An action on a resource.
    CloudAction(CloudAction),
    /// A change that a sync saw.
    InventoryChange(InventoryChange),
    /// A leftover.
    Leftover(Leftover),
}
