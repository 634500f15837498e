//! A refresh-only plan whose evidence was checked.

use std::collections::HashMap;
use std::fmt;

use chrono::{DateTime, Utc};

use super::address::Address;
use super::blocks::{Blocks, Place, Records};
use super::compare::Comparison;
use super::configuration::{Configuration, Declared};
use super::document::{self, Sink};
use super::elements::{ResourceChange, StateResource};
use super::instance::Instance;
use super::keyed::DigestKey;
use super::normal_plan::NormalPlan;
use super::previous::Previous;
use super::refusal::Refusal;
use super::sensitive::{Scrubber, Secrets};
use super::spool::Spool;

/// How a plan is read.
#[derive(Clone, Debug)]
pub struct Options {
    /// Key of the digests of secrets.
    pub digest_key: DigestKey,
}

/// What a plan says about itself, and how much of it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outline {
    /// Time at which the plan was made.
    pub timestamp: DateTime<Utc>,
    /// Version of Terraform.
    pub terraform_version: String,
    /// Number of instances.
    pub instances: usize,
    /// Numbers of what is skipped.
    pub skipped: Skipped,
}

/// Numbers of resources that are skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Data sources.
    pub data: usize,
    /// Objects that wait for their deletion after a replacement.
    pub deposed: usize,
    /// Instances that the configuration does not have.
    pub without_configuration: usize,
    /// Instances whose address cannot be read.
    pub unreadable: usize,
}

/// A plan after its first pass.
pub struct Plan {
    outline: Outline,
    configuration: Configuration,
    scrubber: Scrubber,
    resources: Resources,
    options: Options,
    normal: Option<NormalPlan>,
}

impl Plan {
    /// Reads a refresh-only plan.
    ///
    /// # Errors
    ///
    /// The plan is no evidence.
    pub fn read(spool: Spool, options: Options) -> Result<Self, Refusal> {
        let mut resources = Resources::default();
        let document = document::read(spool, &options.digest_key, &mut resources)?;
        resources.close();
        let header = document.header;
        if header.has_changes {
            return Err(Refusal::NotRefreshOnly);
        }
        if header.errored != Some(false) || header.complete != Some(true) {
            return Err(Refusal::Incomplete);
        }
        // If everything is gone there is no state, but the changes say so.
        if !header.has_state && resources.drift.is_empty() {
            return Err(Refusal::Empty);
        }
        let (instances, skipped) = resources.count(&document.configuration);
        let outline = Outline {
            timestamp: header.timestamp.ok_or(Refusal::NotAPlan)?,
            terraform_version: header.terraform_version,
            instances,
            skipped,
        };
        Ok(Self {
            outline,
            configuration: document.configuration,
            scrubber: document.secrets.finish()?,
            resources,
            options,
            normal: None,
        })
    }

    /// Adds a normal plan of the same moment, which decides what a refresh-only plan cannot tell.
    ///
    /// # Errors
    ///
    /// A resource cannot be read.
    pub fn with_normal_plan(mut self, normal: NormalPlan) -> Result<Self, Refusal> {
        let mut removed = 0;
        let mut state = Records::new(&self.resources.state);
        for address in normal.removed() {
            let Some(place) = self.resources.addresses.get(address) else {
                continue;
            };
            let is_removed = normal.removes(&StateResource::parse(text(state.read(*place)?)?)?);
            removed += usize::from(is_removed && self.declared(address).is_some());
        }
        self.outline.instances -= removed;
        self.outline.skipped.without_configuration += removed;
        self.normal = Some(normal);
        Ok(self)
    }

    fn declared(&self, address: &str) -> Option<&Declared> {
        self.configuration.find(&Address::parse(address)?)
    }

    /// Returns what the plan says about itself.
    pub fn outline(&self) -> &Outline {
        &self.outline
    }

    /// Returns whether the configuration has the instance at an address.
    pub fn declares(&self, address: &str) -> bool {
        let address = Address::parse(address);
        address.is_some_and(|address| self.configuration.find(&address).is_some())
    }

    /// Returns the instances: those of the state in the order of the file, then those that are gone. `previous` returns
    /// what an earlier import knew of the instance at an address; a moved one is looked up at its previous address.
    pub fn instances<'p>(&'p self, previous: &'p dyn Fn(&str) -> Option<Previous>) -> Instances<'p> {
        Instances {
            plan: self,
            previous,
            state: Records::new(&self.resources.state),
            drift: Records::new(&self.resources.changes),
            next: 0,
        }
    }

