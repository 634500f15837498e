//! One batch of an import.

use std::collections::{BTreeMap, BTreeSet};

use entity::cloud_drift::{self as drift, DriftStatus};
use entity::{cloud_provisioned as provisioned, cloud_resources as resources};
use sea_orm::sea_query::{ExprTrait as _, OnConflict};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter,
    QueryOrder, QueryTrait,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Closing, Import, Refusal};
use crate::db::{ROWS_PER_INSERT, decodable, decode};
use crate::domain::admission::{Inadmissible, check_spec};
use crate::domain::imports::{Decision, decide};
use crate::domain::sweep::{Change, Pair, plan};
use crate::error::Result;
use crate::provider::check_identity;
use crate::provider::terraform::{Desired, PROVIDER};
use crate::services::locks::{self, Lock, locked};
use crate::services::provisioning::{self, NewSpec};

/// What a batch did, or would do.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) recorded: u64,
    pub(super) changed: u64,
    pub(super) unchanged: u64,
    pub(super) retired: u64,
    pub(super) unsynced: u64,
    pub(super) refused: Vec<Refusal>,
    pub(super) closes: Vec<Closing>,
}

/// A spec of a resource; None where its row does not decode.
type Specs = BTreeMap<Uuid, Option<provisioned::Model>>;

/// Records one batch of what a state asks for.
pub(super) async fn import_in_txn(
    txn: &DatabaseTransaction,
    import: &Import<'_>,
    wanted: &[Desired],
) -> Result<Batch> {
    let mut batch = Batch::default();
    let mut admitted = Vec::with_capacity(wanted.len());
    for desired in wanted {
        match check(desired) {
            Ok(()) => admitted.push(desired),
            Err(why) => batch.refuse(desired, why.to_string()),
        }
    }
    let known = known_or_new_in_txn(txn, import, &admitted).await?;
    let before = specs(txn, known.values().map(|row| row.id), None).await?;
    // What is recorded already needs no lock.
    let to_record: BTreeSet<Uuid> = admitted
        .iter()
        .filter_map(|desired| Some((*desired, known.get(&key(desired))?)))
        .filter(|(desired, row)| decision(&before, row.id, desired, import) == Some(Decision::Record))
        .map(|(_, row)| row.id)
        .collect();
    let now = lock_in_txn(txn, &to_record).await?;
    let mut asked = Vec::with_capacity(admitted.len());
    for desired in admitted {
        match known.get(&key(desired)) {
            Some(row) => {
                let specs = if to_record.contains(&row.id) {
                    &now
                } else {
                    &before
                };
                asked.extend(batch.judge(import, desired, row, specs));
            }
            None if import.dry_run => {
                batch.recorded += 1;
                batch.unsynced += 1;
            }
            None => batch.refuse(desired, "its row in the inventory does not decode".to_owned()),
        }
    }
    batch.closes = closed_by(txn, import, &asked).await?;
    if !import.dry_run {
        let records = asked.into_iter().filter_map(|asked| asked.record(import));
        provisioning::record_in_txn(txn, records.collect(), import.actor, import.now).await?;
    }
    Ok(batch)
}

/// What a state asks of a resource, and may ask.
struct Asked<'a> {
    row: &'a resources::Model,
    desired: &'a Desired,
    before: Option<provisioned::Model>,
    record: bool,
}

impl Asked<'_> {
    fn record(self, import: &Import<'_>) -> Option<NewSpec> {
        self.record.then(|| NewSpec {
            resource_id: self.row.id,
            before: self.before,
            spec: Value::Object(self.desired.spec.clone()),
            source: import.source.clone(),
        })
    }
}

