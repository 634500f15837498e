//! The inputs and results of the mutations of ignore rules.

use async_graphql::{ID, InputObject, SimpleObject};
use chrono::{DateTime, Utc};

use super::IgnoreRule;
use crate::domain::ignore_rules::{Between, Definition, FieldValue};
use crate::error::Result;
use crate::graphql::arguments::{not_empty, parse_id};
use crate::graphql::refusal::Refusal;
use crate::graphql::types::Json;
use crate::services::ignore_rules::{NewRule, Origin};

/// What an ignore rule covers. All conditions that are set must hold.
#[derive(Default, InputObject)]
pub(in crate::graphql) struct IgnoreRuleDefinitionInput {
    /// The name of the source that lists the resource.
    source: Option<String>,
    /// The kind of the resource, such as `droplet`.
    kind: Option<String>,
    /// The region slug of the resource.
    region: Option<String>,
    /// A pattern that a tag of the resource matches, such as `team:*`. `*` stands for any text and `?` for one character.
    tag: Option<String>,
    /// A pattern that the name of the resource matches, such as `web-*`.
    name_pattern: Option<String>,
    /// The id of the resource.
    resource_id: Option<ID>,
    /// The ids of the resources, at most 1000.
    resource_ids: Option<Vec<ID>>,
    /// The live value that another field of the resource has.
    #[graphql(name = "where")]
    only_where: Option<FieldValueInput>,
    /// The name of the field; `*` for missing resources.
    field: String,
    /// A JSON Pointer (RFC 6901) to the covered part of the field, such as `/autoscaling/max`. At a list, a token selects
    /// members instead of a position: `*` all, `name=web` the objects with this value, any other token the texts that
    /// match it as a pattern. The other parts of the field are still compared.
    pointer: Option<String>,
    /// Live values, one of which the field (or the part at `pointer`) must have; at most 100.
    live: Option<Vec<Option<Json>>>,
    /// A pattern that the live value matches.
    live_pattern: Option<String>,
    /// Whether expected and live value must be versions with the same major and minor number, so that only patch
    /// releases are ignored.
    #[graphql(default)]
    same_minor_version: bool,
    /// Two fields of the resource between whose live values this live value must be.
    between: Option<BetweenFieldsInput>,
    /// Makes the difference wait instead of ignoring it: it opens a drift when this many sweeps in a row have seen it, from
    /// 2 to 1000. The count begins again when the values are equal. A drift that is already open stays open.
    open_after_sweeps: Option<i32>,
}

/// A field and its live value.
#[derive(InputObject)]
struct FieldValueInput {
    /// The name of the field.
    field: String,
    /// Its live value; null if it is unset.
    value: Option<Json>,
}

/// Two fields with the limits of a value.
#[derive(InputObject)]
struct BetweenFieldsInput {
    /// The name of the field with the smallest value.
    min: String,
    /// The name of the field with the largest value.
    max: String,
}

impl IgnoreRuleDefinitionInput {
    /// Converts the input.
    ///
    /// # Errors
    ///
    /// BAD_USER_INPUT if an id is not a UUID or a list is empty.
    pub(in crate::graphql) fn parse(self) -> Result<Definition> {
        let value = |json: Option<Json>| json.map_or(serde_json::Value::Null, |json| json.0);
        let live = not_empty("live", self.live)?.unwrap_or_default();
        let resource_ids = not_empty("resourceIds", self.resource_ids)?.unwrap_or_default();
        Ok(Definition {
            source: self.source,
            kind: self.kind,
            region: self.region,
            tag: self.tag,
            name: self.name_pattern,
            resource_id: self.resource_id.map(|id| parse_id(&id)).transpose()?,
            resource_ids: resource_ids.iter().map(parse_id).collect::<Result<_>>()?,
            only_where: self.only_where.map(|other| FieldValue {
                field: other.field,
                value: value(other.value),
            }),
            field: self.field,
            pointer: self.pointer,
            live: live.into_iter().map(value).collect(),
            live_pattern: self.live_pattern,
            same_minor_version: self.same_minor_version,
            between: self
                .between
                .map(|BetweenFieldsInput { min, max }| Between { min, max }),
            open_after_sweeps: self.open_after_sweeps,
        })
    }
}

