//! Terraform and OpenTofu: reads the desired state from a state file or from the output of `terraform show -json`.
//!
//! This module does no I/O. Each Terraform type has an allow-list of attributes, so that attributes which are
//! computed, secret or never read back do not get into a spec. `schema.tsv` defines what an empty attribute means.

mod account;
mod apps;
mod certificates;
mod compute;
mod databases;
mod declared;
mod fields;
mod file;
mod flat;
mod instance;
mod kubernetes;
mod load_balancers;
mod merge;
mod network;
pub(in crate::provider) mod schema;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

pub use self::declared::{Declaration, Strength, apply_declarations};
pub use self::file::{MAX_STATE_BYTES, parse, parse_value};

use self::instance::Instance;
use super::traits::DIGITALOCEAN;
use crate::domain::not_compared::NotCompared;

/// The provider of all imported resources.
pub(crate) const PROVIDER: &str = DIGITALOCEAN;

/// The reason why a file cannot be imported. It has one line and contains no text of the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StateError(pub(crate) String);

/// The content of a Terraform state.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// The lineage in the file. The output of `show -json` has none.
    pub lineage: Option<String>,
    /// The serial in the file. The output of `show -json` has none.
    pub serial: Option<i64>,
    /// The desired resources, one entry per resource, ordered by kind and id.
    pub desired: Vec<Desired>,
    /// Declarations about fields that several states may declare. The specs in `desired` already contain them as if
    /// this were the only state.
    pub declared: Vec<Declaration>,
    /// Resources whose specs stay as they are. Their instances are tainted, unreadable or in conflict with another one.
    pub held: Vec<Held>,
    /// Instances that are not imported.
    pub refused: Vec<Refused>,
    /// Counts of the instances that were skipped.
    pub skipped: Skipped,
}

/// The desired state of one resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// Kind, such as `droplet`.
    pub kind: &'static str,
    /// The provider's id of the resource.
    pub provider_id: String,
    /// Address in the state, such as `module.web.digitalocean_droplet.node[0]`.
    pub address: String,
    /// Uniform resource name (URN), such as `do:droplet:3164444`.
    pub urn: String,
    /// Name of the inventory row until a listing contains the resource.
    pub name: String,
    /// Region slug of the inventory row until a listing contains the resource.
    pub region: Option<String>,
    /// The spec: the compared fields and their expected values.
    pub spec: Map<String, Value>,
    /// The parts of these fields that are not compared.
    pub not_compared: NotCompared,
    /// Attributes that are not compared because they are empty in the state, such as `digitalocean_droplet.region`.
    pub not_compared_attributes: Vec<String>,
}

impl State {
    /// Counts the resources in which an attribute is not compared, by attribute. See
    /// [`Desired::not_compared_attributes`].
    pub fn not_compared(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for desired in &self.desired {
            for attribute in desired.not_compared_attributes.iter().collect::<BTreeSet<_>>() {
                *counts.entry(attribute.clone()).or_default() += 1;
            }
        }
        counts
    }
}

/// A resource whose spec stays as it is. Its instance is tainted, unreadable or in conflict with another instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Kind of the resource.
    pub kind: &'static str,
    /// The provider's id of the resource. If it is empty, the instance may be any resource of the kind.
    pub provider_id: String,
    /// Address in the state.
    pub address: String,
    /// The reason, if it is an error. A tainted instance is not an error.
    pub fault: Option<String>,
}

/// An instance that is not imported, as if its resource were not in the state: an earlier spec is retired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Kind of the resource, or the Terraform type if the type has no kind.
    pub kind: String,
    /// The provider's id of the resource. It is empty if it is unknown.
    pub provider_id: String,
    /// Address in the state.
    pub address: String,
    /// Why the instance is not imported.
    pub reason: String,
}

/// Counts of skipped instances.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Data sources, which declare nothing.
    pub data: u64,
    /// Tainted instances, which the next apply replaces.
    pub tainted: u64,
    /// Deposed instances, which the next apply destroys.
    pub deposed: u64,
    /// Instances of other providers.
    pub foreign: u64,
    /// Instances without an id, because their creation failed.
    pub without_id: u64,
    /// Resources that attachments, assignments or projects name and that no imported state contains.
    pub unattached: u64,
    /// Instances of types that have no kind in the inventory, by type.
    pub unsupported: BTreeMap<String, u64>,
}

