//! Volumes, snapshots, images and reserved IPs.

use serde_json::{Value, json};

use super::calls::{
    self, PROJECT, call, derived, doctl, fixed, no_call, number, number_in, numeric, one, plain, text,
};
use super::droplets::attachment;
use super::{Change, Fields, Rule, cannot};
use crate::domain::equality::is_unset;
use crate::domain::revert::{Effect, Method, Obstacle, Outcome, member_change};

const VOLUMES: &str = "DigitalOcean's API reference, \"Block Storage Actions\"";
const IMAGES: &str = "DigitalOcean's API reference, \"Images\" and \"Image Actions\"";
const RESERVED_IPS: &str = "DigitalOcean's API reference, \"Reserved IP Actions\"";

/// The fields of a volume.
pub(super) const VOLUME: Fields = &[
    ("name", fixed("The API cannot rename a volume.")),
    (
        "region",
        fixed(
            "A volume stays in its region. Take a snapshot, and create a new volume from it in the expected region.",
        ),
    ),
    ("status", derived("The status follows from droplet_ids.")),
    ("tags", Rule::By(volume_tags)),
    ("project_id", PROJECT),
    ("size_gigabytes", Rule::By(grow)),
    (
        "description",
        fixed("The API sets the description when a volume is created, and cannot change it."),
    ),
    (
        "filesystem_type",
        no_call("A volume is formatted when it is created, or in the droplet. Formatting destroys its data."),
    ),
    (
        "filesystem_label",
        no_call("The label of a file system is set when a volume is created, or in the droplet."),
    ),
    ("droplet_ids", Rule::By(attach)),
];

fn volume_tags(change: &Change<'_>) -> Outcome {
    calls::tags(change, "volume", |id, tag, adds| {
        tag_command("volume", id, tag, adds)
    })
}

/// Returns the command that adds a tag to a resource, or removes it.
fn tag_command(resource_type: &str, id: &str, tag: &str, adds: bool) -> Option<String> {
    let word = if adds {
        "compute tag apply"
    } else {
        "compute tag remove"
    };
    doctl(word, &[tag], &[("resource", format!("do:{resource_type}:{id}"))])
}

fn grow(change: &Change<'_>) -> Outcome {
    one(number(change).and_then(|size| {
        if number_in(&change.actual).is_some_and(|actual| actual > size) {
            return Err(calls::one_way(
                "A volume cannot become smaller. Create a volume of the expected size, copy the data, and detach this one.",
            ));
        }
        let region = change.target.live("region");
        let mut body = json!({ "type": "resize", "size_gigabytes": size });
        let mut flags = vec![("size", size.to_string())];
        if !region.is_null() {
            flags.push(("region", plain(&region)));
            body["region"] = region;
        }
        Ok(calls::action(&["volumes", change.target.id(), "actions"], body)
            .effect(Effect::Irreversible)
            .doctl(
                doctl("compute volume-action resize", &[change.target.id()], &flags)
                    .map(|line| format!("{line} --wait")),
            )
            .note("A volume cannot become smaller again. Grow the file system in the droplet afterwards.")
            .source(VOLUMES))
    }))
}

fn attach(change: &Change<'_>) -> Outcome {
    let region = change.target.live("region");
    let volume = change.target.id();
    let members = member_change(change.expected, &change.actual);
    if members.add.len() > 1 {
        return cannot(
            Obstacle::InvalidValue,
            "A volume is attached to one droplet at a time.",
        );
    }
    let removed = members.remove.iter().map(|droplet| (droplet, false));
    let steps = removed.chain(members.add.iter().map(|droplet| (droplet, true)));
    Outcome::Calls(
        steps
            .map(|(droplet, attaches)| attachment((volume, &plain(droplet)), &region, attaches))
            .collect(),
    )
}

/// The fields of a reserved IP.
pub(super) const RESERVED_IP: Fields = &[
    ("name", derived("A reserved IP is identified by its address.")),
    ("ip", derived("A reserved IP is identified by its address.")),
    ("region", fixed("A reserved IP stays in its region.")),
    ("status", derived("The status follows from droplet_id.")),
    ("project_id", PROJECT),
    ("droplet_id", Rule::By(assign)),
];

