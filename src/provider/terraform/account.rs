//! Projects, registries and uptime checks.

use serde_json::Value;

use super::fields::{Block, Conversion, Row, desired, id, read_attributes, text};
use super::instance::Instance;
use super::merge::Part;
use super::{Mapped, Strength};
use crate::domain::inventory::PROJECT_ID;
use crate::provider::traits;

const PROJECT: [Row; 5] = [
    ("name", "name", Conversion::Text),
    ("description", "description", Conversion::Text),
    ("purpose", "purpose", Conversion::Purpose),
    ("environment", "environment", Conversion::Capitalised),
    ("is_default", "is_default", Conversion::Flag),
];

pub(super) fn project(instance: &Instance) -> Option<Vec<Mapped>> {
    let spec = read_attributes(&Block::of(instance), &PROJECT);
    let id = id(&instance.attributes, "id")?;
    let is_default = instance.attributes.get("is_default").and_then(Value::as_bool);
    let strength = match is_default {
        Some(true) => Strength::Default,
        _ => Strength::Own,
    };
    let mut mapped: Vec<Mapped> = in_project(instance, &id, strength).collect();
    mapped.push(Mapped::Resource(desired(instance, "project", id, spec)));
    Some(mapped)
}

/// Maps `digitalocean_project_resources`, which lists the resources of a project by URN.
pub(super) fn project_resources(instance: &Instance) -> Option<Vec<Mapped>> {
    let project = id(&instance.attributes, "project")?;
    instance.attributes.get("resources")?.as_array()?;
    Some(in_project(instance, &project, Strength::Declared).collect())
}

fn in_project<'i>(
    instance: &'i Instance,
    project: &'i str,
    strength: Strength,
) -> impl Iterator<Item = Mapped> + use<'i> {
    let names = instance.attributes.get("resources").and_then(Value::as_array);
    let named = names.into_iter().flatten().filter_map(Value::as_str);
    named.filter_map(of_uniform_name).map(move |(kind, provider_id)| {
        Mapped::Part(Part {
            kind,
            provider_id,
            field: PROJECT_ID,
            value: project.into(),
            strength,
            address: instance.address.clone(),
        })
    })
}

/// Returns kind and id of the resource with this URN, or None if no kind has the type of the URN.
fn of_uniform_name(name: &str) -> Option<(&'static str, String)> {
    let (type_name, id) = name.strip_prefix("do:")?.split_once(':')?;
    let kind = traits::KINDS
        .iter()
        .find(|kind| kind.urn_types.contains(&type_name))?;
    let id = if kind.lower_case_ids {
        id.to_lowercase()
    } else {
        id.to_owned()
    };
    Some((kind.name, id))
}

const REGISTRY: [Row; 2] = [
    ("name", "name", Conversion::Text),
    ("region", "region", Conversion::Slug),
];

pub(super) fn registry(instance: &Instance) -> Option<Vec<Mapped>> {
    let spec = read_attributes(&Block::of(instance), &REGISTRY);
    let name = text(&spec.fields, "name")?.to_owned();
    Some(vec![Mapped::Resource(desired(instance, "registry", name, spec))])
}

const UPTIME_CHECK: [Row; 5] = [
    ("name", "name", Conversion::Text),
    ("type", "type", Conversion::Slug),
    ("target", "target", Conversion::Url),
    ("regions", "regions", Conversion::Tags),
    ("enabled", "enabled", Conversion::Flag),
];

pub(super) fn uptime_check(instance: &Instance) -> Option<Vec<Mapped>> {
    let spec = read_attributes(&Block::of(instance), &UPTIME_CHECK);
    let id = id(&instance.attributes, "id")?;
    Some(vec![Mapped::Resource(desired(
        instance,
        "uptime_check",
        id,
        spec,
    ))])
}
