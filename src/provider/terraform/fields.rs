//! Conversion of the attributes of an instance to the fields of a spec.

use serde_json::{Map, Number, Value};

use super::Desired;
use super::instance::Instance;
use super::schema::{EmptyMeaning, is_empty_value, meaning_if_empty};
use crate::domain::equality::is_unset;
use crate::domain::not_compared::NotCompared;
use crate::domain::redaction::plain_members;
use crate::provider::normalize;

/// The block that contains the default node pool of a cluster. The pool is imported as a resource of its own.
pub(super) const DEFAULT_POOL: &str = "node_pool";

/// How an attribute is converted to a field. A value of an unexpected type is dropped.
#[derive(Clone, Copy)]
pub(super) enum Conversion {
    /// An unchanged string.
    Text,
    /// An unchanged string. An empty string is dropped.
    Known,
    /// A slug, converted to lower case.
    Slug,
    /// A word that the API writes in upper case.
    Upper,
    /// A word that the API writes with a capital first letter.
    Capitalised,
    /// The purpose of a project, without the prefix `Other: `.
    Purpose,
    /// A URL, without user and password.
    Url,
    /// A boolean.
    Flag,
    /// A number, or an integer in a string.
    Number,
    /// The same as `Number`, but zero and negative numbers are not compared.
    Positive,
    /// Tags in lower case, sorted and without duplicates.
    Tags,
    /// Tags without those that Kubernetes and Terraform add.
    KubernetesTags,
    /// A set of strings.
    Texts,
    /// A set of numeric ids.
    Ids,
    /// A map of strings.
    Labels,
    /// A map from region slugs to numbers.
    Priorities,
}

/// An attribute, its field, and the conversion.
pub(super) type Row = (&'static str, &'static str, Conversion);

/// A block of an instance. The instance itself is the block with an empty path.
#[derive(Clone)]
pub(super) struct Block<'a> {
    pub(super) type_name: &'a str,
    /// Names of the enclosing blocks and of this one, separated by dots.
    pub(super) path: String,
    pub(super) attributes: &'a Map<String, Value>,
}