/// Input of `createIgnoreRule`.
#[derive(InputObject)]
pub(in crate::graphql) struct CreateIgnoreRuleInput {
    /// What the rule covers.
    definition: IgnoreRuleDefinitionInput,
    /// Why the difference is expected, at most 4096 bytes.
    reason: String,
    /// A name that no other rule in force has.
    name: Option<String>,
    /// The person or team that answers for the rule.
    owner: Option<String>,
    /// When the rule ends by itself; absent if it stays until it is ended.
    expires_at: Option<DateTime<Utc>>,
}

impl CreateIgnoreRuleInput {
    /// Converts the input.
    ///
    /// # Errors
    ///
    /// BAD_USER_INPUT if an id is not a UUID or a list is empty.
    pub(in crate::graphql) fn parse(self) -> Result<NewRule> {
        Ok(NewRule {
            name: self.name,
            definition: self.definition.parse()?,
            reason: self.reason,
            owner: self.owner,
            expires_at: self.expires_at,
            origin: Origin::Api,
            bulk: None,
        })
    }
}

/// Input of `endIgnoreRule`.
#[derive(InputObject)]
pub(in crate::graphql) struct EndIgnoreRuleInput {
    /// The id of the rule.
    pub(in crate::graphql) rule_id: ID,
    /// Why it ends, at most 4096 bytes.
    pub(in crate::graphql) reason: Option<String>,
}

/// Result of `createIgnoreRule`.
#[derive(SimpleObject)]
pub(in crate::graphql) struct CreateIgnoreRulePayload {
    /// The rule; null if it was refused.
    pub(in crate::graphql) rule: Option<IgnoreRule>,
    /// The number of open drifts that it closed; null if the next detection closes them, or if the rule was refused.
    pub(in crate::graphql) closed: Option<i32>,
    /// Why the mutation was refused; null if it was done. Select it to get a refusal as data instead of an error.
    pub(in crate::graphql) refusal: Option<Refusal>,
}

/// Result of `endIgnoreRule`.
#[derive(SimpleObject)]
pub(in crate::graphql) struct EndIgnoreRulePayload {
    /// The rule.
    pub(in crate::graphql) rule: IgnoreRule,
    /// The number of drifts that came back; null if the next detection opens them.
    pub(in crate::graphql) opened: Option<i32>,
}

/// Input of `replaceIgnoreRule`.
#[derive(InputObject)]
pub(in crate::graphql) struct ReplaceIgnoreRuleInput {
    /// The id of the rule to end.
    pub(in crate::graphql) rule_id: ID,
    /// The rule that begins instead. What is absent is not taken from the old rule.
    pub(in crate::graphql) rule: CreateIgnoreRuleInput,
}

/// Result of `replaceIgnoreRule`.
#[derive(SimpleObject)]
pub(in crate::graphql) struct ReplaceIgnoreRulePayload {
    /// The new rule; null if it was refused. Then the old one stays as it is.
    pub(in crate::graphql) rule: Option<IgnoreRule>,
    /// The number of open drifts that closed; null if the next detection closes them, or if the rule was refused.
    pub(in crate::graphql) closed: Option<i32>,
    /// The number of drifts that came back; null if the next detection opens them, or if the rule was refused.
    pub(in crate::graphql) opened: Option<i32>,
    /// Why the mutation was refused; null if it was done. Select it to get a refusal as data instead of an error.
    pub(in crate::graphql) refusal: Option<Refusal>,
}

/// Input of `applyIgnoreRulePreset`.
#[derive(InputObject)]
pub(in crate::graphql) struct ApplyIgnoreRulePresetInput {
    /// The name of the preset.
    pub(in crate::graphql) name: String,
    /// The person or team that answers for the rule.
    pub(in crate::graphql) owner: Option<String>,
}

/// Result of `applyIgnoreRulePreset`.
#[derive(SimpleObject)]
pub(in crate::graphql) struct ApplyIgnoreRulePresetPayload {
    /// The rule; null if it was refused.
    pub(in crate::graphql) rule: Option<IgnoreRule>,
    /// The number of open drifts that it closed; null if the next detection closes them, or if the rule was refused.
    pub(in crate::graphql) closed: Option<i32>,
    /// Why the mutation was refused; null if it was done. Select it to get a refusal as data instead of an error.
    pub(in crate::graphql) refusal: Option<Refusal>,
}
