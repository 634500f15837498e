//! From the attributes of an instance to the fields of a spec.

use serde_json::{Map, Number, Value};

use super::Desired;
use super::file::Instance;
use crate::provider::normal;

/// How an attribute becomes a field. Null, and what has another type than it should, becomes none.
#[derive(Clone, Copy)]
pub(super) enum Take {
    /// A text as it is; empty means that it must be unset.
    Text,
    /// A text that the cloud fills in where nobody declares it: empty means not known.
    Known,
    /// A slug, in lower case.
    Slug,
    /// A word that the API has in upper case.
    Upper,
    /// An address, without the user and password that some put into one.
    Url,
    /// Yes or no.
    Flag,
    /// A number, also where it is written as a text.
    Number,
    /// A number of which zero means not declared.
    Positive,
    /// Tags.
    Tags,
    /// Tags without those that Kubernetes and Terraform add.
    KubernetesTags,
    /// A set of texts.
    Texts,
    /// A set of numbers.
    Ids,
    /// A map of texts.
    Labels,
}

/// Attribute, field, and how one becomes the other.
pub(super) type Row = (&'static str, &'static str, Take);

/// The declared fields among these.
pub(super) fn take(attributes: &Map<String, Value>, rows: &[Row]) -> Map<String, Value> {
    rows.iter()
        .filter_map(|(from, to, how)| Some(((*to).to_owned(), field(attributes.get(*from)?, *how)?)))
        .collect()
}

fn field(value: &Value, how: Take) -> Option<Value> {
    match how {
        Take::Text => Some(value.as_str()?.into()),
        Take::Known => Some(value.as_str().filter(|text| !text.is_empty())?.into()),
        Take::Slug => Some(normal::slug(value.as_str().filter(|text| !text.is_empty())?).into()),
        Take::Upper => {
            let text = value.as_str().filter(|text| !text.is_empty())?;
            Some(text.to_uppercase().into())
        }
        Take::Url => Some(normal::without_user(value.as_str()?).into()),
        Take::Flag => Some(value.as_bool()?.into()),
        Take::Number => number(value),
        Take::Positive => number(value).filter(|number| number.as_f64().is_some_and(|number| number > 0.0)),
        Take::Tags => Some(normal::tags(texts(value)?).into()),
        Take::KubernetesTags => Some(normal::kubernetes_tags(texts(value)?).into()),
        Take::Texts => {
            let mut texts = texts(value)?;
            texts.sort_unstable();
            texts.dedup();
            Some(texts.into())
        }
        Take::Ids => ids(value),
        Take::Labels => {
            let labels = value.as_object()?.iter().filter(|(_, label)| label.is_string());
            Some(Value::Object(
                labels
                    .map(|(name, label)| (name.clone(), label.clone()))
                    .collect(),
            ))
        }
    }
}

fn number(value: &Value) -> Option<Value> {
    match value {
        Value::Number(_) => Some(value.clone()),
        Value::String(text) => Some(Value::Number(Number::from(text.parse::<i64>().ok()?))),
        _ => None,
    }
}

fn texts(value: &Value) -> Option<Vec<&str>> {
    Some(value.as_array()?.iter().filter_map(Value::as_str).collect())
}

fn ids(value: &Value) -> Option<Value> {
    let mut ids: Vec<i64> = value.as_array()?.iter().filter_map(id_number).collect();
    ids.sort_unstable();
    ids.dedup();
    Some(ids.into())
}

/// An id that the API has as a number.
pub(super) fn id_number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// The blocks of a name; none where it is null.
pub(super) fn blocks<'a>(
    attributes: &'a Map<String, Value>,
    name: &str,
) -> impl Iterator<Item = &'a Map<String, Value>> {
    let blocks = attributes.get(name).and_then(Value::as_array);
    blocks.into_iter().flatten().filter_map(Value::as_object)
}

/// The only block of a name.
pub(super) fn block<'a>(attributes: &'a Map<String, Value>, name: &str) -> Option<&'a Map<String, Value>> {
    blocks(attributes, name).next()
}

/// A text that says something.
pub(super) fn text<'a>(attributes: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    attributes.get(name)?.as_str().filter(|text| !text.is_empty())
}

/// The id of an instance, which may be a number.
pub(super) fn id(attributes: &Map<String, Value>, name: &str) -> Option<String> {
    match attributes.get(name)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A resource of this kind, whose name and region are also those that its row gets before a listing has it.
pub(super) fn desired(
    instance: &Instance,
    kind: &'static str,
    provider_id: String,
    spec: Map<String, Value>,
) -> Desired {
    let urn = text(&instance.attributes, "urn").map_or_else(
        || format!("do:{kind}:{}", provider_id.to_lowercase()),
        str::to_owned,
    );
    let name = text(&spec, "name").map_or_else(|| provider_id.clone(), str::to_owned);
    Desired {
        kind,
        address: instance.address.clone(),
        urn,
        name,
        region: text(&spec, "region").map(str::to_owned),
        provider_id,
        spec,
    }
}
