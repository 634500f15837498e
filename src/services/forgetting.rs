//! Forgetting: deletes a resource and everything that is stored about it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use entity::cloud_drift::{self as drift, DriftStatus};
use entity::cloud_resource_events::{self as events, EventType};
use entity::{
    cloud_provisioned as provisioned, cloud_resources as resources, forgotten_resources as forgotten,
};
use sea_orm::{
    ActiveEnum as _, ActiveModelTrait as _, ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait,
    EntityTrait, Iterable as _, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
};
use uuid::Uuid;

use super::events::SYSTEM;
use super::locks::{self, Lock, locked};
use super::page::{self, Order, Page, PageRequest};
use super::stored_specs::{StoredSpec, stored_specs_in_txn};
use super::totals;
use crate::db::{DatabaseTransaction, Db, column, decode};
use crate::domain::retention::{
    DeletionFacts, EventClass, decide_forget, event_class, is_closed_by_decision, is_decision,
};
use crate::domain::validation::{MAX_TEXT_BYTES, check_text};
use crate::error::{Error, Result};

/// A request to forget a resource.
#[derive(Clone, Debug)]
pub(crate) struct Forget {
    pub resource_id: Uuid,
    /// The reason, which is kept in the record of the forgotten resource.
    pub note: Option<String>,
    /// Whether to delete the resource even if people made decisions about it.
    pub include_history: bool,
}

/// The number of deleted rows, by table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Removed {
    pub resources: u64,
    /// Retired specs.
    pub specs: u64,
    pub drifts: u64,
    pub events: u64,
}

/// Deletes a gone or unsynced resource with its retired spec, drifts and events, as a decision of `actor`. Returns the
/// record of the forgotten resource, which is kept.
///
/// # Errors
///
/// NOT_FOUND for an unknown resource; NOT_FORGETTABLE if the resource exists in the cloud, if a spec is in force, or if
/// people made decisions about it and `include_history` is false; BAD_USER_INPUT if the note cannot be stored.
pub(crate) async fn forget_resource(
    db: &Db,
    actor: &str,
    forget: &Forget,
    now: DateTime<Utc>,
) -> Result<forgotten::Model> {
    if let Some(note) = &forget.note {
        check_text("note", note, MAX_TEXT_BYTES)?;
    }
    db.write_txn(|txn| async move {
        let (provider, kind) = resources::Entity::find_by_id(forget.resource_id)
            .select_only()
            .columns([resources::Column::Provider, resources::Column::Kind])
            .into_tuple::<(String, String)>()
            .one(&*txn)
            .await?
            .ok_or(Error::NotFound("resource"))?;
        // The lock keeps a sync from reading a row of this kind while it is deleted.
        locks::kind_in_txn(&txn, &provider, &kind).await?;
        let resource = locks::resource_in_txn(&txn, forget.resource_id, Lock::Update).await?;
        let mut facts = deletion_facts_in_txn(&txn, &[resource.id]).await?;
        let facts = facts.remove(&resource.id).ok_or(Error::NotFound("resource"))?;
        decide_forget(&facts, forget.include_history).map_err(Error::NotForgettable)?;
        remove_in_txn(&txn, &[resource.id]).await?;
        let row = forgotten::ActiveModel {
            id: Set(Uuid::now_v7()),
            resource_id: Set(resource.id),
            provider: Set(resource.provider),
            kind: Set(resource.kind),
            provider_id: Set(resource.provider_id),
            name: Set(resource.name),
            decisions: Set(i64::try_from(facts.decisions).unwrap_or(i64::MAX)),
            forgotten_at: Set(now),
            forgotten_by: Set(actor.to_owned()),
            note: Set(forget.note.clone()),
        };
        Ok(row.insert(&*txn).await?)
    })
    .await
}

/// Locks resources, then their specs, each in the order of ids, and returns the facts that decide whether a resource
/// may be deleted. The caller has locked the kinds. A resource that does not exist is left out.
pub(super) async fn deletion_facts_in_txn(
    txn: &DatabaseTransaction,
    ids: &[Uuid],
) -> Result<BTreeMap<Uuid, DeletionFacts>> {
    let rows = resources::Entity::find()
        .select_only()
        .columns([
            resources::Column::Id,
            resources::Column::FirstSeenAt,
            resources::Column::GoneAt,
        ])
        .filter(resources::Column::Id.is_in(ids.iter().copied()))
        .order_by_asc(resources::Column::Id);
    let rows = locked(rows, Lock::Update).build(txn.get_database_backend());
    let mut facts = BTreeMap::new();
    for row in txn.query_all_raw(rows).await? {
        let time = |name| column::<Option<DateTime<Utc>>>(&row, "", name);
        // A resource whose times do not decode is left out, so that it is not deleted.
        if let (Ok(id), Ok(first_seen_at), Ok(gone_at)) = (
            column::<Uuid>(&row, "", "id"),
            time("first_seen_at"),
            time("gone_at"),
        ) {
            let known = DeletionFacts {
                first_seen_at,
                gone_at,
                ..DeletionFacts::default()
            };
            facts.insert(id, known);
        }
    }
    for (id, spec) in stored_specs_in_txn(txn, ids.iter().copied(), Some(Lock::Update)).await? {
        let Some(of_resource) = facts.get_mut(&id) else {
            continue;
        };
        of_resource.retired_at = spec.whole().and_then(|spec| spec.retired_at);
        // A spec that does not decode counts as in force, because it is unknown whether and when it was retired.
        of_resource.has_spec = spec.is_active() || matches!(spec, StoredSpec::Broken { .. });
    }
    count_decisions_in_txn(txn, ids, &mut facts).await?;
    Ok(facts)
}

