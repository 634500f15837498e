//! Imports of refresh-only Terraform plans: the live values become the inventory, the applied ones the specs.
//!
//! One import of a state is one transaction, and a sweep of its resources follows. A plan that is no evidence changes
//! nothing but the record that it was refused.

mod hiding;
mod kinds;
mod known;
mod notes;
mod outline;
mod write;

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use entity::sources::SourceKind;
use entity::terraform_plans as plans;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, EntityTrait};
use tokio::task::JoinHandle;
use uuid::Uuid;

use self::known::{Earlier, KnownBefore, digest_key, earlier_instances, known_before};
pub use self::outline::{PlanSummary, UndecidedInstance};
use self::write::Written;
use super::detection::{Scope, detect_all};
use super::locks::{self, Lock};
use super::sources::{self, Registration, check_name};
use crate::clock::Clock;
use crate::db::{DatabaseTransaction, Db};
use crate::domain::freshness::is_in_the_future;
use crate::domain::imports::{SOURCE_TERRAFORM, is_mass_retire};
use crate::domain::validation::storable;
use crate::error::{Error, Result};
use crate::provider::terraform_plan::{DigestKey, Instance, NormalPlan, Options, Plan, Presence};
pub use crate::provider::terraform_plan::{Limits, Refusal, Spool};

/// Number of instances that are written at a time.
const CHUNK: usize = 200;

/// The options of an import.
#[derive(Clone, Debug)]
pub struct PlanOptions {
    /// Name of the state, the same for each import.
    pub state: String,
    /// Whether more than half of the instances may have left the state.
    pub allow_mass_retire: bool,
    /// Expected time between two imports. A state is overdue after twice this time.
    /// If not set, it stays as it is, at first one day.
    pub interval: Option<TimeDelta>,
}

/// A running import.
struct Import<'i> {
    actor: &'i str,
    state: &'i str,
    source: String,
    plan: Arc<Plan>,
    digest_key: DigestKey,
    options: &'i PlanOptions,
    /// Expected time between two imports.
    interval: TimeDelta,
    now: DateTime<Utc>,
}

/// Imports a refresh-only plan, and compares its resources. `normal` is the normal plan of the same moment, which
/// decides what a refresh-only plan cannot tell. `progress` receives the number of written instances and their total.
///
/// # Errors
///
/// BAD_USER_INPUT if the name of the state is not valid; PLAN_REFUSED if the plan is no evidence, is older than the last
/// imported one, or lacks more than half of the instances. Nothing is imported then.
pub async fn import_plan(
    db: &Db,
    clock: &Clock,
    actor: &str,
    plan: Spool,
    normal: Option<Spool>,
    options: &PlanOptions,
    mut progress: impl FnMut(usize, usize) + Send,
) -> Result<PlanSummary> {
    check_name(&options.state)?;
    let imported = import(db, clock, actor, plan, normal, options, &mut progress).await;
    if let Err(Error::PlanRefused { code, sentence }) = &imported {
        let refused = (options.state.as_str(), *code, sentence.as_str(), clock.now());
        db.write_txn(|txn| async move { note_refusal_in_txn(&txn, refused).await })
            .await?;
    }
    let written = imported?;
    let touched = written.resources.iter().chain(&written.left);
    let scope = Scope::Resources(touched.copied().collect());
    let counts = detect_all(db, clock, &scope, |_| {}).await?;
    outline::summary(db, &options.state, written, counts).await
}

/// Records that a plan was refused before it was read to its end, and returns the error.
pub async fn refuse_plan(db: &Db, clock: &Clock, state: &str, refusal: Refusal) -> Error {
    let refused = (state, refusal.code(), refusal.sentence(), clock.now());
    let noted = match check_name(state) {
        Ok(()) => {
            db.write_txn(|txn| async move { note_refusal_in_txn(&txn, refused).await })
                .await
        }
        Err(error) => Err(error),
    };
    noted.err().unwrap_or_else(|| refusal.into())
}

async fn import(
    db: &Db,
    clock: &Clock,
    actor: &str,
    spool: Spool,
    normal: Option<Spool>,
    options: &PlanOptions,
    progress: &mut (dyn FnMut(usize, usize) + Send),
) -> Result<Written> {
    let digest_key = digest_key(db).await?;
    let read = Options {
        digest_key: digest_key.clone(),
    };
    let plan = tokio::task::spawn_blocking(move || read_plan(spool, normal, read)).await;
    let plan = plan.map_err(|error| Error::Internal(format!("plan: {error}")))??;
    let import = Import {
        actor,
        state: &options.state,
        source: format!("{SOURCE_TERRAFORM}{}", options.state),
        plan: Arc::new(plan),
        digest_key,
        options,
        interval: match options.interval {
            Some(interval) => interval,
            None => sources::interval_of(db, &options.state)
                .await?
                .unwrap_or(TimeDelta::days(1)),
        },
        now: clock.now(),
    };
    let progress = std::sync::Mutex::new(progress);
    let (import, progress) = (&import, &progress);
    db.write_txn(|txn| async move { import_in_txn(&txn, import, progress).await })
        .await
}

