//! The subscriptions.

use std::any::Any;
use std::sync::{Arc, PoisonError};

use async_graphql::futures_util::Stream;
use async_graphql::futures_util::stream;
use async_graphql::{Context, Subscription};
use entity::{cloud_drift, job_runs};

use super::error::{ApiError, ApiResult};
use super::guard::AtLeast;
use super::loader::{BatchLoaders, Current};
use super::types::{Drift, DriftFilterInput, Job, JobRun};
use super::{Begun, app};
use crate::domain::actor::Role;
use crate::error::Error;
use crate::live;

/// The subscriptions.
pub struct Subscription;

/// Subscriptions over WebSocket (`graphql-transport-ws`) or server-sent events. They require the role
/// `platform_viewer` or `platform_admin`.
#[Subscription]
impl Subscription {
    /// Returns each drift that is detected, changed, accepted, reverted or becomes stale, with its values after the
    /// change; also one that is snoozed, assigned or commented on. Without a status filter, open drifts only. Slow readers
    /// are disconnected with SUBSCRIPTION_LAGGED, and all readers with DATABASE_BUSY if new changes cannot be read; they
    /// can query `drifts` to catch up.
    #[graphql(guard = "AtLeast(Role::PlatformViewer)")]
    async fn drift_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Selects the drifts.")] filter: Option<DriftFilterInput>,
    ) -> Result<impl Stream<Item = ApiResult<Drift>>, ApiError> {
        let filter = filter.unwrap_or_default().parse()?;
        let drifts = DriftStream {
            subscription: app(ctx)?.live().subscribe(filter).await?,
            waiting: Vec::new().into_iter(),
            batch_loaders: Arc::clone(data(ctx)?),
            current: Arc::clone(data(ctx)?),
        };
        begun(ctx);
        Ok(stream::unfold(drifts, |mut drifts| async move {
            let drift = drifts.next().await?;
            Some((drift, drifts))
        }))
    }

    /// Returns each run of a job that begins or ends, on any server or by a command. Slow readers are disconnected with
    /// SUBSCRIPTION_LAGGED, and all readers with DATABASE_BUSY if new changes cannot be read; they can query `jobRuns` to
    /// catch up.
    #[graphql(guard = "AtLeast(Role::PlatformViewer)")]
    async fn job_run_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Returns only runs of this job.")] job: Option<Job>,
    ) -> Result<impl Stream<Item = ApiResult<JobRun>>, ApiError> {
        let job: Option<job_runs::Job> = job.map(Into::into);
        let runs = app(ctx)?.live().subscribe_runs().await?;
        begun(ctx);
        Ok(stream::unfold(Some(runs), move |runs| async move {
            let mut runs = runs?;
            loop {
                match runs.next().await? {
                    Ok(run) if job.is_none_or(|job| job == run.job) => {
                        return Some((Ok(JobRun(Arc::unwrap_or_clone(run))), Some(runs)));
                    }
                    Ok(_) => {}
                    // The reader may have missed a change, so nothing follows.
                    Err(error) => return Some((Err(ApiError::from(error)), None)),
                }
            }
        }))
    }
}

fn data<'c, D: Any + Send + Sync>(ctx: &Context<'c>) -> Result<&'c D, Error> {
    ctx.data().map_err(|error| Error::Internal(error.message))
}

/// Signals that the subscription has begun and misses no later event.
fn begun(ctx: &Context<'_>) {
    let Some(begun) = ctx.data_opt::<Begun>() else {
        return;
    };
    let sender = begun.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    // The caller may have stopped waiting.
    _ = sender.map(|sender| sender.send(()));
}

/// A subscription that returns one drift at a time.
struct DriftStream {
    subscription: live::Subscription,
    waiting: std::vec::IntoIter<Arc<cloud_drift::Model>>,
    batch_loaders: Arc<BatchLoaders>,
    current: Arc<Current>,
}

impl DriftStream {
    /// Returns the next drift. Its nested fields are resolved by the loaders of its batch before the next drift
    /// is requested.
    async fn next(&mut self) -> Option<ApiResult<Drift>> {
        loop {
            if let Some(drift) = self.waiting.next() {
                return Some(Ok(Drift(Arc::unwrap_or_clone(drift))));
            }
            match self.subscription.next().await? {
                Ok(changes) => {
                    self.current
                        .set(self.batch_loaders.batch(changes.number, &changes.resources));
                    self.waiting = changes.drifts.into_iter();
                }
                Err(error) => return Some(Err(ApiError::from(error))),
            }
        }
    }
}
