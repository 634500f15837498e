//! The resources of a plan, compressed.

use std::collections::HashMap;
use std::sync::Arc;

use super::address::Address;
use super::blocks::{Blocks, Place};
use super::configuration::Configuration;
use super::document::Sink;
use super::elements::{ResourceChange, StateResource};
use super::plan::Skipped;
use super::refusal::Refusal;
use super::sensitive::Secrets;

/// The resources of a plan, compressed.
#[derive(Default)]
pub(super) struct Resources {
    pub(super) state: Blocks,
    /// Addresses of the instances of the state, in the order of the file.
    pub(super) order: Vec<Arc<str>>,
    pub(super) addresses: HashMap<Arc<str>, Place>,
    pub(super) changes: Blocks,
    pub(super) drift: HashMap<String, Place>,
    /// Addresses before and after a move, by the new one.
    pub(super) moved: HashMap<String, String>,
    /// Addresses of the instances that are gone, in the order of the file.
    pub(super) gone: Vec<String>,
    skipped: Skipped,
}

impl Resources {
    pub(super) fn close(&mut self) {
        self.state.close();
        self.changes.close();
    }

    /// Returns the number of instances with a configuration, and of those that are skipped.
    pub(super) fn count(&self, configuration: &Configuration) -> (usize, Skipped) {
        let (mut found, mut skipped) = (0, self.skipped);
        let of_state = self.order.iter().map(AsRef::as_ref);
        for address in of_state.chain(self.gone.iter().map(String::as_str)) {
            match Address::parse(address) {
                None => skipped.unreadable += 1,
                Some(address) if configuration.find(&address).is_none() => skipped.without_configuration += 1,
                Some(_) => found += 1,
            }
        }
        (found, skipped)
    }
}

impl Sink for Resources {
    fn state_resource(
        &mut self,
        text: &str,
        resource: &StateResource<'_>,
        secrets: &mut Secrets,
    ) -> Result<(), Refusal> {
        let values = resource.values()?;
        secrets.note_marked(&values, &resource.marks()?);
        secrets.note_named(&values);
        if resource.mode != "managed" {
            self.skipped.data += 1;
        } else if resource.deposed_key.is_some() {
            self.skipped.deposed += 1;
        } else {
            let place = self.state.append(text.as_bytes());
            let address: Arc<str> = resource.address.as_str().into();
            self.order.push(Arc::clone(&address));
            if self.addresses.insert(address, place).is_some() {
                return Err(Refusal::NotAPlan);
            }
        }
        Ok(())
    }

    fn drift(
        &mut self,
        text: &str,
        change: &ResourceChange<'_>,
        secrets: &mut Secrets,
    ) -> Result<(), Refusal> {
        for (side, marks) in [
            (change.before()?, change.marks_before()?),
            (change.after()?, change.marks_after()?),
        ] {
            secrets.note_marked(&side, &marks);
            secrets.note_named(&side);
        }
        if change.mode != "managed" || change.deposed.is_some() {
            return Ok(());
        }
        let place = self.changes.append(text.as_bytes());
        if self.drift.insert(change.address.clone(), place).is_some() {
            return Err(Refusal::NotAPlan);
        }
        if let Some(from) = &change.previous_address {
            self.moved.insert(change.address.clone(), from.clone());
        }
        if change.is(&["delete"]) {
            self.gone.push(change.address.clone());
        }
        Ok(())
    }

    fn planned(&mut self, _: &ResourceChange<'_>) -> Result<(), Refusal> {
        Ok(())
    }
}
