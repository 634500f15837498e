//! The parts of a plan that are read one at a time.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Refusal, strict};
use crate::provider::json::Object;

/// A resource of the state.
#[derive(Deserialize)]
pub(super) struct StateResource<'a> {
    pub(super) address: String,
    #[serde(borrow)]
    pub(super) mode: Cow<'a, str>,
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) provider_name: String,
    #[serde(default)]
    pub(super) tainted: bool,
    #[serde(borrow, default)]
    pub(super) deposed_key: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    values: Option<&'a RawValue>,
    #[serde(borrow, default)]
    sensitive_values: Option<&'a RawValue>,
}

impl<'a> StateResource<'a> {
    /// Reads a resource.
    pub(super) fn parse(text: &'a str) -> Result<Self, Refusal> {
        object(text)
    }

    /// Returns the attributes.
    pub(super) fn values(&self) -> Result<Value, Refusal> {
        part(self.values)
    }

    /// Returns the marks of sensitive attributes.
    pub(super) fn marks(&self) -> Result<Value, Refusal> {
        part(self.sensitive_values)
    }

    /// Returns the text of the attributes.
    pub(super) fn values_text(&self) -> &'a str {
        self.values.map_or("null", RawValue::get)
    }
}

/// A change of a resource: one that was found outside, or one that is planned.
#[derive(Deserialize)]
pub(super) struct ResourceChange<'a> {
    pub(super) address: String,
    #[serde(default)]
    pub(super) previous_address: Option<String>,
    #[serde(borrow, default)]
    pub(super) mode: Cow<'a, str>,
    #[serde(rename = "type", default)]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) provider_name: String,
    #[serde(borrow, default)]
    pub(super) deposed: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    action_reason: Option<Cow<'a, str>>,
    #[serde(borrow)]
    change: Object<Change<'a>>,
}

#[derive(Deserialize)]
struct Change<'a> {
    #[serde(default)]
    actions: Vec<String>,
    #[serde(borrow, default)]
    before: Option<&'a RawValue>,
    #[serde(borrow, default)]
    after: Option<&'a RawValue>,
    #[serde(borrow, default)]
    after_unknown: Option<&'a RawValue>,
    #[serde(borrow, default)]
    before_sensitive: Option<&'a RawValue>,
    #[serde(borrow, default)]
    after_sensitive: Option<&'a RawValue>,
}

impl<'a> ResourceChange<'a> {
    /// Reads a change.
    pub(super) fn parse(text: &'a str) -> Result<Self, Refusal> {
        object(text)
    }

    /// Returns whether the actions are exactly these.
    pub(super) fn is(&self, actions: &[&str]) -> bool {
        self.change.0.actions == actions
    }

    /// Returns whether the instance is deleted because the configuration does not have it. A plan that destroys
    /// everything has no such reason.
    pub(super) fn is_removal(&self) -> bool {
        let reason = self.action_reason.as_deref().unwrap_or_default();
        self.is(&["delete"]) && reason.starts_with("delete_because_")
    }

    /// Returns the attributes before the change.
    pub(super) fn before(&self) -> Result<Value, Refusal> {
        part(self.change.0.before)
    }

    /// Returns the attributes after the change.
    pub(super) fn after(&self) -> Result<Value, Refusal> {
        part(self.change.0.after)
    }

    /// Returns the marks of attributes that are known after the change is made.
    pub(super) fn after_unknown(&self) -> Result<Value, Refusal> {
        part(self.change.0.after_unknown)
    }

    /// Returns the marks of sensitive attributes before the change.
    pub(super) fn marks_before(&self) -> Result<Value, Refusal> {
        part(self.change.0.before_sensitive)
    }

    /// Returns the marks of sensitive attributes after the change.
    pub(super) fn marks_after(&self) -> Result<Value, Refusal> {
        part(self.change.0.after_sensitive)
    }
}

/// An output of the state or of the plan.
#[derive(Deserialize)]
pub(super) struct Output {
    #[serde(default)]
    pub(super) sensitive: bool,
    #[serde(default)]
    pub(super) value: Value,
}

/// Reads an object with known members from its text.
pub(super) fn object<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Refusal> {
    let Object(parsed) = serde_json::from_str(text).map_err(|_| Refusal::NotAPlan)?;
    Ok(parsed)
}

fn part(raw: Option<&RawValue>) -> Result<Value, Refusal> {
    raw.map_or(Ok(Value::Null), |raw| {
        strict::value(raw.get()).map_err(|_| Refusal::NotAPlan)
    })
}
