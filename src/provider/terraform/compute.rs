//! Droplets, volumes, snapshots and images.

use super::fields::{Block, Conversion, Row, desired, id, id_number, read_attributes};
use super::instance::Instance;
use super::merge::Part;
use super::{Mapped, Strength};

/// `image` is left out: its slug refers to newer images over time, and the provider does not read it back.
const DROPLET: [Row; 11] = [
    ("name", "name", Conversion::Text),
    ("region", "region", Conversion::Slug),
    ("size", "size_slug", Conversion::Slug),
    ("tags", "tags", Conversion::Tags),
    ("vpc_uuid", "vpc_uuid", Conversion::Text),
    ("backups", "backups", Conversion::Flag),
    ("ipv6", "ipv6", Conversion::Flag),
    ("monitoring", "monitoring", Conversion::Flag),
    ("private_networking", "private_networking", Conversion::Flag),
    ("public_networking", "public_networking", Conversion::Flag),
    ("volume_ids", "volume_ids", Conversion::Texts),
];

pub(super) fn droplet(instance: &Instance) -> Option<Vec<Mapped>> {
    let mut spec = read_attributes(&Block::of(instance), &DROPLET);
    // If the configuration does not refer to a volume, the provider filled in the list from attachments. Each
    // attachment declares its volume itself, and some may have been removed since.
    if !instance.refers_to_volume {
        spec.fields.remove("volume_ids");
    }
    let id = id(&instance.attributes, "id")?;
    Some(vec![Mapped::Resource(desired(instance, "droplet", id, spec))])
}

/// `droplet_ids` is left out: it is computed. Attachments declare it.
const VOLUME: [Row; 5] = [
    ("name", "name", Conversion::Text),
    ("region", "region", Conversion::Slug),
    ("size", "size_gigabytes", Conversion::Number),
    ("description", "description", Conversion::Text),
    ("tags", "tags", Conversion::Tags),
];

pub(super) fn volume(instance: &Instance) -> Option<Vec<Mapped>> {
    let spec = read_attributes(&Block::of(instance), &VOLUME);
    let id = id(&instance.attributes, "id")?;
    Some(vec![Mapped::Resource(desired(instance, "volume", id, spec))])
}

pub(super) fn volume_attachment(instance: &Instance) -> Option<Vec<Mapped>> {
    let volume = id(&instance.attributes, "volume_id")?;
    let droplet = id_number(instance.attributes.get("droplet_id")?)?;
    Some(vec![
        Mapped::Part(Part {
            kind: "droplet",
            provider_id: droplet.to_string(),
            field: "volume_ids",
            value: volume.clone().into(),
            strength: Strength::Declared,
            address: instance.address.clone(),
        }),
        Mapped::Part(Part {
            kind: "volume",
            provider_id: volume,
            field: "droplet_ids",
            value: droplet.into(),
            strength: Strength::Declared,
            address: instance.address.clone(),
        }),
    ])
}

const SNAPSHOT: [Row; 2] = [
    ("name", "name", Conversion::Text),
    ("tags", "tags", Conversion::Tags),
];

pub(super) fn snapshot(instance: &Instance) -> Option<Vec<Mapped>> {
    let spec = read_attributes(&Block::of(instance), &SNAPSHOT);
    let id = id(&instance.attributes, "id")?;
    Some(vec![Mapped::Resource(desired(instance, "snapshot", id, spec))])
}

const IMAGE: [Row; 4] = [
    ("name", "name", Conversion::Text),
    ("description", "description", Conversion::Text),
    ("distribution", "distribution", Conversion::Text),
    ("tags", "tags", Conversion::Tags),
];

pub(super) fn image(instance: &Instance) -> Option<Vec<Mapped>> {
    let spec = read_attributes(&Block::of(instance), &IMAGE);
    let id = id(&instance.attributes, "image_id").or_else(|| id(&instance.attributes, "id"))?;
    Some(vec![Mapped::Resource(desired(instance, "image", id, spec))])
}
