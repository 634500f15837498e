//! Terraform and OpenTofu: the desired state, read from a state file or from `terraform show -json`.
//!
//! Everything here is pure. Attributes come in by allow-list, one table a type: what Terraform computes,
//! writes and never reads back, or keeps secret has no way into a spec. What null means is said by `schema.tsv`.

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

pub use self::declared::{Declaration, Strength, put_into};
pub use self::file::{MAX_STATE_BYTES, parse, parse_value};

use self::instance::Instance;
use super::traits::DIGITALOCEAN;
use crate::domain::not_compared::NotCompared;

/// The cloud that the states speak about.
pub(crate) const PROVIDER: &str = DIGITALOCEAN;

/// Why a file is no state that can be imported, in one line. It holds no text of the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoState(pub(crate) String);

/// What a state asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// Which state it is; `show -json` does not say.
    pub lineage: Option<String>,
    /// Which version of the state it is; `show -json` does not say.
    pub serial: Option<i64>,
    /// One entry a resource, in the order of kind and id.
    pub desired: Vec<Desired>,
    /// What it declares about fields that more than one state may declare. The specs of `desired` have them as if this
    /// were the only state.
    pub declared: Vec<Declaration>,
    /// Resources that are in the state but ask for nothing now, and why: their specs stay as they are.
    pub held: Vec<Held>,
    /// Instances of which nothing is recorded, and why.
    pub refused: Vec<Refused>,
    /// What was left out.
    pub skipped: Skipped,
}

/// The desired state of one resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// Kind, such as `droplet`.
    pub kind: &'static str,
    /// Its id at the cloud.
    pub provider_id: String,
    /// Where the state has it, such as `module.web.digitalocean_droplet.node[0]`.
    pub address: String,
    /// Uniform name.
    pub urn: String,
    /// Name that operators gave it.
    pub name: String,
    /// Region slug.
    pub region: Option<String>,
    /// The fields that are watched.
    pub spec: Map<String, Value>,
    /// The parts of these fields that are left open.
    pub not_compared: NotCompared,
    /// The attributes about which the state is silent where silence cannot be compared, with their types: fields and
    /// parts of fields that are left open.
    pub open: Vec<String>,
}

impl State {
    /// How many resources leave an attribute open, so that it is not compared: by type and attribute.
    pub fn not_compared(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for desired in &self.desired {
            for attribute in desired.open.iter().collect::<BTreeSet<_>>() {
                *counts.entry(attribute.clone()).or_default() += 1;
            }
        }
        counts
    }
}

/// A resource of the state that asks for nothing now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Kind.
    pub kind: &'static str,
    /// Its id at the cloud; empty where the state does not say, and any resource of the kind may be meant.
    pub provider_id: String,
    /// Where the state has it.
    pub address: String,
    /// Why, if that is a fault; tainted instances are none.
    pub fault: Option<String>,
}

/// An instance of which nothing is recorded. What was recorded before leaves with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Kind, or the type where it has none.
    pub kind: String,
    /// Its id at the cloud, empty where the state does not say.
    pub provider_id: String,
    /// Where the state has it.
    pub address: String,
    /// Why.
    pub reason: String,
}

/// Instances that were left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Data sources: they ask for nothing.
    pub data: u64,
    /// To be replaced at the next apply.
    pub tainted: u64,
    /// To be destroyed at the next apply.
    pub deposed: u64,
    /// Of other providers.
    pub foreign: u64,
    /// Without an id: their creation failed.
    pub without_id: u64,
    /// Resources that attachments, assignments or projects name and that no imported state has.
    pub unattached: u64,
    /// Of types that have no kind in the inventory, by type.
    pub unsupported: BTreeMap<String, u64>,
}

/// What one instance says.
enum Said {
    /// What a resource shall be.
    Resource(Desired),
    /// What is to be added to another resource.
    Part(merge::Part),
}

/// What instances of one type say. None where the id is missing.
type Mapping = fn(&Instance) -> Option<Vec<Said>>;

/// A type whose instances are read.
#[derive(Clone, Copy)]
struct Type {
    name: &'static str,
    /// The kind of the resource that an instance is; None where it is only part of others.
    kind: Option<&'static str>,
    /// The kind of another resource that an instance has in it.
    holds: Option<&'static str>,
    mapping: Mapping,
}

/// A type whose instances are resources of a kind.
const fn of(kind: &'static str, name: &'static str, mapping: Mapping) -> Type {
    Type {
        name,
        kind: Some(kind),
        holds: None,
        mapping,
    }
}

/// A type whose instances are parts of other resources.
const fn part(name: &'static str, mapping: Mapping) -> Type {
    Type {
        kind: None,
        ..of("", name, mapping)
    }
}

/// Every type that is read.
const TYPES: [Type; 26] = [
    of("droplet", "digitalocean_droplet", compute::droplet),
    of("volume", "digitalocean_volume", compute::volume),
    part("digitalocean_volume_attachment", compute::volume_attachment),
    of("snapshot", "digitalocean_droplet_snapshot", compute::snapshot),
    of("snapshot", "digitalocean_volume_snapshot", compute::snapshot),
    of("image", "digitalocean_custom_image", compute::image),
    of(
        "load_balancer",
        "digitalocean_loadbalancer",
        load_balancers::load_balancer,
    ),
    of("database", "digitalocean_database_cluster", databases::cluster),
    of(
        "database_firewall",
        "digitalocean_database_firewall",
        databases::firewall,
    ),
    of("firewall", "digitalocean_firewall", network::firewall),
    of("vpc", "digitalocean_vpc", network::vpc),
    of("domain", "digitalocean_domain", network::domain),
    of("domain_record", "digitalocean_record", network::record),
    of("reserved_ip", "digitalocean_reserved_ip", network::reserved_ip),
    of("reserved_ip", "digitalocean_floating_ip", network::reserved_ip),
    part("digitalocean_reserved_ip_assignment", network::assignment),
    part("digitalocean_floating_ip_assignment", network::assignment),
    Type {
        // The default pool is in the same instance.
        holds: Some("kubernetes_node_pool"),
        ..of(
            "kubernetes_cluster",
            "digitalocean_kubernetes_cluster",
            kubernetes::cluster,
        )
    },
    of(
        "kubernetes_node_pool",
        "digitalocean_kubernetes_node_pool",
        kubernetes::node_pool,
    ),
    of("app", "digitalocean_app", apps::app),
    of(
        "certificate",
        "digitalocean_certificate",
        certificates::certificate,
    ),
    of("cdn_endpoint", "digitalocean_cdn", certificates::cdn_endpoint),
    of("project", "digitalocean_project", account::project),
    part("digitalocean_project_resources", account::project_resources),
    of("registry", "digitalocean_container_registry", account::registry),
    of("uptime_check", "digitalocean_uptime_check", account::uptime_check),
];

/// The kinds that a state can declare.
#[cfg(test)]
pub(super) fn declared_kinds() -> impl Iterator<Item = &'static str> {
    TYPES.iter().filter_map(|known| known.kind)
}

fn type_of(name: &str) -> Option<&'static Type> {
    TYPES.iter().find(|known| known.name == name)
}

/// Why no sync lists a resource, although it is of a kind that is listed.
fn never_synced(type_name: &str, attributes: &Map<String, Value>) -> Option<&'static str> {
    let record_type = attributes.get("type").and_then(Value::as_str)?;
    let is_soa = type_name == "digitalocean_record" && record_type.eq_ignore_ascii_case("SOA");
    is_soa.then_some(
        "SOA records are not synced: DigitalOcean changes them with every other record of the domain",
    )
}

#[cfg(test)]
mod tests;
