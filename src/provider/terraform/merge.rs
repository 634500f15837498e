//! From what instances say to one entry a resource.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::declared::{self, Declaration, Strength};
use super::{Desired, Held, Refused, Said, State};
use crate::domain::equality::loosely_equal;

/// Something that one instance declares about the resource of another: an attachment, an assignment, a project.
pub(super) struct Part {
    pub(super) kind: &'static str,
    pub(super) provider_id: String,
    pub(super) field: &'static str,
    /// A member of the field if that is a list, else its value.
    pub(super) value: Value,
    pub(super) strength: Strength,
    pub(super) address: String,
}

/// Collects what the instances of a state say.
#[derive(Default)]
pub(super) struct Merge {
    desired: BTreeMap<(&'static str, String), Desired>,
    declared: Vec<Declaration>,
    held: Vec<Held>,
    /// Instances of which nothing is recorded.
    pub(super) refused: Vec<Refused>,
}

impl Merge {
    /// An instance that counts.
    pub(super) fn add(&mut self, said: Vec<Said>) {
        for said in said {
            match said {
                Said::Part(part) => self.declared.push(part.declaration()),
                Said::Resource(resource) => {
                    let resource = self.without_shared(resource);
                    self.add_resource(resource);
                }
            }
        }
    }

    /// Notes what the resource declares of fields that others may declare, too.
    fn without_shared(&mut self, mut resource: Desired) -> Desired {
        let Desired {
            kind,
            provider_id,
            address,
            spec,
            ..
        } = &mut resource;
        self.declared
            .extend(declared::own(kind, provider_id, address, spec));
        resource
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
                let fault = format!("{} declares another value", other.address);
                self.hold(resource, Some(fault));
            }
        }
    }

    /// An instance that is there but asks for nothing now, and why, if that is a fault.
    pub(super) fn add_held(&mut self, said: Vec<Said>, fault: Option<&str>) {
        for said in said {
            match said {
                Said::Resource(resource) => {
                    let resource = self.without_shared(resource);
                    self.hold(resource, fault.map(str::to_owned));
                }
                Said::Part(part) => self.declared.push(Declaration {
                    strength: Strength::Open,
                    ..part.declaration()
                }),
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
    pub(super) fn finish(mut self) -> State {
        self.held
            .sort_by(|a, b| (a.kind, &a.provider_id).cmp(&(b.kind, &b.provider_id)));
        let held: BTreeSet<(&'static str, &str)> = self
            .held
            .iter()
            .map(|held| (held.kind, held.provider_id.as_str()))
            .collect();
        self.desired
            .retain(|(kind, provider_id), _| !held.contains(&(*kind, provider_id.as_str())));
        // Of equal ones the strongest, in an order that does not depend on that of the file.
        self.declared
            .sort_by(|a, b| (a.key(), b.strength, &a.address).cmp(&(b.key(), a.strength, &b.address)));
        self.declared.dedup_by(|a, b| a.key() == b.key());
        let mut about: BTreeMap<(&str, &str), Vec<(&str, &Declaration)>> = BTreeMap::new();
        for declared in &self.declared {
            let subject = (declared.kind.as_str(), declared.provider_id.as_str());
            about.entry(subject).or_default().push(("this state", declared));
        }
        for ((kind, provider_id), desired) in &mut self.desired {
            let about = about.get(&(*kind, provider_id.as_str()));
            declared::put_into(kind, &mut desired.spec, about.map_or(&[][..], Vec::as_slice));
        }
        State {
            desired: self.desired.into_values().collect(),
            declared: self.declared,
            held: self.held,
            refused: self.refused,
            ..State::default()
        }
    }
}

impl Part {
    fn declaration(self) -> Declaration {
        Declaration {
            kind: self.kind.to_owned(),
            provider_id: self.provider_id,
            field: self.field.to_owned(),
            value: self.value,
            strength: self.strength,
            address: self.address,
        }
    }
}

fn same(a: &Map<String, Value>, b: &Map<String, Value>) -> bool {
    loosely_equal(&Value::Object(a.clone()), &Value::Object(b.clone()))
}
