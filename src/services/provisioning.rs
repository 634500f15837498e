//! Specs: records the desired state of resources.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use entity::cloud_provisioned as provisioned;
use entity::cloud_resource_events::EventType;
use sea_orm::sea_query::{Expr, ExprTrait as _, OnConflict};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityName as _, EntityTrait,
    Iden as _, IntoActiveModel, QueryFilter, Statement,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::cells::{Cell, Cells, Reader};
use super::events::{self, NewEvent};
use super::locks::{self, Lock};
use super::spec_history::give_reason_in_txn;
use super::stored_specs::{StoredSpec, stored_specs_in_txn, version_in_force};
use crate::db::{DatabaseTransaction, Db, ROWS_PER_INSERT, decodable, lists, untested_first};
use crate::domain::imports::owning_state;
pub use crate::domain::imports::{SOURCE_API, SOURCE_BASELINE, SOURCE_TERRAFORM};
use crate::domain::not_compared::NotCompared;
use crate::domain::redaction::has_redacted;
use crate::domain::undo::Restored;
use crate::domain::validation::{MAX_TEXT_BYTES, check_spec, check_text};
use crate::error::{Error, Result};

/// A request to record a spec.
#[derive(Clone, Debug)]
pub struct RecordSpec {
    /// Id of the resource.
    pub resource_id: Uuid,
    /// JSON object that maps fields to expected values.
    pub spec: Value,
    /// Source of the spec, such as `api`.
    pub source: String,
    /// The version that the caller expects to be in force, 0 for none. None replaces any version.
    pub expected_version: Option<i32>,
    /// Whether a spec that a Terraform state owns is replaced. The next import of that state then refuses the resource.
    pub take_over: bool,
    /// The reason for the change.
    pub reason: Option<String>,
}

/// Records the spec of a resource. Its version is 1, or one more than that of the previous spec, even if that spec is
/// retired or does not decode.
///
/// # Errors
///
/// BAD_USER_INPUT if the spec is not valid; NOT_FOUND for an unknown resource; SPEC_VERSION_CONFLICT if
/// `expected_version` is not in force; SPEC_OWNED_BY_STATE if a Terraform state owns the spec and `take_over` is false.
pub async fn record_provisioned(
    db: &Db,
    actor: &str,
    record: &RecordSpec,
    now: DateTime<Utc>,
) -> Result<provisioned::Model> {
    check_spec(&record.spec)?;
    if has_redacted(&record.spec) {
        return Err(Error::BadUserInput(
            "the spec contains a redacted value, which is not known: record the other fields, or accept its drift".to_owned(),
        ));
    }
    if let Some(reason) = &record.reason {
        check_text("reason", reason, MAX_TEXT_BYTES)?;
    }
    db.write_txn(|txn| async move {
        // The lock is exclusive, because there may be no spec yet whose row could be locked.
        let resource = locks::resource_in_txn(&txn, record.resource_id, Lock::Update).await?;
        let mut stored = stored_specs_in_txn(&txn, [resource.id], Some(Lock::Update)).await?;
        let before = stored.remove(&resource.id);
        let current = version_in_force(before.as_ref());
        if record
            .expected_version
            .is_some_and(|expected| expected != current)
        {
            return Err(Error::SpecVersionConflict { current });
        }
        if let Some(owner) = before.as_ref().and_then(StoredSpec::whole).and_then(owning_state)
            && !record.take_over
            && owner != record.source
        {
            return Err(Error::SpecOwnedByState {
                source_name: owner.to_owned(),
            });
        }
        let spec = NewSpec {
            resource_id: resource.id,
            before,
            spec: record.spec.clone(),
            source: record.source.clone(),
            not_compared: NotCompared::default(),
            address: None,
        };
        let recorded = record_in_txn(&txn, vec![spec], actor, now).await?;
        let none = || Error::Internal("a recorded spec was not found".to_owned());
        let recorded = recorded.into_iter().next().ok_or_else(none)?;
        give_reason_in_txn(&txn, &recorded, record.reason.as_deref()).await?;
        Ok(recorded)
    })
    .await
}

