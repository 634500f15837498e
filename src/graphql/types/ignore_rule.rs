//! Ignore rules and the differences that they ignore.

mod inputs;
mod preset;

use async_graphql::{Context, Enum, ID, Object};
use chrono::{DateTime, Utc};
use entity::{ignore_rules, ignored_differences};

pub(in crate::graphql) use self::inputs::{
    ApplyIgnoreRulePresetInput, ApplyIgnoreRulePresetPayload, CreateIgnoreRuleInput, CreateIgnoreRulePayload,
    EndIgnoreRuleInput, EndIgnoreRulePayload, IgnoreRuleDefinitionInput, ReplaceIgnoreRuleInput,
    ReplaceIgnoreRulePayload,
};
pub(in crate::graphql) use self::preset::IgnoreRulePreset;
use super::{Connection, Drift, Json, PageArgs, Resource, Total, page_cost};
use crate::domain::ignore_rules::{Between, Definition, FieldValue};
use crate::domain::redaction;
use crate::graphql::error::ApiResult;
use crate::graphql::loader::{IgnoredCountOf, ResourceById, RuleById};
use crate::services::ignore_rules::{Attention, Backtest, attention};
use crate::services::ignored::{self, IgnoredFilter};

/// What an ignore rule would have ignored.
pub(in crate::graphql) struct IgnoreRulePreview(pub(in crate::graphql) Backtest);

/// What an ignore rule would have ignored.
#[Object]
impl IgnoreRulePreview {
    /// The number of open drifts that the rule would close.
    async fn open_count(&self) -> i64 {
        self.0.open
    }

    /// The newest of these drifts, at most 50.
    #[graphql(complexity = "50 * child_complexity")]
    async fn nodes(&self) -> Vec<Drift> {
        self.0.shown.iter().cloned().map(Drift).collect()
    }

    /// The number of resources of these drifts.
    async fn resource_count(&self) -> i64 {
        self.0.resources
    }

    /// The number of drifts closed in the last 90 days that the rule would have kept out of the inbox. Resources are taken
    /// as they are now.
    async fn past_count(&self) -> i64 {
        self.0.past
    }

    /// Whether there are more drifts of the field than the newest 20,000, which were tested.
    async fn truncated(&self) -> bool {
        self.0.truncated
    }
}

/// Why a rule deserves a look.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
#[graphql(remote = "Attention")]
pub(in crate::graphql) enum IgnoreRuleAttention {
    /// It has not ignored anything for 30 days since it began.
    NeverHit,
    /// It ignores more than 50 differences.
    HidesMuch,
    /// It ends within 7 days.
    ExpiresSoon,
}

/// A rule that keeps expected differences out of the inbox.
pub(in crate::graphql) struct IgnoreRule(ignore_rules::Model, Option<Definition>);

impl IgnoreRule {
    pub(in crate::graphql) fn new(row: ignore_rules::Model) -> Self {
        let definition = serde_json::from_value(row.definition.clone()).ok();
        Self(row, definition)
    }

    fn definition<T>(&self, of: impl Fn(&Definition) -> Option<T>) -> Option<T> {
        self.1.as_ref().and_then(of)
    }

    async fn ignored_now(&self, ctx: &Context<'_>) -> ApiResult<i64> {
        let loaders = crate::graphql::loaders(ctx)?;
        Ok(loaders
            .load_one(IgnoredCountOf(self.0.id))
            .await?
            .unwrap_or_default())
    }
}

/// A rule that keeps expected differences out of the inbox. An ignored difference opens no drift.
#[Object]
impl IgnoreRule {
    /// The unique id of the rule.
    pub(in crate::graphql) async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// Its name, unique among the rules in force; null if it has none.
    async fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// Whether this server can read what the rule covers. A rule that it cannot read covers nothing.
    async fn readable(&self) -> bool {
        self.1.is_some()
    }

    /// The name of the source that lists the resources; null for any.
    async fn source(&self) -> Option<String> {
        self.definition(|rule| rule.source.clone())
    }

    /// The kind of the resources; null for any.
    async fn kind(&self) -> Option<String> {
        self.definition(|rule| rule.kind.clone())
    }

    /// The region slug of the resources; null for any.
    async fn region(&self) -> Option<String> {
        self.definition(|rule| rule.region.clone())
    }

    /// The pattern that a tag of the resources matches; null if there is none.
    async fn tag(&self) -> Option<String> {
        self.definition(|rule| rule.tag.clone())
    }

