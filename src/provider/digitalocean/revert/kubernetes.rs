//! Kubernetes clusters and their node pools.

use serde_json::{Map, Value, json};

use super::calls::{
    self, PROJECT, call, derived, doctl, fixed, list, number, number_in, one, plain, switch, text,
};
use super::{Change, Fields, Rule, cannot, invalid};
use crate::domain::equality::is_unset;
use crate::domain::revert::{Call, Effect, Method, Obstacle, Outcome};

const CLUSTERS: &str = "DigitalOcean's API reference, \"Kubernetes\": Update a Kubernetes Cluster";
const POOLS: &str = "DigitalOcean's API reference, \"Kubernetes\": Update a Node Pool";

/// The fields of a cluster.
pub(super) const CLUSTER: Fields = &[
    ("name", Rule::By(update_text)),
    ("region", fixed("A cluster stays in its region.")),
    ("status", derived("DigitalOcean sets the status.")),
    ("tags", Rule::By(update_tags)),
    ("ip", derived("DigitalOcean assigns the address.")),
    (
        "vpc_uuid",
        fixed("A cluster stays in the VPC in which it was created."),
    ),
    ("project_id", PROJECT),
    ("version", Rule::By(upgrade)),
    (
        "cluster_subnet",
        fixed("The subnet is chosen when a cluster is created."),
    ),
    (
        "service_subnet",
        fixed("The subnet is chosen when a cluster is created."),
    ),
    ("ha", Rule::By(enable_ha)),
    ("auto_upgrade", Rule::By(update_switch)),
    ("surge_upgrade", Rule::By(update_switch)),
    ("registry_enabled", Rule::By(registry)),
    ("maintenance_policy", Rule::By(update_object)),
    ("control_plane_firewall", Rule::By(update_object)),
    ("cluster_autoscaler_configuration", Rule::By(update_object)),
    ("sso", Rule::By(update_object)),
    ("routing_agent", Rule::By(update_object)),
    ("amd_gpu_device_plugin", Rule::By(update_object)),
    ("amd_gpu_device_metrics_exporter_plugin", Rule::By(update_object)),
    ("nvidia_gpu_device_plugin", Rule::By(update_object)),
    ("rdma_shared_dev_plugin", Rule::By(update_object)),
    ("coredns_autoscaler", Rule::By(update_object)),
    ("p2p_oci_registry_plugin", Rule::By(update_object)),
];

/// Returns the call that changes one property. The name is required; the other properties stay as they are.
fn update(change: &Change<'_>, value: Value, flag: Option<(&str, String)>) -> Outcome {
    let id = change.target.id();
    let mut body = Map::new();
    body.insert("name".to_owned(), change.target.value("name"));
    body.insert(change.field.to_owned(), value);
    let command = flag.and_then(|flag| doctl("kubernetes cluster update", &[id], &[flag]));
    Outcome::Calls(vec![
        call(
            Method::Put,
            &["kubernetes", "clusters", id],
            Some(Value::Object(body)),
        )
        .doctl(command)
        .note("The name is required. Properties that the body lacks stay as they are.")
        .source(CLUSTERS),
    ])
}

fn update_text(change: &Change<'_>) -> Outcome {
    match text(change) {
        Ok(name) => update(change, name.clone().into(), Some(("cluster-name", name))),
        Err(outcome) => outcome,
    }
}

fn update_tags(change: &Change<'_>) -> Outcome {
    let tags = change.expected.as_array().cloned().unwrap_or_default();
    update(change, tags.clone().into(), Some(("tag", list(&tags))))
}

fn update_switch(change: &Change<'_>) -> Outcome {
    let flag = if change.field == "auto_upgrade" {
        "auto-upgrade"
    } else {
        "surge-upgrade"
    };
    match switch(change) {
        Ok(on) => update(change, on.into(), Some((flag, on.to_string()))),
        Err(outcome) => outcome,
    }
}

fn update_object(change: &Change<'_>) -> Outcome {
    let value = change.expected;
    if !value.is_object() || is_unset(value) {
        return cannot(
            Obstacle::NoCall,
            format!("The API changes {} and has no call that unsets it.", change.field),
        );
    }
    update(change, value.clone(), None)
}

