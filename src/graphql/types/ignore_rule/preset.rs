//! The ignore rules that the program offers.

use async_graphql::{Context, Object};
use entity::ignore_rules;

use super::{IgnoreRule, IgnoreRulePreview};
use crate::graphql::app;
use crate::graphql::error::ApiResult;
use crate::provider::presets::Preset;
use crate::services::ignore_rules::backtest;

/// Number of drifts used to compute the complexity of a preview.
const PREVIEWED: usize = 50;

/// A rule that the program offers for what a cloud itself changes.
pub(in crate::graphql) struct IgnoreRulePreset {
    pub(in crate::graphql) preset: Preset,
    /// The rule in force of this name.
    pub(in crate::graphql) in_force: Option<ignore_rules::Model>,
}

/// A rule that the program offers for what a cloud itself changes. It is off until `applyIgnoreRulePreset` begins it.
#[Object]
impl IgnoreRulePreset {
    /// Its name, which the rule gets.
    async fn name(&self) -> &str {
        &self.preset.rule.title
    }

    /// Why the difference is expected.
    async fn reason(&self) -> &str {
        &self.preset.rule.reason
    }

    /// The address of the page that documents what the cloud changes.
    async fn source(&self) -> &str {
        &self.preset.source
    }

    /// The kind of the resources; null for any.
    async fn kind(&self) -> Option<&str> {
        self.preset.rule.definition.kind.as_deref()
    }

    /// The name of the field.
    async fn field(&self) -> &str {
        &self.preset.rule.definition.field
    }

    /// The JSON Pointer to the covered part of the field; null if the rule covers the whole field.
    async fn pointer(&self) -> Option<&str> {
        self.preset.rule.definition.pointer.as_deref()
    }

    /// The rule in force of this name; null if there is none.
    async fn rule(&self) -> Option<IgnoreRule> {
        self.in_force.clone().map(IgnoreRule::new)
    }

    /// What the rule would have ignored.
    #[graphql(complexity = "PREVIEWED * child_complexity")]
    async fn preview(&self, ctx: &Context<'_>) -> ApiResult<IgnoreRulePreview> {
        let app = app(ctx)?;
        let definition = &self.preset.rule.definition;
        Ok(IgnoreRulePreview(
            backtest(app.db(), definition, app.clock().now()).await?,
        ))
    }
}
