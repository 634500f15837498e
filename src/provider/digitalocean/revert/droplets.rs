//! Droplets.

use serde_json::{Value, json};

use super::calls::{self, PROJECT, derived, doctl, fixed, no_call, numeric, one, plain, switch, text};
use super::{Change, Fields, Rule, invalid};
use crate::domain::equality::is_unset;
use crate::domain::revert::{Call, Effect, Obstacle, Outcome, member_change};

const ACTIONS: &str = "DigitalOcean's API reference, \"Droplet Actions\"";
const VOLUME_ACTIONS: &str = "DigitalOcean's API reference, \"Block Storage Actions\"";

/// The fields of a droplet.
pub(super) const DROPLET: Fields = &[
    ("name", Rule::By(rename)),
    (
        "region",
        fixed(
            "A droplet stays in its region. Take a snapshot, and create a new droplet from it in the expected region.",
        ),
    ),
    ("size_slug", Rule::By(resize)),
    ("status", Rule::By(power)),
    ("tags", Rule::By(tags)),
    (
        "ip",
        derived("DigitalOcean assigns the address. A reserved IP is the address that can be moved."),
    ),
    (
        "vpc_uuid",
        fixed("A droplet stays in the VPC in which it was created."),
    ),
    ("project_id", PROJECT),
    ("image", Rule::By(rebuild)),
    ("volume_ids", Rule::By(volumes)),
    ("backups", Rule::By(backups)),
    ("ipv6", Rule::By(ipv6)),
    (
        "monitoring",
        no_call("The agent for metrics is installed and removed in the droplet itself, not by the API."),
    ),
    (
        "private_networking",
        fixed("Private networking is chosen when a droplet is created."),
    ),
    (
        "droplet_agent",
        no_call("The agent for the console is installed and removed in the droplet itself, not by the API."),
    ),
    (
        "public_networking",
        fixed("Public networking is chosen when a droplet is created."),
    ),
    ("ips", derived("DigitalOcean assigns the addresses.")),
    ("gpu_info", derived("The GPUs follow from the size.")),
    (
        "autoscale_pool_id",
        derived("The pool that created the droplet is part of its history."),
    ),
];

fn act(change: &Change<'_>, body: Value) -> Call {
    calls::action(&["droplets", change.target.id(), "actions"], body).source(ACTIONS)
}

fn command(change: &Change<'_>, word: &str, flags: &[(&str, String)]) -> Option<String> {
    let waits = doctl(
        &format!("compute droplet-action {word}"),
        &[change.target.id()],
        flags,
    )?;
    Some(format!("{waits} --wait"))
}

fn rename(change: &Change<'_>) -> Outcome {
    one(text(change).map(|name| {
        act(change, json!({ "type": "rename", "name": name }))
            .doctl(command(change, "rename", &[("droplet-name", name)]))
            .note("The host name inside the droplet does not change.")
    }))
}

fn is_off(change: &Change<'_>) -> bool {
    change.target.live("status") == "off"
}

fn shut_down(change: &Change<'_>) -> Call {
    act(change, json!({ "type": "shutdown" }))
        .effect(Effect::PowersOff)
        .doctl(command(change, "shutdown", &[]))
        .note(
            "Wait until the status is off. If it stays active, send the same call with the type power_off, which is like \
             cutting the power.",
        )
}

fn power_on(change: &Change<'_>) -> Call {
    act(change, json!({ "type": "power_on" })).doctl(command(change, "power-on", &[]))
}

fn resize(change: &Change<'_>) -> Outcome {
    let size = match text(change) {
        Ok(size) => size,
        Err(outcome) => return outcome,
    };
    let resize = act(change, json!({ "type": "resize", "disk": false, "size": size }))
        .effect(Effect::PowersOff)
        .doctl(command(change, "resize", &[("size", size)]))
        .note(
            "The droplet must be off. The disk keeps its size, because a larger disk can never become smaller. DigitalOcean \
             refuses a size whose disk is smaller than that of the droplet.",
        );
    if is_off(change) {
        return Outcome::Calls(vec![resize]);
    }
    let mut calls = vec![shut_down(change), resize];
    // A droplet that is expected to be off stays off, if both fields are put back together.
    if change.target.value("status").as_str() != Some("off") {
        calls.push(power_on(change));
    }
    Outcome::Calls(calls)
}