fn read_plan(spool: Spool, normal: Option<Spool>, options: Options) -> Result<Plan> {
    let plan = Plan::read(spool, options)?;
    Ok(match normal {
        Some(normal) => plan.with_normal_plan(NormalPlan::read(normal)?)?,
        None => plan,
    })
}

async fn import_in_txn(
    txn: &DatabaseTransaction,
    import: &Import<'_>,
    progress: &std::sync::Mutex<&mut (dyn FnMut(usize, usize) + Send)>,
) -> Result<Written> {
    begin_in_txn(txn, import).await?;
    // The rows are locked before they are read, in the order in which sweeps and accepts lock them.
    write::lock_in_txn(txn, import.state).await?;
    let earlier = earlier_instances(txn, import.state).await?;
    let outline = import.plan.outline();
    let mut written = Written::default();
    written.summary.made_at = outline.timestamp;
    written.summary.skipped = outline.skipped;
    let mut reading = Some(read_chunk_in_txn(txn, import, &earlier, 0).await?);
    let mut at = 0;
    while let Some(chunk) = reading.take() {
        // If the thread has panicked, the instances that it did not return have not left the state.
        let chunk = chunk
            .await
            .map_err(|error| Error::Internal(format!("plan: {error}")))??;
        at += CHUNK;
        if at < import.plan.len() {
            reading = Some(read_chunk_in_txn(txn, import, &earlier, at).await?);
        }
        write::write_in_txn(txn, import, &earlier, chunk, &mut written).await?;
        if let Ok(mut progress) = progress.lock() {
            progress(written.resources.len(), outline.instances);
        }
    }
    let leaving = leaving_in_txn(txn, import, &earlier, &mut written).await?;
    write::retire_in_txn(txn, import, &leaving).await?;
    removed_in_txn(txn, import, &earlier, &mut written).await?;
    written.left = leaving;
    kinds::note_kinds_in_txn(txn, import).await?;
    Ok(written)
}

/// Returns the rows of the instances that left the state. An instance that is missing stays if `apply -refresh-only` has
/// removed it from the state, but the code still has it; it also stays, and is named, if the plan does not say so.
async fn leaving_in_txn(
    txn: &DatabaseTransaction,
    import: &Import<'_>,
    earlier: &Earlier,
    written: &mut Written,
) -> Result<Vec<Uuid>> {
    let missing = write::missing_in_txn(txn, import.state).await?;
    let mut leaving = Vec::new();
    for (address, id) in earlier.instances() {
        if written.resources.contains(&id) {
            continue;
        }
        match missing.contains(&id).then(|| import.plan.presence(address)) {
            None | Some(Presence::Absent) => leaving.push(id),
            Some(Presence::Declared) => {}
            Some(Presence::Undecided) => written.summary.undecided_missing.push(address.to_owned()),
        }
    }
    if is_mass_retire(leaving.len(), earlier.len()) && !import.options.allow_mass_retire {
        return Err(refused(
            "MASS_RETIRE",
            format!(
                "{} of {} instances of the last import left this state: run `terraform state list` to see whether \
                 backend and workspace are the intended ones, or import it with --allow-mass-retire.",
                leaving.len(),
                earlier.len()
            ),
        ));
    }
    Ok(leaving)
}

/// Records which instances of the state the configuration does not have, as a normal plan decided, so that a later import
/// without one does not record them again.
async fn removed_in_txn(
    txn: &DatabaseTransaction,
    import: &Import<'_>,
    earlier: &Earlier,
    written: &mut Written,
) -> Result<()> {
    let mut left = Vec::new();
    for (address, id) in earlier.removed() {
        if written.resources.contains(&id) {
            continue;
        }
        if !import.plan.has(address) {
            left.push(id);
        } else if import.plan.removal(address).is_none() {
            written.summary.skipped.without_configuration += 1;
        }
    }
    notes::forget_in_txn(txn, &left).await?;
    let removed = earlier.instances().chain(earlier.removed());
    let removed = removed.filter(|(_, id)| !written.resources.contains(id));
    let removed = removed.filter_map(|(address, id)| Some((address, id, import.plan.removal(address)?)));
    notes::note_removed_in_txn(txn, import.state, removed.collect()).await
}

