//! The rules that find leftovers, and DigitalOcean's list prices.
//!
//! A load balancer with a tag is none, because droplets may get the tag later. Volumes, load balancers and so on that
//! Kubernetes maintains are owned, and owned resources are never leftovers.

use entity::cloud_resources::Model;
use serde_json::Value;

use crate::domain::equality::is_unset;
use crate::domain::leftovers::{LeftoverRule, Owner};

/// A list price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Price {
    /// What it is for.
    pub(crate) item: &'static str,
    /// The unit of one month.
    pub(crate) unit: &'static str,
    /// Price per month and unit, in millionths of a US dollar.
    pub(crate) micros: i64,
    /// Where it is published.
    pub(crate) source: &'static str,
    /// The day since which it is in effect.
    pub(crate) since: &'static str,
}

const VOLUME: Price = Price {
    item: "volume",
    unit: "GiB",
    micros: 100_000,
    source: "https://docs.digitalocean.com/products/volumes/details/pricing/",
    since: "2016-07-13",
};
const SNAPSHOT: Price = Price {
    item: "snapshot",
    unit: "GiB",
    micros: 60_000,
    source: "https://docs.digitalocean.com/products/snapshots/details/pricing/",
    since: "2022-07-01",
};
const CUSTOM_IMAGE: Price = Price {
    item: "custom image",
    unit: "GB",
    micros: 60_000,
    source: "https://docs.digitalocean.com/products/custom-images/details/pricing/",
    since: "2022-07-01",
};
const RESERVED_IP: Price = Price {
    item: "reserved IPv4 address that is not assigned",
    unit: "address",
    micros: 5_000_000,
    source: "https://docs.digitalocean.com/products/networking/reserved-ips/details/pricing/",
    since: "2022-07-01",
};
const LOAD_BALANCER: Price = Price {
    item: "regional load balancer",
    unit: "node",
    micros: 12_000_000,
    source: "https://docs.digitalocean.com/products/networking/load-balancers/details/pricing/",
    since: "2022-07-01",
};

/// All list prices that the rules use.
pub(crate) const PRICES: [Price; 5] = [VOLUME, SNAPSHOT, CUSTOM_IMAGE, RESERVED_IP, LOAD_BALANCER];

/// The currency of the prices.
pub(crate) const CURRENCY: &str = "USD";

fn attr<'m>(resource: &'m Model, name: &str) -> &'m Value {
    resource.attrs.get(name).unwrap_or(&Value::Null)
}

