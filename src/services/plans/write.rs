//! Writes the instances of a plan: the inventory and the specs.

use std::collections::{BTreeMap, BTreeSet};

use entity::{cloud_drift as drift, cloud_resources as resources, plan_instances};
use sea_orm::sea_query::Query;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QuerySelect,
    Statement,
};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::known::Earlier;
use super::notes;
use super::outline::{PlanSummary, UndecidedInstance};
use super::{Import, ReadChunk, hiding};
use crate::db::{DatabaseTransaction, ROWS_PER_INSERT};
use crate::domain::addresses::storable as storable_address;
use crate::domain::imports::{ImportAction, import_action};
use crate::domain::inventory::ListedResource;
use crate::domain::not_compared::NotCompared;
use crate::domain::redaction::redacted;
use crate::domain::validation::{InvalidInput, check_spec};
use crate::error::{Error, Result};
use crate::provider::check_resource;
use crate::provider::terraform_plan::{Instance, Sides};
use crate::services::addresses;
use crate::services::inventory::plan_rows;
use crate::services::locks::Lock;
use crate::services::page;
use crate::services::provisioning::{self, NewSpec};
use crate::services::retirement;
use crate::services::stored_specs::{StoredSpec, stored_specs_in_txn};

/// What an import has written.
#[derive(Default)]
pub(super) struct Written {
    pub(super) summary: PlanSummary,
    /// Rows of the instances of the state.
    pub(super) resources: BTreeSet<Uuid>,
    /// Rows of the instances that left the state.
    pub(super) left: Vec<Uuid>,
}

/// Provider and kind.
pub(super) type Kind = (String, String);

/// Writes some instances. Those with a value that cannot be stored are left out and named.
///
/// # Errors
///
/// The database is unavailable.
pub(super) async fn write_in_txn(
    txn: &DatabaseTransaction,
    import: &Import<'_>,
    earlier: &Earlier,
    chunk: ReadChunk,
    written: &mut Written,
) -> Result<()> {
    let mut by_kind: BTreeMap<Kind, Vec<Instance>> = BTreeMap::new();
    let known = &chunk.known;
    for instance in chunk.instances {
        written.summary.gone += u64::from(instance.gone);
        let swallowed = instance.fields.iter().filter(|field| field.swallowed);
        written.summary.swallowed += swallowed.count() as u64;
        if !instance.not_compared.is_empty() {
            written.summary.undecided.push(UndecidedInstance {
                address: instance.address.clone(),
                attributes: instance.not_compared.clone(),
            });
        }
        if !instance.undeclared_changes.is_empty() {
            written.summary.undeclared.push(UndecidedInstance {
                address: instance.address.clone(),
                attributes: instance.undeclared_changes.clone(),
            });
        }
        let kind = (instance.provider.clone(), instance.kind.clone());
        by_kind.entry(kind).or_default().push(instance);
    }
    for ((provider, kind), mut instances) in by_kind {
        let kind = (provider.as_str(), kind.as_str());
        instances.retain(|instance| match check(import, kind, instance) {
            Ok(()) => true,
            Err(why) => {
                written
                    .summary
                    .refused
                    .push(format!("{}: {why}", instance.address));
                // What cannot be stored has not left the state.
                written.resources.extend(earlier.resource(&instance.address));
                false
            }
        });
        move_in_txn(txn, import, earlier, kind, &instances).await?;
        let rows = write_rows_in_txn(txn, import, kind, &instances).await?;
        write_specs_in_txn(txn, import, earlier, &instances, &rows, written).await?;
        hiding::hide_in_txn(txn, import, known, &instances, &rows).await?;
        notes::note_instances_in_txn(txn, import, known, &instances, &rows).await?;
        written.resources.extend(rows.values());
        written.summary.instances += instances.len() as u64;
    }
    Ok(())
}

/// Returns the id of an instance at its provider: addresses are unique within a state, ids of the cloud are not.
fn provider_id(import: &Import<'_>, address: &str) -> String {
    format!("{}/{address}", import.state)
}

fn urn(import: &Import<'_>, (provider, kind): (&str, &str), address: &str) -> String {
    format!("{provider}:{kind}:{}", provider_id(import, address))
}

/// Checks that both sides of an instance can be stored.
fn check(import: &Import<'_>, kind: (&str, &str), instance: &Instance) -> Result<(), InvalidInput> {
    check_resource(&live(import, kind, instance))?;
    check_spec(&Value::Object(desired(instance)))
}

