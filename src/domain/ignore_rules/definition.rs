//! What an ignore rule covers.

use entity::cloud_resources;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;
use wildmatch::WildMatch;

use super::pointer::text;
use super::{FieldDifference, part_of};
use crate::domain::compare::live_value;
use crate::domain::detection::WHOLE_RESOURCE;
use crate::domain::equality::loosely_equal;
use crate::domain::validation::{InvalidInput, MAX_TEXT_BYTES, check_spec, check_text};

/// Maximum number of live values that a rule lists.
pub const MAX_LIVE_VALUES: usize = 100;
/// Maximum number of ids of resources in one rule.
pub(crate) const MAX_RESOURCES: usize = 1_000;
/// Permitted numbers of sweeps after which a difference opens a drift.
pub(crate) const OPEN_AFTER_SWEEPS: std::ops::RangeInclusive<i32> = 2..=1_000;
/// Maximum number of tokens of a pointer.
const MAX_TOKENS: usize = 32;

/// What a rule covers. All conditions that are set must hold. An unknown member is refused: a rule of a later release
/// may have a condition without which it would cover more.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Definition {
    /// Name of the source that lists the resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Kind of the resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Region of the resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Pattern of a tag of the resource, with `*` and `?`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Pattern of the name of the resource, with `*` and `?`.
    #[serde(rename = "namePattern", default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Id of the resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_id: Option<Uuid>,
    /// Ids of the resources; all if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resource_ids: Vec<Uuid>,
    /// The live value of another field of the resource.
    #[serde(rename = "where", default, skip_serializing_if = "Option::is_none")]
    pub only_where: Option<FieldValue>,
    /// Name of the field; `*` for missing resources.
    pub field: String,
    /// JSON Pointer to the covered part of the field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// Live values, one of which the part must have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub live: Vec<Value>,
    /// Pattern of the live value, with `*` and `?`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live_pattern: Option<String>,
    /// Whether both values must be versions with the same major and minor number.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub same_minor_version: bool,
    /// Fields of the resource between which the live value must be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub between: Option<Between>,
    /// The rule ignores nothing for ever: a difference opens a drift when this many sweeps in a row have seen it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_after_sweeps: Option<i32>,
}

/// A field and its live value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldValue {
    /// Name of the field.
    pub field: String,
    /// Its live value.
    pub value: Value,
}

/// The names of the fields with the smallest and the largest value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Between {
    /// Field with the smallest value.
    pub min: String,
    /// Field with the largest value.
    pub max: String,
}

impl Definition {
    /// Checks that the definition can be stored and has a meaning.
    ///
    /// # Errors
    ///
    /// The first condition that is not valid.
    pub(crate) fn check(&self) -> Result<(), InvalidInput> {
        for (what, text) in [
            ("source", &self.source),
            ("kind", &self.kind),
            ("region", &self.region),
            ("tag", &self.tag),
            ("namePattern", &self.name),
            ("pointer", &self.pointer),
            ("livePattern", &self.live_pattern),
        ] {
            let Some(text) = text else { continue };
            check_text(what, text, MAX_TEXT_BYTES)?;
            if text.is_empty() {
                return Err(InvalidInput::new(format!("{what} must not be empty")));
            }
        }
        if self.field != WHOLE_RESOURCE {
            check_field("field", &self.field, &Value::Null)?;
        }
        if let Some(other) = &self.only_where {
            check_field("where", &other.field, &other.value)?;
        }
        if let Some(Between { min, max }) = &self.between {
            check_field("between.min", min, &Value::Null)?;
            check_field("between.max", max, &Value::Null)?;
        }
        let mut live = self.live.iter();
        live.try_for_each(|value| check_field("live", "value", value))?;
        if self
            .open_after_sweeps
            .is_some_and(|sweeps| !OPEN_AFTER_SWEEPS.contains(&sweeps))
        {
            let (least, most) = (OPEN_AFTER_SWEEPS.start(), OPEN_AFTER_SWEEPS.end());
            return Err(InvalidInput::new(format!(
                "openAfterSweeps must be from {least} to {most}"
            )));
        }
        if self.live.len() > MAX_LIVE_VALUES {
            return Err(InvalidInput::new(format!(
                "live must have at most {MAX_LIVE_VALUES} values"
            )));
        }
        if self.resource_ids.len() > MAX_RESOURCES {
            return Err(InvalidInput::new(format!(
                "resourceIds must have at most {MAX_RESOURCES} ids"
            )));
        }
        self.check_pointer()
    }

