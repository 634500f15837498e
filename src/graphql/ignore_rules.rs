//! The queries and mutations of ignore rules.

use async_graphql::{Context, ID, Object};

use super::app;
use super::arguments::parse_id;
use super::error::ApiResult;
use super::guard::{AtLeast, caller};
use super::mutation::{app_with_fresh_loaders, to_int};
use super::refusal::Outcome;
use super::types::{
    ApplyIgnoreRulePresetInput, ApplyIgnoreRulePresetPayload, Connection, CreateIgnoreRuleInput,
    CreateIgnoreRulePayload, EndIgnoreRuleInput, EndIgnoreRulePayload, IgnoreRule, IgnoreRuleDefinitionInput,
    IgnoreRulePreset, IgnoreRulePreview, IgnoredDifference, PageArgs, ReplaceIgnoreRuleInput,
    ReplaceIgnoreRulePayload, Total, ignored_page, page_cost,
};
use crate::domain::actor::Role;
use crate::error::{Error, Result};
use crate::provider::presets::{self, Preset};
use crate::services::ignore_rules::{self, NewRule, Origin};
use crate::services::ignored::IgnoredFilter;

/// Number of drifts used to compute the complexity of a preview.
const PREVIEWED: usize = 50;

/// The queries of ignore rules.
#[derive(Default)]
pub(super) struct IgnoreRuleQuery;

/// The queries of ignore rules.
#[Object]
impl IgnoreRuleQuery {
    /// Lists ignore rules, newest first.
    #[graphql(
        guard = "AtLeast(Role::PlatformViewer)",
        complexity = "page_cost(first, last, child_complexity)"
    )]
    async fn ignore_rules(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "True for the rules in force, false for those that ended; absent for both.")]
        in_force: Option<bool>,
        #[graphql(desc = "Returns at most this many rows from the start of the list. Default: 50.")]
        first: Option<i32>,
        #[graphql(desc = "Returns only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Returns at most this many rows from the end of the list.")] last: Option<i32>,
        #[graphql(desc = "Returns only rows before this cursor.")] before: Option<String>,
    ) -> ApiResult<Connection<IgnoreRule>> {
        let request = PageArgs::new(first, after, last, before).request(ctx, "u")?;
        let page = ignore_rules::list(app(ctx)?.db().reader(), in_force, &request).await?;
        Ok(Connection::new(
            page,
            "u",
            Total::IgnoreRules(in_force),
            IgnoreRule::new,
        ))
    }

    /// Lists the differences that ignore rules keep out of the inbox now, newest first.
    #[graphql(
        guard = "AtLeast(Role::PlatformViewer)",
        complexity = "page_cost(first, last, child_complexity)"
    )]
    #[expect(
        clippy::too_many_arguments,
        reason = "these are the arguments of the GraphQL field"
    )]
    async fn ignored_differences(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Returns only those of this rule.")] rule_id: Option<ID>,
        #[graphql(
            desc = "True for those that wait until more sweeps have seen them, false for those that are ignored; absent for \
                    both."
        )]
        waiting: Option<bool>,
        #[graphql(desc = "Returns at most this many rows from the start of the list. Default: 50.")]
        first: Option<i32>,
        #[graphql(desc = "Returns only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Returns at most this many rows from the end of the list.")] last: Option<i32>,
        #[graphql(desc = "Returns only rows before this cursor.")] before: Option<String>,
    ) -> ApiResult<Connection<IgnoredDifference>> {
        let filter = IgnoredFilter {
            rule: rule_id.map(|id| parse_id(&id)).transpose()?,
            waiting,
        };
        let page = PageArgs::new(first, after, last, before);
        ignored_page(ctx, filter, &page).await
    }

    /// Returns what an ignore rule would have ignored: which open drifts it would close, and how many past ones it would
    /// have kept out of the inbox. Changes nothing.
    #[graphql(
        guard = "AtLeast(Role::PlatformViewer)",
        complexity = "PREVIEWED * child_complexity"
    )]
    async fn preview_ignore_rule(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What the rule would cover.")] definition: IgnoreRuleDefinitionInput,
    ) -> ApiResult<IgnoreRulePreview> {
        let app = app(ctx)?;
        let definition = definition.parse()?;
        let found = ignore_rules::backtest(app.db(), &definition, app.clock().now()).await?;
        Ok(IgnoreRulePreview(found))
    }

    /// Lists the ignore rules that the program offers for what a cloud itself changes, at most 100. They are off until they
    /// are applied.
    #[graphql(
        guard = "AtLeast(Role::PlatformViewer)",
        complexity = "MAX_PRESETS * child_complexity"
    )]
    async fn ignore_rule_presets(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Returns only the preset with this name.")] name: Option<String>,
    ) -> ApiResult<Vec<IgnoreRulePreset>> {
        let mut presets = all_presets()?;
        presets.retain(|preset| name.as_ref().is_none_or(|name| *name == preset.rule.title));
        let names: Vec<&str> = presets.iter().map(|preset| preset.rule.title.as_str()).collect();
        let in_force = ignore_rules::in_force_named(app(ctx)?.db().reader(), &names).await?;
        let with_rule = presets.into_iter().map(|preset| IgnoreRulePreset {
            in_force: in_force
                .iter()
                .find(|rule| rule.name.as_ref() == Some(&preset.rule.title))
                .cloned(),
            preset,
        });
        Ok(with_rule.collect())
    }
}