/// Instances of a plan, and what was known of them.
struct ReadChunk {
    instances: Vec<Instance>,
    known: KnownBefore,
}

/// Returns the rows of the instances at these positions, by their addresses and by those before a move.
fn rows_at(import: &Import<'_>, earlier: &Earlier, positions: Range<usize>) -> BTreeSet<Uuid> {
    let mut rows = BTreeSet::new();
    for (address, from) in import.plan.addresses(positions) {
        rows.extend(earlier.resource(address));
        rows.extend(from.and_then(|from| earlier.resource(from)));
    }
    rows
}

/// Reads the instances from a position, in a thread, while the instances before it are written.
async fn read_chunk_in_txn(
    txn: &DatabaseTransaction,
    import: &Import<'_>,
    earlier: &Earlier,
    at: usize,
) -> Result<JoinHandle<std::result::Result<ReadChunk, Refusal>>> {
    let positions = at..import.plan.len().min(at + CHUNK);
    let known = known_before(
        txn,
        rows_at(import, earlier, positions.clone()),
        &import.digest_key,
    )
    .await?;
    let plan = Arc::clone(&import.plan);
    Ok(tokio::task::spawn_blocking(move || {
        let previous = |address: &str| known.get(address).cloned();
        let instances = plan
            .instances_at(positions, &previous)
            .collect::<std::result::Result<_, _>>()?;
        Ok(ReadChunk { instances, known })
    }))
}

/// Locks the state, and records the plan. Refuses a plan that is older than the recorded one.
async fn begin_in_txn(txn: &DatabaseTransaction, import: &Import<'_>) -> Result<()> {
    let made_at = import.plan.outline().timestamp;
    if is_in_the_future(made_at, import.now) {
        return Err(refused(
            "IN_THE_FUTURE",
            format!(
                "The plan was made at {}, which is in the future: set the clock of the machine that runs Terraform, \
                 and run `terraform plan -refresh-only -lock=false -out=p` again.",
                made_at.to_rfc3339()
            ),
        ));
    }
    let source = registration(import.state, Some(import.interval));
    sources::register_in_txn(txn, &source, import.now).await?;
    let row = plans::ActiveModel {
        state: Set(import.state.to_owned()),
        made_at: Set(Some(made_at)),
        imported_at: Set(Some(import.now)),
        imported_by: Set(Some(import.actor.to_owned())),
        attempted_at: Set(import.now),
        refusal: Set(None),
        refusal_reason: Set(None),
        expected_interval: Set(Some(import.interval.num_seconds())),
    };
    plans::Entity::insert(row.clone())
        .on_conflict(OnConflict::new().do_nothing().to_owned())
        .exec_without_returning(txn)
        .await?;
    let find = plans::Entity::find_by_id(import.state.to_owned());
    let stored = locks::locked(find, Lock::Update).one(txn).await?;
    if let Some(newest) = stored.and_then(|stored| stored.made_at)
        && newest > made_at
    {
        return Err(refused(
            "OLDER",
            format!(
                "The plan was made at {}, but one of {} was already imported: run `terraform plan -refresh-only \
                 -lock=false -out=p` again.",
                made_at.to_rfc3339(),
                newest.to_rfc3339()
            ),
        ));
    }
    plans::Entity::update(row).exec(txn).await?;
    Ok(())
}

/// Registers the state as a source.
fn registration(state: &str, interval: Option<TimeDelta>) -> Registration {
    Registration {
        name: state.to_owned(),
        kind: SourceKind::TerraformPlan,
        schedule: None,
        interval,
    }
}

/// Records that a plan was refused. The kinds of the state then count as incomplete.
async fn note_refusal_in_txn(
    txn: &DatabaseTransaction,
    (state, code, sentence, now): (&str, &'static str, &str, DateTime<Utc>),
) -> Result<()> {
    sources::ensure_in_txn(txn, &registration(state, None), now).await?;
    let row = plans::ActiveModel {
        state: Set(state.to_owned()),
        attempted_at: Set(now),
        refusal: Set(Some(code.to_owned())),
        refusal_reason: Set(Some(storable(sentence))),
        ..Default::default()
    };
    let refused = [
        plans::Column::AttemptedAt,
        plans::Column::Refusal,
        plans::Column::RefusalReason,
    ];
    plans::Entity::insert(row)
        .on_conflict(
            OnConflict::column(plans::Column::State)
                .update_columns(refused)
                .to_owned(),
        )
        .exec_without_returning(txn)
        .await?;
    kinds::note_incomplete_in_txn(txn, state).await
}

fn refused(code: &'static str, sentence: String) -> Error {
    Error::PlanRefused { code, sentence }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        refused(refusal.code(), refusal.sentence().to_owned())
    }
}
