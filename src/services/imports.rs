//! Importing the desired state from Terraform.
//!
//! A state goes in by batches, each in a transaction of its own: under the lock on the row of the state, so that
//! an older version never goes over a newer one, then by kind, resource, spec as everywhere. What is recorded
//! already costs no write. An import that is cut off is finished by importing the same state again.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use entity::{cloud_provisioned as provisioned, cloud_resources as resources, terraform_states as states};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter,
    QueryOrder, QuerySelect,
};
use uuid::Uuid;

use self::batch::import_in_txn;
use self::declarations::Declared;
use self::result::BatchResult;
use self::rows::Key;
use super::locks::{self, Lock};
use super::provisioning::SOURCE_TERRAFORM;
use super::retirement;
use super::stored_specs::StoredSpec;
use crate::db::Db;
use crate::domain::imports::is_mass_retire;
use crate::domain::validation::check_text;
use crate::error::{Error, Result};
use crate::provider::terraform::{PROVIDER, State};

mod batch;
mod closing;
mod declarations;
mod result;
mod rows;
mod summary;

pub use self::summary::{Closing, ImportSummary, RefusedResource, TakenOver};

/// Specs that one transaction writes.
const BATCH: usize = 250;
/// Longest name of a lineage, in bytes; Terraform's own are UUIDs.
const MAX_LINEAGE_BYTES: usize = 200;

/// The options of an import.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// Name of the state. Without one, it goes by the lineage that its file names.
    pub lineage: Option<String>,
    /// Goes through with a state that more than half of its resources have left.
    pub allow_mass_retire: bool,
    /// Takes over specs that the API or a baseline owns; never those of another state.
    pub take_over: bool,
    /// Says what would be done, and writes nothing.
    pub dry_run: bool,
}

/// An import under way.
struct Import<'i> {
    actor: &'i str,
    lineage: String,
    serial: Option<i64>,
    source: String,
    declared: Declared,
    /// Kind and id of every resource that the state has, wanted or held.
    here: BTreeSet<Key>,
    take_over: bool,
    dry_run: bool,
    now: DateTime<Utc>,
}

/// Records the desired resources of a state, and retires the specs of resources that left it. `progress` receives the
/// number of resources that are done and their total. An instance that is not valid, or whose spec another source owns
/// and that is not taken over, is refused by itself.
///
/// # Errors
///
/// BAD_USER_INPUT for a state without a lineage or a name, with an older serial than was imported, or that more than
/// half of its resources have left; then nothing changes.
pub async fn import_state(
    db: &Db,
    actor: &str,
    state: &State,
    options: &ImportOptions,
    now: DateTime<Utc>,
    mut progress: impl FnMut(usize, usize),
) -> Result<ImportSummary> {
    let lineage = lineage_of(state, options)?;
    let (declared, inadmissible) = declarations::of_state(state);
    let import = Import {
        actor,
        source: format!("{SOURCE_TERRAFORM}{lineage}"),
        declared,
        here: here(state),
        serial: state.serial,
        take_over: options.take_over,
        dry_run: options.dry_run,
        lineage,
        now,
    };
    let leaving = begin(db, &import, state, options).await?;
    let mut summary = ImportSummary::of(&import, state);
    summary.refused.extend(inadmissible);
    for chunk in declarations::subjects(db, &import).await?.chunks(BATCH) {
        let import = &import;
        let batch = db
            .write_txn(|txn| async move {
                check_turn_in_txn(&txn, import).await?;
                declarations::declare_in_txn(&txn, import, chunk).await
            })
            .await?;
        summary.add(batch);
    }
    let total = state.desired.len() + leaving.len();
    let mut done = 0;
    for chunk in state.desired.chunks(BATCH) {
        let import = &import;
        let batch = db
            .write_txn(|txn| async move {
                check_turn_in_txn(&txn, import).await?;
                import_in_txn(&txn, import, chunk).await
            })
            .await?;
        summary.add(batch);
        done += chunk.len();
        progress(done, total);
    }
    for chunk in leaving.chunks(BATCH) {
        let import = &import;
        let batch = db
            .write_txn(|txn| async move {
                check_turn_in_txn(&txn, import).await?;
                retire_in_txn(&txn, import, chunk).await
            })
            .await?;
        summary.add(batch);
        done += chunk.len();
        progress(done, total);
    }
    Ok(summary)
}

/// The name of the state: what the caller says, or else the lineage that the file names.
fn lineage_of(state: &State, options: &ImportOptions) -> Result<String> {
    let given = options.lineage.as_ref().filter(|given| !given.is_empty());
    let Some(lineage) = given.or(state.lineage.as_ref()) else {
        return Err(Error::BadUserInput(
            "the output of `terraform show -json` has no lineage: set a name that is the same for each \
             import of this state, with --lineage NAME (in the API: lineage)"
                .to_owned(),
        ));
    };
    check_text("lineage", lineage, MAX_LINEAGE_BYTES)?;
    if lineage.chars().any(char::is_control) {
        return Err(Error::BadUserInput(
            "lineage contains a control character".to_owned(),
        ));
    }
    Ok(lineage.clone())
}

/// What to do about a state that may be another one of the same lineage.
const ANOTHER_STATE: &str = "If this file is the state of another environment with the same lineage, set a name that is the same for \
 each import of this state: --lineage NAME (in the API: lineage)";