    fn comparison<'c>(&'c self, declared: &'c Declared, previous: Option<&'c Previous>) -> Comparison<'c> {
        Comparison {
            declared,
            region: self
                .configuration
                .regions
                .get(&declared.provider)
                .map(String::as_str),
            scrubber: &self.scrubber,
            key: &self.options.digest_key,
            previous,
            normal: self.normal.as_ref(),
        }
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("outline", &self.outline)
            .finish_non_exhaustive()
    }
}

/// The resources of a plan, compressed.
#[derive(Default)]
struct Resources {
    state: Blocks,
    places: Vec<Place>,
    addresses: HashMap<String, Place>,
    changes: Blocks,
    drift: HashMap<String, Place>,
    /// Addresses of the instances that are gone, in the order of the file.
    gone: Vec<String>,
    skipped: Skipped,
}

impl Resources {
    fn close(&mut self) {
        self.state.close();
        self.changes.close();
    }

    /// Returns the number of instances with a configuration, and of those that are skipped.
    fn count(&self, configuration: &Configuration) -> (usize, Skipped) {
        let (mut found, mut skipped) = (0, self.skipped);
        for address in self.addresses.keys().chain(&self.gone) {
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
            self.places.push(place);
            if self.addresses.insert(resource.address.clone(), place).is_some() {
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
        if change.is(&["delete"]) {
            self.gone.push(change.address.clone());
        }
        Ok(())
    }

    fn planned(&mut self, _: &ResourceChange<'_>) -> Result<(), Refusal> {
        Ok(())
    }
}

/// Returns the instances of a plan, one after the other.
pub struct Instances<'p> {
    plan: &'p Plan,
    previous: &'p dyn Fn(&str) -> Option<Previous>,
    state: Records<'p>,
    drift: Records<'p>,
    next: usize,
}

impl Instances<'_> {
    /// Returns an instance of the state; None if it is skipped.
    fn of_state(&mut self, place: Place) -> Result<Option<Instance>, Refusal> {
        let plan = self.plan;
        let resource = StateResource::parse(text(self.state.read(place)?)?)?;
        let Some(declared) = plan.declared(&resource.address) else {
            return Ok(None);
        };
        if plan
            .normal
            .as_ref()
            .is_some_and(|normal| normal.removes(&resource))
        {
            return Ok(None);
        }
        let change = match plan.resources.drift.get(&resource.address) {
            Some(place) => Some(ResourceChange::parse(text(self.drift.read(*place)?)?)?),
            None => None,
        };
        let from = change
            .as_ref()
            .and_then(|change| change.previous_address.as_deref());
        let previous = from
            .and_then(self.previous)
            .or_else(|| (self.previous)(&resource.address));
        let comparison = plan.comparison(declared, previous.as_ref());
        comparison.of_state(&resource, change.as_ref()).map(Some)
    }

    /// Returns an instance that is gone; None if it is skipped.
    fn of_gone(&mut self, address: &str) -> Result<Option<Instance>, Refusal> {
        let plan = self.plan;
        let Some(declared) = plan.declared(address) else {
            return Ok(None);
        };
        let Some(place) = plan.resources.drift.get(address) else {
            return Ok(None);
        };
        let change = ResourceChange::parse(text(self.drift.read(*place)?)?)?;
        let from = change.previous_address.as_deref();
        let previous = from.and_then(self.previous).or_else(|| (self.previous)(address));
        let comparison = plan.comparison(declared, previous.as_ref());
        comparison.of_gone(&change).map(Some)
    }
}

impl Iterator for Instances<'_> {
    type Item = Result<Instance, Refusal>;

    fn next(&mut self) -> Option<Self::Item> {
        let plan = self.plan;
        loop {
            let at = self.next;
            self.next += 1;
            let instance = match plan.resources.places.get(at) {
                Some(place) => self.of_state(*place),
                None => {
                    let gone = plan
                        .resources
                        .gone
                        .get(at.checked_sub(plan.resources.places.len())?)?;
                    self.of_gone(gone)
                }
            };
            if let Some(instance) = instance.transpose() {
                return Some(instance);
            }
        }
    }
}

fn text(record: &[u8]) -> Result<&str, Refusal> {
    std::str::from_utf8(record).map_err(|_| Refusal::NotAPlan)
}