/// One result of mapping an instance.
enum Mapped {
    /// The desired state of a resource.
    Resource(Desired),
    /// A declaration about another resource.
    Part(merge::Part),
}

/// Maps an instance of one type. Returns None if its attributes do not identify the resource.
type Mapping = fn(&Instance) -> Option<Vec<Mapped>>;

/// A Terraform type that is imported.
#[derive(Clone, Copy)]
struct Type {
    name: &'static str,
    /// The kind of the type's resources. None if its instances only declare fields of other resources.
    kind: Option<&'static str>,
    /// The kind of another resource that an instance contains.
    contained_kind: Option<&'static str>,
    mapping: Mapping,
}

/// Returns a type whose instances are resources of a kind.
const fn resource_type(kind: &'static str, name: &'static str, mapping: Mapping) -> Type {
    Type {
        name,
        kind: Some(kind),
        contained_kind: None,
        mapping,
    }
}

/// Returns a type whose instances only declare fields of other resources.
const fn declaring_type(name: &'static str, mapping: Mapping) -> Type {
    Type {
        kind: None,
        ..resource_type("", name, mapping)
    }
}

/// All types that are imported.
const TYPES: [Type; 26] = [
    resource_type("droplet", "digitalocean_droplet", compute::droplet),
    resource_type("volume", "digitalocean_volume", compute::volume),
    declaring_type("digitalocean_volume_attachment", compute::volume_attachment),
    resource_type("snapshot", "digitalocean_droplet_snapshot", compute::snapshot),
    resource_type("snapshot", "digitalocean_volume_snapshot", compute::snapshot),
    resource_type("image", "digitalocean_custom_image", compute::image),
    resource_type(
        "load_balancer",
        "digitalocean_loadbalancer",
        load_balancers::load_balancer,
    ),
    resource_type("database", "digitalocean_database_cluster", databases::cluster),
    resource_type(
        "database_firewall",
        "digitalocean_database_firewall",
        databases::firewall,
    ),
    resource_type("firewall", "digitalocean_firewall", network::firewall),
    resource_type("vpc", "digitalocean_vpc", network::vpc),
    resource_type("domain", "digitalocean_domain", network::domain),
    resource_type("domain_record", "digitalocean_record", network::record),
    resource_type("reserved_ip", "digitalocean_reserved_ip", network::reserved_ip),
    resource_type("reserved_ip", "digitalocean_floating_ip", network::reserved_ip),
    declaring_type("digitalocean_reserved_ip_assignment", network::assignment),
    declaring_type("digitalocean_floating_ip_assignment", network::assignment),
    Type {
        // The instance of a cluster contains its default node pool.
        contained_kind: Some("kubernetes_node_pool"),
        ..resource_type(
            "kubernetes_cluster",
            "digitalocean_kubernetes_cluster",
            kubernetes::cluster,
        )
    },
    resource_type(
        "kubernetes_node_pool",
        "digitalocean_kubernetes_node_pool",
        kubernetes::node_pool,
    ),
    resource_type("app", "digitalocean_app", apps::app),
    resource_type(
        "certificate",
        "digitalocean_certificate",
        certificates::certificate,
    ),
    resource_type("cdn_endpoint", "digitalocean_cdn", certificates::cdn_endpoint),
    resource_type("project", "digitalocean_project", account::project),
    declaring_type("digitalocean_project_resources", account::project_resources),
    resource_type("registry", "digitalocean_container_registry", account::registry),
    resource_type("uptime_check", "digitalocean_uptime_check", account::uptime_check),
];

/// Returns the kinds that a state can contain.
#[cfg(test)]
pub(super) fn declared_kinds() -> impl Iterator<Item = &'static str> {
    TYPES.iter().filter_map(|known| known.kind)
}

fn type_of(name: &str) -> Option<&'static Type> {
    TYPES.iter().find(|known| known.name == name)
}

/// Returns why a sync never lists this resource, although it lists other resources of the kind.
fn never_synced(type_name: &str, attributes: &Map<String, Value>) -> Option<&'static str> {
    let record_type = attributes.get("type").and_then(Value::as_str)?;
    let is_soa = type_name == "digitalocean_record" && record_type.eq_ignore_ascii_case("SOA");
    is_soa.then_some(
        "SOA records are not synced: DigitalOcean changes them with every other record of the domain",
    )
}

#[cfg(test)]
mod tests;