/// The next version of the spec of a locked resource.
#[derive(Clone, Debug)]
pub(crate) struct NewSpec {
    pub resource_id: Uuid,
    /// Its current spec, in force or retired. The row is locked too.
    pub before: Option<StoredSpec>,
    /// JSON object that maps fields to expected values.
    pub spec: Value,
    /// Source of the new version.
    pub source: String,
    /// Parts of fields that are not compared.
    pub not_compared: NotCompared,
    /// Terraform address of the instance, if a state has it.
    pub address: Option<String>,
}

/// Records specs of locked resources, each with its event.
pub(crate) async fn record_in_txn(
    txn: &DatabaseTransaction,
    specs: Vec<NewSpec>,
    actor: &str,
    now: DateTime<Utc>,
) -> Result<Vec<provisioned::Model>> {
    for new in &specs {
        check_spec(&new.spec)?;
    }
    delete_undecodable_in_txn(txn, &specs).await?;
    let rows: Vec<provisioned::ActiveModel> = specs
        .into_iter()
        .map(|new| {
            let spec_version = new.before.map_or(0, |before| before.version()) + 1;
            provisioned::ActiveModel {
                id: Set(Uuid::now_v7()),
                resource_id: Set(new.resource_id),
                spec: Set(new.spec),
                spec_version: Set(spec_version),
                source: Set(new.source),
                recorded_by: Set(actor.to_owned()),
                recorded_at: Set(now),
                retired_at: Set(None),
                created_at: Set(now),
                not_compared: Set(new.not_compared.to_column(spec_version)),
                address: Set(new.address),
            }
        })
        .collect();
    let mut recorded = Vec::with_capacity(rows.len());
    for chunk in rows.chunks(ROWS_PER_INSERT) {
        let upsert = provisioned::Entity::insert_many(chunk.to_vec()).on_conflict(replace_previous_version());
        recorded.extend(upsert.exec_with_returning(txn).await?);
    }
    let happened = recorded.iter().map(|spec| NewEvent {
        resource_id: spec.resource_id,
        event_type: EventType::SpecRecorded,
        data: recorded_data(spec),
    });
    events::append_in_txn(txn, happened.collect(), actor, now).await?;
    Ok(recorded)
}

/// Returns the conflict clause that replaces all columns of the previous version except its id and creation time. The
/// version is incremented in the database, because other programs may write the row without taking the locks.
fn replace_previous_version() -> OnConflict {
    let version = Expr::col((provisioned::Entity, provisioned::Column::SpecVersion));
    OnConflict::column(provisioned::Column::ResourceId)
        .value(provisioned::Column::SpecVersion, version.add(1))
        .update_columns([
            provisioned::Column::Spec,
            provisioned::Column::Source,
            provisioned::Column::RecordedBy,
            provisioned::Column::RecordedAt,
            provisioned::Column::RetiredAt,
            provisioned::Column::NotCompared,
            provisioned::Column::Address,
        ])
        .to_owned()
}

/// Returns the data of the event of a recorded spec.
fn recorded_data(spec: &provisioned::Model) -> Value {
    let mut data = json!({ "specVersion": spec.spec_version, "source": spec.source });
    if let (Some(address), Value::Object(data)) = (&spec.address, &mut data) {
        data.insert("address".to_owned(), json!(address));
    }
    data
}

/// Deletes rows that do not decode, because an update could keep the column that does not decode.
async fn delete_undecodable_in_txn(txn: &DatabaseTransaction, specs: &[NewSpec]) -> Result<()> {
    let broken: Vec<Uuid> = specs
        .iter()
        .filter(|new| matches!(new.before, Some(StoredSpec::Broken { .. })))
        .map(|new| new.resource_id)
        .collect();
    if !broken.is_empty() {
        provisioned::Entity::delete_many()
            .filter(provisioned::Column::ResourceId.is_in(broken))
            .exec(txn)
            .await?;
    }
    Ok(())
}

