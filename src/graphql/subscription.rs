//! What can be listened to.

use std::any::Any;
use std::sync::{Arc, PoisonError};

use async_graphql::futures_util::Stream;
use async_graphql::futures_util::stream;
use async_graphql::{Context, Subscription};
use entity::cloud_drift;

use super::error::{ApiError, ApiResult};
use super::guard::AtLeast;
use super::loader::{Current, OfNews};
use super::types::{Drift, DriftFilterInput};
use super::{Begun, app};
use crate::domain::actor::Role;
use crate::error::Error;
use crate::live;

/// What can be listened to.
pub struct Subscription;

/// What can be listened to, over a WebSocket (graphql-transport-ws) or server-sent events. Needs the role
/// platform_viewer or platform_admin.
#[Subscription]
impl Subscription {
    /// Each drift that is detected, changes, is accepted or goes stale, as it is then: OPEN ones, unless the
    /// filter says otherwise. Whoever does not read in time is cut off with SUBSCRIPTION_LAGGED, and finds in
    /// `drifts` what was missed.
    #[graphql(guard = "AtLeast(Role::PlatformViewer)")]
    async fn drift_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which drifts.")] filter: Option<DriftFilterInput>,
    ) -> Result<impl Stream<Item = ApiResult<Drift>>, ApiError> {
        let filter = filter.unwrap_or_default().parse()?;
        let told = Told {
            subscription: app(ctx)?.live().subscribe(filter).await?,
            waiting: Vec::new().into_iter(),
            of_news: Arc::clone(data(ctx)?),
            current: Arc::clone(data(ctx)?),
        };
        begun(ctx);
        Ok(stream::unfold(told, |mut told| async move {
            let drift = told.next().await?;
            Some((drift, told))
        }))
    }
}

fn data<'c, D: Any + Send + Sync>(ctx: &Context<'c>) -> Result<&'c D, Error> {
    ctx.data().map_err(|error| Error::Internal(error.message))
}

/// Lets whoever waits for it know that nothing is missed from now on.
fn begun(ctx: &Context<'_>) {
    let Some(begun) = ctx.data_opt::<Begun>() else {
        return;
    };
    let sender = begun.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    // Nobody has to wait for it.
    _ = sender.map(|sender| sender.send(()));
}

/// A subscription, one drift at a time.
struct Told {
    subscription: live::Subscription,
    waiting: std::vec::IntoIter<Arc<cloud_drift::Model>>,
    of_news: Arc<OfNews>,
    current: Arc<Current>,
}

impl Told {
    /// The next drift. Its nested fields are resolved before the next one is asked for, by the loaders of its
    /// batch.
    async fn next(&mut self) -> Option<ApiResult<Drift>> {
        loop {
            if let Some(drift) = self.waiting.next() {
                return Some(Ok(Drift(Arc::unwrap_or_clone(drift))));
            }
            match self.subscription.next().await? {
                Ok(news) => {
                    self.current.set(self.of_news.batch(news.batch, &news.resources));
                    self.waiting = news.drifts.into_iter();
                }
                Err(error) => return Some(Err(ApiError::from(error))),
            }
        }
    }
}
