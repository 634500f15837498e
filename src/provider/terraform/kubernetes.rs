//! Kubernetes clusters and node pools. The default pool stands inside its cluster; the others are resources of
//! their own.

use serde_json::{Map, Value};

use super::Said;
use super::fields::{Row, Take, block, blocks, desired, id, take, text};
use super::file::Instance;

/// The kubeconfig has no row.
const CLUSTER: [Row; 10] = [
    ("name", "name", Take::Text),
    ("region", "region", Take::Slug),
    ("version", "version", Take::Known),
    ("vpc_uuid", "vpc_uuid", Take::Known),
    ("cluster_subnet", "cluster_subnet", Take::Known),
    ("service_subnet", "service_subnet", Take::Known),
    ("ha", "ha", Take::Flag),
    ("auto_upgrade", "auto_upgrade", Take::Flag),
    ("surge_upgrade", "surge_upgrade", Take::Flag),
    ("tags", "tags", Take::KubernetesTags),
];

const MAINTENANCE: [Row; 2] = [
    ("day", "day", Take::Slug),
    ("start_time", "start_time", Take::Known),
];

const CONTROL_PLANE_FIREWALL: [Row; 2] = [
    ("enabled", "enabled", Take::Flag),
    ("allowed_addresses", "allowed_addresses", Take::Texts),
];

const AUTOSCALER: [Row; 3] = [
    (
        "scale_down_utilization_threshold",
        "scale_down_utilization_threshold",
        Take::Positive,
    ),
    (
        "scale_down_unneeded_time",
        "scale_down_unneeded_time",
        Take::Known,
    ),
    ("expanders", "expanders", Take::Texts),
];

const SINGLE_SIGN_ON: [Row; 4] = [
    ("enabled", "enabled", Take::Flag),
    ("required", "required", Take::Flag),
    ("issuer_url", "issuer_url", Take::Url),
    ("client_id", "client_id", Take::Known),
];

const ENABLED: [Row; 1] = [("enabled", "enabled", Take::Flag)];

/// Blocks that are objects in the API, under the name that they have there.
const BLOCKS: [(&str, &str, &[Row]); 11] = [
    ("maintenance_policy", "maintenance_policy", &MAINTENANCE),
    (
        "control_plane_firewall",
        "control_plane_firewall",
        &CONTROL_PLANE_FIREWALL,
    ),
    (
        "cluster_autoscaler_configuration",
        "cluster_autoscaler_configuration",
        &AUTOSCALER,
    ),
    ("sso", "sso", &SINGLE_SIGN_ON),
    ("routing_agent", "routing_agent", &ENABLED),
    ("amd_gpu_device_plugin", "amd_gpu_device_plugin", &ENABLED),
    (
        "amd_gpu_device_metrics_exporter_plugin",
        "amd_gpu_device_metrics_exporter_plugin",
        &ENABLED,
    ),
    ("nvidia_gpu_device_plugin", "nvidia_gpu_device_plugin", &ENABLED),
    ("rdma_shared_device_plugin", "rdma_shared_dev_plugin", &ENABLED),
    ("coredns_autoscaler", "coredns_autoscaler", &ENABLED),
    ("p2p_oci_registry_plugin", "p2p_oci_registry_plugin", &ENABLED),
];

pub(super) fn cluster(instance: &Instance) -> Option<Vec<Said>> {
    let attributes = &instance.attributes;
    let mut spec = take(attributes, &CLUSTER);
    // The cloud moves the patch version then.
    if spec.get("auto_upgrade") == Some(&Value::Bool(true)) {
        spec.remove("version");
    }
    for (from, to, rows) in BLOCKS {
        if let Some(block) = block(attributes, from) {
            spec.insert(to.to_owned(), take(block, rows).into());
        }
    }
    let id = id(attributes, "id")?;
    let cluster = desired(instance, "kubernetes_cluster", id, spec);
    let mut said = vec![Said::Resource(cluster)];
    for (index, pool) in blocks(attributes, "node_pool").enumerate() {
        let inside = Instance {
            address: format!("{}.node_pool[{index}]", instance.address),
            attributes: pool.clone(),
        };
        said.extend(node_pool(&inside).unwrap_or_default());
    }
    Some(said)
}

const POOL: [Row; 5] = [
    ("name", "name", Take::Text),
    ("size", "size_slug", Take::Slug),
    ("tags", "tags", Take::KubernetesTags),
    ("auto_scale", "auto_scale", Take::Flag),
    ("labels", "labels", Take::Labels),
];

/// Between these two the cluster decides how many nodes there are.
const SCALED: [Row; 2] = [
    ("min_nodes", "min_nodes", Take::Number),
    ("max_nodes", "max_nodes", Take::Number),
];

const FIXED: [Row; 1] = [("node_count", "count", Take::Number)];

const TAINT: [Row; 3] = [
    ("key", "key", Take::Text),
    ("value", "value", Take::Text),
    ("effect", "effect", Take::Text),
];

pub(super) fn node_pool(instance: &Instance) -> Option<Vec<Said>> {
    let attributes: &Map<String, Value> = &instance.attributes;
    let mut spec = take(attributes, &POOL);
    let scaled = spec.get("auto_scale") == Some(&Value::Bool(true));
    let counts: &[Row] = if scaled { &SCALED } else { &FIXED };
    spec.extend(take(attributes, counts));
    if attributes.get("taint").is_some_and(Value::is_array) {
        let taints: Vec<Value> = blocks(attributes, "taint")
            .map(|taint| take(taint, &TAINT).into())
            .collect();
        spec.insert("taints".to_owned(), taints.into());
    }
    let id = text(attributes, "id")?.to_owned();
    let pool = desired(instance, "kubernetes_node_pool", id, spec);
    Some(vec![Said::Resource(pool)])
}