/// Writes the next version of a locked spec, with the reason for it. Parts that are not compared stay so in the fields whose
/// values stay, and in `partly`, a field whose value changes only in part.
pub(crate) async fn replace_in_txn(
    txn: &DatabaseTransaction,
    before: provisioned::Model,
    (spec, partly): (Value, Option<&str>),
    (actor, reason): (&str, Option<&str>),
    now: DateTime<Utc>,
) -> Result<provisioned::Model> {
    check_spec(&spec)?;
    let version = before.spec_version + 1;
    let not_compared = NotCompared::of(&before).for_next_version(&before.spec, &spec, partly);
    let mut row = before.into_active_model();
    row.not_compared = Set(not_compared.to_column(version));
    row.spec = Set(spec);
    row.spec_version = Set(version);
    row.recorded_by = Set(actor.to_owned());
    row.recorded_at = Set(now);
    let spec = row.update(txn).await?;
    give_reason_in_txn(txn, &spec, reason).await?;
    Ok(spec)
}

/// Writes the next version of a locked spec, in which accepts are undone. The spec is in force again if an accept had
/// retired it, with an event.
pub(crate) async fn restore_in_txn(
    txn: &DatabaseTransaction,
    before: provisioned::Model,
    restored: Restored,
    (actor, reason): (&str, Option<&str>),
    now: DateTime<Utc>,
) -> Result<provisioned::Model> {
    if restored.spec != before.spec {
        check_spec(&restored.spec)?;
    }
    let version = before.spec_version + 1;
    let mut row = before.into_active_model();
    row.not_compared = Set(restored.not_compared.to_column(version));
    row.spec = Set(restored.spec);
    row.spec_version = Set(version);
    row.recorded_by = Set(actor.to_owned());
    row.recorded_at = Set(now);
    row.retired_at = Set(None);
    let spec = row.update(txn).await?;
    give_reason_in_txn(txn, &spec, reason).await?;
    if restored.was_retired {
        let in_force = NewEvent {
            resource_id: spec.resource_id,
            event_type: EventType::SpecRecorded,
            data: recorded_data(&spec),
        };
        events::append_in_txn(txn, vec![in_force], actor, now).await?;
    }
    Ok(spec)
}

/// Returns the specs in force of these resources, with one statement.
pub(crate) async fn active_specs_of<C: ConnectionTrait>(
    connection: &C,
    resources: &[Uuid],
) -> Result<Vec<provisioned::Model>> {
    if resources.is_empty() {
        return Ok(Vec::new());
    }
    let select = provisioned::Entity::find()
        .filter(provisioned::Column::ResourceId.is_in(resources.iter().copied()))
        .filter(provisioned::Column::RetiredAt.is_null());
    Ok(decodable(select, connection).await?.0)
}

/// Returns the specs in force by resource, as cells of the given columns, the first of which must be the id of the
/// resource. Reads them with one statement, whose text depends on the columns only.
pub(crate) async fn active_cells_of<C: ConnectionTrait>(
    connection: &C,
    resources: &[Uuid],
    columns: &[provisioned::Column],
) -> Result<HashMap<Uuid, Cells>> {
    let backend = connection.get_database_backend();
    let quoted = |column: &provisioned::Column| format!("\"{}\"", column.to_string());
    let sql = format!(
        "SELECT {} FROM \"{}\" WHERE {} {} AND {} IS NULL",
        columns.iter().map(quoted).collect::<Vec<_>>().join(", "),
        provisioned::Entity.table_name(),
        quoted(&provisioned::Column::ResourceId),
        lists::in_list(backend),
        quoted(&provisioned::Column::RetiredAt),
    );
    let reader = Reader::of::<provisioned::Entity>(provisioned::Column::ResourceId, 0);
    let reader = reader.with(columns.iter().copied(), |_| None);
    let ids = lists::ids(backend, resources.iter().copied());
    let statement = Statement::from_sql_and_values(backend, sql, [ids]);
    let rows = untested_first(|| async { Ok(connection.query_all_raw(statement.clone()).await?) }).await?;
    let specs = rows.iter().filter_map(|row| {
        let cells = reader.read(row, 0)?;
        match cells.first() {
            Some(Cell::Uuid(resource)) => Some((*resource, cells)),
            _ => None,
        }
    });
    Ok(specs.collect())
}

/// Returns the spec with this id, if it is in force.
pub(crate) async fn find_active<C: ConnectionTrait>(
    connection: &C,
    id: Uuid,
) -> Result<Option<provisioned::Model>> {
    let select = provisioned::Entity::find_by_id(id).filter(provisioned::Column::RetiredAt.is_null());
    super::page::find_one(connection, select).await
}
