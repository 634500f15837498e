//! A refresh-only plan whose evidence was checked.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use chrono::{DateTime, Utc};

use super::address::Address;
use super::blocks::{Place, Records};
use super::compare::Comparison;
use super::configuration::{Configuration, Declared};
use super::document;
use super::elements::{ResourceChange, StateResource};
use super::instance::Instance;
use super::keyed::{Digest, DigestKey};
use super::normal_plan::NormalPlan;
use super::previous::Previous;
use super::refusal::Refusal;
use super::resources::Resources;
use super::sensitive::Scrubber;
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
    pub(super) outline: Outline,
    pub(super) configuration: Configuration,
    scrubber: Scrubber,
    pub(super) resources: Resources,
    pub(super) options: Options,
    pub(super) normal: Option<NormalPlan>,
    /// Addresses of the instances that the normal plan deletes, and digests of their applied values.
    pub(super) removed: HashMap<String, Digest>,
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
            removed: HashMap::new(),
        })
    }

    pub(super) fn declared(&self, address: &str) -> Option<&Declared> {
        self.configuration.find(&Address::parse(address)?)
    }

    /// Returns what the plan says about itself.
    pub fn outline(&self) -> &Outline {
        &self.outline
    }

    /// Returns the number of the resources that the state has or that are gone, with those that are skipped.
    pub fn len(&self) -> usize {
        self.resources.order.len() + self.resources.gone.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the addresses of the resources at these positions: those of the state in the order of the file, then those
    /// that are gone. With each, its address before it was moved.
    pub fn addresses(&self, positions: Range<usize>) -> impl Iterator<Item = (&str, Option<&str>)> {
        let of_state = self.resources.order.iter().map(AsRef::as_ref);
        let all = of_state.chain(self.resources.gone.iter().map(String::as_str));
        let moved = &self.resources.moved;
        all.skip(positions.start)
            .take(positions.len())
            .map(move |address| (address, moved.get(address).map(String::as_str)))
    }

    /// Returns the instances: those of the state in the order of the file, then those that are gone. `previous` returns
    /// what an earlier import knew of the instance at an address; a moved one is looked up at its previous address.
    pub fn instances<'p>(&'p self, previous: &'p dyn Fn(&str) -> Option<Previous>) -> Instances<'p> {
        self.instances_at(0..self.len(), previous)
    }

    /// Returns the instances at these positions.
    pub fn instances_at<'p>(
        &'p self,
        positions: Range<usize>,
        previous: &'p dyn Fn(&str) -> Option<Previous>,
    ) -> Instances<'p> {
        Instances {
            plan: self,
            previous,
            state: Records::new(&self.resources.state),
            drift: Records::new(&self.resources.changes),
            positions,
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

/// Returns the instances of a plan, one after the other.
pub struct Instances<'p> {
    plan: &'p Plan,
    previous: &'p dyn Fn(&str) -> Option<Previous>,
    state: Records<'p>,
    drift: Records<'p>,
    positions: Range<usize>,
}

impl Instances<'_> {
    /// Returns an instance of the state; None if it is skipped.
    fn of_state(&mut self, place: Place) -> Result<Option<Instance>, Refusal> {
        let plan = self.plan;
        let resource = StateResource::parse(text(self.state.read(place)?)?)?;
        let Some(declared) = plan.declared(&resource.address) else {
            return Ok(None);
        };
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
        let earlier = previous.as_ref().and_then(|previous| previous.removed);
        if plan.is_removed(&resource, change.as_ref(), earlier)? {
            return Ok(None);
        }
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
            let at = self.positions.next()?;
            let of_state = plan.resources.order.get(at);
            let instance = match of_state.and_then(|address| plan.resources.addresses.get(address)) {
                Some(place) => self.of_state(*place),
                None => {
                    let gone = at.checked_sub(plan.resources.order.len())?;
                    self.of_gone(plan.resources.gone.get(gone)?)
                }
            };
            if let Some(instance) = instance.transpose() {
                return Some(instance);
            }
        }
    }
}

pub(super) fn text(record: &[u8]) -> Result<&str, Refusal> {
    std::str::from_utf8(record).map_err(|_| Refusal::NotAPlan)
}
