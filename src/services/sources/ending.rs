//! Ends and renames sources.

use chrono::{DateTime, Utc};
use entity::inventory_kinds as kinds;
use entity::job_runs::{self as runs, Job};
use entity::sources::{self, SourceKind};
use entity::{cloud_resources as resources, plan_instances, terraform_plans as plans};
use sea_orm::sea_query::{Expr, LockType, Query};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel as _, PaginatorTrait as _,
    QueryFilter, QueryOrder, QuerySelect,
};
use uuid::Uuid;

use super::{check_name, find};
use crate::clock::Clock;
use crate::db::{DatabaseTransaction, Db};
use crate::error::{Error, Result};
use crate::services::detection::{Scope, detect_all};
use crate::services::inventory::plan_rows;
use crate::services::job_runs;
use crate::services::locks::Lock;
use crate::services::resources::has_spec;
use crate::services::retirement;
use crate::services::stored_specs::stored_specs_in_txn;

/// Number of resources that one transaction changes.
const CHUNK: u64 = 500;

/// What ending a source has changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Resources of the source, which are gone now.
    pub resources: u64,
    /// Specs that are retired now.
    pub specs: u64,
}

/// Returns what [`retire`] would change.
///
/// # Errors
///
/// NOT_FOUND if no such source is registered or has resources or listings.
pub async fn extent(db: &Db, name: &str) -> Result<Ended> {
    let reader = db.reader();
    if find(reader, name).await?.is_none() && !is_known(reader, name).await? {
        return Err(Error::NotFound("source"));
    }
    let of_source = resources::Entity::find().filter(resources::Column::Source.eq(name));
    let with_spec = of_source.clone().filter(has_spec());
    Ok(Ended {
        resources: of_source.count(reader).await?,
        specs: with_spec.count(reader).await?,
    })
}

/// Ends a source that no longer exists, as a decision of `actor`: its specs are retired, so that their drifts close, its
/// resources count as gone, and it is no longer listed. If this is interrupted, the next call continues.
///
/// # Errors
///
/// NOT_FOUND if no such source is registered; JOB_ALREADY_RUNNING if a sync of it is active.
pub async fn retire(db: &Db, clock: &Clock, actor: &str, name: &str) -> Result<Ended> {
    let source = find(db.reader(), name).await?;
    if source.is_none() && !is_known(db.reader(), name).await? {
        return Err(Error::NotFound("source"));
    }
    let is_plan = source.is_some_and(|source| source.kind == SourceKind::TerraformPlan);
    let mut ended = Ended::default();
    let mut after = Uuid::nil();
    loop {
        let (chunk, specs) = db
            .write_txn(
                |txn| async move { retire_chunk_in_txn(db, &txn, (clock.now(), actor), name, after).await },
            )
            .await?;
        let Some(last) = chunk.last() else {
            break;
        };
        after = *last;
        ended.resources += chunk.len() as u64;
        ended.specs += specs;
        let scope = Scope::Resources(chunk.into_iter().collect());
        detect_all(db, clock, &scope, |_| {}).await?;
    }
    db.write_txn(|txn| async move {
        is_idle_in_txn(db, &txn, &[name]).await?;
        kinds::Entity::delete_many()
            .filter(kinds::Column::Source.eq(name))
            .exec(&*txn)
            .await?;
        if is_plan {
            plan_instances::Entity::delete_many()
                .filter(plan_instances::Column::State.eq(name))
                .exec(&*txn)
                .await?;
            plans::Entity::delete_by_id(name).exec(&*txn).await?;
        }
        sources::Entity::delete_by_id(name).exec(&*txn).await?;
        Ok(())
    })
    .await?;
    Ok(ended)
}

/// Retires the specs of the next resources of a source, and marks the resources as gone. Returns their ids and the number
/// of specs.
async fn retire_chunk_in_txn(
    db: &Db,
    txn: &DatabaseTransaction,
    (now, actor): (DateTime<Utc>, &str),
    name: &str,
    after: Uuid,
) -> Result<(Vec<Uuid>, u64)> {
    is_idle_in_txn(db, txn, &[name]).await?;
    let present: Vec<Uuid> = resources::Entity::find()
        .select_only()
        .column(resources::Column::Id)
        .filter(resources::Column::Source.eq(name))
        .filter(resources::Column::Id.gt(after))
        .order_by_asc(resources::Column::Id)
        .limit(CHUNK)
        .lock(LockType::NoKeyUpdate)
        .into_tuple()
        .all(txn)
        .await?;
    let stored = stored_specs_in_txn(txn, present.iter().copied(), Some(Lock::Update)).await?;
    let specs: Vec<_> = stored
        .into_values()
        .filter(|stored| stored.is_active())
        .filter_map(|stored| stored.whole().cloned())
        .collect();
    retirement::retire_in_txn(txn, &specs, actor, now).await?;
    plan_rows::end_in_txn(txn, name, &present, now).await?;
    Ok((present, specs.len() as u64))
}

/// Gives a source a new name. If this is interrupted, the next call continues. Returns the number of its resources.
///
/// # Errors
///
/// NOT_FOUND if no source with the old name is known; BAD_USER_INPUT if it is a Terraform state, whose resources are known
/// by its name, or if the new name is not valid or has listings of its own; JOB_ALREADY_RUNNING if a sync of one of them is
/// active.
pub async fn rename(db: &Db, actor: &str, old: &str, new: &str) -> Result<u64> {
    check_name(new)?;
    if old == new {
        return Err(Error::BadUserInput("the two names are equal".to_owned()));
    }
    db.write_txn(|txn| async move { rename_in_txn(db, &txn, old, new).await })
        .await?;
    let (mut renamed, mut after) = (0, Uuid::nil());
    loop {
        let ids = db
            .write_txn(|txn| async move { rename_resources_in_txn(&txn, old, new, after).await })
            .await?;
        let Some(last) = ids.last() else {
            break;
        };
        after = *last;
        renamed += ids.len() as u64;
    }
    tracing::info!(actor, old, new, resources = renamed, "source.renamed");
    Ok(renamed)
}

