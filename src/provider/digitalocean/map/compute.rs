//! Droplets, volumes, snapshots, images and reserved IPs.

use serde_json::{Value, json};

use super::{Context, Shape, flag, id_text, items, named, pick, resource, text};
use crate::domain::inventory::ListedResource;
use crate::provider::digitalocean::map::shape::{Field, pick_fields};

pub(super) const DROPLET: &[Field] = &[
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

/// Optional features. DigitalOcean's API reference, "Droplets": the list `features` has those that are switched on.
const FEATURES: [&str; 5] = [
    "backups",
    "ipv6",
    "monitoring",
    "private_networking",
    "droplet_agent",
];

/// Compared fields of a droplet that are not copied as they are.
#[cfg(test)]
pub(super) const OTHER_DROPLET_FIELDS: &[&str] = &[
    "backups",
    "ipv6",
    "monitoring",
    "private_networking",
    "droplet_agent",
    "public_networking",
    "ips",
    "ip",
    "size_slug",
    "vpc_uuid",
    "project_id",
    "autoscale_pool_id",
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
    // A droplet is locked while an action runs. A resize, for example, sets the status to `off` and back.
    droplet.settling |= flag(item, "/locked");
    Some(droplet)
}

/// Returns the addresses in the order of the response; the first one is the primary address. The API may write `nil`
/// for a missing address.
fn addresses(item: &Value, family: &str, kind: &str) -> Vec<String> {
    items(item, &format!("/networks/{family}"))
        .iter()
        .filter(|network| network["type"] == kind)
        .filter_map(|network| network["ip_address"].as_str()?.parse::<std::net::IpAddr>().ok())
        .map(|address| address.to_string())
        .collect()
}

pub(super) const VOLUME: &[Field] = &[
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

pub(super) const SNAPSHOT: &[Field] = &[
    ("regions", Shape::Lower),
    ("min_disk_size", Shape::Plain),
    ("size_gigabytes", Shape::Plain),
    ("resource_id", Shape::Plain),
    ("resource_type", Shape::Plain),
];

pub(in super::super) fn snapshot(item: &Value, _: &Context) -> Option<ListedResource> {
    named(item, "snapshot", SNAPSHOT)
}

pub(super) const IMAGE: &[Field] = &[
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

/// Maps a reserved IP. The item contains the whole droplet, of which only the id is stored.
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::shown;
    use super::*;

    #[test]
    fn a_droplet_is_mapped() {
        let item = json!({
            "id": 5_000_000_000_i64, "name": "web-1", "status": "active", "locked": false, "memory": 1024,
            "vcpus": 1, "disk": 25, "features": ["monitoring", "droplet_agent", "novel"], "backup_ids": [1],
            "image": { "id": 7, "slug": "debian-13-x64", "regions": ["nyc3"], "description": "" },
            "size": { "slug": "s-1vcpu-1gb", "price_monthly": 6 }, "size_slug": "S-1vcpu-1gb",
            "networks": {
                "v4": [{ "ip_address": "10.0.0.2", "type": "private", "gateway": "nil" },
                       { "ip_address": "203.0.113.8", "type": "public" },
                       { "ip_address": "nil", "type": "public" }],
                "v6": [{ "ip_address": "2001:DB8:0::1", "type": "public", "netmask": 64 }],
            },
            "region": { "slug": "NYC3", "sizes": ["a"] }, "tags": ["Web", "env:prod", "web"],
            "vpc_uuid": "vpc-1", "volume_ids": ["v-2", "v-1"], "next_backup_window": { "start": "now" },
            "user_data": "#!/bin/sh", "gpu_info": { "count": 1, "model": "h100", "vram": { "amount": 80 } },
        });
        assert_eq!(
            shown(droplet(&item, &Context::default())),
            json!({
                "id": "5000000000", "urn": "do:droplet:5000000000", "name": "web-1", "region": "nyc3",
                "size_slug": "s-1vcpu-1gb", "status": "active", "tags": ["env:prod", "web"],
                "ip": "203.0.113.8", "vpc_uuid": "vpc-1",
                "attrs": {
                    "image": { "id": 7, "slug": "debian-13-x64" }, "volume_ids": ["v-1", "v-2"],
                    "backups": false, "ipv6": false, "monitoring": true, "private_networking": false,
                    "droplet_agent": true, "public_networking": true,
                    "ips": { "public4": ["203.0.113.8"], "private4": ["10.0.0.2"], "public6": ["2001:db8::1"] },
                    "gpu_info": { "count": 1, "model": "h100" },
                },
            })
        );
        assert_eq!(droplet(&json!({ "name": "no id" }), &Context::default()), None);
    }

    #[test]
    fn a_droplet_with_only_private_addresses_has_no_public_networking() {
        let with = |networks: Value| {
            let item = json!({ "id": 1, "networks": { "v4": networks } });
            droplet(&item, &Context::default()).unwrap()
        };
        let private = with(json!([{ "ip_address": "10.0.0.2", "type": "private" }]));
        assert_eq!(private.attrs["public_networking"], false);
        assert_eq!(private.ip.as_deref(), Some("10.0.0.2"));
        let public = with(json!([{ "ip_address": "203.0.113.8", "type": "public" }]));
        assert_eq!(public.attrs["public_networking"], true);
    }

    #[test]
    fn the_size_of_a_droplet_is_read_from_size_slug_or_size() {
        let size = |item: Value| droplet(&item, &Context::default()).unwrap().size_slug;
        assert_eq!(
            size(json!({ "id": 1, "size": { "slug": "s-1" } })).as_deref(),
            Some("s-1")
        );
        assert_eq!(
            size(json!({ "id": 1, "size_slug": "s-2", "size": { "slug": "s-1" } })).as_deref(),
            Some("s-2")
        );
    }

    #[test]
    fn a_new_or_locked_droplet_is_settling() {
        let settling = |item: Value| droplet(&item, &Context::default()).unwrap().settling;
        assert!(settling(json!({ "id": 1, "status": "new" })));
        assert!(settling(json!({ "id": 1, "status": "off", "locked": true })));
        assert!(!settling(json!({ "id": 1, "status": "off", "locked": false })));
        assert!(!settling(json!({ "id": 1, "status": "novel" })));
        assert!(!settling(json!({ "id": 1 })));
    }

    #[test]
    fn a_volume_is_mapped() {
        let item = json!({
            "id": "V-1", "name": "data", "size_gigabytes": 10, "description": "", "droplet_ids": [12, 5, 12],
            "filesystem_type": "ext4", "filesystem_label": "", "region": { "slug": "nyc1" }, "tags": null,
            "created_at": "2026-01-01T00:00:00Z",
        });
        assert_eq!(
            shown(volume(&item, &Context::default())),
            json!({
                "id": "V-1", "urn": "do:volume:v-1", "name": "data", "region": "nyc1", "status": "attached",
                "attrs": { "size_gigabytes": 10, "filesystem_type": "ext4", "droplet_ids": [5, 12] },
            })
        );
        let free = volume(&json!({ "id": "v", "droplet_ids": [] }), &Context::default()).unwrap();
        assert_eq!(free.status.as_deref(), Some("detached"));
    }

    #[test]
    fn a_reserved_ip_keeps_only_the_id_of_its_droplet() {
        let item = json!({
            "ip": "203.0.113.1", "region": { "slug": "ams3" }, "project_id": "p-1", "locked": false,
            "droplet": { "id": 42, "name": "web-1", "status": "new" },
        });
        assert_eq!(
            shown(reserved_ip(&item, &Context::default())),
            json!({
                "id": "203.0.113.1", "urn": "do:reservedip:203.0.113.1", "name": "203.0.113.1",
                "region": "ams3", "status": "assigned", "ip": "203.0.113.1", "project_id": "p-1",
                "attrs": { "droplet_id": 42 },
            })
        );
        let free = json!({ "ip": "203.0.113.2", "droplet": null });
        assert_eq!(shown(reserved_ip(&free, &Context::default()))["status"], "free");
    }

    #[test]
    fn snapshots_and_images_are_mapped() {
        let item = json!({
            "id": "77", "name": "nightly", "regions": ["sfo3", "nyc3"], "min_disk_size": 25,
            "size_gigabytes": 2.34, "resource_id": "42", "resource_type": "droplet", "tags": [],
        });
        assert_eq!(
            shown(snapshot(&item, &Context::default()))["attrs"],
            json!({ "regions": ["nyc3", "sfo3"], "min_disk_size": 25, "size_gigabytes": 2.34,
                    "resource_id": "42", "resource_type": "droplet" })
        );
        let item = json!({
            "id": 9, "name": "golden", "type": "custom", "distribution": "Debian", "slug": null, "status": "NEW",
            "regions": ["nyc3"], "public": false, "error_message": "", "created_at": "2026",
        });
        assert_eq!(
            shown(image(&item, &Context::default())),
            json!({ "id": "9", "urn": "do:image:9", "name": "golden", "status": "NEW", "settling": true,
                    "attrs": { "type": "custom", "distribution": "Debian", "regions": ["nyc3"] } })
        );
    }
}
