//! Apps: Terraform's blocks in the shape that the API gives them.

use serde_json::{Map, Value};

use super::Said;
use super::fields::{Row, Take, block, desired, id, take, text};
use super::file::Instance;
use crate::provider::app_spec::app_spec;

const APP: [Row; 1] = [("project_id", "project_id", Take::Known)];

/// Blocks that are lists in the API, under the name that they have there.
const LISTS: [(&str, &str); 11] = [
    ("service", "services"),
    ("static_site", "static_sites"),
    ("worker", "workers"),
    ("job", "jobs"),
    ("function", "functions"),
    ("database", "databases"),
    ("domain", "domains"),
    ("alert", "alerts"),
    ("env", "envs"),
    ("log_destination", "log_destinations"),
    ("rule", "rules"),
];

/// Lists of blocks that are lists in the API under the same name.
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

/// Deepest level that is read; the format itself has nine.
const LEVELS: usize = 16;

pub(super) fn app(instance: &Instance) -> Option<Vec<Said>> {
    let attributes = &instance.attributes;
    let mut spec = take(attributes, &APP);
    if let Some(declared) = block(attributes, "spec") {
        let shaped = shape(declared, 0);
        if let Some(name) = text(&shaped, "name") {
            spec.insert("name".to_owned(), name.into());
        }
        spec.insert("spec".to_owned(), app_spec(&shaped));
    }
    let id = id(attributes, "id")?;
    Some(vec![Said::Resource(desired(instance, "app", id, spec))])
}

fn shape(block: &Map<String, Value>, level: usize) -> Map<String, Value> {
    if level > LEVELS {
        return Map::new();
    }
    let mut shaped = Map::new();
    for (name, value) in block {
        let Value::Array(items) = value else {
            shaped.insert(name.clone(), value.clone());
            continue;
        };
        let objects = || items.iter().filter_map(Value::as_object);
        if let Some((_, plural)) = LISTS.iter().find(|(singular, _)| singular == name) {
            let items = objects().map(|item| Value::Object(renamed(plural, shape(item, level + 1))));
            shaped.insert((*plural).to_owned(), items.collect());
        } else if SAME_LISTS.contains(&name.as_str()) {
            let items = items.iter().map(|item| match item {
                Value::Object(item) => Value::Object(shape(item, level + 1)),
                plain => plain.clone(),
            });
            shaped.insert(name.clone(), items.collect());
        } else if let Some(only) = objects().next() {
            shaped.insert(name.clone(), Value::Object(shape(only, level + 1)));
        }
    }
    shaped
}

/// A domain's name is called so only here.
fn renamed(list: &str, mut item: Map<String, Value>) -> Map<String, Value> {
    if list == "domains"
        && let Some(name) = item.remove("name")
    {
        item.insert("domain".to_owned(), name);
    }
    item
}
