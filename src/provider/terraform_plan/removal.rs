//! Which instances a normal plan decides the configuration does not have.

use serde_json::Value;

use super::address::Address;
use super::blocks::Records;
use super::configuration::Presence;
use super::elements::{ResourceChange, StateResource};
use super::keyed::Digest;
use super::normal_plan::NormalPlan;
use super::plan::{Plan, text};
use super::refusal::Refusal;

impl Plan {
    /// Adds a normal plan of the same moment, which decides what a refresh-only plan cannot tell.
    ///
    /// # Errors
    ///
    /// A resource cannot be read.
    pub fn with_normal_plan(mut self, normal: NormalPlan) -> Result<Self, Refusal> {
        let mut state = Records::new(&self.resources.state);
        let mut changes = Records::new(&self.resources.changes);
        for address in normal.removed() {
            let Some(place) = self.resources.addresses.get(address.as_str()) else {
                continue;
            };
            let resource = StateResource::parse(text(state.read(*place)?)?)?;
            if !normal.removes(&resource) || self.declared(address).is_none() {
                continue;
            }
            let change = match self.resources.drift.get(address) {
                Some(place) => Some(ResourceChange::parse(text(changes.read(*place)?)?)?),
                None => None,
            };
            let applied = self.applied(&resource, change.as_ref())?;
            self.removed.insert(address.clone(), applied);
        }
        self.outline.instances -= self.removed.len();
        self.outline.skipped.without_configuration += self.removed.len();
        self.normal = Some(normal);
        Ok(self)
    }

    /// Returns the digest of the applied values of an instance that the normal plan deletes.
    pub fn removal(&self, address: &str) -> Option<Digest> {
        self.removed.get(address).copied()
    }

    /// Returns whether the state has the instance at an address.
    pub fn has(&self, address: &str) -> bool {
        self.resources.addresses.contains_key(address)
    }

    /// Returns whether the configuration has an instance that the state lacks. A normal plan decides what an expression of
    /// `count` or `for_each` leaves open: it creates what the configuration has.
    pub fn presence(&self, address: &str) -> Presence {
        let parsed = Address::parse(address);
        let presence = parsed.map_or(Presence::Absent, |parsed| self.configuration.presence(&parsed));
        let creates = || self.normal.as_ref()?.creates(address);
        match presence {
            Presence::Undecided => match creates() {
                Some(true) => Presence::Declared,
                Some(false) => Presence::Absent,
                None => presence,
            },
            decided => decided,
        }
    }

    /// Returns whether a normal plan deletes an instance, because the configuration does not have it. If there is none, or
    /// it saw other values, the decision of an earlier import stays while nothing is applied to the instance.
    pub(super) fn is_removed(
        &self,
        resource: &StateResource<'_>,
        change: Option<&ResourceChange<'_>>,
        earlier: Option<Digest>,
    ) -> Result<bool, Refusal> {
        let Some(earlier) = earlier else {
            return Ok(self
                .normal
                .as_ref()
                .is_some_and(|normal| normal.removes(resource)));
        };
        match self.normal.as_ref().filter(|normal| normal.saw(resource)) {
            Some(normal) => Ok(normal.removes(resource)),
            None => Ok(self.applied(resource, change)? == earlier),
        }
    }

    fn applied(
        &self,
        resource: &StateResource<'_>,
        change: Option<&ResourceChange<'_>>,
    ) -> Result<Digest, Refusal> {
        let applied = match change {
            Some(change) => change.before()?,
            None => resource.values()?,
        };
        let exactly = Value::String(applied.to_string());
        Ok(self.options.digest_key.digest(&resource.kind, "*", &exactly))
    }
}
