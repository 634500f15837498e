//! Droplets, what they are made from, and what hangs on them.

use serde_json::{Value, json};

use super::{Context, Shape, flag, id_text, items, named, pick, resource, text};
use crate::domain::inventory::ListedResource;
use crate::provider::digitalocean::map::shape::{Field, pick_fields};

const DROPLET: &[Field] = &[
    (
        "image",
        Shape::Object(&[("id", Shape::Number), ("slug", Shape::Lower)]),
    ),
    ("volume_ids", Shape::Plain),
    (
        "gpu_info",
        Shape::Object(&[("count", Shape::Plain), ("model", Shape::Plain)]),
    ),
];

/// DigitalOcean's API reference, "Droplets": what can be switched on is in the list `features`.
const FEATURES: [&str; 5] = [
    "backups",
    "ipv6",
    "monitoring",
    "private_networking",
    "droplet_agent",
];

pub(in super::super) fn droplet(item: &Value, _: &Context) -> Option<ListedResource> {
    let mut droplet = named(item, "droplet", DROPLET)?;
    droplet.size_slug = super::lower(item, "/size_slug").or_else(|| super::lower(item, "/size/slug"));
    for feature in FEATURES {
        let on = items(item, "/features").iter().any(|name| name == feature);
        droplet.with_attr(feature, on);
    }
    let (public4, private4) = (addresses(item, "v4", "public"), addresses(item, "v4", "private"));
    let public6 = addresses(item, "v6", "public");
    droplet.ip = public4.first().or(private4.first()).cloned();
    let has_public_type = items(item, "/networks/v4")
        .iter()
        .any(|network| network["type"] == "public");
    droplet.with_attr("public_networking", has_public_type);
    let ips = json!({ "public4": public4, "private4": private4, "public6": public6 });
    let ips_fields: &[Field] = &[
        ("public4", Shape::Plain),
        ("private4", Shape::Plain),
        ("public6", Shape::Plain),
    ];
    droplet.with_attr("ips", Value::Object(pick_fields(&ips, ips_fields)));
    // An action is under way. A resize goes through `off` and back, locked all the time.
    droplet.settling |= flag(item, "/locked");
    Some(droplet)
}

/// In the order of the answer, the first being the primary one. A gateway or an address that is not there
/// may be the text `nil`.
fn addresses(item: &Value, family: &str, kind: &str) -> Vec<String> {
    items(item, &format!("/networks/{family}"))
        .iter()
        .filter(|network| network["type"] == kind)
        .filter_map(|network| network["ip_address"].as_str()?.parse::<std::net::IpAddr>().ok())
        .map(|address| address.to_string())
        .collect()
}

const VOLUME: &[Field] = &[
    ("size_gigabytes", Shape::Plain),
    ("description", Shape::Plain),
    ("filesystem_type", Shape::Plain),
    ("filesystem_label", Shape::Plain),
    ("droplet_ids", Shape::Number),
];

pub(in super::super) fn volume(item: &Value, _: &Context) -> Option<ListedResource> {
    let mut volume = named(item, "volume", VOLUME)?;
    let attached = volume.attrs.contains_key("droplet_ids");
    volume.status = Some(if attached { "attached" } else { "detached" }.to_owned());
    volume.settling = false;
    Some(volume)
}

const SNAPSHOT: &[Field] = &[
    ("regions", Shape::Lower),
    ("min_disk_size", Shape::Plain),
    ("size_gigabytes", Shape::Plain),
    ("resource_id", Shape::Plain),
    ("resource_type", Shape::Plain),
];

pub(in super::super) fn snapshot(item: &Value, _: &Context) -> Option<ListedResource> {
    named(item, "snapshot", SNAPSHOT)
}

const IMAGE: &[Field] = &[
    ("type", Shape::Plain),
    ("distribution", Shape::Plain),
    ("slug", Shape::Lower),
    ("regions", Shape::Lower),
    ("min_disk_size", Shape::Plain),
    ("size_gigabytes", Shape::Plain),
    ("description", Shape::Plain),
];

pub(in super::super) fn image(item: &Value, _: &Context) -> Option<ListedResource> {
    named(item, "image", IMAGE)
}

/// The droplet comes along whole; its id is all that the address has to say about it.
pub(in super::super) fn reserved_ip(item: &Value, _: &Context) -> Option<ListedResource> {
    let ip = text(item, "/ip")?;
    let mut reserved = resource(item, "reservedip", &ip, None);
    let droplet = item.pointer("/droplet/id").filter(|id| id_text(id).is_some());
    let status = if droplet.is_some() { "assigned" } else { "free" };
    reserved.status = Some(status.to_owned());
    reserved.settling = flag(item, "/locked");
    if let Some(id) = droplet.and_then(|id| pick(id, &Shape::Number)) {
        reserved.with_attr("droplet_id", id);
    }
    reserved.ip = Some(ip);
    Some(reserved)
}
