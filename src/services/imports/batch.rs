//! One batch of an import.

use std::collections::{BTreeMap, BTreeSet};

use entity::cloud_resources as resources;
use serde_json::Value;
use uuid::Uuid;

use super::closing::{PlannedSpec, closed_by};
use super::result::BatchResult;
use super::rows::{Specs, key, known_or_new_in_txn, lock_in_txn};
use super::{Import, RefusedResource, TakenOver, declarations};
use crate::db::DatabaseTransaction;
use crate::domain::addresses::storable;
use crate::domain::detection::is_unsynced;
use crate::domain::imports::{ImportAction, import_action, may_be_taken_over};
use crate::domain::not_compared::NotCompared;
use crate::domain::validation::{InvalidInput, check_spec};
use crate::error::Result;
use crate::provider::check_identity;
use crate::provider::terraform::Desired;
use crate::services::addresses;
use crate::services::locks::{self, Lock};
use crate::services::provisioning::{self, NewSpec};
use crate::services::stored_specs::{StoredSpec, stored_specs_in_txn};

/// Records one batch of the desired resources of a state.
pub(super) async fn import_in_txn(
    txn: &DatabaseTransaction,
    import: &Import<'_>,
    wanted: &[Desired],
) -> Result<BatchResult> {
    let mut batch = BatchResult::default();
    let wanted = with_declarations_in_txn(txn, import, wanted, &mut batch).await?;
    let mut valid = Vec::with_capacity(wanted.len());
    for desired in &wanted {
        match check(desired) {
            Ok(()) => valid.push(desired),
            Err(why) => batch.refuse(desired, why.to_string()),
        }
    }
    let known = known_or_new_in_txn(txn, import, &valid).await?;
    let before = stored_specs_in_txn(txn, known.values().map(|row| row.id), None).await?;
    // Specs that do not change and have their address need no lock.
    let to_record: BTreeSet<Uuid> = valid
        .iter()
        .filter_map(|desired| Some((*desired, known.get(&key(desired))?)))
        .filter(|(desired, row)| {
            action_for(&before, row.id, desired, import).is_some_and(ImportAction::writes_version)
                || addresses::is_due(before.get(&row.id), &import.source, &desired.address, false)
        })
        .map(|(_, row)| row.id)
        .collect();
    let now = lock_in_txn(txn, to_record.iter().copied(), Lock::Update).await?;
    let mut admitted = Vec::with_capacity(valid.len());
    for desired in valid {
        match known.get(&key(desired)) {
            Some(row) => {
                let specs = if to_record.contains(&row.id) {
                    &now
                } else {
                    &before
                };
                admitted.extend(batch.admit(import, desired, row, specs));
            }
            None if import.dry_run => {
                batch.recorded += 1;
                batch.unsynced += 1;
            }
            None => batch.refuse(desired, "its row in the inventory cannot be read".to_owned()),
        }
    }
    let changed = admitted.iter().filter_map(|admitted| {
        let before = admitted.before.as_ref()?.whole()?;
        Some(PlannedSpec {
            row: admitted.row,
            spec: &admitted.desired.spec,
            not_compared: admitted.desired.not_compared.to_column(before.spec_version),
            before,
        })
    });
    batch.closes = closed_by(txn, import.now, changed.collect()).await?;
    if !import.dry_run {
        let due = admitted
            .iter()
            .filter_map(|admitted| admitted.due_address(import));
        let due: BTreeMap<Uuid, String> = due.collect();
        let records = admitted
            .into_iter()
            .filter_map(|admitted| admitted.record(import));
        provisioning::record_in_txn(txn, records.collect(), import.actor, import.now).await?;
        addresses::write_in_txn(txn, &import.source, &due).await?;
    }
    Ok(batch)
}

/// Adds the declarations of other states to the desired resources. Fields on which the states disagree are not
/// compared, and are reported.
async fn with_declarations_in_txn(
    txn: &DatabaseTransaction,
    import: &Import<'_>,
    wanted: &[Desired],
    batch: &mut BatchResult,
) -> Result<Vec<Desired>> {
    locks::declarations_in_txn(txn, Lock::Share).await?;
    let keys: Vec<_> = wanted.iter().map(key).collect();
    let others = declarations::declarations_of_others(txn, import, &keys).await?;
    let mut wanted = wanted.to_vec();
    for (desired, key) in wanted.iter_mut().zip(&keys) {
        let disagreements = declarations::apply_all_declarations(import, &others, key, &mut desired.spec);
        for reason in disagreements {
            batch.refuse(desired, reason);
        }
    }
    Ok(wanted)
}

