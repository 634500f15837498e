//! Merges the mapped instances of a state into one entry per resource.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::declared::{self, Declaration, Strength};
use super::{Desired, Held, Mapped, Refused, State};
use crate::domain::equality::loosely_equal;

/// A declaration of an attachment, an assignment or a project about another resource.
pub(super) struct Part {
    pub(super) kind: &'static str,
    pub(super) provider_id: String,
    pub(super) field: &'static str,
    /// Value of the field, or one member if the field is a list.
    pub(super) value: Value,
    pub(super) strength: Strength,
    pub(super) address: String,
}

/// Collects the mapped instances of a state.
#[derive(Default)]
pub(super) struct Merge {
    desired: BTreeMap<(&'static str, String), Desired>,
    declared: Vec<Declaration>,
    held: Vec<Held>,
    /// Instances that are not imported.
    pub(super) refused: Vec<Refused>,
}

impl Merge {
    /// Adds an instance that is imported.
    pub(super) fn add(&mut self, mapped: Vec<Mapped>) {
        for item in mapped {
            match item {
                Mapped::Part(part) => self.declared.push(part.declaration()),
                Mapped::Resource(resource) => {
                    let resource = self.extract_declarations(resource);
                    self.add_resource(resource);
                }
            }
        }
    }

    /// Turns the fields that other Terraform resources may declare from fields of the spec into declarations.
    fn extract_declarations(&mut self, mut resource: Desired) -> Desired {
        let Desired {
            kind,
            provider_id,
            address,
            spec,
            ..
        } = &mut resource;
        self.declared
            .extend(declared::split_own_declarations(kind, provider_id, address, spec));
        resource
    }

    /// Adds a resource. If two addresses have the same resource with different specs, the resource is held.
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

    /// Adds an instance whose spec stays as it is. `fault` is the reason, if it is an error.
    pub(super) fn add_held(&mut self, mapped: Vec<Mapped>, fault: Option<&str>) {
        for item in mapped {
            match item {
                Mapped::Resource(resource) => {
                    let resource = self.extract_declarations(resource);
                    self.hold(resource, fault.map(str::to_owned));
                }
                Mapped::Part(part) => self.declared.push(Declaration {
                    strength: Strength::Open,
                    ..part.declaration()
                }),
            }
        }
    }

    /// Adds an instance without a known id. It may be any resource of the kind.
    pub(super) fn add_held_without_id(&mut self, kind: &'static str, address: String, fault: String) {
        self.held.push(Held {
            kind,
            provider_id: String::new(),
            address,
            fault: Some(fault),
        });
    }

    /// Adds an instance that is not imported.
    pub(super) fn refuse(&mut self, mapped: Vec<Mapped>, reason: &str) {
        for item in mapped {
            if let Mapped::Resource(resource) = item {
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

    /// Returns the state with one entry per resource, in order. A held resource is not among the desired resources.
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
        // Of duplicates, keeps the strongest. The order of the file must not matter.
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
            declared::apply_declarations(kind, &mut desired.spec, about.map_or(&[][..], Vec::as_slice));
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
