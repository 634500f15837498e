//! Compares a spec with its live resource as stored texts. The values of equal texts are equal, so most fields are
//! compared without building values.

use serde_json::Value;

use super::compare::SCHEMA_FIELDS;
use super::detection::{Compared, Finding, is_unsynced_by};
use super::inventory::PROJECT_ID;
use super::json_text::{self, members};
use super::traits::KindTraits;

/// A spec in force and its resource, as they are stored. The resource is not settling.
#[derive(Clone, Copy, Debug)]
pub struct Texts<'t> {
    /// The spec.
    pub spec: &'t str,
    /// The parts of fields that the spec leaves open.
    pub not_compared: Option<&'t str>,
    /// Name, region, size, status, tags, IP address, VPC and project.
    pub schema_fields: [Option<&'t str>; SCHEMA_FIELDS.len()],
    /// The attributes.
    pub attrs: &'t str,
    /// Whether a listing ever had the resource.
    pub is_seen: bool,
    /// Whether the resource is gone.
    pub is_gone: bool,
    /// The traits of the resource's kind.
    pub traits: KindTraits,
}

/// The live value of a field.
enum Live<'t> {
    /// A column of text that is set.
    Text(&'t str),
    /// JSON.
    Json(&'t str),
    Missing,
}

/// Position of the tags, the only schema field that is JSON.
const TAGS: usize = 4;

/// Compares a pair. The result equals that of comparing the values. Returns None if the comparison needs values: a text
/// is not plain, or an open part of a field may matter.
pub fn compare_texts(texts: &Texts<'_>) -> Option<Compared> {
    let (spec, attrs) = (members(texts.spec)?, members(texts.attrs)?);
    let tags = texts.schema_fields[TAGS]?;
    let open_parts = texts.not_compared;
    if !json_text::is_plain(tags) || !open_parts.is_none_or(json_text::is_plain) {
        return None;
    }
    if is_unsynced_by(texts.is_seen, texts.is_gone) {
        return Some(Compared {
            unsynced: true,
            ..Compared::default()
        });
    }
    if texts.is_gone {
        let live = |field: &str| live_value(texts, &attrs, &mut 0, field)?.value();
        let spec = serde_json::from_str(texts.spec).ok()?;
        return Some(Compared::missing(spec, &texts.traits, &live));
    }
    let mut compared = Compared::default();
    let mut near = 0;
    for (field, expected) in spec {
        let live = live_value(texts, &attrs, &mut near, field)?;
        if field == PROJECT_ID && texts.traits.unset_project_is_unread && live.is_unset()? {
            continue;
        }
        compared.fields_compared += 1;
        if !live.equals(expected)? {
            if open_parts.is_some() {
                return None;
            }
            let of_field = |field: &str| live_value(texts, &attrs, &mut 0, field)?.value();
            let (expected, actual) = (serde_json::from_str(expected).ok()?, live.value()?);
            let field = field.to_owned();
            let finding = Finding::changed(field, expected, actual, &texts.traits, &of_field);
            compared.findings.push(finding);
        }
    }
    compared.findings.sort_unstable_by(|a, b| a.field.cmp(&b.field));
    Some(compared)
}

/// The live value of `field`, as for values: the schema field if it is set, else the attribute. The attributes usually
/// have the order of the spec, so the search begins at `near`, where the last one was found.
fn live_value<'t>(
    texts: &Texts<'t>,
    attrs: &[(&'t str, &'t str)],
    near: &mut usize,
    field: &str,
) -> Option<Live<'t>> {
    match SCHEMA_FIELDS.iter().position(|name| *name == field) {
        Some(TAGS) => {
            let tags = texts.schema_fields[TAGS]?;
            if !json_text::is_unset(tags)? {
                return Some(Live::Json(tags));
            }
        }
        Some(position) => {
            if let Some(text) = texts.schema_fields[position].filter(|text| !text.is_empty()) {
                return Some(Live::Text(text));
            }
        }
        None => {}
    }
    let (before, after) = attrs.split_at((*near).min(attrs.len()));
    let found = (after.iter().chain(before)).position(|(name, _)| *name == field);
    let Some(found) = found else {
        return Some(Live::Missing);
    };
    let found = (before.len() + found) % attrs.len();
    *near = found + 1;
    Some(
        attrs
            .get(found)
            .map_or(Live::Missing, |(_, value)| Live::Json(value)),
    )
}

impl Live<'_> {
    fn is_unset(&self) -> Option<bool> {
        match self {
            Self::Text(_) => Some(false),
            Self::Json(text) => json_text::is_unset(text),
            Self::Missing => Some(true),
        }
    }

    fn equals(&self, expected: &str) -> Option<bool> {
        match self {
            Self::Text(text) => json_text::equals_string(expected, text),
            Self::Json(text) => json_text::equal(expected, text),
            Self::Missing => json_text::is_unset(expected),
        }
    }

    fn value(&self) -> Option<Value> {
        match self {
            Self::Text(text) => Some(Value::String((*text).to_owned())),
            Self::Json(text) => serde_json::from_str(text).ok(),
            Self::Missing => Some(Value::Null),
        }
    }
}

#[cfg(test)]
mod tests;