fn power(change: &Change<'_>) -> Outcome {
    match change.expected.as_str() {
        Some("active") if is_off(change) => Outcome::Calls(vec![power_on(change)]),
        Some("off") => Outcome::Calls(vec![shut_down(change)]),
        _ => super::cannot(
            Obstacle::ReadOnly,
            "Only the statuses active and off can be chosen; DigitalOcean sets the others.",
        ),
    }
}

fn tags(change: &Change<'_>) -> Outcome {
    calls::tags(change, "droplet", |id, tag, adds| {
        let word = if adds {
            "compute droplet tag"
        } else {
            "compute droplet untag"
        };
        doctl(word, &[id], &[("tag-name", tag.to_owned())])
    })
}

/// The id of an image selects exactly the expected one; a slug moves to newer images.
fn rebuild(change: &Change<'_>) -> Outcome {
    let chosen = ["id", "slug"]
        .into_iter()
        .filter_map(|name| change.expected.get(name))
        .find(|value| !is_unset(value));
    let Some(image) = chosen else {
        return invalid(change, "an image with an id or a slug");
    };
    Outcome::Calls(vec![
        act(change, json!({ "type": "rebuild", "image": image }))
            .effect(Effect::DestroysData)
            .doctl(command(change, "rebuild", &[("image", plain(image))]))
            .note("Writes the image over the disk: all data on it is lost. Take a snapshot first. The addresses stay."),
    ])
}

fn volumes(change: &Change<'_>) -> Outcome {
    let region = change.target.live("region");
    let droplet = change.target.id();
    let members = member_change(change.expected, &change.actual);
    let mut steps = Vec::new();
    for volume in &members.remove {
        steps.push(attachment((&plain(volume), droplet), &region, false));
    }
    for volume in &members.add {
        steps.push(attachment((&plain(volume), droplet), &region, true));
    }
    Outcome::Calls(steps)
}

/// Returns the call that attaches a volume to a droplet, or detaches it.
pub(super) fn attachment((volume, droplet): (&str, &str), region: &Value, attaches: bool) -> Call {
    let word = if attaches { "attach" } else { "detach" };
    let mut body = json!({ "type": word, "droplet_id": numeric(droplet) });
    if !region.is_null() {
        body["region"] = region.clone();
    }
    let note = if attaches {
        "A volume is attached to one droplet at a time. Mount it in the droplet afterwards."
    } else {
        "Unmount the volume in the droplet first, or data that is not written yet is lost."
    };
    calls::action(&["volumes", volume, "actions"], body)
        .doctl(
            doctl(&format!("compute volume-action {word}"), &[volume, droplet], &[])
                .map(|line| format!("{line} --wait")),
        )
        .note(note)
        .source(VOLUME_ACTIONS)
}

fn backups(change: &Change<'_>) -> Outcome {
    one(switch(change).map(|on| {
        let (kind, word) = match on {
            true => ("enable_backups", "enable-backups"),
            false => ("disable_backups", "disable-backups"),
        };
        act(change, json!({ "type": kind }))
            .doctl(command(change, word, &[]))
            .note(if on {
                "Backups are billed. The default policy applies."
            } else {
                ""
            })
    }))
}

fn ipv6(change: &Change<'_>) -> Outcome {
    one(switch(change).and_then(|on| match on {
        true => Ok(act(change, json!({ "type": "enable_ipv6" }))
            .effect(Effect::Irreversible)
            .doctl(command(change, "enable-ipv6", &[]))
            .note("The API cannot disable IPv6 again. The operating system of the droplet may need the new address.")),
        false => Err(calls::one_way("The API enables IPv6 and cannot disable it.")),
    }))
}
