//! Kubernetes clusters and node pools. The default pool is a block of its cluster. Other pools are separate Terraform
//! resources.

use serde_json::Value;

use super::Said;
use super::fields::{Block, DEFAULT_POOL, Row, Take, desired, id, take, text};
use super::instance::Instance;

/// The kubeconfig is left out, because it is secret.
const CLUSTER: [Row; 10] = [
    ("name", "name", Take::Text),
    ("region", "region", Take::Slug),
    ("version", "version", Take::Text),
    ("vpc_uuid", "vpc_uuid", Take::Text),
    ("cluster_subnet", "cluster_subnet", Take::Text),
    ("service_subnet", "service_subnet", Take::Text),
    ("ha", "ha", Take::Flag),
    ("auto_upgrade", "auto_upgrade", Take::Flag),
    ("surge_upgrade", "surge_upgrade", Take::Flag),
    ("tags", "tags", Take::KubernetesTags),
];

const MAINTENANCE: [Row; 2] = [
    ("day", "day", Take::Slug),
    ("start_time", "start_time", Take::Text),
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
    ("scale_down_unneeded_time", "scale_down_unneeded_time", Take::Text),
    ("expanders", "expanders", Take::Texts),
];

const SINGLE_SIGN_ON: [Row; 4] = [
    ("enabled", "enabled", Take::Flag),
    ("required", "required", Take::Flag),
    ("issuer_url", "issuer_url", Take::Url),
    ("client_id", "client_id", Take::Text),
];

const ENABLED: [Row; 1] = [("enabled", "enabled", Take::Flag)];

/// Blocks that are objects in the API: Terraform's name, the API's name, and the attributes.
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
    let root = Block::of(instance);
    let mut reading = take(&root, &CLUSTER);
    // With automatic upgrades, the cloud changes the patch version.
    if reading.fields.get("auto_upgrade") == Some(&Value::Bool(true)) {
        reading.fields.remove("version");
    }
    for (from, to, rows) in BLOCKS {
        if let Some(block) = reading.block(&root, from, to) {
            reading.object(to, take(&block, rows));
        }
    }
    let id = id(&instance.attributes, "id")?;
    let cluster = desired(instance, "kubernetes_cluster", id, reading);
    let mut said = vec![Said::Resource(cluster)];
    for (index, pool) in root.blocks(DEFAULT_POOL).enumerate() {
        let inside = Instance {
            address: format!("{}.{DEFAULT_POOL}[{index}]", instance.address),
            type_name: instance.type_name.clone(),
            attributes: pool.attributes.clone(),
            refers_to_volume: false,
        };
        said.extend(pool_of(&inside, &pool));
    }
    Some(said)
}

const POOL: [Row; 7] = [
    ("name", "name", Take::Text),
    ("size", "size_slug", Take::Slug),
    ("tags", "tags", Take::KubernetesTags),
    ("auto_scale", "auto_scale", Take::Flag),
    ("labels", "labels", Take::Labels),
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
    Some(vec![pool_of(instance, &Block::of(instance))?])
}

fn pool_of(instance: &Instance, block: &Block<'_>) -> Option<Said> {
    let mut reading = take(block, &POOL);
    // With autoscaling, the cluster chooses the number of nodes between the bounds.
    if reading.fields.get("auto_scale") != Some(&Value::Bool(true)) {
        reading.extend(take(block, &FIXED));
    }
    if reading.block(block, "taint", "taints").is_some() {
        let taints = block.blocks("taint").map(|taint| take(&taint, &TAINT));
        reading.members("taints", taints.collect());
    }
    let id = text(block.attributes, "id")?.to_owned();
    Some(Said::Resource(desired(
        instance,
        "kubernetes_node_pool",
        id,
        reading,
    )))
}