/// Renames the source of the next resources, and returns their ids.
async fn rename_resources_in_txn(
    txn: &DatabaseTransaction,
    old: &str,
    new: &str,
    after: Uuid,
) -> Result<Vec<Uuid>> {
    let ids: Vec<Uuid> = resources::Entity::find()
        .select_only()
        .column(resources::Column::Id)
        .filter(resources::Column::Source.eq(old))
        .filter(resources::Column::Id.gt(after))
        .order_by_asc(resources::Column::Id)
        .limit(CHUNK)
        .lock(LockType::NoKeyUpdate)
        .into_tuple()
        .all(txn)
        .await?;
    let update = resources::Entity::update_many()
        .col_expr(resources::Column::Source, Expr::val(new))
        .filter(resources::Column::Id.is_in(ids.iter().copied()));
    update.exec(txn).await?;
    Ok(ids)
}

/// Renames the source, its listings and its runs, but not its resources.
async fn rename_in_txn(db: &Db, txn: &DatabaseTransaction, old: &str, new: &str) -> Result<()> {
    is_idle_in_txn(db, txn, &[old, new]).await?;
    let source = find(txn, old).await?;
    if source
        .as_ref()
        .is_some_and(|source| source.kind == SourceKind::TerraformPlan)
    {
        return Err(Error::BadUserInput(
            "the resources of a Terraform state are known by its name: retire it, and import it under the new name"
                .to_owned(),
        ));
    }
    if source.is_none() && !is_known(txn, old).await? {
        return Err(Error::NotFound("source"));
    }
    // A sync under the new name, which found the resources of the old one, may have left listings of the same kinds.
    let of_old: Vec<(String, String)> = kinds::Entity::find()
        .select_only()
        .columns([kinds::Column::Provider, kinds::Column::Kind])
        .filter(kinds::Column::Source.eq(old))
        .into_tuple()
        .all(txn)
        .await?;
    for (provider, kind) in of_old {
        kinds::Entity::delete_by_id((new.to_owned(), provider, kind))
            .exec(txn)
            .await?;
    }
    if let Some(source) = source {
        sources::Entity::delete_by_id(old).exec(txn).await?;
        if find(txn, new).await?.is_none() {
            let row = sources::Model {
                name: new.to_owned(),
                ..source
            };
            sources::Entity::insert(row.into_active_model())
                .exec_without_returning(txn)
                .await?;
        }
    }
    kinds::Entity::update_many()
        .col_expr(kinds::Column::Source, Expr::val(new))
        .filter(kinds::Column::Source.eq(old))
        .exec(txn)
        .await?;
    forget_ticks_of_both_in_txn(txn, old, new).await?;
    runs::Entity::update_many()
        .col_expr(runs::Column::Source, Expr::val(new))
        .filter(runs::Column::Source.eq(old))
        .exec(txn)
        .await?;
    Ok(())
}

/// Removes the ticks of the runs of the old name for which the new name has a run too: a source has one run for a tick.
async fn forget_ticks_of_both_in_txn(txn: &DatabaseTransaction, old: &str, new: &str) -> Result<()> {
    let of_new = Query::select()
        .column(runs::Column::ScheduledFor)
        .from(runs::Entity)
        .and_where(runs::Column::Job.eq(Job::SyncInventory))
        .and_where(runs::Column::Source.eq(new))
        .and_where(runs::Column::ScheduledFor.is_not_null())
        .take();
    runs::Entity::update_many()
        .set(runs::ActiveModel {
            scheduled_for: Set(None),
            ..Default::default()
        })
        .filter(runs::Column::Source.eq(old))
        .filter(runs::Column::ScheduledFor.in_subquery(of_new))
        .exec(txn)
        .await?;
    Ok(())
}

/// Returns whether resources or listings have this source.
async fn is_known<C: ConnectionTrait>(connection: &C, name: &str) -> Result<bool> {
    let resource = resources::Entity::find()
        .select_only()
        .column(resources::Column::Id)
        .filter(resources::Column::Source.eq(name))
        .limit(1);
    if resource.into_tuple::<Uuid>().one(connection).await?.is_some() {
        return Ok(true);
    }
    let listings = kinds::Entity::find().filter(kinds::Column::Source.eq(name));
    Ok(listings.count(connection).await? > 0)
}

/// Fails with JOB_ALREADY_RUNNING if a sync of one of these sources is active.
async fn is_idle_in_txn(db: &Db, txn: &DatabaseTransaction, names: &[&str]) -> Result<()> {
    let now = db.time(txn).await?;
    let syncs = runs::Column::Job.eq(Job::SyncInventory);
    job_runs::abandon_in_txn(txn, syncs, job_runs::HEARTBEAT_LIMIT, now).await?;
    let active = runs::Entity::find()
        .filter(runs::Column::Job.eq(Job::SyncInventory))
        .filter(runs::Column::FinishedAt.is_null())
        .filter(runs::Column::Source.is_in(names.iter().copied()))
        .one(txn)
        .await?;
    match active {
        Some(run) => Err(Error::JobAlreadyRunning {
            since: run.started_at,
        }),
        None => Ok(()),
    }
}
