//! Loads nested rows in batches: each kind of nesting takes one statement, regardless of the number of rows on a
//! page.
//!
//! The task of a request also reads its batches ([`Driver`]). A batch is read when every resolver that can run has run,
//! and it is dropped with the request. A timer in another task, as in async-graphql, would race with the resolvers and
//! split their keys into more batches on a busy machine. An execution that returns `Pending` may still have resolvers
//! that can run, because the lists and objects of async-graphql sometimes yield and wake themselves.
//!
//! Subscriptions use a timer ([`GATHER`]): all subscribers of a batch of changes share its loaders, so no single
//! request can read their batches.

use std::collections::{HashMap, HashSet};
use std::future::poll_fn;
use std::hash::Hash;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use async_graphql::dataloader::{DataLoader, HashMapCache, Loader};
use chrono::{DateTime, Utc};
use entity::{
    cloud_actions, cloud_drift, cloud_provisioned, cloud_resource_events, cloud_resources, drift_comments,
    terraform_states,
};
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::task::AtomicWaker;
use tokio::sync::mpsc;
use tracing::Instrument as _;
use uuid::Uuid;

use super::error::ApiError;
use crate::domain::spec_history::SpecVersion;
use crate::services::cloud_actions::{ActionsOf, pages_of as actions_of};
use crate::services::inbox::DriftFilter;
use crate::services::inventory::ListedKind;
use crate::services::page::{Page, PageRequest};
use crate::services::{
    Reader, addresses, comments, events, ignore_rules, ignored, inbox, inventory, provisioning, resources,
    spec_history, spec_sources,
};

/// How long a load of one subscriber waits for the loads of the others, which received the changes at the same time.
const GATHER: Duration = Duration::from_millis(5);

/// The loaders of one request.
pub(super) type Loaders = DataLoader<Batches, HashMapCache>;

/// A loader that reads all keys of a batch with one statement.
pub(super) struct Batches {
    connection: Reader,
    /// All resources of a batch of changes; empty for a request. A load for one resource also loads these resources,
    /// which are probably needed next.
    beside: Arc<[Uuid]>,
}

impl Batches {
    fn new(connection: Reader, beside: Arc<[Uuid]>) -> Self {
        Self { connection, beside }
    }

    /// Returns the keys, and for each key the same key of every resource in `beside`.
    fn with_beside<K: Clone + Eq + Hash>(&self, keys: &[K], about: impl Fn(&K, Uuid) -> K) -> Vec<K> {
        let beside = keys
            .iter()
            .flat_map(|key| self.beside.iter().map(|resource| about(key, *resource)));
        let all: HashSet<K> = keys.iter().cloned().chain(beside).collect();
        all.into_iter().collect()
    }
}

/// The loaders that resolvers use. A subscription replaces them with each batch of changes.
pub(super) struct Current(Mutex<Arc<Loaders>>);

impl Current {
    pub(super) fn new(loaders: Loaders) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Arc::new(loaders))))
    }

    pub(super) fn get(&self) -> Arc<Loaders> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn set(&self, loaders: Arc<Loaders>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = loaders;
    }
}

/// The loaders of subscriptions, by batch of changes. All subscribers that receive a batch share its loaders. A load
/// for one resource reads the rows of all resources of the batch.
pub(super) struct BatchLoaders {
    connection: Reader,
    in_use: Mutex<HashMap<u64, Weak<Loaders>>>,
}

impl BatchLoaders {
    pub(super) fn new(connection: Reader) -> Arc<Self> {
        Arc::new(Self {
            connection,
            in_use: Mutex::default(),
        })
    }

    /// Returns the loaders of the batch with this number and these resources.
    pub(super) fn batch(&self, batch: u64, resources: &Arc<[Uuid]>) -> Arc<Loaders> {
        let mut in_use = self.in_use.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(loaders) = in_use.get(&batch).and_then(Weak::upgrade) {
            return loaders;
        }
        let batches = Batches::new(self.connection.clone(), Arc::clone(resources));
        let loaders = DataLoader::with_cache(batches, spawn, HashMapCache::default()).delay(GATHER);
        let loaders = Arc::new(loaders);
        in_use.retain(|_, loaders| loaders.strong_count() > 0);
        in_use.insert(batch, Arc::downgrade(&loaders));
        loaders
    }
}

