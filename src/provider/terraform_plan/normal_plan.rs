//! A normal plan of the same moment. It decides what a refresh-only plan cannot tell: whether the next apply would undo
//! a change of a dynamic block, of a default or of an ignored attribute.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::document::{self, Sink};
use super::elements::{ResourceChange, StateResource};
use super::keyed::DigestKey;
use super::refusal::Refusal;
use super::sensitive::{Secrets, has_mark};
use super::spool::Spool;
use super::strict;
use super::values::{are_alike, entries, substance};
use crate::domain::equality::{canonical, is_unset};

/// What a normal plan would change.
#[derive(Default)]
pub struct NormalPlan {
    /// Digest of the attributes of each instance in the state.
    state: HashMap<String, [u8; 32]>,
    /// Attributes of each instance that the plan changes.
    changes: HashMap<String, Planned>,
    /// Addresses of the instances that the configuration no longer has.
    removed: HashSet<String>,
    /// Addresses of the instances that the configuration has and the state has not.
    created: HashSet<String>,
}

type Planned = BTreeMap<String, PlannedAttribute>;

/// The planned change of an attribute.
struct PlannedAttribute {
    /// Whether the value before is not loosely equal to the one after.
    is_changed: bool,
    /// Whether nothing is known of the value after.
    is_unknown: bool,
    /// Whether a part of the value after is not known.
    has_unknown: bool,
    exact: [u8; 32],
    substance: [u8; 32],
}

/// What a normal plan decides about an instance.
pub(super) struct Decision<'n>(&'n Planned);

impl Decision<'_> {
    /// Returns whether the next apply would change a declared attribute.
    pub(super) fn undoes(&self, name: &str) -> bool {
        let planned = self.0.get(name);
        planned.is_some_and(|planned| planned.is_changed || planned.has_unknown)
    }

    /// Returns whether the next apply would change an attribute that is not declared. If nothing is known of its value
    /// after the apply, the provider computes it from others.
    pub(super) fn undoes_undeclared(&self, name: &str) -> bool {
        let planned = self.0.get(name);
        planned.is_some_and(|planned| planned.is_changed && !planned.is_unknown)
    }

    /// Returns whether the next apply would put back the applied value of an attribute that is loosely equal to the
    /// live one: its order, its spacing or a part that is not declared.
    pub(super) fn restores(&self, name: &str, applied: &Value, live: &Value) -> bool {
        let Some(planned) = self.0.get(name) else {
            return false;
        };
        let exactly = |value: &Value| exact(value) == planned.exact;
        let mostly = |value: &Value| substance_digest(value) == planned.substance;
        let are_unset = is_unset(applied) && is_unset(live);
        !are_unset && (exactly(applied) && !exactly(live) || mostly(applied) && !mostly(live))
    }
}

impl NormalPlan {
    /// Reads a normal plan. Only names and digests are kept.
    ///
    /// # Errors
    ///
    /// The plan ended with an error, covers a part of the state only, or plans nothing.
    pub fn read(spool: Spool) -> Result<Self, Refusal> {
        let mut plan = Self::default();
        let document = document::read(spool, &DigestKey::new(&[]), &mut plan)?;
        if !document.header.has_changes {
            return Err(Refusal::NotANormalPlan);
        }
        if document.header.errored != Some(false) || document.header.complete != Some(true) {
            return Err(Refusal::Incomplete);
        }
        Ok(plan)
    }

    /// Returns what is decided about an instance; None if the plan saw other values, or does not update it.
    pub(super) fn decision(&self, resource: &StateResource<'_>) -> Option<Decision<'_>> {
        let planned = self.changes.get(&resource.address)?;
        self.saw(resource).then_some(Decision(planned))
    }

    /// Returns whether the configuration has an instance that is not in the state; None if the plan saw it in the state.
    pub(super) fn creates(&self, address: &str) -> Option<bool> {
        (!self.state.contains_key(address)).then(|| self.created.contains(address))
    }

    /// Returns the addresses of the instances that the plan deletes, because the configuration does not have them.
    pub(super) fn removed(&self) -> impl Iterator<Item = &String> {
        self.removed.iter()
    }

    /// Returns whether the plan deletes an instance, because the configuration does not have it.
    pub(super) fn removes(&self, resource: &StateResource<'_>) -> bool {
        self.removed.contains(&resource.address) && self.saw(resource)
    }

    /// Returns whether the plan saw the same values.
    pub(super) fn saw(&self, resource: &StateResource<'_>) -> bool {
        let seen = self.state.get(&resource.address);
        seen.is_some_and(|seen| digest(resource).is_ok_and(|now| now == *seen))
    }
}

impl fmt::Debug for NormalPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a plan with {} changes", self.changes.len())
    }
}

/// Returns a digest of the attributes. White space does not matter.
fn digest(resource: &StateResource<'_>) -> Result<[u8; 32], Refusal> {
    let values = strict::value(resource.values_text()).map_err(|_| Refusal::NotAPlan)?;
    Ok(Sha256::digest(values.to_string()).into())
}

impl Sink for NormalPlan {
    fn state_resource(
        &mut self,
        _: &str,
        resource: &StateResource<'_>,
        _: &mut Secrets,
    ) -> Result<(), Refusal> {
        if resource.mode == "managed" && resource.deposed_key.is_none() {
            self.state.insert(resource.address.clone(), digest(resource)?);
        }
        Ok(())
    }

    fn drift(&mut self, _: &str, _: &ResourceChange<'_>, _: &mut Secrets) -> Result<(), Refusal> {
        Ok(())
    }

    fn planned(&mut self, change: &ResourceChange<'_>) -> Result<(), Refusal> {
        if change.deposed.is_none() && change.is_removal() {
            self.removed.insert(change.address.clone());
        }
        if change.mode == "managed" && change.is(&["create"]) {
            self.created.insert(change.address.clone());
        }
        // A plan that deletes the instance does not say what it would undo.
        let decides = [
            &["no-op"][..],
            &["update"],
            &["delete", "create"],
            &["create", "delete"],
        ];
        if change.mode == "managed"
            && change.deposed.is_none()
            && decides.into_iter().any(|actions| change.is(actions))
        {
            self.changes.insert(change.address.clone(), planned(change)?);
        }
        Ok(())
    }
}

/// Returns the attributes that a change changes.
fn planned(change: &ResourceChange<'_>) -> Result<Planned, Refusal> {
    let (before, after) = (entries(change.before()?), entries(change.after()?));
    let unknown = entries(change.after_unknown()?);
    let names = before.keys().chain(after.keys()).chain(unknown.keys());
    let changed = names.filter_map(|name| {
        let (mark, now) = (unknown.get(name), after.get(name));
        if before.get(name) == now && !has_mark(mark) {
            return None;
        }
        let value = now.unwrap_or(&Value::Null);
        let attribute = PlannedAttribute {
            is_changed: !are_alike(before.get(name), now),
            is_unknown: mark == Some(&Value::Bool(true)),
            has_unknown: has_mark(mark),
            exact: exact(value),
            substance: substance_digest(value),
        };
        Some((name.clone(), attribute))
    });
    Ok(changed.collect())
}

fn exact(value: &Value) -> [u8; 32] {
    Sha256::digest(value.to_string()).into()
}

fn substance_digest(value: &Value) -> [u8; 32] {
    Sha256::digest(canonical(&substance(value)).as_str()).into()
}