/// Number of presets used to compute the complexity of their list.
const MAX_PRESETS: usize = 10;

fn all_presets() -> Result<Vec<Preset>> {
    presets::ignore_rules().map_err(|error| Error::Internal(format!("the presets cannot be read: {error}")))
}

/// The mutations of ignore rules.
#[derive(Default)]
pub(super) struct IgnoreRuleMutation;

/// The mutations of ignore rules.
#[Object]
impl IgnoreRuleMutation {
    /// Begins an ignore rule: the differences that it covers open no drift, and the open drifts that it covers become STALE
    /// with the reason IGNORED. When the rule ends, the differences come back. Try `previewIgnoreRule` first.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn create_ignore_rule(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The rule.")] input: CreateIgnoreRuleInput,
    ) -> ApiResult<Option<CreateIgnoreRulePayload>> {
        let app = app_with_fresh_loaders(ctx)?;
        let new = input.parse()?;
        let created = ignore_rules::create(app.db(), app.clock(), caller(ctx)?.name(), &new).await;
        let (created, refusal) = Outcome::of(ctx, created, None)?.into_parts();
        Ok(Some(CreateIgnoreRulePayload {
            closed: created.as_ref().and_then(|created| created.drifts.map(to_int)),
            rule: created.map(|created| IgnoreRule::new(created.rule)),
            refusal,
        }))
    }

    /// Replaces an ignore rule by a changed one, in one step: the old rule ends and the new one begins. A difference that
    /// both cover stays ignored.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn replace_ignore_rule(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The rule to replace, and the new one.")] input: ReplaceIgnoreRuleInput,
    ) -> ApiResult<Option<ReplaceIgnoreRulePayload>> {
        let app = app_with_fresh_loaders(ctx)?;
        let (id, new) = (parse_id(&input.rule_id)?, input.rule.parse()?);
        let replaced = ignore_rules::replace(app.db(), app.clock(), caller(ctx)?.name(), id, &new).await;
        let (replaced, refusal) = Outcome::of(ctx, replaced, None)?.into_parts();
        let drifts = replaced.as_ref().and_then(|replaced| replaced.drifts);
        Ok(Some(ReplaceIgnoreRulePayload {
            closed: drifts.map(|(closed, _)| to_int(closed)),
            opened: drifts.map(|(_, opened)| to_int(opened)),
            rule: replaced.map(|replaced| IgnoreRule::new(replaced.rule)),
            refusal,
        }))
    }

    /// Begins the rule of a preset. Fails with BAD_USER_INPUT if a rule of its name is in force, and with NOT_FOUND if there
    /// is no preset of this name.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn apply_ignore_rule_preset(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The preset to apply.")] input: ApplyIgnoreRulePresetInput,
    ) -> ApiResult<Option<ApplyIgnoreRulePresetPayload>> {
        let app = app_with_fresh_loaders(ctx)?;
        let preset = all_presets()?
            .into_iter()
            .find(|preset| preset.rule.title == input.name)
            .ok_or(Error::NotFound("preset"))?;
        let new = NewRule {
            name: Some(preset.rule.title),
            definition: preset.rule.definition,
            reason: preset.rule.reason,
            owner: input.owner,
            expires_at: preset.rule.expires_at,
            origin: Origin::Preset,
            bulk: None,
        };
        let created = ignore_rules::create(app.db(), app.clock(), caller(ctx)?.name(), &new).await;
        let (created, refusal) = Outcome::of(ctx, created, None)?.into_parts();
        Ok(Some(ApplyIgnoreRulePresetPayload {
            closed: created.as_ref().and_then(|created| created.drifts.map(to_int)),
            rule: created.map(|created| IgnoreRule::new(created.rule)),
            refusal,
        }))
    }

    /// Ends an ignore rule. Each difference that it covered and that still exists opens a drift again. A rule that has
    /// ended stays as it is.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn end_ignore_rule(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The rule to end.")] input: EndIgnoreRuleInput,
    ) -> ApiResult<Option<EndIgnoreRulePayload>> {
        let app = app_with_fresh_loaders(ctx)?;
        let id = parse_id(&input.rule_id)?;
        let actor = caller(ctx)?.name();
        let ended = ignore_rules::end(app.db(), app.clock(), actor, id, input.reason.as_deref()).await?;
        Ok(Some(EndIgnoreRulePayload {
            rule: IgnoreRule::new(ended.rule),
            opened: ended.drifts.map(to_int),
        }))
    }
}
