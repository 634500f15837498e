//! The queries and mutations of sources.

use async_graphql::{Context, InputObject, Object, SimpleObject};

use super::app;
use super::error::ApiResult;
use super::guard::{AtLeast, caller};
use super::mutation::{app_with_fresh_loaders, to_int};
use super::refusal::{Outcome, Refusal};
use super::types::{COVERED_KINDS, Freshness, MAX_LISTED_SOURCES, Source};
use crate::domain::actor::Role;
use crate::services::{job_runs, resources, sources};
/// Input of `retireSource`.
#[derive(InputObject)]
struct RetireSourceInput {
    /// The name of the source.
    name: String,
}

/// Result of `retireSource`.
#[derive(SimpleObject)]
struct RetireSourcePayload {
    /// The number of its resources, which are gone now; 0 if the mutation was refused.
    resources: i32,
    /// The number of its specs, which are retired now; 0 if the mutation was refused.
    specs: i32,
    /// Why the mutation was refused; null if it was done. Select it to get a refusal as data instead of an error.
    refusal: Option<Refusal>,
}

/// Input of `renameSource`.
#[derive(InputObject)]
struct RenameSourceInput {
    /// The name of the source.
    name: String,
    /// Its new name.
    new_name: String,
}

/// Result of `renameSource`.
#[derive(SimpleObject)]
struct RenameSourcePayload {
    /// The number of its resources, which have the new name now; 0 if the mutation was refused.
    resources: i32,
    /// Why the mutation was refused; null if it was done. Select it to get a refusal as data instead of an error.
    refusal: Option<Refusal>,
}

/// The queries of sources.
#[derive(Default)]
pub(super) struct SourceQuery;

/// The queries of sources.
#[Object]
impl SourceQuery {
    /// Returns whether the inbox is up to date. Only then does an empty inbox mean that nothing differs.
    #[graphql(
        guard = "AtLeast(Role::PlatformViewer)",
        complexity = "COVERED_KINDS * child_complexity"
    )]
    async fn freshness(&self, ctx: &Context<'_>) -> ApiResult<Freshness> {
        let app = app(ctx)?;
        let db = app.db();
        Ok(Freshness {
            inventory: app.freshness().await?,
            sweep: job_runs::last_sweep(db).await?,
            never_listed: resources::never_listed(db.reader()).await?,
            max_age: app.max_age().clone(),
            now: db.time(db.reader()).await?,
        })
    }

    /// Lists the registered sources of the inventory with their states, by name; at most 1,000.
    #[graphql(
        guard = "AtLeast(Role::PlatformViewer)",
        complexity = "COVERED_KINDS * child_complexity"
    )]
    async fn sources(&self, ctx: &Context<'_>) -> ApiResult<Vec<Source>> {
        let sources = app(ctx)?.sources().await?;
        Ok(sources.into_iter().take(MAX_LISTED_SOURCES).map(Source).collect())
    }
}

/// The mutations of sources.
#[derive(Default)]
pub(super) struct SourceMutation;

/// The mutations of sources.
#[Object]
impl SourceMutation {
    /// Ends a source that no longer exists: retires its specs, so that their drifts close, marks its resources as gone, and
    /// removes it from `sources`. Fails with JOB_ALREADY_RUNNING if a sync of the source is active. A server whose
    /// settings name the source registers it again.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn retire_source(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The source to end.")] input: RetireSourceInput,
    ) -> ApiResult<Option<RetireSourcePayload>> {
        let app = app_with_fresh_loaders(ctx)?;
        let ended = sources::retire(app.db(), app.clock(), caller(ctx)?.name(), &input.name).await;
        let (ended, refusal) = Outcome::of(ctx, ended, None)?.into_parts();
        let ended = ended.unwrap_or_default();
        Ok(Some(RetireSourcePayload {
            resources: to_int(ended.resources),
            specs: to_int(ended.specs),
            refusal,
        }))
    }

    /// Gives a source a new name, for example after its setting was changed. Fails with JOB_ALREADY_RUNNING if a sync of the
    /// source is active. Terraform states keep their names.
    #[graphql(guard = "AtLeast(Role::PlatformAdmin)")]
    async fn rename_source(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The source and its new name.")] input: RenameSourceInput,
    ) -> ApiResult<Option<RenameSourcePayload>> {
        let app = app_with_fresh_loaders(ctx)?;
        let resources = sources::rename(app.db(), caller(ctx)?.name(), &input.name, &input.new_name).await;
        let (resources, refusal) = Outcome::of(ctx, resources, None)?.into_parts();
        Ok(Some(RenameSourcePayload {
            resources: to_int(resources.unwrap_or_default()),
            refusal,
        }))
    }
}