impl Batch {
    /// Counts what becomes of one spec; None if nothing may.
    fn judge<'a>(
        &mut self,
        import: &Import<'_>,
        desired: &'a Desired,
        row: &'a resources::Model,
        specs: &Specs,
    ) -> Option<Asked<'a>> {
        let before = specs.get(&row.id).cloned().flatten();
        let decision = decision(specs, row.id, desired, import);
        match decision {
            None => {
                self.refuse(desired, "its spec does not decode".to_owned());
                return None;
            }
            Some(Decision::Refuse) => {
                let owner = before.map(|spec| spec.source).unwrap_or_default();
                self.refuse(desired, format!("its spec belongs to {owner}"));
                return None;
            }
            Some(Decision::Keep) => self.unchanged += 1,
            Some(Decision::Record) => {
                let active = before.as_ref().is_some_and(|spec| spec.retired_at.is_none());
                *(if active {
                    &mut self.changed
                } else {
                    &mut self.recorded
                }) += 1;
            }
        }
        self.unsynced += u64::from(row.first_seen_at.is_none() && row.gone_at.is_none());
        Some(Asked {
            row,
            desired,
            before,
            record: decision == Some(Decision::Record),
        })
    }

    fn refuse(&mut self, desired: &Desired, reason: String) {
        self.refused.push(Refusal {
            address: desired.address.clone(),
            kind: desired.kind.to_owned(),
            provider_id: desired.provider_id.clone(),
            reason,
        });
    }
}

fn key(desired: &Desired) -> (String, String) {
    (desired.kind.to_owned(), desired.provider_id.clone())
}

fn check(desired: &Desired) -> Result<(), Inadmissible> {
    let region = desired.region.as_deref();
    check_identity(&desired.provider_id, &desired.name, &desired.urn, region)?;
    check_spec(&Value::Object(desired.spec.clone()))
}

/// None where the spec's row does not decode.
fn decision(specs: &Specs, resource: Uuid, desired: &Desired, import: &Import<'_>) -> Option<Decision> {
    let before = match specs.get(&resource) {
        Some(None) => return None,
        Some(Some(spec)) => Some(spec),
        None => None,
    };
    let spec = Value::Object(desired.spec.clone());
    Some(decide(before, &spec, &import.source))
}

/// The rows of these resources. One that nobody has heard of gets its row, under the lock of its kind.
async fn known_or_new_in_txn(
    txn: &DatabaseTransaction,
    import: &Import<'_>,
    wanted: &[&Desired],
) -> Result<BTreeMap<(String, String), resources::Model>> {
    let known = rows_of(txn, wanted).await?;
    let new: Vec<&Desired> = wanted
        .iter()
        .copied()
        .filter(|desired| !known.contains_key(&key(desired)))
        .collect();
    if new.is_empty() || import.dry_run {
        return Ok(known);
    }
    let kinds: BTreeSet<&str> = new.iter().map(|desired| desired.kind).collect();
    for kind in kinds {
        locks::kind_in_txn(txn, PROVIDER, kind).await?;
    }
    let rows: Vec<resources::ActiveModel> = new.into_iter().map(unseen).collect();
    for chunk in rows.chunks(ROWS_PER_INSERT) {
        resources::Entity::insert_many(chunk.to_vec())
            .on_conflict(OnConflict::new().do_nothing().to_owned())
            .exec_without_returning(txn)
            .await?;
    }
    rows_of(txn, wanted).await
}

/// A row of which no listing knows.
fn unseen(desired: &Desired) -> resources::ActiveModel {
    resources::ActiveModel {
        id: Set(Uuid::now_v7()),
        provider: Set(PROVIDER.to_owned()),
        kind: Set(desired.kind.to_owned()),
        provider_id: Set(desired.provider_id.clone()),
        urn: Set(desired.urn.clone()),
        name: Set(desired.name.clone()),
        region: Set(desired.region.clone()),
        size_slug: Set(None),
        status: Set(None),
        tags: Set(json!([])),
        ip: Set(None),
        vpc_uuid: Set(None),
        project_id: Set(None),
        attrs: Set(json!({})),
        revision: Set(1),
        first_seen_at: Set(None),
        gone_at: Set(None),
        settling_since: Set(None),
        owned: Set(false),
    }
}

async fn rows_of<C: ConnectionTrait>(
    connection: &C,
    wanted: &[&Desired],
) -> Result<BTreeMap<(String, String), resources::Model>> {
    let mut by_kind: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for desired in wanted {
        by_kind
            .entry(desired.kind)
            .or_default()
            .push(&desired.provider_id);
    }
    if by_kind.is_empty() {
        return Ok(BTreeMap::new());
    }
    let any = by_kind.into_iter().fold(Condition::any(), |any, (kind, ids)| {
        let of_kind = resources::Column::Kind.eq(kind);
        any.add(of_kind.and(resources::Column::ProviderId.is_in(ids)))
    });
    let select = resources::Entity::find()
        .filter(resources::Column::Provider.eq(PROVIDER))
        .filter(any);
    let (rows, _) = decodable(select, connection).await?;
    Ok(rows
        .into_iter()
        .map(|row| ((row.kind.clone(), row.provider_id.clone()), row))
        .collect())
}