    /// The pattern that the name of the resources matches; null if there is none.
    async fn name_pattern(&self) -> Option<String> {
        self.definition(|rule| rule.name.clone())
    }

    /// The id of the resource, also if it was deleted; null if the rule is not about one resource.
    async fn resource_id(&self) -> Option<ID> {
        self.definition(|rule| rule.resource_id).map(Into::into)
    }

    /// The resource; null if the rule is not about one resource, or if the resource was deleted.
    async fn resource(&self, ctx: &Context<'_>) -> ApiResult<Option<Resource>> {
        let Some(id) = self.definition(|rule| rule.resource_id) else {
            return Ok(None);
        };
        let loaders = crate::graphql::loaders(ctx)?;
        Ok(loaders.load_one(ResourceById(id)).await?.map(Resource))
    }

    /// The ids of the resources that the rule is about, at most 1000; empty if it does not list any.
    async fn resource_ids(&self) -> Vec<ID> {
        let ids = self.definition(|rule| Some(rule.resource_ids.clone()));
        ids.unwrap_or_default().into_iter().map(Into::into).collect()
    }

    /// The field whose live value decides whether a resource is in scope; null if there is none.
    #[graphql(name = "where")]
    async fn only_where(&self) -> Option<RuleFieldValue> {
        self.definition(|rule| rule.only_where.clone())
            .map(RuleFieldValue)
    }

    /// The name of the field; `*` for missing resources.
    async fn field(&self) -> &str {
        &self.0.field
    }

    /// The JSON Pointer to the covered part of the field; null if the rule covers the whole field.
    async fn pointer(&self) -> Option<String> {
        self.definition(|rule| rule.pointer.clone())
    }

    /// The live values, one of which the part must have, at most 100; empty for any.
    async fn live(&self) -> Vec<Json> {
        let live = self
            .definition(|rule| Some(rule.live.clone()))
            .unwrap_or_default();
        live.into_iter().map(Json).collect()
    }

    /// The pattern that the live value matches; null for any.
    async fn live_pattern(&self) -> Option<String> {
        self.definition(|rule| rule.live_pattern.clone())
    }

    /// Whether both values must be versions with the same major and minor number.
    async fn same_minor_version(&self) -> bool {
        self.1.as_ref().is_some_and(|rule| rule.same_minor_version)
    }

    /// The names of the two fields between whose live values this live value must be, the smaller one first, at most 2;
    /// empty if there is no such condition.
    async fn between(&self) -> Vec<String> {
        let fields = self.definition(|rule| rule.between.clone());
        fields.map_or_else(Vec::new, |Between { min, max }| vec![min, max])
    }

    /// The number of sweeps in a row after which a difference opens a drift; null if the rule ignores it.
    async fn open_after_sweeps(&self) -> Option<i32> {
        self.definition(|rule| rule.open_after_sweeps)
    }

    /// Why the difference is expected.
    async fn reason(&self) -> &str {
        &self.0.reason
    }

    /// The person or team that answers for the rule; null if none is named.
    async fn owner(&self) -> Option<&str> {
        self.0.owner.as_deref()
    }

    /// What made the rule: `api`, `file` or `preset`.
    async fn origin(&self) -> &str {
        &self.0.origin
    }

    /// The user who made it.
    async fn created_by(&self) -> &str {
        &self.0.created_by
    }

    /// When it began.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When it ends by itself; null if it does not. The next detection after this time ends it.
    async fn expires_at(&self) -> Option<DateTime<Utc>> {
        self.0.expires_at
    }

    /// When it ended; null if it is in force.
    async fn ended_at(&self) -> Option<DateTime<Utc>> {
        self.0.ended_at
    }

    /// The user who ended it; `system` if it expired, null if it is in force.
    async fn ended_by(&self) -> Option<&str> {
        self.0.ended_by.as_deref()
    }

    /// Why it ended; null if no reason was given.
    async fn end_reason(&self) -> Option<&str> {
        self.0.end_reason.as_deref()
    }

    /// How often the rule ignored a new difference, or new values of one.
    async fn hits(&self) -> i64 {
        self.0.hits
    }

    /// When it last did; null if it never did.
    async fn last_hit_at(&self) -> Option<DateTime<Utc>> {
        self.0.last_hit_at
    }

    /// The number of differences that it keeps out of the inbox now.
    async fn ignored_count(&self, ctx: &Context<'_>) -> ApiResult<i64> {
        self.ignored_now(ctx).await
    }

