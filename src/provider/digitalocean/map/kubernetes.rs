//! Kubernetes clusters and their node pools.

use serde_json::Value;

use super::{Context, Shape, flag, items, named, text};
use crate::domain::inventory::ListedResource;
use crate::provider::digitalocean::map::shape::Field;
use crate::provider::normalize;

const SWITCH: &[Field] = &[("enabled", Shape::Switch)];

pub(super) const CLUSTER: &[Field] = &[
    ("version", Shape::Plain),
    ("cluster_subnet", Shape::Plain),
    ("service_subnet", Shape::Plain),
    ("ha", Shape::Switch),
    ("auto_upgrade", Shape::Switch),
    ("surge_upgrade", Shape::Switch),
    ("registry_enabled", Shape::Plain),
    (
        "maintenance_policy",
        Shape::Object(&[("start_time", Shape::Plain), ("day", Shape::Lower)]),
    ),
    (
        "control_plane_firewall",
        Shape::Switched(&[("enabled", Shape::Switch), ("allowed_addresses", Shape::Plain)]),
    ),
    (
        "cluster_autoscaler_configuration",
        Shape::Object(&[
            ("scale_down_utilization_threshold", Shape::Positive),
            ("scale_down_unneeded_time", Shape::Plain),
            ("expanders", Shape::Plain),
        ]),
    ),
    (
        "sso",
        Shape::Switched(&[
            ("enabled", Shape::Switch),
            ("required", Shape::Switch),
            ("issuer_url", Shape::Url),
            ("client_id", Shape::Plain),
        ]),
    ),
    ("routing_agent", Shape::Switched(SWITCH)),
    ("amd_gpu_device_plugin", Shape::Switched(SWITCH)),
    ("amd_gpu_device_metrics_exporter_plugin", Shape::Switched(SWITCH)),
    ("nvidia_gpu_device_plugin", Shape::Switched(SWITCH)),
    ("rdma_shared_dev_plugin", Shape::Switched(SWITCH)),
    ("coredns_autoscaler", Shape::Switched(SWITCH)),
    ("p2p_oci_registry_plugin", Shape::Switched(SWITCH)),
];

pub(in super::super) fn cluster(item: &Value, _: &Context) -> Option<ListedResource> {
    let mut cluster = named(item, "kubernetes", CLUSTER)?;
    cluster.status = text(item, "/status/state");
    cluster.settling = cluster.status.as_deref().is_some_and(super::is_temporary);
    cluster.ip = text(item, "/ipv4");
    cluster.tags = chosen_tags(item);
    Some(cluster)
}

pub(super) const POOL: &[Field] = &[
    ("count", Shape::Plain),
    ("auto_scale", Shape::Switch),
    ("min_nodes", Shape::Plain),
    ("max_nodes", Shape::Plain),
    ("labels", Shape::Labels),
    (
        "taints",
        Shape::Object(&[
            ("key", Shape::Plain),
            ("value", Shape::Plain),
            ("effect", Shape::Plain),
        ]),
    ),
];

/// Maps a node pool. `cluster` is the id of its cluster.
pub(in super::super) fn pool(item: &Value, cluster: &str) -> Option<ListedResource> {
    let mut pool = named(item, "kubernetes_node_pool", POOL)?;
    pool.size_slug = super::lower(item, "/size");
    pool.tags = chosen_tags(item);
    // With autoscaling, the count is dropped, because the autoscaler sets it.
    if flag(item, "/auto_scale") {
        pool.attrs.remove("count");
    }
    let states = items(item, "/nodes")
        .iter()
        .filter_map(|node| text(node, "/status/state"));
    pool.settling = states.into_iter().any(|state| super::is_temporary(&state));
    // Without an autoscaler there are no bounds. DigitalOcean's Terraform provider reads them as zero.
    for bound in ["min_nodes", "max_nodes"] {
        pool.attrs.entry(bound).or_insert_with(|| 0.into());
    }
    pool.with_attr("cluster_id", cluster);
    Some(pool)
}

fn chosen_tags(item: &Value) -> Vec<String> {
    normalize::kubernetes_tags(items(item, "/tags").iter().filter_map(Value::as_str))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::shown;
    use super::*;

    #[test]
    fn a_cluster_and_a_node_pool_are_mapped() {
        let item = json!({
            "id": "c-1", "name": "main", "region": "nyc1", "version": "1.33.1-do.0", "ipv4": "203.0.113.4",
            "endpoint": "https://c-1.k8s.ondigitalocean.com", "ha": true, "auto_upgrade": false,
            "status": { "state": "upgrading", "message": "soon" }, "vpc_uuid": "vpc-1",
            "tags": ["k8s", "k8s:c-1", "terraform:x", "Prod"], "updated_at": "2026",
            "maintenance_policy": { "start_time": "04:00", "day": "Any", "duration": "4h0m0s" },
            "control_plane_firewall": { "enabled": true, "allowed_addresses": ["198.51.100.0/24"] },
            "routing_agent": { "enabled": false }, "kubeconfig": "hunter2",
        });
        assert_eq!(
            shown(cluster(&item, &Context::default())),
            json!({
                "id": "c-1", "urn": "do:kubernetes:c-1", "name": "main", "region": "nyc1",
                "status": "upgrading", "settling": true, "ip": "203.0.113.4", "vpc_uuid": "vpc-1",
                "tags": ["prod"],
                "attrs": {
                    "version": "1.33.1-do.0", "ha": true, "auto_upgrade": false, "surge_upgrade": false,
                    "maintenance_policy": { "start_time": "04:00", "day": "any" },
                    "control_plane_firewall": { "enabled": true, "allowed_addresses": ["198.51.100.0/24"] },
                    "routing_agent": { "enabled": false }, "sso": { "enabled": false, "required": false },
                    "amd_gpu_device_plugin": { "enabled": false }, "nvidia_gpu_device_plugin": { "enabled": false },
                    "amd_gpu_device_metrics_exporter_plugin": { "enabled": false },
                    "rdma_shared_dev_plugin": { "enabled": false }, "coredns_autoscaler": { "enabled": false },
                    "p2p_oci_registry_plugin": { "enabled": false },
                },
            })
        );
        let item = json!({
            "id": "p-1", "name": "workers", "size": "s-2vcpu-4gb", "count": 3, "auto_scale": false,
            "min_nodes": 0, "max_nodes": 0, "labels": { "team": "web" }, "tags": ["k8s", "a"],
            "taints": [{ "key": "k", "value": "v", "effect": "NoSchedule" }],
            "nodes": [{ "id": "n-1", "status": { "state": "provisioning" }, "droplet_id": "42" }],
        });
        assert_eq!(
            shown(pool(&item, "c-1")),
            json!({
                "id": "p-1", "urn": "do:kubernetes_node_pool:p-1", "name": "workers",
                "size_slug": "s-2vcpu-4gb", "tags": ["a"], "settling": true,
                "attrs": {
                    "cluster_id": "c-1", "count": 3, "auto_scale": false, "min_nodes": 0, "max_nodes": 0,
                    "labels": { "team": "web" }, "taints": [{ "key": "k", "value": "v", "effect": "NoSchedule" }],
                },
            })
        );
    }

    #[test]
    fn the_node_count_is_omitted_if_autoscaling_is_on() {
        let item = json!({ "id": "p-1", "count": 4, "auto_scale": true, "min_nodes": 1, "max_nodes": 9 });
        assert_eq!(
            shown(pool(&item, "c-1"))["attrs"],
            json!({ "cluster_id": "c-1", "auto_scale": true, "min_nodes": 1, "max_nodes": 9 })
        );
    }
}
