//! A normal plan of the same moment. It decides what a refresh-only plan cannot tell: whether the next apply would undo
//! a change of a dynamic block, of a default or of an ignored attribute.

use std::collections::{BTreeSet, HashMap};
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
use super::values::{are_alike, entries};

/// What a normal plan would change.
#[derive(Default)]
pub struct NormalPlan {
    /// Digest of the attributes of each instance in the state.
    state: HashMap<String, [u8; 32]>,
    /// Attributes of each instance that the plan changes.
    changes: HashMap<String, BTreeSet<String>>,
}

/// What a normal plan decides about an instance.
pub(super) struct Decision<'n>(&'n BTreeSet<String>);

impl Decision<'_> {
    /// Returns whether the next apply would change the attribute.
    pub(super) fn undoes(&self, name: &str) -> bool {
        self.0.contains(name)
    }
}

impl NormalPlan {
    /// Reads a normal plan. Only names of its attributes are kept.
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
        let seen = self.state.get(&resource.address)?;
        if *seen != digest(resource).ok()? {
            return None;
        }
        self.changes.get(&resource.address).map(Decision)
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
            self.changes
                .insert(change.address.clone(), changed_names(change)?);
        }
        Ok(())
    }
}

/// Returns the names of the attributes that a change changes.
fn changed_names(change: &ResourceChange<'_>) -> Result<BTreeSet<String>, Refusal> {
    let (before, after) = (entries(change.before()?), entries(change.after()?));
    let unknown: Value = change.after_unknown()?;
    let names = before.keys().chain(after.keys());
    let mut changed: BTreeSet<String> = names
        .filter(|name| !are_alike(before.get(*name), after.get(*name)))
        .cloned()
        .collect();
    let unknown = entries(unknown).into_iter();
    changed.extend(
        unknown
            .filter(|(_, mark)| has_mark(Some(mark)))
            .map(|(name, _)| name),
    );
    Ok(changed)
}
