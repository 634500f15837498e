//! Apps: conversion of Terraform's blocks to the API's app spec.

use serde_json::{Map, Value, json};

use super::Mapped;
use super::fields::{Block, Conversion, Meaning, Row, desired, id, read_attributes, text};
use super::instance::Instance;
use super::schema;
use crate::provider::app_spec::app_spec;

const APP: [Row; 1] = [("project_id", "project_id", Conversion::Known)];

/// Blocks that are lists in the API: Terraform's name, the API's name, and the key that identifies a member. Without
/// such a key, all fields of a member except lists identify it.
const LISTS: [(&str, &str, Option<&str>); 11] = [
    ("service", "services", Some("name")),
    ("static_site", "static_sites", Some("name")),
    ("worker", "workers", Some("name")),
    ("job", "jobs", Some("name")),
    ("function", "functions", Some("name")),
    ("database", "databases", Some("name")),
    ("domain", "domains", Some("domain")),
    ("alert", "alerts", Some("rule")),
    ("env", "envs", Some("key")),
    ("log_destination", "log_destinations", Some("name")),
    ("rule", "rules", None),
];

/// Lists with the same name in Terraform and in the API.
const SAME_LISTS: [&str; 8] = [
    "routes",
    "allow_origins",
    "allow_headers",
    "allow_methods",
    "expose_headers",
    "internal_ports",
    "features",
    "emails",
];

pub(super) fn app(instance: &Instance) -> Option<Vec<Mapped>> {
    let root = Block::of(instance);
    let mut reading = read_attributes(&root, &APP);
    if let Some(declared) = root.blocks("spec").next() {
        let attributes = with_domains(declared.attributes);
        let shaped = shape(&Block {
            attributes: &attributes,
            ..declared
        });
        if let Some(name) = text(&shaped.fields, "name") {
            reading.set("name", name);
        }
        reading.set("spec", app_spec(&shaped.fields));
        reading.add_not_compared_parts("spec", shaped.not_compared, shaped.attributes);
    }
    let id = id(&instance.attributes, "id")?;
    Some(vec![Mapped::Resource(desired(instance, "app", id, reading))])
}

/// Converts the list `domains` to `domain` blocks, unless the state has such blocks. The provider always writes the
/// list of names. It writes blocks, which have more fields, only if the configuration has blocks.
fn with_domains(declared: &Map<String, Value>) -> Map<String, Value> {
    let mut attributes = declared.clone();
    let names = attributes.remove("domains");
    if schema::is_empty_value(attributes.get("domain"))
        && let Some(Value::Array(names)) = names
        && !names.is_empty()
    {
        let blocks = names.into_iter().map(|name| json!({ "name": name }));
        attributes.insert("domain".to_owned(), blocks.collect());
    }
    attributes
}

/// A block in the shape of the API.
#[derive(Default)]
struct Shaped {
    fields: Map<String, Value>,
    /// Paths of the parts that are not compared, in the shape of the API.
    not_compared: Vec<Vec<Value>>,
    /// Paths of the Terraform attributes that these parts come from.
    attributes: Vec<String>,
}

impl Shaped {
    /// Moves the uncompared parts of a nested block here. `steps` is the path of that block.
    fn add_not_compared_of(&mut self, steps: &[Value], part: &mut Self) {
        let paths = part.not_compared.drain(..);
        self.not_compared
            .extend(paths.map(|path| [steps, &path].concat()));
        self.attributes.append(&mut part.attributes);
    }
}

/// Converts a block and its nested blocks. The parser limits the depth of this recursion.
fn shape(block: &Block<'_>) -> Shaped {
    let mut shaped = Shaped::default();
    let known = schema::attributes(block.type_name, &block.path);
    let known = known.iter().map(|attribute| attribute.name);
    let known: Vec<&str> = known
        .filter(|name| !block.attributes.contains_key(*name))
        .collect();
    for name in block.attributes.keys().map(String::as_str).chain(known) {
        // `with_domains` has converted the list to blocks.
        if name == "domains" && block.path == "spec" {
            continue;
        }
        match block.meaning(name) {
            Meaning::Value(value) => member(&mut shaped, block, name, value),
            Meaning::NotCompared => {
                shaped.not_compared.push(vec![api_name(name).into()]);
                shaped.attributes.push(block.attribute(name));
            }
            // `app_spec` later fills in the same defaults in the desired and the live spec.
            Meaning::Unset(_) | Meaning::Default(_) | Meaning::Absent => {}
        }
    }
    shaped
}

fn member(shaped: &mut Shaped, block: &Block<'_>, name: &str, value: &Value) {
    let Value::Array(items) = value else {
        // The API calls the name of a domain `domain`.
        let is_domain = name == "name" && block.path == "spec.domain";
        let name = if is_domain { "domain" } else { name };
        shaped.fields.insert(name.to_owned(), value.clone());
        return;
    };
    let list = LISTS.iter().find(|(singular, ..)| *singular == name);
    if list.is_some() || SAME_LISTS.contains(&name) {
        let (plural, key) = list.map_or((name, None), |(_, plural, key)| (*plural, *key));
        let mut members: Vec<Value> = Vec::with_capacity(items.len());
        for mut item in block.blocks(name).map(|item| shape(&item)) {
            let chosen = chosen(&item.fields, key);
            shaped.add_not_compared_of(&[plural.into(), chosen], &mut item);
            members.push(item.fields.into());
        }
        members.extend(items.iter().filter(|item| !item.is_object()).cloned());
        shaped.fields.insert(plural.to_owned(), members.into());
    } else if let Some(mut only) = block.blocks(name).next().map(|only| shape(&only)) {
        shaped.add_not_compared_of(&[name.into()], &mut only);
        shaped.fields.insert(name.to_owned(), only.fields.into());
    }
}

/// Returns the path step that identifies a member of a list in the spec.
fn chosen(member: &Map<String, Value>, key: Option<&str>) -> Value {
    match key.and_then(|key| Some((key, member.get(key)?))) {
        Some((key, value)) => json!({ key: value }),
        None => without_lists(&app_spec(member)),
    }
}

/// Removes all lists from a value: a list with uncompared parts cannot identify a member.
fn without_lists(value: &Value) -> Value {
    let Value::Object(map) = value else {
        return value.clone();
    };
    let plain = map.iter().filter(|(_, value)| !value.is_array());
    let plain = plain.map(|(key, value)| (key.clone(), without_lists(value)));
    Value::Object(plain.collect())
}

/// Returns the API's name of an attribute.
fn api_name(name: &str) -> &str {
    LISTS
        .iter()
        .find(|(singular, ..)| *singular == name)
        .map_or(name, |(_, plural, _)| plural)
}
