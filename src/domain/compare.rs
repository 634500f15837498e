//! Compares a spec with a live resource.

use std::borrow::Cow;

use entity::cloud_resources;
use serde_json::{Map, Value};

use super::equality::is_unset;
use super::inventory::PROJECT_ID;
use super::not_compared::NotCompared;
use super::traits::KindTraits;

/// The schema fields: columns of `cloud_resources` that a spec can set. Other fields of a spec are attributes.
pub(crate) const SCHEMA_FIELDS: [&str; 8] = [
    "name",
    "region",
    "size_slug",
    "status",
    "tags",
    "ip",
    "vpc_uuid",
    PROJECT_ID,
];

/// A field whose live value is not loosely equal to the expected value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Difference {
    /// Name of the field.
    pub field: String,
    /// Expected value.
    pub expected: Value,
    /// Live value; null if it is unset.
    pub actual: Value,
}

/// Returns the live value of `field`: the schema field of that name if it is set, otherwise the attribute of that
/// name. Returns None if neither exists.
pub(crate) fn live_value<'r>(resource: &'r cloud_resources::Model, field: &str) -> Option<Cow<'r, Value>> {
    let column = schema_field(resource, field).filter(|value| !is_unset(value));
    column.or_else(|| resource.attrs.get(field).map(Cow::Borrowed))
}

fn schema_field<'r>(resource: &'r cloud_resources::Model, field: &str) -> Option<Cow<'r, Value>> {
    let text = match field {
        "tags" => return Some(Cow::Borrowed(&resource.tags)),
        "name" => Some(&resource.name),
        "region" => resource.region.as_ref(),
        "size_slug" => resource.size_slug.as_ref(),
        "status" => resource.status.as_ref(),
        "ip" => resource.ip.as_ref(),
        "vpc_uuid" => resource.vpc_uuid.as_ref(),
        PROJECT_ID => resource.project_id.as_ref(),
        _ => None,
    };
    text.map(|text| Cow::Owned(Value::String(text.clone())))
}

/// Returns whether the live value of the field is known, so that it can be compared. If every resource of the provider
/// is in a project, an unset project could not be read: the token may not read projects, or the resource was not in
/// one when the projects were listed.
pub(crate) fn is_known(resource: &cloud_resources::Model, field: &str, traits: &KindTraits) -> bool {
    field != PROJECT_ID
        || !traits.unset_project_is_unread
        || live_value(resource, field).is_some_and(|project| !is_unset(&project))
}

/// Returns the fields of `spec` that differ from the live resource, sorted by name. Fields that the spec lacks, and
/// parts that it leaves open, are not compared.
pub(crate) fn differences(
    spec: &Map<String, Value>,
    open: &NotCompared,
    resource: &cloud_resources::Model,
    traits: &KindTraits,
) -> Vec<Difference> {
    let mut found: Vec<Difference> = spec
        .iter()
        .filter(|(field, _)| is_known(resource, field, traits))
        .filter_map(|(field, expected)| {
            let actual = live_value(resource, field).unwrap_or(Cow::Owned(Value::Null));
            (!open.are_equal(field, expected, &actual)).then(|| Difference {
                field: field.clone(),
                expected: expected.clone(),
                actual: actual.into_owned(),
            })
        })
        .collect();
    found.sort_by(|a, b| a.field.cmp(&b.field));
    found
}

#[cfg(test)]
mod tests;
