//! Database clusters and their trusted sources.

use serde_json::{Value, json};

use super::calls::{self, PROJECT, call, derived, doctl, fixed, number_in, one, plain, text};
use super::{Change, Fields, Rule, cannot, invalid};
use crate::domain::equality::is_unset;
use crate::domain::revert::{Effect, Method, Obstacle, Outcome, member_change};

const DATABASES: &str = "DigitalOcean's API reference, \"Databases\"";

/// The fields of a database cluster.
pub(super) const DATABASE: Fields = &[
    ("name", fixed("The API cannot rename a database cluster.")),
    ("region", Rule::By(migrate)),
    ("size_slug", Rule::By(resize)),
    ("status", derived("DigitalOcean sets the status.")),
    ("tags", Rule::By(tags)),
    ("project_id", PROJECT),
    (
        "engine",
        fixed("The engine is chosen when a cluster is created. Restore its data into a new cluster."),
    ),
    ("version", Rule::By(upgrade)),
    ("num_nodes", Rule::By(resize)),
    (
        "private_network_uuid",
        fixed("The VPC is chosen when a cluster is created. Fork the cluster into the expected VPC."),
    ),
    ("storage_size_mib", Rule::By(resize)),
    ("maintenance_window", Rule::By(maintenance)),
];

fn migrate(change: &Change<'_>) -> Outcome {
    let id = change.target.id();
    one(text(change).map(|region| {
        call(Method::Put, &["databases", id, "migrate"], Some(json!({ "region": region })))
            .effect(Effect::Replaced)
            .doctl(doctl("databases migrate", &[id], &[("region", region)]))
            .note(
                "The nodes are replaced by new ones in the expected region. The status is migrating until all data has \
                 moved; connections end when the new nodes take over.",
            )
            .source(DATABASES)
    }))
}

/// The call sets the size, the number of nodes and the storage together.
fn resize(change: &Change<'_>) -> Outcome {
    let target = change.target;
    let storage = target.value("storage_size_mib");
    let (before, after) = (number_in(&target.live("storage_size_mib")), number_in(&storage));
    if change.field == "storage_size_mib" {
        if after.is_none() {
            return invalid(change, "a number of MiB");
        }
        if before > after {
            return calls::one_way("The storage of a cluster cannot become smaller.");
        }
    }
    let size = plain(&target.value("size_slug"));
    let Some(nodes) = number_in(&target.value("num_nodes")).filter(|_| !size.is_empty()) else {
        return cannot(
            Obstacle::InvalidValue,
            "The call needs the size and the number of nodes, and one of them is not known.",
        );
    };
    let mut body = json!({ "size": size, "num_nodes": nodes });
    let mut flags = vec![("size", size), ("num-nodes", nodes.to_string())];
    let grows = after > before;
    if let Some(after) = after.filter(|_| grows) {
        body["storage_size_mib"] = after.into();
        flags.push(("storage-size-mib", after.to_string()));
    }
    let effect = if grows {
        Effect::Irreversible
    } else {
        Effect::Replaced
    };
    Outcome::Calls(vec![
        call(Method::Put, &["databases", target.id(), "resize"], Some(body))
            .effect(effect)
            .doctl(doctl("databases resize", &[target.id()], &flags))
            .note(
                "The nodes are replaced one after another; connections end when one takes over. The status is resizing \
                 meanwhile. DigitalOcean refuses a size with less storage than the cluster has.",
            )
            .source(DATABASES),
    ])
}

fn tags(change: &Change<'_>) -> Outcome {
    calls::tags(change, "database", |_, _, _| None)
}

fn upgrade(change: &Change<'_>) -> Outcome {
    let id = change.target.id();
    one(text(change).and_then(|version| {
        if calls::is_older(&version, &plain(&change.actual)) {
            return Err(calls::one_way(
                "A cluster cannot go back to an older version. Restore a backup into a new cluster of that version.",
            ));
        }
        Ok(call(Method::Put, &["databases", id, "upgrade"], Some(json!({ "version": version })))
            .effect(Effect::Irreversible)
            .note("The cluster cannot go back to the older version. Try the upgrade on a fork first.")
            .source(DATABASES))
    }))
}

fn maintenance(change: &Change<'_>) -> Outcome {
    let part = |name: &str| {
        change
            .expected
            .get(name)
            .filter(|part| !is_unset(part))
            .map(plain)
    };
    let Some((day, hour)) = part("day").zip(part("hour")) else {
        return invalid(change, "a window with a day and an hour");
    };
    let id = change.target.id();
    Outcome::Calls(vec![
        call(
            Method::Put,
            &["databases", id, "maintenance"],
            Some(json!({ "day": day, "hour": hour })),
        )
        .doctl(doctl(
            "databases maintenance-window update",
            &[id],
            &[("day", day), ("hour", hour)],
        ))
        .note("Updates that wait are installed in the new window.")
        .source(DATABASES),
    ])
}

/// The fields of the trusted sources of a database cluster.
pub(super) const FIREWALL: Fields = &[
    ("name", derived("The name is that of the cluster.")),
    ("status", derived("Trusted sources have no status.")),
    ("rules", Rule::By(rules)),
];

/// The API replaces the whole list; `doctl` adds and removes single rules.
fn rules(change: &Change<'_>) -> Outcome {
    let id = change.target.id();
    let rules = match change.expected {
        Value::Array(rules) => rules.clone(),
        unset if is_unset(unset) => Vec::new(),
        _ => return invalid(change, "a list of rules"),
    };
    let members = member_change(change.expected, &change.actual);
    let only_adds = match (&members.add[..], members.remove.is_empty()) {
        ([rule], true) => rule.get("type").zip(rule.get("value")).and_then(|(kind, value)| {
            let rule = format!("{}:{}", plain(kind), plain(value));
            doctl("databases firewalls append", &[id], &[("rule", rule)])
        }),
        _ => None,
    };
    let opens = rules.is_empty();
    Outcome::Calls(vec![
        call(
            Method::Put,
            &["databases", id, "firewall"],
            Some(json!({ "rules": rules })),
        )
        .doctl(only_adds)
        .note(if opens {
            "Replaces all trusted sources. Without one, the database accepts connections from every address."
        } else {
            "Replaces all trusted sources. Descriptions of rules are not stored here, so they are lost."
        })
        .source("DigitalOcean's API reference, \"Databases\": Update Firewall Rules"),
    ])
}
