//! Kubernetes clusters and node pools. The default pool is a block of its cluster. Other pools are separate Terraform
//! resources.

use serde_json::Value;

use super::Mapped;
use super::fields::{Block, Conversion, DEFAULT_POOL, Row, desired, id, read_attributes, text};
use super::instance::Instance;

/// The kubeconfig is left out, because it is secret.
const CLUSTER: [Row; 10] = [
    ("name", "name", Conversion::Text),
    ("region", "region", Conversion::Slug),
    ("version", "version", Conversion::Text),
    ("vpc_uuid", "vpc_uuid", Conversion::Text),
    ("cluster_subnet", "cluster_subnet", Conversion::Text),
    ("service_subnet", "service_subnet", Conversion::Text),
    ("ha", "ha", Conversion::Flag),
    ("auto_upgrade", "auto_upgrade", Conversion::Flag),
    ("surge_upgrade", "surge_upgrade", Conversion::Flag),
    ("tags", "tags", Conversion::KubernetesTags),
];

const MAINTENANCE: [Row; 2] = [
    ("day", "day", Conversion::Slug),
    ("start_time", "start_time", Conversion::Text),
];

const CONTROL_PLANE_FIREWALL: [Row; 2] = [
    ("enabled", "enabled", Conversion::Flag),
    ("allowed_addresses", "allowed_addresses", Conversion::Texts),
];

const AUTOSCALER: [Row; 3] = [
    (
        "scale_down_utilization_threshold",
        "scale_down_utilization_threshold",
        Conversion::Positive,
    ),
    (
        "scale_down_unneeded_time",
        "scale_down_unneeded_time",
        Conversion::Text,
    ),
    ("expanders", "expanders", Conversion::Texts),
];

const SINGLE_SIGN_ON: [Row; 4] = [
    ("enabled", "enabled", Conversion::Flag),
    ("required", "required", Conversion::Flag),
    ("issuer_url", "issuer_url", Conversion::Url),
    ("client_id", "client_id", Conversion::Text),
];

const ENABLED: [Row; 1] = [("enabled", "enabled", Conversion::Flag)];

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

pub(super) fn cluster(instance: &Instance) -> Option<Vec<Mapped>> {
    let root = Block::of(instance);
    let mut reading = read_attributes(&root, &CLUSTER);
    // With automatic upgrades, the version is not compared, because the cloud changes the patch version.
    if reading.fields.get("auto_upgrade") == Some(&Value::Bool(true)) {
        reading.fields.remove("version");
    }
    for (from, to, rows) in BLOCKS {
        if let Some(block) = reading.block(&root, from, to) {
            reading.object(to, read_attributes(&block, rows));
        }
    }
    let id = id(&instance.attributes, "id")?;
    let cluster = desired(instance, "kubernetes_cluster", id, reading);
    let mut mapped = vec![Mapped::Resource(cluster)];
    for (index, pool) in root.blocks(DEFAULT_POOL).enumerate() {
        let inside = Instance {
            address: format!("{}.{DEFAULT_POOL}[{index}]", instance.address),
            type_name: instance.type_name.clone(),
            attributes: pool.attributes.clone(),
            refers_to_volume: false,
        };
        mapped.extend(pool_of(&inside, &pool));
    }
    Some(mapped)
}

const POOL: [Row; 7] = [
    ("name", "name", Conversion::Text),
    ("size", "size_slug", Conversion::Slug),
    ("tags", "tags", Conversion::KubernetesTags),
    ("auto_scale", "auto_scale", Conversion::Flag),
    ("labels", "labels", Conversion::Labels),
    ("min_nodes", "min_nodes", Conversion::Number),
    ("max_nodes", "max_nodes", Conversion::Number),
];

const FIXED: [Row; 1] = [("node_count", "count", Conversion::Number)];

const TAINT: [Row; 3] = [
    ("key", "key", Conversion::Text),
    ("value", "value", Conversion::Text),
    ("effect", "effect", Conversion::Text),
];

pub(super) fn node_pool(instance: &Instance) -> Option<Vec<Mapped>> {
    Some(vec![pool_of(instance, &Block::of(instance))?])
}

fn pool_of(instance: &Instance, block: &Block<'_>) -> Option<Mapped> {
    let mut reading = read_attributes(block, &POOL);
    // With autoscaling, the number of nodes is not compared, because the cluster chooses it between the bounds.
    if reading.fields.get("auto_scale") != Some(&Value::Bool(true)) {
        reading.extend(read_attributes(block, &FIXED));
    }
    if reading.block(block, "taint", "taints").is_some() {
        let taints = block.blocks("taint").map(|taint| read_attributes(&taint, &TAINT));
        reading.members("taints", taints.collect());
    }
    let id = text(block.attributes, "id")?.to_owned();
    Some(Mapped::Resource(desired(
        instance,
        "kubernetes_node_pool",
        id,
        reading,
    )))
}