/// Gives the rows of moved instances their new address. If a row of another instance has the new address, such as one
/// that left the state, the moved instance gets that row.
async fn move_in_txn(
    txn: &DatabaseTransaction,
    import: &Import<'_>,
    earlier: &Earlier,
    kind: (&str, &str),
    instances: &[Instance],
) -> Result<()> {
    for instance in instances {
        let Some(from) = instance.previous_address.as_deref() else {
            continue;
        };
        let (Some(row), None) = (earlier.resource(from), earlier.resource(&instance.address)) else {
            continue;
        };
        let to = provider_id(import, &instance.address);
        let is_taken = resources::Entity::find()
            .filter(resources::Column::Provider.eq(kind.0))
            .filter(resources::Column::Kind.eq(kind.1))
            .filter(resources::Column::ProviderId.eq(to.as_str()));
        if page::count(txn, is_taken, resources::Column::Id).await? > 0 {
            continue;
        }
        let moved = resources::ActiveModel {
            provider_id: Set(to),
            urn: Set(urn(import, kind, &instance.address)),
            ..Default::default()
        };
        resources::Entity::update_many()
            .set(moved)
            .filter(resources::Column::Id.eq(row))
            .filter(resources::Column::Provider.eq(kind.0))
            .filter(resources::Column::Kind.eq(kind.1))
            .exec(txn)
            .await?;
    }
    Ok(())
}

/// Writes the inventory rows of instances of one kind, and returns their ids by address.
async fn write_rows_in_txn(
    txn: &DatabaseTransaction,
    import: &Import<'_>,
    kind: (&str, &str),
    instances: &[Instance],
) -> Result<BTreeMap<String, Uuid>> {
    let mut listed = Vec::with_capacity(instances.len());
    let mut gone = BTreeSet::new();
    for instance in instances {
        let resource = live(import, kind, instance);
        if instance.gone {
            gone.insert(resource.provider_id.clone());
        }
        listed.push(resource);
    }
    let ids =
        plan_rows::write_in_txn(txn, (import.state, kind.0, kind.1), &listed, &gone, import.now).await?;
    let of_instance = |instance: &Instance| {
        let id = ids.get(&provider_id(import, &instance.address)).copied();
        let unreadable = || Error::Internal("a row of the inventory cannot be read".to_owned());
        Ok((instance.address.clone(), id.ok_or_else(unreadable)?))
    };
    instances.iter().map(of_instance).collect()
}

/// Returns the live side of an instance.
///
/// The attributes of Terraform are attributes here, too. Only the name and the region are columns, so that rows can be
/// found by them. A declared attribute with the name of a column must not differ from it.
fn live(import: &Import<'_>, kind: (&str, &str), instance: &Instance) -> ListedResource {
    let column = |name: &str, else_: Option<&String>| match instance.fields.iter().find(|f| f.name == name) {
        Some(field) => match &field.sides {
            Sides::Shown {
                live: Value::String(text),
                ..
            } => Some(text.clone()),
            _ => None,
        },
        None => else_.cloned(),
    };
    let attrs = instance.fields.iter().map(|field| {
        let live = match &field.sides {
            // What is gone keeps its last values.
            Sides::Shown { desired, .. } if instance.gone => desired.clone(),
            Sides::Shown { live, .. } => live.clone(),
            Sides::Redacted { live, .. } => redacted(live),
        };
        (field.name.clone(), live)
    });
    ListedResource {
        provider_id: provider_id(import, &instance.address),
        urn: urn(import, kind, &instance.address),
        name: column("name", Some(&instance.name)).unwrap_or_default(),
        region: column("region", instance.region.as_ref()),
        size_slug: None,
        status: None,
        tags: Vec::new(),
        ip: None,
        vpc_uuid: None,
        project_id: None,
        attrs: attrs.collect(),
        settling: false,
        unread_fields: BTreeSet::new(),
    }
}

/// Returns the desired side of an instance.
fn desired(instance: &Instance) -> Map<String, Value> {
    let fields = instance.fields.iter().map(|field| {
        let desired = match &field.sides {
            Sides::Shown { desired, .. } => desired.clone(),
            Sides::Redacted {
                equal: true, live, ..
            } => redacted(live),
            Sides::Redacted { desired, .. } => redacted(desired),
        };
        (field.name.clone(), desired)
    });
    fields.collect()
}