async fn specs(
    txn: &DatabaseTransaction,
    resources: impl Iterator<Item = Uuid>,
    lock: Option<Lock>,
) -> Result<Specs> {
    let mut select = provisioned::Entity::find()
        .filter(provisioned::Column::ResourceId.is_in(resources))
        .order_by_asc(provisioned::Column::ResourceId);
    if let Some(lock) = lock {
        select = locked(select, lock);
    }
    let rows = txn
        .query_all_raw(select.build(txn.get_database_backend()))
        .await?;
    rows.iter()
        .map(|row| Ok((row.try_get("", "resource_id")?, decode(row, ""))))
        .collect()
}

/// Locks resources and their specs, each in the order of ids, and reads the specs as they are now.
async fn lock_in_txn(txn: &DatabaseTransaction, ids: &BTreeSet<Uuid>) -> Result<Specs> {
    if ids.is_empty() {
        return Ok(Specs::new());
    }
    let rows = resources::Entity::find()
        .filter(resources::Column::Id.is_in(ids.iter().copied()))
        .order_by_asc(resources::Column::Id);
    let rows = locked(rows, Lock::Update);
    txn.query_all_raw(rows.build(txn.get_database_backend())).await?;
    specs(txn, ids.iter().copied(), Some(Lock::Update)).await
}

async fn open_drifts<C: ConnectionTrait>(connection: &C, resources: &[Uuid]) -> Result<Vec<drift::Model>> {
    let select = drift::Entity::find()
        .filter(drift::Column::Status.eq(DriftStatus::Open))
        .filter(drift::Column::ResourceId.is_in(resources.iter().copied()))
        .order_by_asc(drift::Column::Id);
    Ok(decodable(select, connection).await?.0)
}

/// The open drifts that a sweep closes once the specs say this.
async fn closed_by(
    txn: &DatabaseTransaction,
    import: &Import<'_>,
    asked: &[Asked<'_>],
) -> Result<Vec<Closing>> {
    let ids: Vec<Uuid> = asked.iter().map(|asked| asked.row.id).collect();
    let mut open: BTreeMap<Uuid, Vec<drift::Model>> = BTreeMap::new();
    for row in open_drifts(txn, &ids).await? {
        open.entry(row.resource_id).or_default().push(row);
    }
    let mut closes = Vec::new();
    for asked in asked {
        let (Some(open), Some(before)) = (open.remove(&asked.row.id), &asked.before) else {
            continue;
        };
        let pair = Pair {
            spec: provisioned::Model {
                spec: Value::Object(asked.desired.spec.clone()),
                retired_at: None,
                ..before.clone()
            },
            resource: asked.row.clone(),
            open,
        };
        for change in plan(&pair, import.now).changes {
            if let Change::Close { drift, field } = change {
                closes.push(closing(asked.row, drift, field));
            }
        }
    }
    Ok(closes)
}

/// The open drifts of resources that leave the state: nothing is wanted of them any more.
pub(super) async fn closed_by_leaving(txn: &DatabaseTransaction, leaving: &[Uuid]) -> Result<Vec<Closing>> {
    let rows = crate::services::resources::by_ids(txn, leaving).await?;
    let rows: BTreeMap<Uuid, resources::Model> = rows.into_iter().map(|row| (row.id, row)).collect();
    let open = open_drifts(txn, leaving).await?;
    Ok(open
        .into_iter()
        .filter_map(|open| Some(closing(rows.get(&open.resource_id)?, open.id, open.field)))
        .collect())
}

fn closing(row: &resources::Model, drift_id: Uuid, field: String) -> Closing {
    Closing {
        drift_id,
        kind: row.kind.clone(),
        name: row.name.clone(),
        field,
    }
}