async fn count_decisions_in_txn(
    txn: &DatabaseTransaction,
    ids: &[Uuid],
    facts: &mut BTreeMap<Uuid, DeletionFacts>,
) -> Result<()> {
    let mut decided: BTreeMap<Uuid, u64> = BTreeMap::new();
    let rows = drift::Entity::find()
        .select_only()
        .columns([drift::Column::ResourceId, drift::Column::Status])
        .filter(drift::Column::ResourceId.is_in(ids.iter().copied()))
        .filter(drift::Column::Status.ne(DriftStatus::Stale));
    for row in txn.query_all_raw(rows.build(txn.get_database_backend())).await? {
        let resource: Uuid = column(&row, "", "resource_id")?;
        match column::<DriftStatus>(&row, "", "status") {
            Ok(status) if is_closed_by_decision(status) => *decided.entry(resource).or_default() += 1,
            // An unknown status, such as one of a newer version, counts as open, so that a purge keeps the row.
            Ok(_) | Err(_) => {
                if let Some(facts) = facts.get_mut(&resource) {
                    facts.has_open_drift = true;
                }
            }
        }
    }
    let mut accepted: BTreeMap<Uuid, u64> = BTreeMap::new();
    let rows = events::Entity::find()
        .filter(events::Column::ResourceId.is_in(ids.iter().copied()))
        .filter(may_be_decision());
    for row in txn.query_all_raw(rows.build(txn.get_database_backend())).await? {
        let resource: Uuid = column(&row, "", "resource_id")?;
        let event = decode::<events::Model>(&row, "");
        let by_person = event
            .as_ref()
            .is_none_or(|event| is_decision(event.event_type, event.actor == SYSTEM, &event.data));
        if event.is_some_and(|event| event.event_type == EventType::DriftAccepted) {
            *accepted.entry(resource).or_default() += 1;
        } else if by_person && let Some(facts) = facts.get_mut(&resource) {
            facts.decisions += 1;
        }
    }
    for (id, facts) in facts {
        let of = |counts: &BTreeMap<Uuid, u64>| counts.get(id).copied().unwrap_or_default();
        facts.decisions += of(&decided).max(of(&accepted));
    }
    Ok(())
}

/// Returns the condition that an event may be a decision. Event types of newer versions match too.
fn may_be_decision() -> Condition {
    let observed = EventType::iter().filter(|event_type| event_class(*event_type) != EventClass::Decision);
    Condition::all()
        .add(events::Column::EventType.is_not_in(observed.map(|event_type| event_type.to_value())))
}

/// Deletes locked resources with their specs, drifts and events.
pub(super) async fn remove_in_txn(txn: &DatabaseTransaction, ids: &[Uuid]) -> Result<Removed> {
    if ids.is_empty() {
        return Ok(Removed::default());
    }
    let ids = || ids.iter().copied();
    let specs = provisioned::Entity::delete_many().filter(provisioned::Column::ResourceId.is_in(ids()));
    let drifts = drift::Entity::delete_many().filter(drift::Column::ResourceId.is_in(ids()));
    let events = events::Entity::delete_many().filter(events::Column::ResourceId.is_in(ids()));
    let rows = resources::Entity::delete_many().filter(resources::Column::Id.is_in(ids()));
    Ok(Removed {
        specs: specs.exec(txn).await?.rows_affected,
        drifts: drifts.exec(txn).await?.rows_affected,
        events: events.exec(txn).await?.rows_affected,
        resources: rows.exec(txn).await?.rows_affected,
    })
}

pub(crate) const NEWEST_FIRST: Order<forgotten::Column> = Order {
    time: Some(forgotten::Column::ForgottenAt),
    id: forgotten::Column::Id,
    descending: true,
};

/// Returns one page of the records of forgotten resources, newest first.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn list<C: ConnectionTrait>(
    connection: &C,
    request: &PageRequest,
) -> Result<Page<forgotten::Model>> {
    page::fetch(connection, forgotten::Entity::find(), NEWEST_FIRST, request).await
}

/// Returns the number of records of forgotten resources.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn count<C: ConnectionTrait>(connection: &C) -> Result<i64> {
    totals::count_forgotten(connection).await
}

/// Returns the record with this id.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn find<C: ConnectionTrait>(connection: &C, id: Uuid) -> Result<Option<forgotten::Model>> {
    page::find_one(connection, forgotten::Entity::find_by_id(id)).await
}
