//! Import of the desired state from Terraform.
//!
//! An import is written in batches, each in its own transaction. A batch first locks the row of the state, so that an
//! older version of a state never overwrites a newer one, and then kind, resource and spec, in the order of all
//! transactions. Specs that did not change are not written. To complete an interrupted import, import the same state
//! again.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use entity::{cloud_provisioned as provisioned, cloud_resources as resources, terraform_states as states};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveModelTrait as _,
    ActiveValue::{Set, Unchanged},
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
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
use crate::db::{DatabaseTransaction, Db};
use crate::domain::addresses::storable;
use crate::domain::imports::is_mass_retire;
use crate::domain::validation::check_text;
use crate::error::{Conflict, Error, Result};
use crate::provider::terraform::{PROVIDER, State};

mod batch;
mod closing;
mod declarations;
mod result;
mod rows;
mod summary;

pub use self::summary::{Closing, ImportSummary, RefusedResource, TakenOver};

/// Maximum number of specs that one transaction writes.
const BATCH: usize = 250;
/// Maximum length of a lineage, in bytes. Terraform's own lineages are UUIDs.
const MAX_LINEAGE_BYTES: usize = 200;

/// The options of an import.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// Name of the state. The default is the lineage in the file.
    pub lineage: Option<String>,
    /// Allows the import to retire more than half of the state's specs.
    pub allow_mass_retire: bool,
    /// Takes over specs that the API or a baseline owns. Specs of another state are never taken over.
    pub take_over: bool,
    /// Returns what the import would do, and writes nothing.
    pub dry_run: bool,
}

/// A running import.
struct Import<'i> {
    actor: &'i str,
    lineage: String,
    serial: Option<i64>,
    /// Lineage in the file.
    file_lineage: Option<&'i str>,
    source: String,
    declared: Declared,
    /// Kind and id of every desired or held resource of the state.
    present: BTreeSet<Key>,
    take_over: bool,
    dry_run: bool,
    now: DateTime<Utc>,
}

/// Records the desired resources of a state, and retires the specs of resources that left it. `progress` receives the
/// number of processed resources and their total. An invalid instance, or one whose spec belongs to another source and
/// is not taken over, is refused. The other instances are imported.
///
/// # Errors
///
/// BAD_USER_INPUT if the state has no valid lineage or name; a conflict if a newer serial was already imported, or if more
/// than half of its resources left it and `allow_mass_retire` is not set. Then nothing changes. Also a conflict if an
/// import of a newer serial starts meanwhile. Then the batches that are already written remain.
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
        present: keys_of(state),
        serial: state.serial,
        file_lineage: state.lineage.as_deref(),
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
                check_newest_in_txn(&txn, import).await?;
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
                check_newest_in_txn(&txn, import).await?;
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
                check_newest_in_txn(&txn, import).await?;
                retire_in_txn(&txn, import, chunk).await
            })
            .await?;
        summary.add(batch);
        done += chunk.len();
        progress(done, total);
    }
    Ok(summary)
}

/// Returns the name of the state: the name in the options, or else the lineage in the file.
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

/// Advice for a state that may have the same lineage as another state.
const ANOTHER_STATE: &str = "If this file is the state of another environment with the same lineage, set a name that is the same for \
 each import of this state: --lineage NAME (in the API: lineage)";

/// Returns kind and id of every desired or held resource of a state.
fn keys_of(state: &State) -> BTreeSet<Key> {
    let wanted = state.desired.iter().map(rows::key);
    let held = state
        .held
        .iter()
        .map(|held| (held.kind.to_owned(), held.provider_id.clone()));
    wanted.chain(held).collect()
}

/// Checks the state as a whole and records its serial. Returns the resources that left it.
async fn begin(db: &Db, import: &Import<'_>, state: &State, options: &ImportOptions) -> Result<Vec<Uuid>> {
    let is_present = |kind: &str, id: &str| import.present.contains(&(kind.to_owned(), id.to_owned()));
    db.write_txn(|txn| async move {
        note_version_in_txn(&txn, import).await?;
        let owned = owned(&*txn, &import.source).await?;
        let before = owned.len();
        let leaving: Vec<Uuid> = owned
            .into_iter()
            .filter(|(_, kind, id)| {
                // An instance without a known id may be any resource of its kind.
                !is_present(kind, id) && !is_present(kind, "")
            })
            .map(|(resource, ..)| resource)
            .collect();
        if is_mass_retire(leaving.len(), before) && !options.allow_mass_retire {
            let advice = if leaving.len() == before && state.lineage.is_some() {
                format!(". {ANOTHER_STATE}")
            } else {
                String::new()
            };
            return Err(Conflict::MassRetire.because(format!(
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

/// Records the serial of the state if it is new. Rejects a serial that is older than the recorded one.
async fn note_version_in_txn(txn: &DatabaseTransaction, import: &Import<'_>) -> Result<()> {
    let find = || states::Entity::find_by_id(import.lineage.clone());
    let known = find().one(txn).await?;
    check_serial(import.serial, known.as_ref())?;
    let noted = known
        .as_ref()
        .is_some_and(|state| import.serial.is_none() || state.serial == import.serial);
    if import.dry_run {
        return Ok(());
    }
    let file_lineage = import.file_lineage.and_then(storable);
    if noted {
        let is_other = |state: &states::Model| state.file_lineage.as_deref() != file_lineage;
        if file_lineage.is_some() && known.as_ref().is_some_and(is_other) {
            // An import before this column, or an older server, has recorded this version without it.
            let of_file = states::ActiveModel {
                lineage: Unchanged(import.lineage.clone()),
                file_lineage: Set(file_lineage.map(str::to_owned)),
                ..Default::default()
            };
            of_file.update(txn).await?;
        }
        return Ok(());
    }
    let row = states::ActiveModel {
        lineage: Set(import.lineage.clone()),
        serial: Set(import.serial),
        imported_at: Set(import.now),
        imported_by: Set(import.actor.to_owned()),
        file_lineage: Set(file_lineage.map(str::to_owned)),
    };
    states::Entity::insert(row.clone())
        .on_conflict(OnConflict::new().do_nothing().to_owned())
        .exec_without_returning(txn)
        .await?;
    // Another import may have recorded a newer serial since the first check.
    let now = locks::locked(find(), Lock::Update).one(txn).await?;
    check_serial(import.serial, now.as_ref())?;
    states::Entity::update(row).exec(txn).await?;
    Ok(())
}

fn check_serial(serial: Option<i64>, before: Option<&states::Model>) -> Result<()> {
    match (serial, before.and_then(|state| state.serial)) {
        (Some(now), Some(before)) if now < before => Err(Conflict::OlderState.because(format!(
            "the state has serial {now}, but serial {before} was already imported; nothing was recorded. \
             {ANOTHER_STATE}"
        ))),
        _ => Ok(()),
    }
}

/// Locks the state, so that no import of a newer serial starts while a batch is written. Rejects the batch if such an
/// import has already started.
async fn check_newest_in_txn(txn: &DatabaseTransaction, import: &Import<'_>) -> Result<()> {
    let select = states::Entity::find_by_id(import.lineage.clone());
    let state = locks::locked(select, Lock::Share).one(txn).await?;
    match (import.serial, state.and_then(|state| state.serial)) {
        (Some(own), Some(newest)) if newest > own => Err(Conflict::OlderState.because(format!(
            "the import of serial {own} was stopped, because serial {newest} of the same state is being \
             imported"
        ))),
        _ => Ok(()),
    }
}

/// Lists the resources whose specs in force belong to a source: id of the row, kind, and the provider's id.
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
        // The batches lock the rows in this order.
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
