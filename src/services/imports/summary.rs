//! The summary of an import.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Import;
use super::result::BatchResult;
use crate::provider::terraform::{Skipped, State};

/// The result of an import. For a dry run, what the import would do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImportSummary {
    /// The name of the state.
    pub lineage: String,
    /// The lineage in the file, if the state was imported under another name.
    pub own_lineage: Option<String>,
    /// The serial in the file. The output of `show -json` has none.
    pub serial: Option<i64>,
    /// Number of specs that were recorded for the first time, or again after they had been retired.
    pub recorded: u64,
    /// Number of specs of this state that changed.
    pub changed: u64,
    /// Specs that this state took over from the API or a baseline.
    pub taken_over: Vec<TakenOver>,
    /// Number of specs of this state that did not change.
    pub unchanged: u64,
    /// Number of specs that were retired because their resources left the state.
    pub retired: u64,
    /// Number of specs of other states that changed because of this state's projects and attachments.
    pub changed_elsewhere: u64,
    /// Number of resources that no listing has contained yet.
    pub unsynced: u64,
    /// Instances that were not imported completely, with the reasons.
    pub refused: Vec<RefusedResource>,
    /// Open drifts that the next sweep closes because of this import.
    pub closes: Vec<Closing>,
    /// Counts of the instances that were skipped.
    pub skipped: Skipped,
    /// Number of resources in which an attribute is not compared, by attribute, such as `digitalocean_droplet.region`.
    pub not_compared: BTreeMap<String, u64>,
}

/// A spec that was taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenOver {
    /// Address of the instance in the state.
    pub address: String,
    /// Kind of the resource.
    pub kind: String,
    /// The provider's id of the resource.
    pub provider_id: String,
    /// The previous source of the spec.
    pub from: String,
}

/// An instance that was not imported completely.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedResource {
    /// Address of the instance in the state.
    pub address: String,
    /// Kind of the resource.
    pub kind: String,
    /// The provider's id of the resource.
    pub provider_id: String,
    /// Why it was not imported completely.
    pub reason: String,
}

/// An open drift that the next sweep closes because of an import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closing {
    /// Id of the drift.
    pub drift_id: Uuid,
    /// Kind of the resource.
    pub kind: String,
    /// Name of the resource.
    pub name: String,
    /// Field of the drift.
    pub field: String,
}

impl ImportSummary {
    /// Creates the summary of an import that has not written a batch yet.
    pub(super) fn of(import: &Import<'_>, state: &State) -> Self {
        Self {
            lineage: import.lineage.clone(),
            own_lineage: state.lineage.clone().filter(|own| *own != import.lineage),
            serial: import.serial,
            skipped: state.skipped.clone(),
            not_compared: state.not_compared(),
            refused: faults(state),
            ..Self::default()
        }
    }

    pub(super) fn add(&mut self, batch: BatchResult) {
        self.recorded += batch.recorded;
        self.changed += batch.changed;
        self.taken_over.extend(batch.taken_over);
        self.unchanged += batch.unchanged;
        self.retired += batch.retired;
        self.unsynced += batch.unsynced;
        self.changed_elsewhere += batch.changed_elsewhere;
        self.skipped.unattached += batch.unattached;
        self.refused.extend(batch.refused);
        self.closes.extend(batch.closes);
    }
}

fn faults(state: &State) -> Vec<RefusedResource> {
    let faulty = state
        .held
        .iter()
        .filter_map(|held| Some((held, held.fault.as_ref()?)));
    let held = faulty.map(|(held, fault)| RefusedResource {
        address: held.address.clone(),
        kind: held.kind.to_owned(),
        provider_id: held.provider_id.clone(),
        reason: fault.clone(),
    });
    let refused = state.refused.iter().map(|refused| RefusedResource {
        address: refused.address.clone(),
        kind: refused.kind.clone(),
        provider_id: refused.provider_id.clone(),
        reason: refused.reason.clone(),
    });
    held.chain(refused).collect()
}