    /// The differences that it keeps out of the inbox now, newest first.
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn ignored(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Returns at most this many rows from the start of the list. Default: 50.")]
        first: Option<i32>,
        #[graphql(desc = "Returns only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Returns at most this many rows from the end of the list.")] last: Option<i32>,
        #[graphql(desc = "Returns only rows before this cursor.")] before: Option<String>,
    ) -> ApiResult<Connection<IgnoredDifference>> {
        let page = PageArgs::new(first, after, last, before);
        let filter = IgnoredFilter {
            rule: Some(self.0.id),
            waiting: None,
        };
        ignored_page(ctx, filter, &page).await
    }

    /// Why the rule deserves a look, at most 3; empty if it does not.
    async fn attention(&self, ctx: &Context<'_>) -> ApiResult<Vec<IgnoreRuleAttention>> {
        let ignored = self.ignored_now(ctx).await?;
        let now = crate::graphql::app(ctx)?.clock().now();
        let found = attention(&self.0, ignored, now);
        Ok(found.into_iter().map(Into::into).collect())
    }
}

/// Returns a page of ignored differences.
pub(in crate::graphql) async fn ignored_page(
    ctx: &Context<'_>,
    filter: IgnoredFilter,
    page: &PageArgs,
) -> ApiResult<Connection<IgnoredDifference>> {
    let request = page.request(ctx, "g")?;
    let db = crate::graphql::app(ctx)?.db();
    let page = ignored::list(db.reader(), filter, &request).await?;
    Ok(Connection::new(
        page,
        "g",
        Total::Ignored(filter),
        IgnoredDifference,
    ))
}

/// A field and its live value.
struct RuleFieldValue(FieldValue);

/// A field and its live value.
#[Object(name = "IgnoreRuleFieldValue")]
impl RuleFieldValue {
    /// The name of the field.
    async fn field(&self) -> &str {
        &self.0.field
    }

    /// Its live value; null if it is unset.
    async fn value(&self) -> Option<Json> {
        Some(self.0.value.clone())
            .filter(|value| !value.is_null())
            .map(Json)
    }
}

/// A difference that an ignore rule keeps out of the inbox.
pub(in crate::graphql) struct IgnoredDifference(pub(in crate::graphql) ignored_differences::Model);

impl IgnoredDifference {
    fn is_redacted(&self) -> bool {
        redaction::hides(self.0.expected.as_ref(), self.0.actual.as_ref())
    }
}

/// A difference that an ignore rule keeps out of the inbox.
#[Object]
impl IgnoredDifference {
    /// The unique id of the ignored difference.
    pub(in crate::graphql) async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// The resource that differs from its spec; null if it was deleted.
    async fn resource(&self, ctx: &Context<'_>) -> ApiResult<Option<Resource>> {
        let loaders = crate::graphql::loaders(ctx)?;
        Ok(loaders
            .load_one(ResourceById(self.0.resource_id))
            .await?
            .map(Resource))
    }

    /// The rule that covers the difference; null if it cannot be read.
    async fn rule(&self, ctx: &Context<'_>) -> ApiResult<Option<IgnoreRule>> {
        let loaders = crate::graphql::loaders(ctx)?;
        Ok(loaders
            .load_one(RuleById(self.0.rule_id))
            .await?
            .map(IgnoreRule::new))
    }

    /// The name of the field; `*` for a missing resource.
    async fn field(&self) -> &str {
        &self.0.field
    }

    /// The expected value; null if the field must be unset or is redacted.
    async fn expected(&self) -> Option<Json> {
        self.0.expected.clone().filter(|_| !self.is_redacted()).map(Json)
    }

    /// The live value; null if the field is unset or redacted, or the resource is missing.
    async fn actual(&self) -> Option<Json> {
        self.0.actual.clone().filter(|_| !self.is_redacted()).map(Json)
    }

    /// Whether the values are secret.
    async fn redacted(&self) -> bool {
        self.is_redacted()
    }

    /// Since when the difference is ignored.
    async fn ignored_at(&self) -> DateTime<Utc> {
        self.0.ignored_at
    }

    /// How many sweeps in a row have seen the difference, if the rule only makes it wait; null if it is ignored.
    async fn sweeps(&self) -> Option<i32> {
        self.0.sweeps
    }

    /// When a value last changed.
    async fn changed_at(&self) -> DateTime<Utc> {
        self.0.changed_at
    }
}
