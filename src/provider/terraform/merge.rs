//! From what instances say to one entry a resource.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{Desired, Held, Refused, Said, Skipped};
use crate::domain::canonical::loosely_equal;

/// Something that one instance adds to the resource of another: an attachment, an assignment.
pub(super) struct Part {
    pub(super) kind: &'static str,
    pub(super) provider_id: String,
    pub(super) field: &'static str,
    /// A member of the field if that is a list, else its value.
    pub(super) value: Value,
    /// Whether it may be lost: the other end of the attachment says the same.
    pub(super) optional: bool,
}

/// Collects what the instances of a state say.
#[derive(Default)]
pub(super) struct Merge {
    desired: BTreeMap<(&'static str, String), Desired>,
    parts: Vec<Part>,
    held: Vec<Held>,
    /// Instances of which nothing is recorded.
    pub(super) refused: Vec<Refused>,
}

impl Merge {
    /// An instance that counts.
    pub(super) fn add(&mut self, said: Vec<Said>) {
        for said in said {
            match said {
                Said::Part(part) => self.parts.push(part),
                Said::Resource(resource) => self.add_resource(resource),
            }
        }
    }

    /// Two addresses that ask for the same are one; two that ask for different things cannot both be right.
    fn add_resource(&mut self, resource: Desired) {
        let key = (resource.kind, resource.provider_id.clone());
        match self.desired.get(&key) {
            None => {
                self.desired.insert(key, resource);
            }
            Some(other) if same(&other.spec, &resource.spec) => {}
            Some(other) => {
                let fault = format!("{} asks for something else", other.address);
                self.hold(resource, Some(fault));
            }
        }
    }

    /// An instance that is there but asks for nothing now, and why, if that is a fault.
    pub(super) fn add_held(&mut self, said: Vec<Said>, fault: Option<&str>) {
        for said in said {
            if let Said::Resource(resource) = said {
                self.hold(resource, fault.map(str::to_owned));
            }
        }
    }

    /// An instance whose resource is not known: it may be any of the kind.
    pub(super) fn hold_kind(&mut self, kind: &'static str, address: String, fault: String) {
        self.held.push(Held {
            kind,
            provider_id: String::new(),
            address,
            fault: Some(fault),
        });
    }

    /// An instance of which nothing is recorded.
    pub(super) fn refuse(&mut self, said: Vec<Said>, reason: &str) {
        for said in said {
            if let Said::Resource(resource) = said {
                self.refused.push(Refused {
                    kind: resource.kind.to_owned(),
                    provider_id: resource.provider_id,
                    address: resource.address,
                    reason: reason.to_owned(),
                });
            }
        }
    }

    fn hold(&mut self, resource: Desired, fault: Option<String>) {
        self.held.push(Held {
            kind: resource.kind,
            provider_id: resource.provider_id,
            address: resource.address,
            fault,
        });
    }

    /// One entry a resource, in order. One that is held asks for nothing, whatever other instances say.
    pub(super) fn finish(mut self, skipped: &mut Skipped) -> (Vec<Desired>, Vec<Held>) {
        self.held
            .sort_by(|a, b| (a.kind, &a.provider_id).cmp(&(b.kind, &b.provider_id)));
        let held: BTreeSet<(&'static str, &str)> = self
            .held
            .iter()
            .map(|held| (held.kind, held.provider_id.as_str()))
            .collect();
        for part in std::mem::take(&mut self.parts) {
            let key = (part.kind, part.provider_id.clone());
            match self.desired.get_mut(&key) {
                Some(resource) => part.add_to(&mut resource.spec),
                None if part.optional || held.contains(&(key.0, key.1.as_str())) => {}
                None => skipped.unattached += 1,
            }
        }
        self.desired
            .retain(|(kind, provider_id), _| !held.contains(&(*kind, provider_id.as_str())));
        (self.desired.into_values().collect(), self.held)
    }
}

impl Part {
    fn add_to(self, spec: &mut Map<String, Value>) {
        if !self.field.ends_with("_ids") {
            spec.insert(self.field.to_owned(), self.value);
            return;
        }
        let list = spec.entry(self.field).or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(members) = list
            && !members.contains(&self.value)
        {
            members.push(self.value);
            members.sort_by_key(|member| (member.as_i64(), member.as_str().map(str::to_owned)));
        }
    }
}

fn same(a: &Map<String, Value>, b: &Map<String, Value>) -> bool {
    loosely_equal(&Value::Object(a.clone()), &Value::Object(b.clone()))
}