/// Records the specs of instances that differ from those in force.
async fn write_specs_in_txn(
    txn: &DatabaseTransaction,
    import: &Import<'_>,
    earlier: &Earlier,
    instances: &[Instance],
    rows: &BTreeMap<String, Uuid>,
    written: &mut Written,
) -> Result<()> {
    let ids: BTreeSet<Uuid> = rows.values().copied().collect();
    let mut before = stored_specs_in_txn(txn, ids, Some(Lock::Update)).await?;
    let (mut specs, mut due) = (Vec::new(), BTreeMap::new());
    for instance in instances {
        let Some(id) = rows.get(&instance.address) else {
            continue;
        };
        let spec = Value::Object(desired(instance));
        let stored = before.remove(id);
        let whole = stored.as_ref().and_then(StoredSpec::whole);
        let is_active = stored.as_ref().is_some_and(StoredSpec::is_active);
        // The deletion was accepted, so the spec stays retired.
        let is_retired = stored.is_some() && !is_active && earlier.resource(&instance.address).is_some();
        if instance.gone && is_retired {
            written.summary.unchanged += 1;
            continue;
        }
        let action = import_action(whole, &spec, &import.source, false);
        if addresses::is_due(
            stored.as_ref(),
            &import.source,
            &instance.address,
            action.writes_version(),
        ) {
            due.insert(*id, instance.address.clone());
        }
        match action {
            ImportAction::Refuse => {
                let address = &instance.address;
                let refused = format!("{address}: its spec belongs to another source");
                written.summary.refused.push(refused);
                continue;
            }
            ImportAction::Keep => {
                written.summary.unchanged += 1;
                continue;
            }
            _ if is_active => written.summary.changed += 1,
            _ => written.summary.recorded += 1,
        }
        specs.push(NewSpec {
            resource_id: *id,
            before: stored,
            spec,
            source: import.source.clone(),
            not_compared: NotCompared::default(),
            address: storable_address(&instance.address).map(str::to_owned),
        });
    }
    provisioning::record_in_txn(txn, specs, import.actor, import.now).await?;
    addresses::write_in_txn(txn, &import.source, &due).await
}

/// Locks the rows of the instances of a state in the order of their ids, as sweeps and accepts do.
pub(super) async fn lock_in_txn(txn: &DatabaseTransaction, state: &str) -> Result<()> {
    if txn.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    // The rows are counted by the database, because a state may have many.
    let lock = "SELECT count(*) FROM (SELECT id FROM cloud_resources WHERE id IN \
        (SELECT resource_id FROM plan_instances WHERE state = $1) ORDER BY id FOR UPDATE) AS locked";
    let lock = Statement::from_sql_and_values(DbBackend::Postgres, lock, [state.into()]);
    txn.query_one_raw(lock).await?;
    Ok(())
}

/// Returns the resources of a state with an open drift because they are missing.
pub(super) async fn missing_in_txn(txn: &DatabaseTransaction, state: &str) -> Result<BTreeSet<Uuid>> {
    let missing: Vec<Uuid> = drift::Entity::find()
        .select_only()
        .column(drift::Column::ResourceId)
        .filter(drift::Column::Status.eq(drift::DriftStatus::Open))
        .filter(drift::Column::Kind.eq(drift::DriftKind::Missing))
        .filter(drift::Column::ResourceId.in_subquery(rows_of(state)))
        .into_tuple()
        .all(txn)
        .await?;
    Ok(missing.into_iter().collect())
}

/// Selects the rows of the instances of a state.
pub(super) fn rows_of(state: &str) -> sea_orm::sea_query::SelectStatement {
    Query::select()
        .column(plan_instances::Column::ResourceId)
        .from(plan_instances::Entity)
        .and_where(plan_instances::Column::State.eq(state))
        .take()
}

/// Retires the specs of instances that left the state, and marks their rows as gone.
pub(super) async fn retire_in_txn(
    txn: &DatabaseTransaction,
    import: &Import<'_>,
    leaving: &[Uuid],
) -> Result<()> {
    for chunk in leaving.chunks(ROWS_PER_INSERT) {
        let stored = stored_specs_in_txn(txn, chunk.iter().copied(), Some(Lock::Update)).await?;
        let active = stored.into_iter().filter(|(_, stored)| stored.is_active());
        let (owned, foreign): (Vec<_>, Vec<_>) = active.partition(|(_, stored)| {
            let spec = stored.whole();
            spec.is_some_and(|spec| spec.source == import.source)
        });
        let owned: Vec<_> = owned
            .iter()
            .filter_map(|(_, stored)| stored.whole().cloned())
            .collect();
        let state = Some(import.source.as_str());
        retirement::retire_for_in_txn(txn, &owned, state, import.actor, import.now).await?;
        // A resource with a spec of another source stays as it is: that it left the state does not say that it is gone.
        let foreign: BTreeSet<Uuid> = foreign.into_iter().map(|(id, _)| id).collect();
        let ended: Vec<Uuid> = chunk.iter().copied().filter(|id| !foreign.contains(id)).collect();
        plan_rows::end_in_txn(txn, import.state, &ended, import.now).await?;
        notes::forget_in_txn(txn, chunk).await?;
    }
    Ok(())
}