/// The meaning of an attribute.
pub(super) enum Meaning<'a> {
    /// The expected value is this value.
    Value(&'a Value),
    /// The value must be unset. Contains the empty value of the attribute, if it has one.
    Unset(Option<&'a Value>),
    /// The expected value is this default.
    Default(&'static Value),
    /// The value is not compared. The import reports the attribute as not compared.
    NotCompared,
    /// There is no value to compare. The import does not report the attribute.
    Absent,
}

impl<'a> Block<'a> {
    pub(super) fn of(instance: &'a Instance) -> Self {
        Self {
            type_name: &instance.type_name,
            path: String::new(),
            attributes: &instance.attributes,
        }
    }

    /// Returns the path of an attribute of this block.
    pub(super) fn attribute(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    /// Returns the nested blocks with a name.
    pub(super) fn blocks(&self, name: &str) -> impl Iterator<Item = Block<'a>> {
        let (type_name, path) = (self.type_name, self.attribute(name));
        let blocks = self.attributes.get(name).and_then(Value::as_array);
        let blocks = blocks.into_iter().flatten().filter_map(Value::as_object);
        blocks.map(move |attributes| Block {
            type_name,
            path: path.clone(),
            attributes,
        })
    }

    /// Returns the meaning of an attribute according to `schema.tsv`.
    pub(super) fn meaning(&self, name: &str) -> Meaning<'a> {
        let value = self.attributes.get(name);
        let of_resource = self.path.is_empty() || self.path == DEFAULT_POOL;
        match meaning_if_empty(self.type_name, &self.path, name) {
            EmptyMeaning::Absent => match value {
                None | Some(Value::Null) => Meaning::Absent,
                Some(value) => Meaning::Value(value),
            },
            meaning => match value {
                Some(value) if !is_empty_value(Some(value)) => Meaning::Value(value),
                None if of_resource => Meaning::NotCompared,
                _ => match meaning {
                    EmptyMeaning::Unset => Meaning::Unset(value),
                    EmptyMeaning::Default(default) => Meaning::Default(default),
                    EmptyMeaning::NotCompared | EmptyMeaning::Absent => Meaning::NotCompared,
                },
            },
        }
    }
}

/// The result of reading a block.
#[derive(Default)]
pub(super) struct Reading {
    pub(super) fields: Map<String, Value>,
    /// Fields that are not compared.
    not_compared_fields: Vec<&'static str>,
    /// Paths of the attributes that are not compared, in the block and in nested blocks.
    not_compared_attributes: Vec<String>,
    /// Parts of fields that are not compared.
    not_compared: NotCompared,
}

/// Reads the attributes in `rows` from a block.
pub(super) fn read_attributes(block: &Block<'_>, rows: &[Row]) -> Reading {
    let mut reading = Reading::default();
    for (from, to, how) in rows {
        let value = match block.meaning(from) {
            Meaning::Value(value) => match field(value, *how) {
                Some(value) => value,
                // The table does not recognize a zero in a string as empty.
                None if matches!(how, Conversion::Positive) => {
                    reading.add_not_compared(block, from, to);
                    continue;
                }
                None => continue,
            },
            Meaning::Unset(value) => value
                .and_then(|value| field(value, *how))
                .filter(is_unset)
                .unwrap_or_default(),
            Meaning::Default(value) => value.clone(),
            Meaning::NotCompared => {
                reading.add_not_compared(block, from, to);
                continue;
            }
            Meaning::Absent => continue,
        };
        reading.fields.insert((*to).to_owned(), value);
    }
    reading
}

impl Reading {
    /// Records that an attribute and its field are not compared.
    pub(super) fn add_not_compared(&mut self, block: &Block<'_>, attribute: &str, field: &'static str) {
        self.not_compared_fields.push(field);
        self.not_compared_attributes.push(block.attribute(attribute));
    }

    /// Adds the fields of another reading of the same block.
    pub(super) fn extend(&mut self, more: Self) {
        self.fields.extend(more.fields);
        self.not_compared_fields.extend(more.not_compared_fields);
        self.not_compared_attributes.extend(more.not_compared_attributes);
    }

    pub(super) fn set(&mut self, field: &str, value: impl Into<Value>) {
        self.fields.insert(field.to_owned(), value.into());
    }

    /// Returns the first block with a name. If there is none, `schema.tsv` defines whether the field must be
    /// unset or is not compared.
    pub(super) fn block<'a>(&mut self, of: &Block<'a>, name: &str, field: &'static str) -> Option<Block<'a>> {
        let block = of.blocks(name).next();
        if block.is_none() {
            match of.meaning(name) {
                Meaning::NotCompared => self.add_not_compared(of, name, field),
                Meaning::Unset(_) => self.set(field, Value::Null),
                Meaning::Value(_) | Meaning::Default(_) | Meaning::Absent => {}
            }
        }
        block
    }

    /// Sets a field that is an object. If none of its fields is known, the whole object is not compared.
    pub(super) fn object(&mut self, field: &'static str, inside: Self) {
        self.not_compared_attributes
            .extend(inside.not_compared_attributes);
        if inside.fields.is_empty() && !inside.not_compared_fields.is_empty() {
            self.not_compared_fields.push(field);
            return;
        }
        for key in inside.not_compared_fields {
            self.not_compared.add(field, vec![key.into()]);
        }
        self.set(field, inside.fields);
    }

    /// Sets a field that is a list of objects.
    pub(super) fn members(&mut self, field: &'static str, members: Vec<Self>) {
        let mut list = Vec::with_capacity(members.len());
        for member in members {
            let mut chosen = member.fields.clone();
            chosen.retain(|_, value| !is_unset(value));
            for key in member.not_compared_fields {
                let path = vec![chosen.clone().into(), key.into()];
                self.not_compared.add(field, path);
            }
            self.not_compared_attributes
                .extend(member.not_compared_attributes);
            list.push(member.fields.into());
        }
        self.set(field, Value::Array(list));
    }

    /// Adds paths of parts of `field` that are not compared, and the attributes that they come from.
    pub(super) fn add_not_compared_parts(
        &mut self,
        field: &str,
        paths: Vec<Vec<Value>>,
        attributes: Vec<String>,
    ) {
        for path in paths {
            self.not_compared.add(field, path);
        }
        self.not_compared_attributes.extend(attributes);
    }
}

fn field(value: &Value, how: Conversion) -> Option<Value> {
    let text = || value.as_str().filter(|text| !text.is_empty());
    match how {
        Conversion::Text => Some(value.as_str()?.into()),
        Conversion::Known => Some(text()?.into()),
        Conversion::Slug => Some(normalize::slug(text()?).into()),
        Conversion::Upper => Some(text()?.to_uppercase().into()),
        Conversion::Capitalised => Some(normalize::capitalised(text()?).into()),
        Conversion::Purpose => Some(normalize::purpose(text()?).into()),
        Conversion::Url => Some(normalize::without_user(value.as_str()?).into()),
        Conversion::Flag => Some(value.as_bool()?.into()),
        Conversion::Number => number(value),
        Conversion::Positive => {
            number(value).filter(|number| number.as_f64().is_some_and(|number| number > 0.0))
        }
        Conversion::Tags => Some(normalize::tags(texts(value)?).into()),
        Conversion::KubernetesTags => Some(normalize::kubernetes_tags(texts(value)?).into()),
        Conversion::Texts => {
            let mut texts = texts(value)?;
            texts.sort_unstable();
            texts.dedup();
            Some(texts.into())
        }
        Conversion::Ids => ids(value),
        Conversion::Labels => map(value, str::to_owned, Value::is_string),
        Conversion::Priorities => map(value, normalize::slug, Value::is_number),
    }
}

fn map(value: &Value, key: fn(&str) -> String, may_be: fn(&Value) -> bool) -> Option<Value> {
    let entries = value.as_object()?.iter().filter(|(_, value)| may_be(value));
    Some(Value::Object(
        entries.map(|(name, value)| (key(name), value.clone())).collect(),
    ))
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

/// Parses an id that is a number in the API.
pub(super) fn id_number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// Returns a string attribute, unless it is empty.
pub(super) fn text<'a>(attributes: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    attributes.get(name)?.as_str().filter(|text| !text.is_empty())
}

/// Returns an id as a string. The state may contain it as a number.
pub(super) fn id(attributes: &Map<String, Value>, name: &str) -> Option<String> {
    match attributes.get(name)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Builds a desired resource. Its name and region are copied from the spec.
pub(super) fn desired(
    instance: &Instance,
    kind: &'static str,
    provider_id: String,
    reading: Reading,
) -> Desired {
    let urn = text(&instance.attributes, "urn").map_or_else(
        || format!("do:{kind}:{}", provider_id.to_lowercase()),
        str::to_owned,
    );
    let spec = plain_members(&reading.fields).into_owned();
    let name = text(&spec, "name").map_or_else(|| provider_id.clone(), str::to_owned);
    let type_name = &instance.type_name;
    Desired {
        kind,
        address: instance.address.clone(),
        urn,
        name,
        region: text(&spec, "region").map(str::to_owned),
        provider_id,
        not_compared_attributes: (reading.not_compared_attributes.iter())
            .map(|attribute| format!("{type_name}.{attribute}"))
            .collect(),
        not_compared: reading.not_compared,
        spec,
    }
}