    fn check_pointer(&self) -> Result<(), InvalidInput> {
        let Some(pointer) = &self.pointer else {
            return Ok(());
        };
        if self.field == WHOLE_RESOURCE {
            return Err(InvalidInput::new(
                "a missing resource has no parts: leave pointer out",
            ));
        }
        if !pointer.starts_with('/') {
            return Err(InvalidInput::new("pointer must begin with /"));
        }
        if pointer.split('/').count() > MAX_TOKENS + 1 {
            return Err(InvalidInput::new(format!(
                "pointer must have at most {MAX_TOKENS} tokens"
            )));
        }
        let valid_tilde = |token: &str| token.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
        if !pointer.split('/').all(valid_tilde) {
            return Err(InvalidInput::new(
                "in a pointer, ~ is written ~0 and / is written ~1",
            ));
        }
        Ok(())
    }

    /// Returns whether the rule may cover this field of a resource of this kind.
    pub(super) fn may_cover(&self, kind: &str, field: &str) -> bool {
        self.field == field && self.kind.as_deref().is_none_or(|wanted| wanted == kind)
    }

    /// Returns whether the rule applies to this difference, wholly or to a part of it.
    pub(super) fn applies(&self, resource: &cloud_resources::Model, difference: FieldDifference<'_>) -> bool {
        self.may_cover(&resource.kind, difference.field)
            && self.has_in_scope(resource)
            && self.holds_for(resource, difference)
    }

    /// Returns whether a resource is in the scope of the rule.
    pub(crate) fn has_in_scope(&self, resource: &cloud_resources::Model) -> bool {
        let is =
            |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|wanted| wanted == value);
        let matches = |pattern: &Option<String>, text: &str| {
            pattern.as_deref().is_none_or(|p| WildMatch::new(p).matches(text))
        };
        let tags = || resource.tags.as_array().into_iter().flatten();
        is(&self.source, &resource.source)
            && is(&self.kind, &resource.kind)
            && self
                .region
                .as_ref()
                .is_none_or(|region| resource.region.as_ref() == Some(region))
            && self.resource_id.is_none_or(|id| id == resource.id)
            && (self.resource_ids.is_empty() || self.resource_ids.contains(&resource.id))
            && matches(&self.name, &resource.name)
            && (self.tag.is_none()
                || tags()
                    .filter_map(Value::as_str)
                    .any(|tag| matches(&self.tag, tag)))
            && self.only_where.as_ref().is_none_or(|other| {
                let live = live_value(resource, &other.field);
                loosely_equal(live.as_deref().unwrap_or(&Value::Null), &other.value)
            })
    }

    /// Returns whether the conditions on the values hold.
    fn holds_for(&self, resource: &cloud_resources::Model, difference: FieldDifference<'_>) -> bool {
        let has_conditions = !self.live.is_empty()
            || self.live_pattern.is_some()
            || self.same_minor_version
            || self.between.is_some();
        if !has_conditions {
            return true;
        }
        // A condition never holds for members of a list: it is not clear which of them must fulfil it.
        let sides = (
            part_of(self, difference.expected),
            part_of(self, difference.actual),
        );
        let (Some(expected), Some(live)) = sides else {
            return false;
        };
        let is_listed = self.live.is_empty() || self.live.iter().any(|value| loosely_equal(value, live));
        let matches =
            |pattern: &String| text(live).is_some_and(|text| WildMatch::new(pattern).matches(&text));
        is_listed
            && self.live_pattern.as_ref().is_none_or(matches)
            && (!self.same_minor_version || have_same_minor_version(expected, live))
            && self
                .between
                .as_ref()
                .is_none_or(|fields| fields.contain(resource, live))
    }
}

impl Between {
    fn contain(&self, resource: &cloud_resources::Model, live: &Value) -> bool {
        let bound = |field| live_value(resource, field).and_then(|value| value.as_f64());
        let (Some(live), Some(min), Some(max)) = (live.as_f64(), bound(&self.min), bound(&self.max)) else {
            return false;
        };
        (min..=max).contains(&live)
    }
}

/// Checks the name of a field and its value as if a spec had them.
fn check_field(what: &str, field: &str, value: &Value) -> Result<(), InvalidInput> {
    check_spec(&json!({ field: value })).map_err(|why| InvalidInput::new(format!("{what}: {why}")))
}

fn have_same_minor_version(a: &Value, b: &Value) -> bool {
    let version = |value: &Value| {
        let text = text(value)?;
        let mut numbers = text.strip_prefix('v').unwrap_or(&text).splitn(3, ['.', '-']);
        let mut number = || numbers.next()?.parse::<u32>().ok();
        Some((number()?, number()?))
    };
    version(a).is_some_and(|a| version(b) == Some(a))
}