fn assign(change: &Change<'_>) -> Outcome {
    let ip = change.target.id();
    let at = ["reserved_ips", ip, "actions"];
    let call = if is_unset(change.expected) {
        calls::action(&at, json!({ "type": "unassign" }))
            .doctl(doctl("compute reserved-ip-action unassign", &[ip], &[]))
            .note("The address no longer leads to the droplet. DigitalOcean bills a reserved IP that is not assigned.")
    } else {
        let droplet = plain(change.expected);
        calls::action(&at, json!({ "type": "assign", "droplet_id": numeric(&droplet) }))
            .doctl(doctl("compute reserved-ip-action assign", &[ip, &droplet], &[]))
            .note("The address leads to the expected droplet at once; connections to the one before end.")
    };
    Outcome::Calls(vec![call.source(RESERVED_IPS)])
}

/// The fields of a snapshot.
pub(super) const SNAPSHOT: Fields = &[
    ("name", Rule::By(rename_snapshot)),
    (
        "region",
        derived("The regions of a snapshot are in the field regions."),
    ),
    ("status", derived("DigitalOcean sets the status.")),
    ("tags", Rule::By(snapshot_tags)),
    ("regions", Rule::By(transfer_snapshot)),
    (
        "min_disk_size",
        derived("The size follows from the disk at the time of the snapshot."),
    ),
    (
        "size_gigabytes",
        derived("The size follows from the contents of the snapshot."),
    ),
    (
        "resource_id",
        derived("The source of a snapshot is part of its history."),
    ),
    (
        "resource_type",
        derived("The source of a snapshot is part of its history."),
    ),
];

fn is_of_droplet(change: &Change<'_>) -> bool {
    change.target.live("resource_type") == "droplet"
}

fn rename_snapshot(change: &Change<'_>) -> Outcome {
    match is_of_droplet(change) {
        true => update_image(change),
        false => cannot(
            Obstacle::NeedsReplacement,
            "The API cannot rename the snapshot of a volume.",
        ),
    }
}

fn snapshot_tags(change: &Change<'_>) -> Outcome {
    match is_of_droplet(change) {
        true => image_tags(change),
        false => calls::tags(change, "volume_snapshot", |_, _, _| None),
    }
}

fn transfer_snapshot(change: &Change<'_>) -> Outcome {
    match is_of_droplet(change) {
        true => transfer(change),
        false => cannot(
            Obstacle::NeedsReplacement,
            "The snapshot of a volume stays in the region of the volume.",
        ),
    }
}

/// The fields of an image.
pub(super) const IMAGE: Fields = &[
    ("name", Rule::By(update_image)),
    (
        "region",
        derived("The regions of an image are in the field regions."),
    ),
    ("status", derived("DigitalOcean sets the status.")),
    ("tags", Rule::By(image_tags)),
    ("type", derived("The type follows from how the image was made.")),
    ("distribution", Rule::By(update_image)),
    ("slug", derived("Only images of DigitalOcean have slugs.")),
    ("regions", Rule::By(transfer)),
    (
        "min_disk_size",
        derived("The size follows from the contents of the image."),
    ),
    (
        "size_gigabytes",
        derived("The size follows from the contents of the image."),
    ),
    ("description", Rule::By(update_image)),
];

fn update_image(change: &Change<'_>) -> Outcome {
    let id = change.target.id();
    let value = match (change.field, change.expected) {
        ("description", unset) if is_unset(unset) => Ok(String::new()),
        _ => text(change),
    };
    one(value.map(|value| {
        let command = match change.field {
            "name" => doctl("compute image update", &[id], &[("image-name", value.clone())]),
            _ => None,
        };
        call(
            Method::Put,
            &["images", id],
            Some(Value::Object(
                [(change.field.to_owned(), value.into())].into_iter().collect(),
            )),
        )
        .doctl(command)
        .note("Properties that the body does not name stay as they are.")
        .source(IMAGES)
    }))
}

fn image_tags(change: &Change<'_>) -> Outcome {
    calls::tags(change, "image", |id, tag, adds| {
        tag_command("image", id, tag, adds)
    })
}

fn transfer(change: &Change<'_>) -> Outcome {
    let members = member_change(change.expected, &change.actual);
    if !members.remove.is_empty() {
        return calls::one_way("The API adds an image to regions, and cannot remove it from one.");
    }
    let id = change.target.id();
    let add = |region: &Value| {
        let region = plain(region);
        calls::action(
            &["images", id, "actions"],
            json!({ "type": "transfer", "region": region }),
        )
        .effect(Effect::Irreversible)
        .doctl(
            doctl("compute image-action transfer", &[id], &[("region", region)])
                .map(|line| format!("{line} --wait")),
        )
        .note("The API cannot remove the image from the region again.")
        .source(IMAGES)
    };
    Outcome::Calls(members.add.iter().map(add).collect())
}