fn enable_ha(change: &Change<'_>) -> Outcome {
    match switch(change) {
        Ok(true) => match update(change, json!(true), Some(("ha", "true".to_owned()))) {
            Outcome::Calls(calls) => Outcome::Calls(
                calls
                    .into_iter()
                    .map(|call| {
                        call.effect(Effect::Irreversible)
                            .note("High availability is billed, and cannot be switched off again.")
                    })
                    .collect(),
            ),
            other => other,
        },
        Ok(false) => calls::one_way("High availability cannot be switched off."),
        Err(outcome) => outcome,
    }
}

fn upgrade(change: &Change<'_>) -> Outcome {
    let id = change.target.id();
    one(text(change).and_then(|version| {
        if calls::is_older(&version, &plain(&change.actual)) {
            return Err(calls::one_way("A cluster cannot go back to an older version."));
        }
        Ok(call(
            Method::Post,
            &["kubernetes", "clusters", id, "upgrade"],
            Some(json!({ "version": version })),
        )
        .effect(Effect::DestroysData)
        .doctl(doctl(
            "kubernetes cluster upgrade",
            &[id],
            &[("version", version)],
        ))
        .note(
            "Replaces all nodes, one after another. Pods move, and data on the disks of nodes is lost. It cannot be \
             undone. GET /v2/kubernetes/clusters/ID/upgrades lists the possible versions.",
        )
        .source("DigitalOcean's API reference, \"Kubernetes\": Upgrade a Kubernetes Cluster"))
    }))
}

fn registry(change: &Change<'_>) -> Outcome {
    let id = change.target.id();
    one(switch(change).map(|on| {
        let (method, word) = match on {
            true => (Method::Post, "kubernetes cluster registry add"),
            false => (Method::Delete, "kubernetes cluster registry remove"),
        };
        call(
            method,
            &["kubernetes", "registry"],
            Some(json!({ "cluster_uuids": [id] })),
        )
        .doctl(doctl(word, &[id], &[]))
        .note(match on {
            true => "Adds the credentials of the account's registry to each namespace.",
            false => {
                "Removes the credentials of the account's registry from each namespace. Pods that start later cannot pull \
                 its private images."
            }
        })
        .source("DigitalOcean's API reference, \"Kubernetes\": Add and Remove Container Registry")
    }))
}

/// The fields of a node pool.
pub(super) const POOL: Fields = &[
    ("name", Rule::By(rename_pool)),
    (
        "size_slug",
        fixed(
            "All nodes of a pool have the size that was chosen when the pool was created. Create a pool of the expected \
               size, and delete this one.",
        ),
    ),
    ("status", derived("DigitalOcean sets the status.")),
    ("tags", Rule::By(pool_tags)),
    ("count", Rule::By(count)),
    ("auto_scale", Rule::By(auto_scale)),
    ("min_nodes", Rule::By(bound)),
    ("max_nodes", Rule::By(bound)),
    ("labels", Rule::By(labels)),
    ("taints", Rule::By(taints)),
    ("cluster_id", fixed("A node pool stays in its cluster.")),
];

/// Returns the call that changes properties of a pool.
fn update_pool(change: &Change<'_>, properties: Value, flags: &[(&str, String)], note: &str) -> Outcome {
    let Value::Object(mut body) = properties else {
        return cannot(
            Obstacle::InvalidValue,
            "The expected value is not one that the API accepts.",
        );
    };
    let (cluster, id) = (plain(&change.target.live("cluster_id")), change.target.id());
    if cluster.is_empty() {
        return cannot(Obstacle::InvalidValue, "The cluster of the pool is not known.");
    }
    body.insert("name".to_owned(), change.target.value("name"));
    let command = match flags {
        [] => None,
        flags => doctl("kubernetes cluster node-pool update", &[&cluster, id], flags),
    };
    Outcome::Calls(vec![
        call(
            Method::Put,
            &["kubernetes", "clusters", &cluster, "node_pools", id],
            Some(Value::Object(body)),
        )
        .doctl(command)
        .note(note)
        .source(POOLS),
    ])
}

fn rename_pool(change: &Change<'_>) -> Outcome {
    match text(change) {
        Ok(name) => update_pool(
            change,
            json!({ "name": name }),
            &[("name", name)],
            "Nodes keep their names.",
        ),
        Err(outcome) => outcome,
    }
}

fn pool_tags(change: &Change<'_>) -> Outcome {
    let tags = change.expected.as_array().cloned().unwrap_or_default();
    let flags = [("tag", list(&tags))];
    update_pool(
        change,
        json!({ "tags": tags }),
        &flags,
        "The droplets of the nodes get the tags.",
    )
}