/// A desired resource that was not refused.
struct Admitted<'a> {
    row: &'a resources::Model,
    desired: &'a Desired,
    before: Option<StoredSpec>,
    record: bool,
}

impl Admitted<'_> {
    fn record(self, import: &Import<'_>) -> Option<NewSpec> {
        self.record.then(|| NewSpec {
            resource_id: self.row.id,
            before: self.before,
            spec: Value::Object(self.desired.spec.clone()),
            source: import.source.clone(),
            not_compared: self.desired.not_compared.clone(),
            address: storable(&self.desired.address).map(str::to_owned),
        })
    }

    /// Returns the address to write apart from the spec, if any.
    fn due_address(&self, import: &Import<'_>) -> Option<(Uuid, String)> {
        let address = &self.desired.address;
        let is_due = addresses::is_due(self.before.as_ref(), &import.source, address, self.record);
        is_due.then(|| (self.row.id, address.clone()))
    }
}

impl BatchResult {
    /// Decides whether to record one spec, and counts the decision. Returns None if the instance is refused.
    fn admit<'a>(
        &mut self,
        import: &Import<'_>,
        desired: &'a Desired,
        row: &'a resources::Model,
        specs: &Specs,
    ) -> Option<Admitted<'a>> {
        let before = specs.get(&row.id).cloned();
        let owner = || {
            let spec = before.as_ref().and_then(StoredSpec::whole);
            spec.map(|spec| spec.source.clone()).unwrap_or_default()
        };
        let action = action_for(specs, row.id, desired, import);
        match action {
            None => {
                self.refuse(desired, "its spec cannot be read".to_owned());
                return None;
            }
            Some(ImportAction::Refuse) => {
                self.refuse(desired, belongs_to(&owner()));
                return None;
            }
            Some(ImportAction::TakeOver) => self.taken_over.push(TakenOver {
                address: desired.address.clone(),
                kind: desired.kind.to_owned(),
                provider_id: desired.provider_id.clone(),
                from: owner(),
            }),
            Some(ImportAction::Keep) => self.unchanged += 1,
            Some(ImportAction::Record) => {
                let active = before.as_ref().is_some_and(StoredSpec::is_active);
                *(if active {
                    &mut self.changed
                } else {
                    &mut self.recorded
                }) += 1;
            }
        }
        self.unsynced += u64::from(is_unsynced(row.first_seen_at, row.gone_at));
        Some(Admitted {
            row,
            desired,
            before,
            record: action.is_some_and(ImportAction::writes_version),
        })
    }

    fn refuse(&mut self, desired: &Desired, reason: String) {
        self.refused.push(RefusedResource {
            address: desired.address.clone(),
            kind: desired.kind.to_owned(),
            provider_id: desired.provider_id.clone(),
            reason,
        });
    }
}

fn belongs_to(owner: &str) -> String {
    let way_out = if may_be_taken_over(owner) {
        "; import with --take-over (in the API: takeOver) to take it over"
    } else {
        ""
    };
    format!("its spec belongs to {owner}{way_out}")
}

fn check(desired: &Desired) -> Result<(), InvalidInput> {
    let region = desired.region.as_deref();
    check_identity(&desired.provider_id, &desired.name, &desired.urn, region)?;
    check_spec(&Value::Object(desired.spec.clone()))
}

/// Returns what to do with one spec, or None if the row of the recorded spec cannot be decoded.
fn action_for(specs: &Specs, resource: Uuid, desired: &Desired, import: &Import<'_>) -> Option<ImportAction> {
    let before = match specs.get(&resource) {
        Some(stored) => Some(stored.whole()?),
        None => None,
    };
    let spec = Value::Object(desired.spec.clone());
    let action = import_action(before, &spec, &import.source, import.take_over);
    let same_parts = before.is_some_and(|before| NotCompared::of(before) == desired.not_compared);
    Some(match action {
        ImportAction::Keep if !same_parts => ImportAction::Record,
        action => action,
    })
}
