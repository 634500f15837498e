//! Kubernetes clusters and their node pools.

use serde_json::Value;

use super::{Context, Shape, flag, items, named, text};
use crate::domain::inventory::ListedResource;
use crate::provider::digitalocean::map::shape::Field;
use crate::provider::normal;

const SWITCH: &[Field] = &[("enabled", Shape::Plain)];

const CLUSTER: &[Field] = &[
    ("version", Shape::Plain),
    ("cluster_subnet", Shape::Plain),
    ("service_subnet", Shape::Plain),
    ("ha", Shape::Plain),
    ("auto_upgrade", Shape::Plain),
    ("surge_upgrade", Shape::Plain),
    ("registry_enabled", Shape::Plain),
    (
        "maintenance_policy",
        Shape::Object(&[("start_time", Shape::Plain), ("day", Shape::Lower)]),
    ),
    (
        "control_plane_firewall",
        Shape::Object(&[("enabled", Shape::Plain), ("allowed_addresses", Shape::Plain)]),
    ),
    (
        "cluster_autoscaler_configuration",
        Shape::Object(&[
            ("scale_down_utilization_threshold", Shape::Plain),
            ("scale_down_unneeded_time", Shape::Plain),
            ("expanders", Shape::Plain),
        ]),
    ),
    (
        "sso",
        Shape::Object(&[
            ("enabled", Shape::Plain),
            ("required", Shape::Plain),
            ("issuer_url", Shape::Url),
            ("client_id", Shape::Plain),
        ]),
    ),
    ("routing_agent", Shape::Object(SWITCH)),
    ("amd_gpu_device_plugin", Shape::Object(SWITCH)),
    ("amd_gpu_device_metrics_exporter_plugin", Shape::Object(SWITCH)),
    ("nvidia_gpu_device_plugin", Shape::Object(SWITCH)),
    ("rdma_shared_dev_plugin", Shape::Object(SWITCH)),
    ("coredns_autoscaler", Shape::Object(SWITCH)),
    ("p2p_oci_registry_plugin", Shape::Object(SWITCH)),
];

pub(in super::super) fn cluster(item: &Value, _: &Context) -> Option<ListedResource> {
    let mut cluster = named(item, "kubernetes", CLUSTER)?;
    cluster.status = text(item, "/status/state");
    cluster.settling = cluster.status.as_deref().is_some_and(super::is_passing);
    cluster.ip = text(item, "/ipv4");
    cluster.tags = chosen_tags(item);
    Some(cluster)
}

const POOL: &[Field] = &[
    ("count", Shape::Plain),
    ("auto_scale", Shape::Plain),
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

/// A pool of the cluster with this id.
pub(in super::super) fn pool(item: &Value, cluster: &str) -> Option<ListedResource> {
    let mut pool = named(item, "kubernetes_node_pool", POOL)?;
    pool.size_slug = super::lower(item, "/size");
    pool.tags = chosen_tags(item);
    // The autoscaler decides it.
    if flag(item, "/auto_scale") {
        pool.attrs.remove("count");
    }
    let states = items(item, "/nodes")
        .iter()
        .filter_map(|node| text(node, "/status/state"));
    pool.settling = states.into_iter().any(|state| super::is_passing(&state));
    pool.with_attr("cluster_id", cluster);
    Some(pool)
}

fn chosen_tags(item: &Value) -> Vec<String> {
    normal::kubernetes_tags(items(item, "/tags").iter().filter_map(Value::as_str))
}
