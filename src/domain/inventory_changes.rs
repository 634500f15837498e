//! What a sync sees change: the values of each changed field of a resource before and after.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::compare::live_value;
use super::equality::{is_unset, loosely_equal};
use super::inventory::{LastListing, ListedResource, PROJECT_ID, StoredResource, changed_fields};
use super::traits::KindTraits;

/// Fields of a row that are not values of the cloud.
const OWN_FIELDS: [&str; 3] = ["urn", "settling", "owned"];

/// A field that has another value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FieldChange {
    /// Name of the field.
    pub field: String,
    /// The value before; null if it was unset.
    pub before: Value,
    /// The value after; null if it is unset.
    pub after: Value,
}

/// What is known of the listing before the one that is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Before {
    /// Whether there was none. The record begins then: the resources that are listed did not appear.
    pub is_first: bool,
    /// When it began: each stored value was read after this time. None if it did not read all of them.
    pub listed_at: Option<DateTime<Utc>>,
}

impl Before {
    /// Returns what is known of a listing. `is_first` is whether the source has not listed anything before.
    pub(crate) fn of(last: &LastListing, is_first: bool) -> Self {
        let is_whole = last.applied && last.unconfirmed == 0 && !last.has_unread_fields;
        Self {
            is_first: is_first && !last.completed,
            listed_at: last.started_at.filter(|_| is_whole),
        }
    }
}

/// Returns the fields whose values differ, ordered by name. None if the stored row does not decode.
pub(crate) fn field_changes(
    known: &StoredResource,
    listed: &ListedResource,
    traits: &KindTraits,
) -> Option<Vec<FieldChange>> {
    let row = known.row.as_ref()?;
    let fields: BTreeSet<String> = changed_fields(row, listed, traits)
        .into_iter()
        .filter(|name| !OWN_FIELDS.contains(&name.as_str()))
        .map(|name| name.strip_prefix("attrs.").map_or(name.clone(), str::to_owned))
        .collect();
    let changes = fields.into_iter().map(|field| FieldChange {
        before: live_value(row, &field).map_or(Value::Null, |value| plain(value.into_owned())),
        after: plain(listed_value(listed, &field)),
        field,
    });
    // An attribute that a column of the same name hides has no live value.
    Some(
        changes
            .filter(|change| !loosely_equal(&change.before, &change.after))
            .collect(),
    )
}

/// Returns null for each form of an unset value.
fn plain(value: Value) -> Value {
    if is_unset(&value) { Value::Null } else { value }
}

/// Returns the value of a field of a listed resource, as [`live_value`] does for a stored one.
fn listed_value(listed: &ListedResource, field: &str) -> Value {
    let text = |text: Option<&String>| text.map(|text| Value::String(text.clone()));
    let column = match field {
        "tags" => Some(Value::from(listed.tags.clone())),
        "name" => text(Some(&listed.name)),
        "region" => text(listed.region.as_ref()),
        "size_slug" => text(listed.size_slug.as_ref()),
        "status" => text(listed.status.as_ref()),
        "ip" => text(listed.ip.as_ref()),
        "vpc_uuid" => text(listed.vpc_uuid.as_ref()),
        PROJECT_ID => text(listed.project_id.as_ref()),
        _ => None,
    };
    let column = column.filter(|value| !is_unset(value));
    let attr = || listed.attrs.get(field).cloned();
    column.or_else(attr).unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests;