/// Kind and id of every resource that a state has, wanted or held.
fn here(state: &State) -> BTreeSet<Key> {
    let wanted = state.desired.iter().map(rows::key);
    let held = state
        .held
        .iter()
        .map(|held| (held.kind.to_owned(), held.provider_id.clone()));
    wanted.chain(held).collect()
}

/// Checks the state as a whole and notes its version. Returns the resources that left it.
async fn begin(db: &Db, import: &Import<'_>, state: &State, options: &ImportOptions) -> Result<Vec<Uuid>> {
    let here = |kind: &str, id: &str| import.here.contains(&(kind.to_owned(), id.to_owned()));
    db.write_txn(|txn| async move {
        note_version_in_txn(&txn, import).await?;
        let owned = owned(&*txn, &import.source).await?;
        let before = owned.len();
        let leaving: Vec<Uuid> = owned
            .into_iter()
            .filter(|(_, kind, id)| {
                // An instance whose id cannot be read may be any of its kind.
                !here(kind, id) && !here(kind, "")
            })
            .map(|(resource, ..)| resource)
            .collect();
        if is_mass_retire(leaving.len(), before) && !options.allow_mass_retire {
            let advice = if leaving.len() == before && state.lineage.is_some() {
                format!(". {ANOTHER_STATE}")
            } else {
                String::new()
            };
            return Err(Error::BadUserInput(format!(
                "{} of {before} resources of the last import are missing from this state; nothing was \
                 recorded. If that is intended, import it with --allow-mass-retire (in the API: \
                 allowMassRetire){advice}",
                leaving.len()
            )));
        }
        Ok(leaving)
    })
    .await
}

/// Refuses a version that is older than the one before; writes only for a newer one.
async fn note_version_in_txn(txn: &DatabaseTransaction, import: &Import<'_>) -> Result<()> {
    let find = || states::Entity::find_by_id(import.lineage.clone());
    let known = find().one(txn).await?;
    check_serial(import.serial, known.as_ref())?;
    let noted = known.is_some_and(|state| import.serial.is_none() || state.serial == import.serial);
    if noted || import.dry_run {
        return Ok(());
    }
    let row = states::ActiveModel {
        lineage: Set(import.lineage.clone()),
        serial: Set(import.serial),
        imported_at: Set(import.now),
        imported_by: Set(import.actor.to_owned()),
    };
    states::Entity::insert(row.clone())
        .on_conflict(OnConflict::new().do_nothing().to_owned())
        .exec_without_returning(txn)
        .await?;
    // Another import may have begun with a newer version since the first check.
    let now = locks::locked(find(), Lock::Update).one(txn).await?;
    check_serial(import.serial, now.as_ref())?;
    states::Entity::update(row).exec(txn).await?;
    Ok(())
}

fn check_serial(serial: Option<i64>, before: Option<&states::Model>) -> Result<()> {
    match (serial, before.and_then(|state| state.serial)) {
        (Some(now), Some(before)) if now < before => Err(Error::BadUserInput(format!(
            "the state has serial {now}, but serial {before} was already imported; nothing was recorded. \
             {ANOTHER_STATE}"
        ))),
        _ => Ok(()),
    }
}

/// Locks the state, so that no import of a newer version begins while a batch is written, and refuses the batch if
/// one has begun.
async fn check_turn_in_txn(txn: &DatabaseTransaction, import: &Import<'_>) -> Result<()> {
    let select = states::Entity::find_by_id(import.lineage.clone());
    let state = locks::locked(select, Lock::Share).one(txn).await?;
    match (import.serial, state.and_then(|state| state.serial)) {
        (Some(own), Some(newest)) if newest > own => Err(Error::BadUserInput(format!(
            "the import of serial {own} was stopped, because serial {newest} of the same state is being \
             imported"
        ))),
        _ => Ok(()),
    }
}

/// The resources whose specs in force this source owns: id, kind, and id at the cloud.
async fn owned<C: ConnectionTrait>(connection: &C, source: &str) -> Result<Vec<(Uuid, String, String)>> {
    let rows = provisioned::Entity::find()
        .select_only()
        .column(provisioned::Column::ResourceId)
        .column(resources::Column::Kind)
        .column(resources::Column::ProviderId)
        .inner_join(resources::Entity)
        .filter(provisioned::Column::Source.eq(source))
        .filter(provisioned::Column::RetiredAt.is_null())
        .filter(resources::Column::Provider.eq(PROVIDER))
        // Locks are taken in this order.
        .order_by_asc(provisioned::Column::ResourceId)
        .into_tuple()
        .all(connection)
        .await?;
    Ok(rows)
}

/// Retires the specs of resources that left the state.
async fn retire_in_txn(
    txn: &DatabaseTransaction,
    import: &Import<'_>,
    leaving: &[Uuid],
) -> Result<BatchResult> {
    let mut batch = BatchResult {
        closes: closing::closed_by_leaving(txn, leaving).await?,
        ..BatchResult::default()
    };
    let stored = rows::lock_in_txn(txn, leaving.iter().copied(), Lock::Share).await?;
    let owned: Vec<provisioned::Model> = stored
        .into_values()
        .filter(StoredSpec::is_active)
        .filter_map(|stored| stored.whole().cloned())
        .filter(|spec| spec.source == import.source)
        .collect();
    batch.retired = owned.len() as u64;
    if !import.dry_run {
        let state = Some(import.source.as_str());
        retirement::retire_for_in_txn(txn, &owned, state, import.actor, import.now).await?;
    }
    Ok(batch)
}