/// Reads the batches of a request, which it receives from the loaders.
pub(super) struct Driver(mpsc::UnboundedReceiver<BoxFuture<'static, ()>>);

/// Creates the loaders of one request and their driver.
pub(super) fn of_request(connection: Reader) -> (Loaders, Driver) {
    let (ask, asked) = mpsc::unbounded_channel();
    let spawn = move |batch| {
        // This fails only if the request has ended, so that the batch is no longer needed.
        _ = ask.send(batch);
    };
    let cache = HashMapCache::default();
    (
        DataLoader::with_cache(Batches::new(connection, Arc::default()), spawn, cache).delay(Duration::ZERO),
        Driver(asked),
    )
}

/// Clears the cached values. Called before data changes.
pub(super) fn forget(loaders: &Loaders) {
    loaders.clear::<ResourceById>();
    loaders.clear::<SpecOf>();
    loaders.clear::<AddressOf>();
    loaders.clear::<IsInPlan>();
    loaders.clear::<StateNamed>();
    loaders.clear::<EventsOf>();
    loaders.clear::<EventCountOf>();
    loaders.clear::<CommentsOf>();
    loaders.clear::<CommentCountOf>();
    loaders.clear::<RecurrenceOf>();
    loaders.clear::<RuleById>();
    loaders.clear::<IgnoredCountOf>();
    loaders.clear::<DriftById>();
    loaders.clear::<DriftsOf>();
    loaders.clear::<DriftPage>();
    loaders.clear::<DriftCountOf>();
    loaders.clear::<SpecVersionsOf>();
    loaders.clear::<SpecVersionCountOf>();
    loaders.clear::<DriftsOfVersion>();
    loaders.clear::<SyncedAt>();
}

impl Driver {
    /// Polls `execution` until it ends, and reads its batches whenever no resolver can run.
    pub(super) async fn drive<F: Future>(mut self, execution: F) -> F::Output {
        let mut execution = pin!(execution);
        let mut batches = FuturesUnordered::new();
        let woken = Arc::new(Woken {
            flag: AtomicBool::new(true),
            task: AtomicWaker::new(),
        });
        let waker = Waker::from(Arc::clone(&woken));
        poll_fn(|cx| {
            woken.task.register(cx.waker());
            loop {
                if woken.flag.swap(false, Ordering::SeqCst)
                    && let Poll::Ready(output) = execution.as_mut().poll(&mut Context::from_waker(&waker))
                {
                    return Poll::Ready(output);
                }
                if woken.flag.load(Ordering::SeqCst) {
                    // The execution only yielded: more keys may follow before a read is necessary.
                    return Poll::Pending;
                }
                while let Poll::Ready(Some(batch)) = self.0.poll_recv(cx) {
                    batches.push(batch);
                }
                match batches.poll_next_unpin(cx) {
                    // A batch has been read: resolvers can continue.
                    Poll::Ready(Some(())) => {}
                    Poll::Ready(None) | Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await
    }
}

/// A waker that records that the execution can continue, and wakes its task.
struct Woken {
    flag: AtomicBool,
    task: AtomicWaker,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.flag.store(true, Ordering::SeqCst);
        self.task.wake();
    }
}

/// Key of a resource by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ResourceById(pub(super) Uuid);

/// Key of a resource's spec in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct SpecOf(pub(super) Uuid);

/// Key of the Terraform address of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct AddressOf(pub(super) Uuid);

/// Key of whether a resource is an instance of a state whose plans are imported. The state is given by its name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct IsInPlan(pub(super) Uuid, pub(super) String);

/// Key of the last imported version of a Terraform state, by its name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct StateNamed(pub(super) String);

/// Key of a page of a resource's events.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct EventsOf(pub(super) Uuid, pub(super) PageRequest);

/// Key of the number of a resource's events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct EventCountOf(pub(super) Uuid);

/// Key of a page of the comments on a drift.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct CommentsOf(pub(super) Uuid, pub(super) PageRequest);

/// Key of the number of comments on a drift.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct CommentCountOf(pub(super) Uuid);

/// Key of a page of actions of a resource.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct CloudActionsOf(pub(super) ActionsOf, pub(super) PageRequest);

/// Key of what came before a drift.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct RecurrenceOf(pub(super) Uuid);

/// Key of a drift by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct DriftById(pub(super) Uuid);

/// Key of an ignore rule by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct RuleById(pub(super) Uuid);

/// Key of the number of differences that a rule ignores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct IgnoredCountOf(pub(super) Uuid);

/// Key of a page of a resource's drifts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct DriftsOf(pub(super) Uuid, pub(super) DriftFilter, pub(super) PageRequest);

/// Key of a page of the drifts that match a filter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct DriftPage(pub(super) DriftFilter, pub(super) PageRequest);

/// Key of the number of a resource's drifts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct DriftCountOf(pub(super) Uuid, pub(super) DriftFilter);

/// Key of a page of the versions of a resource's spec.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct SpecVersionsOf(pub(super) Uuid, pub(super) PageRequest);

/// Key of the number of versions of a resource's spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct SpecVersionCountOf(pub(super) Uuid);

/// Key of the drifts of a version of a resource's spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct DriftsOfVersion(pub(super) Uuid, pub(super) i32, pub(super) spec_history::DriftsOf);

/// Key of the last complete listing of a kind by a source.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct SyncedAt(pub(super) ListedKind);

impl Loader<ResourceById> for Batches {
    type Value = cloud_resources::Model;
    type Error = ApiError;

    async fn load(&self, keys: &[ResourceById]) -> Result<HashMap<ResourceById, Self::Value>, ApiError> {
        let keys = self.with_beside(keys, |_, id| ResourceById(id));
        let ids: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let rows = resources::by_ids(&self.connection, &ids).await?;
        Ok(rows.into_iter().map(|row| (ResourceById(row.id), row)).collect())
    }
}

impl Loader<SpecOf> for Batches {
    type Value = Option<cloud_provisioned::Model>;
    type Error = ApiError;

    async fn load(&self, keys: &[SpecOf]) -> Result<HashMap<SpecOf, Self::Value>, ApiError> {
        let keys = self.with_beside(keys, |_, id| SpecOf(id));
        let ids: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let rows = provisioning::active_specs_of(&self.connection, &ids).await?;
        // Every key needs an entry. Otherwise resources without a spec would be loaded again.
        let mut specs: HashMap<SpecOf, Self::Value> = keys.iter().map(|key| (*key, None)).collect();
        specs.extend(rows.into_iter().map(|row| (SpecOf(row.resource_id), Some(row))));
        Ok(specs)
    }
}

impl Loader<AddressOf> for Batches {
    type Value = Option<String>;
    type Error = ApiError;

    async fn load(&self, keys: &[AddressOf]) -> Result<HashMap<AddressOf, Self::Value>, ApiError> {
        let keys = self.with_beside(keys, |_, id| AddressOf(id));
        let ids: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let mut found = addresses::of_resources(&self.connection, &ids).await?;
        Ok(keys.into_iter().map(|key| (key, found.remove(&key.0))).collect())
    }
}

impl Loader<IsInPlan> for Batches {
    type Value = bool;
    type Error = ApiError;

    async fn load(&self, keys: &[IsInPlan]) -> Result<HashMap<IsInPlan, bool>, ApiError> {
        let wanted: Vec<_> = keys.iter().map(|key| (key.0, key.1.clone())).collect();
        let found = spec_sources::in_plans(&self.connection, &wanted).await?;
        Ok(keys
            .iter()
            .cloned()
            .zip(wanted.iter().map(|key| found.contains(key)))
            .collect())
    }
}

impl Loader<StateNamed> for Batches {
    type Value = Option<terraform_states::Model>;
    type Error = ApiError;

    async fn load(&self, keys: &[StateNamed]) -> Result<HashMap<StateNamed, Self::Value>, ApiError> {
        let names: Vec<String> = keys.iter().map(|key| key.0.clone()).collect();
        let mut found = spec_sources::states_named(&self.connection, &names).await?;
        Ok(keys
            .iter()
            .cloned()
            .zip(names.iter().map(|name| found.remove(name)))
            .collect())
    }
}

impl Loader<EventsOf> for Batches {
    type Value = Page<cloud_resource_events::Model>;
    type Error = ApiError;

    async fn load(&self, keys: &[EventsOf]) -> Result<HashMap<EventsOf, Self::Value>, ApiError> {
        let keys = self.with_beside(keys, |key, id| EventsOf(id, key.1.clone()));
        let requests: Vec<(Uuid, PageRequest)> = keys.iter().map(|key| (key.0, key.1.clone())).collect();
        let pages = events::pages_of(&self.connection, &requests).await?;
        Ok(keys.iter().cloned().zip(pages).collect())
    }
}

impl Loader<CloudActionsOf> for Batches {
    type Value = Page<cloud_actions::Model>;
    type Error = ApiError;

    async fn load(&self, keys: &[CloudActionsOf]) -> Result<HashMap<CloudActionsOf, Self::Value>, ApiError> {
        let requests: Vec<_> = keys.iter().map(|key| (key.0.clone(), key.1.clone())).collect();
        let pages = actions_of(&self.connection, &requests).await?;
        Ok(keys.iter().cloned().zip(pages).collect())
    }
}

impl Loader<EventCountOf> for Batches {
    type Value = i64;
    type Error = ApiError;

    async fn load(&self, keys: &[EventCountOf]) -> Result<HashMap<EventCountOf, i64>, ApiError> {
        let keys = self.with_beside(keys, |_, id| EventCountOf(id));
        let ids: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let counts: HashMap<Uuid, i64> = events::counts_of(&self.connection, &ids)
            .await?
            .into_iter()
            .collect();
        Ok(keys
            .iter()
            .map(|key| (*key, counts.get(&key.0).copied().unwrap_or_default()))
            .collect())
    }
}

impl Loader<CommentsOf> for Batches {
    type Value = Page<drift_comments::Model>;
    type Error = ApiError;

    async fn load(&self, keys: &[CommentsOf]) -> Result<HashMap<CommentsOf, Self::Value>, ApiError> {
        let requests: Vec<(Uuid, PageRequest)> = keys.iter().map(|key| (key.0, key.1.clone())).collect();
        let pages = comments::pages_of(&self.connection, &requests).await?;
        Ok(keys.iter().cloned().zip(pages).collect())
    }
}

impl Loader<CommentCountOf> for Batches {
    type Value = i64;
    type Error = ApiError;

    async fn load(&self, keys: &[CommentCountOf]) -> Result<HashMap<CommentCountOf, i64>, ApiError> {
        let ids: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let counts = comments::counts_of(&self.connection, &ids).await?;
        Ok(counts
            .into_iter()
            .map(|(id, count)| (CommentCountOf(id), count))
            .collect())
    }
}

impl Loader<RecurrenceOf> for Batches {
    type Value = inbox::Recurrence;
    type Error = ApiError;

    async fn load(&self, keys: &[RecurrenceOf]) -> Result<HashMap<RecurrenceOf, Self::Value>, ApiError> {
        let ids: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let found = inbox::recurrences_of(&self.connection, &ids).await?;
        Ok(found
            .into_iter()
            .map(|(id, found)| (RecurrenceOf(id), found))
            .collect())
    }
}

impl Loader<DriftById> for Batches {
    type Value = cloud_drift::Model;
    type Error = ApiError;

    async fn load(&self, keys: &[DriftById]) -> Result<HashMap<DriftById, Self::Value>, ApiError> {
        let rows = inbox::by_ids(&self.connection, keys.iter().map(|key| key.0)).await?;
        Ok(rows.into_iter().map(|row| (DriftById(row.id), row)).collect())
    }
}

impl Loader<RuleById> for Batches {
    type Value = entity::ignore_rules::Model;
    type Error = ApiError;

    async fn load(&self, keys: &[RuleById]) -> Result<HashMap<RuleById, Self::Value>, ApiError> {
        let ids: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let rows = ignore_rules::by_ids(&self.connection, &ids).await?;
        Ok(rows.into_iter().map(|row| (RuleById(row.id), row)).collect())
    }
}

impl Loader<IgnoredCountOf> for Batches {
    type Value = i64;
    type Error = ApiError;

    async fn load(&self, keys: &[IgnoredCountOf]) -> Result<HashMap<IgnoredCountOf, i64>, ApiError> {
        let ids: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let counts = ignored::counts_of(&self.connection, &ids).await?;
        Ok(counts
            .into_iter()
            .map(|(id, count)| (IgnoredCountOf(id), count))
            .collect())
    }
}

impl Loader<DriftsOf> for Batches {
    type Value = Page<cloud_drift::Model>;
    type Error = ApiError;

    async fn load(&self, keys: &[DriftsOf]) -> Result<HashMap<DriftsOf, Self::Value>, ApiError> {
        let keys = self.with_beside(keys, |key, id| DriftsOf(id, key.1.clone(), key.2.clone()));
        let requests: Vec<_> = keys
            .iter()
            .map(|key| (key.0, key.1.clone(), key.2.clone()))
            .collect();
        let pages = inbox::pages_of(&self.connection, &requests).await?;
        Ok(keys.iter().cloned().zip(pages).collect())
    }
}

impl Loader<DriftPage> for Batches {
    type Value = Page<cloud_drift::Model>;
    type Error = ApiError;

    async fn load(&self, keys: &[DriftPage]) -> Result<HashMap<DriftPage, Self::Value>, ApiError> {
        let requests: Vec<_> = keys.iter().map(|key| (key.0.clone(), key.1.clone())).collect();
        let pages = inbox::pages(&self.connection, &requests).await?;
        Ok(keys.iter().cloned().zip(pages).collect())
    }
}

impl Loader<DriftCountOf> for Batches {
    type Value = i64;
    type Error = ApiError;

    async fn load(&self, keys: &[DriftCountOf]) -> Result<HashMap<DriftCountOf, i64>, ApiError> {
        let keys = self.with_beside(keys, |key, id| DriftCountOf(id, key.1.clone()));
        let mut by_filter: HashMap<&DriftFilter, Vec<Uuid>> = HashMap::new();
        for DriftCountOf(resource, filter) in &keys {
            by_filter.entry(filter).or_default().push(*resource);
        }
        let mut counts: HashMap<DriftCountOf, i64> = keys.iter().map(|key| (key.clone(), 0)).collect();
        for (filter, of) in by_filter {
            let counted = inbox::counts_of(&self.connection, filter, &of).await?;
            counts.extend(
                counted
                    .into_iter()
                    .map(|(id, count)| (DriftCountOf(id, filter.clone()), count)),
            );
        }
        Ok(counts)
    }
}

impl Loader<SpecVersionsOf> for Batches {
    type Value = Page<SpecVersion>;
    type Error = ApiError;

    async fn load(&self, keys: &[SpecVersionsOf]) -> Result<HashMap<SpecVersionsOf, Self::Value>, ApiError> {
        let requests: Vec<_> = keys.iter().map(|key| (key.0, key.1.clone())).collect();
        let pages = spec_history::pages_of(&self.connection, &requests).await?;
        let keyed = |((id, request), page)| (SpecVersionsOf(id, request), page);
        Ok(pages.into_iter().map(keyed).collect())
    }
}

impl Loader<SpecVersionCountOf> for Batches {
    type Value = i64;
    type Error = ApiError;

    async fn load(&self, keys: &[SpecVersionCountOf]) -> Result<HashMap<SpecVersionCountOf, i64>, ApiError> {
        let ids: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let counts = spec_history::counts_of(&self.connection, &ids).await?;
        let count = |key: &SpecVersionCountOf| counts.get(&key.0).copied().unwrap_or_default();
        Ok(keys.iter().map(|key| (*key, count(key))).collect())
    }
}

impl Loader<DriftsOfVersion> for Batches {
    type Value = Vec<cloud_drift::Model>;
    type Error = ApiError;

    async fn load(
        &self,
        keys: &[DriftsOfVersion],
    ) -> Result<HashMap<DriftsOfVersion, Self::Value>, ApiError> {
        let mut drifts: HashMap<DriftsOfVersion, Self::Value> =
            keys.iter().map(|key| (*key, Vec::new())).collect();
        for what in [spec_history::DriftsOf::Accepted, spec_history::DriftsOf::Undone] {
            let wanted = keys.iter().filter(|key| key.2 == what);
            let wanted: Vec<_> = wanted.map(|key| (key.0, key.1)).collect();
            if wanted.is_empty() {
                continue;
            }
            let found = spec_history::drifts_of(&self.connection, what, &wanted).await?;
            drifts.extend(
                found
                    .into_iter()
                    .map(|((id, version), found)| (DriftsOfVersion(id, version, what), found)),
            );
        }
        Ok(drifts)
    }
}

impl Loader<SyncedAt> for Batches {
    type Value = Option<DateTime<Utc>>;
    type Error = ApiError;

    async fn load(&self, keys: &[SyncedAt]) -> Result<HashMap<SyncedAt, Self::Value>, ApiError> {
        let wanted: Vec<ListedKind> = keys.iter().map(|key| key.0.clone()).collect();
        let mut times = inventory::synced_at_of(&self.connection, &wanted).await?;
        Ok(keys
            .iter()
            .cloned()
            .zip(wanted.iter().map(|kind| times.remove(kind)))
            .collect())
    }
}
/// Loads in a task of its own, within the span of the request.
fn spawn(load: BoxFuture<'static, ()>) -> tokio::task::JoinHandle<()> {
    tokio::spawn(load.in_current_span())
}
