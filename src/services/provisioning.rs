//! The desired state: recording a spec, and retiring it.

use chrono::{DateTime, Utc};
use entity::cloud_provisioned as provisioned;
use entity::cloud_resource_events::EventType;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait,
    IntoActiveModel, QueryFilter,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::events::{self, NewEvent};
use super::locks::{self, Lock};
use crate::db::{Db, ROWS_PER_INSERT, decodable};
use crate::domain::admission::check_spec;
use crate::error::{Error, Result};

/// Source of a spec that was recorded over the API.
pub const SOURCE_API: &str = "api";
/// Source of a spec that was taken from the live resource.
pub const SOURCE_BASELINE: &str = "baseline";
/// Source of a spec that a Terraform state has, before the lineage of the state.
pub const SOURCE_TERRAFORM: &str = "terraform:";

/// A spec to record.
#[derive(Clone, Debug)]
pub struct RecordSpec {
    /// Resource that it is about.
    pub resource_id: Uuid,
    /// JSON object of fields.
    pub spec: Value,
    /// Who owns the spec.
    pub source: String,
    /// The version that the caller believes to replace, 0 for none. None replaces any.
    pub expected_version: Option<i32>,
}

/// Records the desired state of a resource: version 1, or one more than the version before, whether that
/// one was retired or not.
///
/// BAD_USER_INPUT for a spec that may not enter, NOT_FOUND for an unknown resource, SPEC_VERSION_CONFLICT
/// if `expected_version` is not the version now.
pub async fn record_provisioned(
    db: &Db,
    actor: &str,
    record: &RecordSpec,
    now: DateTime<Utc>,
) -> Result<provisioned::Model> {
    check_spec(&record.spec)?;
    db.write_txn(|txn| async move {
        // Exclusively: the spec may not exist yet, and then its row cannot be locked.
        let resource = locks::resource_in_txn(&txn, record.resource_id, Lock::Update).await?;
        let before = locks::spec_in_txn(&txn, record.resource_id, Lock::Update).await?;
        let active = before.as_ref().filter(|spec| spec.retired_at.is_none());
        let current = active.map_or(0, |spec| spec.spec_version);
        if record
            .expected_version
            .is_some_and(|expected| expected != current)
        {
            return Err(Error::SpecVersionConflict { current });
        }
        let spec = NewSpec {
            resource_id: resource.id,
            before,
            spec: record.spec.clone(),
            source: record.source.clone(),
        };
        let recorded = record_in_txn(&txn, vec![spec], actor, now).await?;
        let none = || Error::Internal("a spec was recorded and is not there".to_owned());
        recorded.into_iter().next().ok_or_else(none)
    })
    .await
}

/// The next version of the spec of a resource that is locked.
#[derive(Clone, Debug)]
pub struct NewSpec {
    /// The resource.
    pub resource_id: Uuid,
    /// Its spec now, in force or retired; it is locked too.
    pub before: Option<provisioned::Model>,
    /// JSON object of fields.
    pub spec: Value,
    /// Who owns it from now on.
    pub source: String,
}

/// Records specs of resources that are locked, each with its event.
pub async fn record_in_txn(
    txn: &DatabaseTransaction,
    specs: Vec<NewSpec>,
    actor: &str,
    now: DateTime<Utc>,
) -> Result<Vec<provisioned::Model>> {
    let mut recorded = Vec::with_capacity(specs.len());
    let mut first = Vec::new();
    for new in specs {
        check_spec(&new.spec)?;
        let Some(before) = new.before else {
            first.push(provisioned::ActiveModel {
                id: Set(Uuid::now_v7()),
                resource_id: Set(new.resource_id),
                spec: Set(new.spec),
                spec_version: Set(1),
                source: Set(new.source),
                recorded_by: Set(actor.to_owned()),
                recorded_at: Set(now),
                retired_at: Set(None),
                created_at: Set(now),
            });
            continue;
        };
        let version = before.spec_version + 1;
        let mut row = before.into_active_model();
        row.spec = Set(new.spec);
        row.spec_version = Set(version);
        row.source = Set(new.source);
        row.recorded_by = Set(actor.to_owned());
        row.recorded_at = Set(now);
        row.retired_at = Set(None);
        recorded.push(row.update(txn).await?);
    }
    for chunk in first.chunks(ROWS_PER_INSERT) {
        let insert = provisioned::Entity::insert_many(chunk.to_vec());
        recorded.extend(insert.exec_with_returning(txn).await?);
    }
    let happened = recorded.iter().map(|spec| NewEvent {
        resource_id: spec.resource_id,
        event_type: EventType::SpecRecorded,
        data: json!({ "specVersion": spec.spec_version, "source": spec.source }),
    });
    events::append_in_txn(txn, happened.collect(), actor, now).await?;
    Ok(recorded)
}

/// Writes another version of a spec that is locked.
pub async fn replace_in_txn(
    txn: &DatabaseTransaction,
    before: provisioned::Model,
    spec: Value,
    actor: &str,
    now: DateTime<Utc>,
) -> Result<provisioned::Model> {
    check_spec(&spec)?;
    let version = before.spec_version + 1;
    let mut row = before.into_active_model();
    row.spec = Set(spec);
    row.spec_version = Set(version);
    row.recorded_by = Set(actor.to_owned());
    row.recorded_at = Set(now);
    Ok(row.update(txn).await?)
}

/// Retires a spec that is locked: nothing is wanted any more. The version rises, so that a later spec of
/// the resource goes on from it.
pub async fn retire_in_txn(
    txn: &DatabaseTransaction,
    before: provisioned::Model,
    actor: &str,
    now: DateTime<Utc>,
) -> Result<provisioned::Model> {
    let version = before.spec_version + 1;
    let resource_id = before.resource_id;
    let mut row = before.into_active_model();
    row.spec_version = Set(version);
    row.recorded_by = Set(actor.to_owned());
    row.recorded_at = Set(now);
    row.retired_at = Set(Some(now));
    let retired = row.update(txn).await?;
    let data = json!({ "specVersion": version });
    let event = NewEvent {
        resource_id,
        event_type: EventType::SpecRetired,
        data,
    };
    events::append_in_txn(txn, vec![event], actor, now).await?;
    Ok(retired)
}

/// The specs in force of these resources, in one statement.
pub async fn active_specs_of<C: ConnectionTrait>(
    connection: &C,
    resources: &[Uuid],
) -> Result<Vec<provisioned::Model>> {
    let select = provisioned::Entity::find()
        .filter(provisioned::Column::ResourceId.is_in(resources.iter().copied()))
        .filter(provisioned::Column::RetiredAt.is_null());
    Ok(decodable(select, connection).await?.0)
}

/// The spec of this id, if it is in force.
pub async fn find_active<C: ConnectionTrait>(connection: &C, id: Uuid) -> Result<Option<provisioned::Model>> {
    let select = provisioned::Entity::find_by_id(id).filter(provisioned::Column::RetiredAt.is_null());
    Ok(decodable(select, connection).await?.0.into_iter().next())
}
