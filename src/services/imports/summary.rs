//! What an import tells.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Import;
use super::result::BatchResult;
use crate::provider::terraform::{Skipped, State};

/// What an import did, or would do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImportSummary {
    /// The name of the state.
    pub lineage: String,
    /// The lineage that its file names, if it was imported under another name.
    pub own_lineage: Option<String>,
    /// Its version, if the file says.
    pub serial: Option<i64>,
    /// Specs that were recorded for the first time, or again after they had been retired.
    pub recorded: u64,
    /// Specs that say something else now.
    pub changed: u64,
    /// Specs that the API or a baseline owned, and this state owns from now on.
    pub taken_over: Vec<TakenOver>,
    /// Specs that say what they said.
    pub unchanged: u64,
    /// Specs that were retired, because their resources left the state.
    pub retired: u64,
    /// Specs of other states that changed, because this one declares their project or what is attached to them.
    pub changed_elsewhere: u64,
    /// Resources that no listing has had yet.
    pub unsynced: u64,
    /// Instances of which nothing was changed, and why.
    pub refused: Vec<RefusedResource>,
    /// Open drifts that the next sweep closes, because the expected value is now the live value.
    pub closes: Vec<Closing>,
    /// What was left out.
    pub skipped: Skipped,
    /// How many resources are not compared in an attribute, because the state leaves it open: by type and attribute.
    pub not_compared: BTreeMap<String, u64>,
}

/// An instance whose spec had another source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenOver {
    /// Where the state has it.
    pub address: String,
    /// Kind of the resource.
    pub kind: String,
    /// Its id at the cloud.
    pub provider_id: String,
    /// The source that owned it.
    pub from: String,
}

/// An instance that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedResource {
    /// Where the state has it.
    pub address: String,
    /// Kind of the resource.
    pub kind: String,
    /// Its id at the cloud.
    pub provider_id: String,
    /// Why.
    pub reason: String,
}

/// An open drift that the import would close.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closing {
    /// The drift.
    pub drift_id: Uuid,
    /// Kind of the resource.
    pub kind: String,
    /// Name of the resource.
    pub name: String,
    /// The field.
    pub field: String,
}

impl ImportSummary {
    /// Of an import that begins.
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
