//! The calls of DigitalOcean's API that put a live value back. They are data: a person sends them.
//!
//! Each kind has a table of its fields. A field has either a function that returns its calls, or the reason why no call can
//! change it. Facts about the calls come from DigitalOcean's OpenAPI specification of August 2026 and its published SDK for
//! Python, version 0.44.

mod account;
mod calls;
mod databases;
mod dns;
mod droplets;
mod firewalls;
mod kubernetes;
mod load_balancers;
mod storage;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;

use entity::cloud_resources;
use serde_json::Value;

use crate::domain::compare::live_value;
use crate::domain::revert::{Obstacle, Outcome};

/// What is put back: some fields of one resource.
#[derive(Clone, Copy, Debug)]
pub(in crate::provider) struct Target<'a> {
    /// The resource with its live values.
    pub(in crate::provider) resource: &'a cloud_resources::Model,
    /// The expected values of all fields that are put back together.
    pub(in crate::provider) expected: &'a BTreeMap<String, Value>,
}

impl Target<'_> {
    /// Returns the live value of a field; null if it is unset.
    fn live(&self, field: &str) -> Value {
        live_value(self.resource, field).map_or(Value::Null, Cow::into_owned)
    }

    /// Returns the value that a field has in the end: the expected one if it is put back too, otherwise the live one.
    fn value(&self, field: &str) -> Value {
        self.expected
            .get(field)
            .cloned()
            .unwrap_or_else(|| self.live(field))
    }

    fn id(&self) -> &str {
        &self.resource.provider_id
    }
}

/// A field that is put back.
struct Change<'a> {
    target: Target<'a>,
    field: &'a str,
    expected: &'a Value,
    actual: Value,
}

/// How a field can be put back.
#[derive(Clone, Copy, Debug)]
enum Rule {
    /// By calls that the function returns.
    By(fn(&Change<'_>) -> Outcome),
    /// Not by calls.
    Not(Obstacle, &'static str),
}

/// The fields of a kind.
type Fields = &'static [(&'static str, Rule)];

/// The fields of all kinds.
const KINDS: [(&str, Fields); 20] = [
    ("droplet", droplets::DROPLET),
    ("volume", storage::VOLUME),
    ("load_balancer", load_balancers::LOAD_BALANCER),
    ("database", databases::DATABASE),
    ("database_firewall", databases::FIREWALL),
    ("firewall", firewalls::FIREWALL),
    ("vpc", account::VPC),
    ("domain", dns::DOMAIN),
    ("domain_record", dns::RECORD),
    ("kubernetes_cluster", kubernetes::CLUSTER),
    ("kubernetes_node_pool", kubernetes::POOL),
    ("reserved_ip", storage::RESERVED_IP),
    ("app", account::APP),
    ("certificate", account::CERTIFICATE),
    ("cdn_endpoint", account::CDN_ENDPOINT),
    ("project", account::PROJECT),
    ("snapshot", storage::SNAPSHOT),
    ("image", storage::IMAGE),
    ("registry", account::REGISTRY),
    ("uptime_check", account::UPTIME_CHECK),
];

/// Returns how `field`, one of the expected fields of the target, can be put back.
pub(in crate::provider) fn outcome(target: Target<'_>, field: &str) -> Outcome {
    let rule = KINDS
        .iter()
        .find(|(kind, _)| *kind == target.resource.kind)
        .and_then(|(_, fields)| fields.iter().find(|(name, _)| *name == field));
    match (rule, target.expected.get(field)) {
        (Some((_, Rule::By(plan))), Some(expected)) => plan(&Change {
            target,
            field,
            expected,
            actual: target.live(field),
        }),
        (Some((_, Rule::Not(obstacle, why))), _) => cannot(*obstacle, *why),
        _ => cannot(
            Obstacle::UnknownField,
            "No call of DigitalOcean's API is known to change this field.",
        ),
    }
}

fn cannot(obstacle: Obstacle, why: impl Into<Cow<'static, str>>) -> Outcome {
    Outcome::Cannot(obstacle, why.into())
}

/// Why a value of the wrong type cannot be put back.
fn invalid(change: &Change<'_>, wanted: &str) -> Outcome {
    cannot(
        Obstacle::InvalidValue,
        format!("The expected value of {} is not {wanted}.", change.field),
    )
}
