//! Droplets, volumes, snapshots and images.

use super::fields::{Block, Row, Take, desired, id, id_number, take};
use super::instance::Instance;
use super::merge::Part;
use super::{Said, Strength};

/// `image` is left out: its slug refers to newer images over time, and the provider does not read it back.
const DROPLET: [Row; 11] = [
    ("name", "name", Take::Text),
    ("region", "region", Take::Slug),
    ("size", "size_slug", Take::Slug),
    ("tags", "tags", Take::Tags),
    ("vpc_uuid", "vpc_uuid", Take::Text),
    ("backups", "backups", Take::Flag),
    ("ipv6", "ipv6", Take::Flag),
    ("monitoring", "monitoring", Take::Flag),
    ("private_networking", "private_networking", Take::Flag),
    ("public_networking", "public_networking", Take::Flag),
    ("volume_ids", "volume_ids", Take::Texts),
];

pub(super) fn droplet(instance: &Instance) -> Option<Vec<Said>> {
    let mut spec = take(&Block::of(instance), &DROPLET);
    // If the configuration does not refer to a volume, the provider filled in the list from attachments. They declare
    // the volumes themselves, and may have been removed since.
    if !instance.refers_to_volume {
        spec.fields.remove("volume_ids");
    }
    let id = id(&instance.attributes, "id")?;
    Some(vec![Said::Resource(desired(instance, "droplet", id, spec))])
}

/// `droplet_ids` is left out: it is computed. Attachments declare it.
const VOLUME: [Row; 5] = [
    ("name", "name", Take::Text),
    ("region", "region", Take::Slug),
    ("size", "size_gigabytes", Take::Number),
    ("description", "description", Take::Text),
    ("tags", "tags", Take::Tags),
];

pub(super) fn volume(instance: &Instance) -> Option<Vec<Said>> {
    let spec = take(&Block::of(instance), &VOLUME);
    let id = id(&instance.attributes, "id")?;
    Some(vec![Said::Resource(desired(instance, "volume", id, spec))])
}

pub(super) fn volume_attachment(instance: &Instance) -> Option<Vec<Said>> {
    let volume = id(&instance.attributes, "volume_id")?;
    let droplet = id_number(instance.attributes.get("droplet_id")?)?;
    Some(vec![
        Said::Part(Part {
            kind: "droplet",
            provider_id: droplet.to_string(),
            field: "volume_ids",
            value: volume.clone().into(),
            strength: Strength::Declared,
            address: instance.address.clone(),
        }),
        Said::Part(Part {
            kind: "volume",
            provider_id: volume,
            field: "droplet_ids",
            value: droplet.into(),
            strength: Strength::Declared,
            address: instance.address.clone(),
        }),
    ])
}

const SNAPSHOT: [Row; 2] = [("name", "name", Take::Text), ("tags", "tags", Take::Tags)];

pub(super) fn snapshot(instance: &Instance) -> Option<Vec<Said>> {
    let spec = take(&Block::of(instance), &SNAPSHOT);
    let id = id(&instance.attributes, "id")?;
    Some(vec![Said::Resource(desired(instance, "snapshot", id, spec))])
}

const IMAGE: [Row; 4] = [
    ("name", "name", Take::Text),
    ("description", "description", Take::Text),
    ("distribution", "distribution", Take::Text),
    ("tags", "tags", Take::Tags),
];

pub(super) fn image(instance: &Instance) -> Option<Vec<Said>> {
    let spec = take(&Block::of(instance), &IMAGE);
    let id = id(&instance.attributes, "image_id").or_else(|| id(&instance.attributes, "id"))?;
    Some(vec![Said::Resource(desired(instance, "image", id, spec))])
}
