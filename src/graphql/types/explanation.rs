//! The explanation of a comparison.

use async_graphql::{Context, Enum, Object};
use chrono::{DateTime, Utc};

use super::freshness::StaleReason;
use super::{Drift, IgnoreRule, Json, MAX_SHOWN};
use crate::domain::explanation::{self as rules, sentence};
use crate::domain::redaction::hides;
use crate::graphql::error::ApiResult;
use crate::graphql::loader::RuleById;
use crate::services::explanation::Explained;

/// What decided about a field.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
#[graphql(remote = "rules::Verdict")]
pub(in crate::graphql) enum Verdict {
    /// No spec was ever recorded for the resource, so nothing is compared.
    NoSpec,
    /// The spec is retired, so nothing is compared.
    Retired,
    /// No listing has contained the resource yet, so nothing is compared.
    Unsynced,
    /// The resource is settling, so drifts are neither opened nor closed.
    Settling,
    /// The resource is gone: one drift of the whole resource stands for all its fields.
    Gone,
    /// The field is `*`, and the resource exists.
    Exists,
    /// The spec does not name the field.
    NotInSpec,
    /// The live value could not be read.
    NotReadable,
    /// The values are equal.
    Equal,
    /// The values are equal without the parts that the spec leaves open.
    EqualWithoutOpenParts,
    /// The values differ, and an ignore rule covers the difference.
    Ignored,
    /// The values differ, and a rule makes the difference wait until more sweeps have seen it.
    Waiting,
    /// The values differ.
    Different,
}

/// Where a live value comes from.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
#[graphql(remote = "rules::Origin")]
pub(in crate::graphql) enum LiveValueOrigin {
    /// A schema field, which every resource has as a column.
    SchemaField,
    /// An attribute, because no schema field of that name is set.
    Attribute,
}

/// A rule without which two equal values would differ.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
#[graphql(remote = "rules::Normalization")]
pub(in crate::graphql) enum Normalization {
    /// A list is compared as a set: neither order nor duplicates count.
    ListsAsSets,
    /// Numbers and booleans are compared as texts: `25`, `25.0` and `"25"` are equal.
    ScalarsAsText,
    /// Null, `""`, `[]`, `{}` and a missing key are equal.
    UnsetForms,
}

/// The comparison of one field of a resource, by its stored values.
pub(in crate::graphql) struct Explanation {
    field: String,
    explained: Explained,
    redacted: bool,
}

impl Explanation {
    pub(in crate::graphql) fn new(field: String, explained: Explained) -> Self {
        let sides = &explained.explanation;
        Self {
            redacted: hides(sides.expected.as_ref(), sides.actual.as_ref()),
            field,
            explained,
        }
    }

    fn rules(&self) -> &rules::Explanation {
        &self.explained.explanation
    }

    fn shown(&self, value: &serde_json::Value) -> Json {
        Json(match self.redacted {
            true => serde_json::Value::Null,
            false => value.clone(),
        })
    }
}

/// The comparison of one field of a resource, by its stored values.
#[Object]
impl Explanation {
    /// The name of the field; `*` for the whole resource.
    async fn field(&self) -> &str {
        &self.field
    }

    /// What decided about the field.
    async fn verdict(&self) -> Verdict {
        self.rules().verdict.into()
    }

    /// The verdict as a sentence.
    async fn sentence(&self) -> &str {
        sentence(self.rules().verdict, &self.field)
    }

    /// The ignore rule that covers the difference; null if none does.
    async fn ignored_by(&self, ctx: &Context<'_>) -> ApiResult<Option<IgnoreRule>> {
        let Some(id) = self.rules().rule else {
            return Ok(None);
        };
        let loaders = crate::graphql::loaders(ctx)?;
        Ok(loaders.load_one(RuleById(id)).await?.map(IgnoreRule::new))
    }

    /// Whether the values are secret. They are compared by digests and not shown.
    async fn redacted(&self) -> bool {
        self.redacted
    }

    /// Whether the spec names the field. Then a null in `expected` means that the field must be unset.
    async fn in_spec(&self) -> bool {
        self.rules().expected.is_some()
    }

    /// The value that the spec has; null if it has none or it is secret.
    async fn expected(&self) -> Json {
        self.shown(self.rules().expected.as_ref().unwrap_or(&serde_json::Value::Null))
    }

    /// The value that the inventory has; null if it has none or it is secret.
    async fn actual(&self) -> Json {
        self.shown(self.rules().actual.as_ref().unwrap_or(&serde_json::Value::Null))
    }

    /// Where the live value comes from; null if the inventory has none.
    async fn actual_from(&self) -> Option<LiveValueOrigin> {
        self.rules().origin.map(Into::into)
    }

    /// The canonical form of the expected value without the parts that the spec leaves open; null if it is unset or secret.
    /// Two values are equal if and only if their canonical forms are.
    async fn expected_form(&self) -> Json {
        self.shown(&self.rules().expected_form)
    }

    /// The canonical form of the live value without the parts that the spec leaves open; null if it is unset or secret.
    async fn actual_form(&self) -> Json {
        self.shown(&self.rules().actual_form)
    }

    /// The rules without which the values would differ, at most 3; empty if they differ, or are the same without any rule.
    async fn normalizations(&self) -> Vec<Normalization> {
        let rules = self.rules().normalizations.iter();
        rules.map(|rule| (*rule).into()).collect()
    }

    /// The parts of the field that the spec leaves open and that are not compared, at most 200.
    async fn not_compared(&self) -> Vec<&str> {
        let parts = self.rules().not_compared.iter();
        parts.take(MAX_SHOWN).map(String::as_str).collect()
    }

    /// The version of the spec, also if it is retired; null if there is none.
    async fn spec_version(&self) -> Option<i32> {
        self.explained.spec.as_ref().map(|spec| spec.spec_version)
    }

    /// The open drift of the field; null if there is none. If it does not agree with the verdict, a sweep is due.
    async fn open_drift(&self) -> Option<Drift> {
        self.explained.open.clone().map(Drift)
    }

    /// Why the live value may be out of date; null if the inventory of the kind is complete and recent.
    async fn stale_reason(&self) -> Option<StaleReason> {
        self.explained.stale.as_ref().map(|stale| stale.reason.into())
    }

    /// When the last complete listing of the kind was applied, if `staleReason` is set and there was one. Otherwise null.
    async fn stale_since(&self) -> Option<DateTime<Utc>> {
        self.explained.stale.as_ref()?.completed_at
    }
}