fn count(change: &Change<'_>) -> Outcome {
    let count = match number(change) {
        Ok(count) => count,
        Err(outcome) => return outcome,
    };
    let shrinks = number_in(&change.actual).is_some_and(|actual| actual > count);
    let note = match shrinks {
        true => "Nodes are drained and deleted. Pods move, and data on the disks of these nodes is lost.",
        false => "New nodes are created, and billed.",
    };
    let planned = update_pool(
        change,
        json!({ "count": count }),
        &[("count", count.to_string())],
        note,
    );
    match planned {
        Outcome::Calls(calls) if shrinks => Outcome::Calls(
            calls
                .into_iter()
                .map(|call| call.effect(Effect::DestroysData))
                .collect(),
        ),
        planned => planned,
    }
}

fn auto_scale(change: &Change<'_>) -> Outcome {
    let on = match switch(change) {
        Ok(on) => on,
        Err(outcome) => return outcome,
    };
    if !on {
        let flags = [("auto-scale", "false".to_owned())];
        return update_pool(
            change,
            json!({ "auto_scale": false }),
            &flags,
            "The pool keeps its number of nodes.",
        );
    }
    let bound = |name: &str| number_in(&change.target.value(name)).filter(|nodes| *nodes > 0);
    let Some((least, most)) = bound("min_nodes").zip(bound("max_nodes")) else {
        return cannot(
            Obstacle::InvalidValue,
            "Autoscaling needs min_nodes and max_nodes, and the pool has none. Put all three fields back together.",
        );
    };
    let flags = [
        ("auto-scale", "true".to_owned()),
        ("min-nodes", least.to_string()),
        ("max-nodes", most.to_string()),
    ];
    let body = json!({ "auto_scale": true, "min_nodes": least, "max_nodes": most });
    let planned = update_pool(
        change,
        body,
        &flags,
        "The autoscaler sets the number of nodes from now on.",
    );
    within(change, most, planned)
}

/// Returns the calls with their effect, if nodes are deleted because the pool has more than this many.
fn within(change: &Change<'_>, most: u64, planned: Outcome) -> Outcome {
    let has_more = number_in(&change.target.live("count")).is_some_and(|nodes| nodes > most);
    match planned {
        Outcome::Calls(calls) if has_more => Outcome::Calls(calls.into_iter().map(deletes_nodes).collect()),
        planned => planned,
    }
}

/// Notes that the call deletes nodes.
fn deletes_nodes(call: Call) -> Call {
    call.effect(Effect::DestroysData)
        .note("Nodes are drained and deleted. Pods move, and data on the disks of these nodes is lost.")
}

fn bound(change: &Change<'_>) -> Outcome {
    let nodes = match number(change) {
        Ok(nodes) => nodes,
        Err(outcome) => return outcome,
    };
    if nodes == 0 {
        return invalid(
            change,
            "a number of nodes; a pool without autoscaling has no bounds",
        );
    }
    // Both bounds in one call: a maximum below the minimum of the moment would be refused.
    let (mut body, mut flags) = (Map::new(), Vec::new());
    for (field, flag) in [("min_nodes", "min-nodes"), ("max_nodes", "max-nodes")] {
        if let Some(nodes) = number_in(&change.target.value(field)).filter(|nodes| *nodes > 0) {
            body.insert(field.to_owned(), nodes.into());
            flags.push((flag, nodes.to_string()));
        }
    }
    let most = number_in(&change.target.value("max_nodes")).unwrap_or(nodes);
    let planned = update_pool(
        change,
        Value::Object(body),
        &flags,
        "The autoscaler may create or delete nodes at once.",
    );
    within(change, most, planned)
}

fn labels(change: &Change<'_>) -> Outcome {
    let labels = match change.expected {
        Value::Object(labels) => Value::Object(labels.clone()),
        unset if is_unset(unset) => json!({}),
        _ => return invalid(change, "an object"),
    };
    update_pool(
        change,
        json!({ "labels": labels }),
        &[],
        "Existing nodes get the labels. A label that is removed stays on them until kubectl removes it.",
    )
}

fn taints(change: &Change<'_>) -> Outcome {
    let taints = match change.expected {
        Value::Array(taints) => Value::Array(taints.clone()),
        unset if is_unset(unset) => json!([]),
        _ => return invalid(change, "a list"),
    };
    update_pool(
        change,
        json!({ "taints": taints }),
        &[],
        "Pods that do not tolerate the taints may be evicted.",
    )
}
