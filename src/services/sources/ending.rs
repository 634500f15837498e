//! Ends and renames sources.

use entity::inventory_kinds as kinds;
use entity::job_runs::{self as runs, Job};
use entity::sources::{self, SourceKind};
use entity::{cloud_resources as resources, plan_instances, terraform_plans as plans};
use sea_orm::sea_query::{Expr, LockType};
use sea_orm::{
    ColumnTrait, DatabaseTransaction, EntityTrait, IntoActiveModel as _, PaginatorTrait as _, QueryFilter,
    QueryOrder, QuerySelect,
};
use uuid::Uuid;

use super::{check_name, find};
use crate::clock::Clock;
use crate::db::Db;
use crate::error::{Error, Result};
use crate::services::detection::{Scope, detect_all};
use crate::services::inventory::plan_rows;
use crate::services::locks::Lock;
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

/// Ends a source that no longer exists, as a decision of `actor`: its specs are retired, so that their drifts close, its
/// resources count as gone, and it is no longer listed. If this is interrupted, the next call continues.
///
/// # Errors
///
/// NOT_FOUND if no such source is registered; JOB_ALREADY_RUNNING if a sync of it is active.
pub async fn retire(db: &Db, clock: &Clock, actor: &str, name: &str) -> Result<Ended> {
    let source = find(db.reader(), name).await?.ok_or(Error::NotFound("source"))?;
    let mut ended = Ended::default();
    let mut after = Uuid::nil();
    loop {
        let (chunk, specs) = db
            .write_txn(|txn| async move { retire_chunk_in_txn(&txn, clock, actor, name, after).await })
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
    let source = &source;
    db.write_txn(|txn| async move {
        is_idle_in_txn(&txn, &[name]).await?;
        kinds::Entity::delete_many()
            .filter(kinds::Column::Source.eq(name))
            .exec(&*txn)
            .await?;
        if source.kind == SourceKind::TerraformPlan {
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
    txn: &DatabaseTransaction,
    clock: &Clock,
    actor: &str,
    name: &str,
    after: Uuid,
) -> Result<(Vec<Uuid>, u64)> {
    is_idle_in_txn(txn, &[name]).await?;
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
    let now = clock.now();
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
    db.write_txn(|txn| async move { rename_in_txn(&txn, old, new).await })
        .await?;
    let mut renamed = 0;
    loop {
        let rows = db
            .write_txn(|txn| async move { rename_resources_in_txn(&txn, old, new).await })
            .await?;
        renamed += rows;
        if rows == 0 {
            break;
        }
    }
    tracing::info!(actor, old, new, resources = renamed, "source.renamed");
    Ok(renamed)
}

async fn rename_resources_in_txn(txn: &DatabaseTransaction, old: &str, new: &str) -> Result<u64> {
    let ids: Vec<Uuid> = resources::Entity::find()
        .select_only()
        .column(resources::Column::Id)
        .filter(resources::Column::Source.eq(old))
        .order_by_asc(resources::Column::Id)
        .limit(CHUNK)
        .lock(LockType::NoKeyUpdate)
        .into_tuple()
        .all(txn)
        .await?;
    let update = resources::Entity::update_many()
        .col_expr(resources::Column::Source, Expr::val(new))
        .filter(resources::Column::Id.is_in(ids));
    Ok(update.exec(txn).await?.rows_affected)
}

/// Renames the source, its listings and its runs, but not its resources.
async fn rename_in_txn(txn: &DatabaseTransaction, old: &str, new: &str) -> Result<()> {
    is_idle_in_txn(txn, &[old, new]).await?;
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
    let has_resources = resources::Entity::find()
        .filter(resources::Column::Source.eq(old))
        .limit(1)
        .one(txn)
        .await?
        .is_some();
    let listings = |name: &str| kinds::Entity::find().filter(kinds::Column::Source.eq(name));
    let has_listings = listings(old).count(txn).await? > 0;
    if source.is_none() && !has_listings && !has_resources {
        return Err(Error::NotFound("source"));
    }
    if has_listings && listings(new).count(txn).await? > 0 {
        return Err(Error::BadUserInput(format!(
            "the source {new:?} has listings of its own"
        )));
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
    runs::Entity::update_many()
        .col_expr(runs::Column::Source, Expr::val(new))
        .filter(runs::Column::Source.eq(old))
        .exec(txn)
        .await?;
    Ok(())
}

/// Fails with JOB_ALREADY_RUNNING if a sync of one of these sources is active.
async fn is_idle_in_txn(txn: &DatabaseTransaction, names: &[&str]) -> Result<()> {
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