fn text(resource: &Model, name: &str) -> Option<String> {
    match attr(resource, name) {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn lacks(resource: &Model, names: &[&str]) -> bool {
    names.iter().all(|name| is_unset(attr(resource, name)))
}

/// Returns the price of a number of units, which may have a fraction.
fn times(price: Price, units: &Value) -> Option<i64> {
    let units = units.as_f64().filter(|units| (0.0..1e9).contains(units))?;
    Some((units * price.micros as f64).round() as i64)
}

const FREE: fn(&Model) -> Option<i64> = |_| Some(0);

/// The rules.
pub(crate) const RULES: [LeftoverRule; 8] = [
    LeftoverRule {
        name: "UNATTACHED_VOLUME",
        kind: "volume",
        why: "It is attached to no droplet.",
        is_candidate: |volume| lacks(volume, &["droplet_ids"]),
        fields: &["droplet_ids"],
        owner: Owner::Itself,
        owner_kinds: &[],
        unlisted: None,
        monthly_micros: |volume| times(VOLUME, attr(volume, "size_gigabytes")),
    },
    LeftoverRule {
        name: "UNASSIGNED_RESERVED_IP",
        kind: "reserved_ip",
        why: "It is assigned to no droplet.",
        is_candidate: |ip| lacks(ip, &["droplet_id"]),
        fields: &["droplet_id"],
        owner: Owner::Itself,
        owner_kinds: &[],
        unlisted: None,
        monthly_micros: |_| Some(RESERVED_IP.micros),
    },
    LeftoverRule {
        name: "SNAPSHOT_OF_NOTHING",
        kind: "snapshot",
        why: "The droplet or volume that it was taken of no longer exists.",
        is_candidate: |snapshot| source_of_snapshot(snapshot).is_some(),
        fields: &["resource_id", "resource_type"],
        owner: Owner::Named(source_of_snapshot),
        owner_kinds: &["droplet", "volume"],
        unlisted: None,
        monthly_micros: |snapshot| times(SNAPSHOT, attr(snapshot, "size_gigabytes")),
    },
    LeftoverRule {
        name: "LOAD_BALANCER_WITHOUT_TARGETS",
        kind: "load_balancer",
        why: "It has no droplets, no tag that selects droplets, and no load balancers as targets.",
        is_candidate: |balancer| lacks(balancer, &["droplet_ids", "tag", "target_load_balancer_ids"]),
        fields: &["droplet_ids", "tag", "target_load_balancer_ids"],
        owner: Owner::Itself,
        owner_kinds: &[],
        unlisted: None,
        monthly_micros: |balancer| {
            let is_regional = matches!(attr(balancer, "type").as_str(), None | Some("REGIONAL"));
            let nodes: f64 = balancer.size_slug.as_deref()?.parse().ok()?;
            is_regional.then(|| times(LOAD_BALANCER, &nodes.into())).flatten()
        },
    },
    LeftoverRule {
        name: "FIREWALL_OF_NOTHING",
        kind: "firewall",
        why: "It has no droplets and no tags, so its rules apply to nothing.",
        is_candidate: |firewall| lacks(firewall, &["droplet_ids"]) && is_unset(&firewall.tags),
        fields: &["droplet_ids", "tags"],
        owner: Owner::Itself,
        owner_kinds: &[],
        unlisted: None,
        monthly_micros: FREE,
    },
    LeftoverRule {
        name: "RECORD_OF_LOST_ADDRESS",
        kind: "domain_record",
        why: "It leads to an address that a resource had which no longer exists. The address may belong to a stranger now.",
        is_candidate: |record| address_of_record(record).is_some(),
        fields: &["data", "type"],
        owner: Owner::Holder {
            address: address_of_record,
            held: addresses,
        },
        owner_kinds: &["droplet", "load_balancer", "reserved_ip", "kubernetes_cluster"],
        unlisted: None,
        monthly_micros: FREE,
    },
    LeftoverRule {
        name: "EMPTY_VPC",
        kind: "vpc",
        why: "No droplet, load balancer, database or Kubernetes cluster is in it.",
        // A region always has a default network, which cannot be deleted.
        is_candidate: |vpc| vpc.attrs.get("default") != Some(&Value::Bool(true)),
        fields: &[],
        owner: Owner::Users {
            key: |vpc| vpc.provider_id.clone(),
            refers: |member| {
                let network = text(member, "private_network_uuid");
                member.vpc_uuid.iter().cloned().chain(network).collect()
            },
        },
        owner_kinds: &["droplet", "load_balancer", "database", "kubernetes_cluster"],
        unlisted: Some("NAT gateways and VPC peerings"),
        monthly_micros: FREE,
    },
    LeftoverRule {
        name: "UNUSED_IMAGE",
        kind: "image",
        why: "No droplet was created from this custom image.",
        is_candidate: |image| text(image, "type").as_deref() == Some("custom"),
        fields: &["type"],
        owner: Owner::Users {
            key: |image| image.provider_id.clone(),
            refers: |droplet| {
                let id = attr(droplet, "image").get("id");
                id.map(|id| id.as_str().map_or_else(|| id.to_string(), str::to_owned))
                    .into_iter()
                    .collect()
            },
        },
        owner_kinds: &["droplet"],
        unlisted: Some("Autoscale pools and configurations of Terraform"),
        monthly_micros: |image| times(CUSTOM_IMAGE, attr(image, "size_gigabytes")),
    },
];

fn source_of_snapshot(snapshot: &Model) -> Option<(&'static str, String)> {
    let kind = match text(snapshot, "resource_type")?.as_str() {
        "droplet" => "droplet",
        "volume" => "volume",
        _ => return None,
    };
    Some((kind, text(snapshot, "resource_id")?))
}

/// Returns the address of an A record. Those of AAAA records are not stored for load balancers, so they are left out.
fn address_of_record(record: &Model) -> Option<String> {
    let is_a = text(record, "type").as_deref() == Some("A");
    text(record, "data").filter(|_| is_a)
}

fn addresses(resource: &Model) -> Vec<String> {
    let listed = ["public4", "private4"]
        .into_iter()
        .filter_map(|family| attr(resource, "ips").get(family)?.as_array())
        .flatten()
        .filter_map(|address| address.as_str().map(str::to_owned));
    resource.ip.iter().cloned().chain(listed).collect()
}
