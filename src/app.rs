//! The shared state of a server or command.

use std::sync::Arc;

use crate::clock::Clock;
use crate::db::Db;
use crate::domain::freshness::MaxAge;
use crate::domain::schedule::{Schedule, Schedules};
use crate::error::Result;
use crate::jobs::{JobRequest, Jobs, Source};
use crate::live::Live;
use crate::metrics::Metrics;
use crate::outgoing::Outgoing;
use crate::provider::InventoryProvider;
use crate::services::detection::Scope;
use crate::services::freshness::{self, Freshness};
use crate::services::sources::{self, Registration};

/// The state of a server or command: the database, the clock, the schedules, the job runner and the live feed. Clones
/// share it.
#[derive(Clone)]
pub struct App {
    inner: Arc<Inner>,
    outgoing: Outgoing,
}

struct Inner {
    db: Db,
    clock: Clock,
    max_age: MaxAge,
    schedules: Schedules,
    jobs: Jobs,
    live: Live,
    metrics: Metrics,
}

impl App {
    /// Creates an app without schedules. Syncs list `inventory`; without it, they fail with UPSTREAM_UNAVAILABLE.
    pub fn new(db: Db, clock: Clock, inventory: Option<Arc<dyn InventoryProvider>>) -> Self {
        Self::scheduled(db, clock, inventory, Schedules::default())
    }

    /// Creates an app with schedules. The maximum age of the inventory is twice the interval of syncs.
    pub fn scheduled(
        db: Db,
        clock: Clock,
        inventory: Option<Arc<dyn InventoryProvider>>,
        schedules: Schedules,
    ) -> Self {
        let max_age = schedules
            .sync
            .clone()
            .map(MaxAge::twice_the_interval)
            .unwrap_or_default();
        let sources = inventory.into_iter().map(Source::new).collect();
        Self::with_sources(db, clock, sources, schedules, max_age)
    }

    /// Creates an app that lists these sources. `max_age` is the maximum age of the last listing of a source without an
    /// interval of its own.
    pub fn with_sources(
        db: Db,
        clock: Clock,
        sources: Vec<Source>,
        schedules: Schedules,
        max_age: MaxAge,
    ) -> Self {
        let metrics = Metrics::new();
        let jobs = Jobs::new(db.clone(), clock.clone(), sources, max_age.clone(), &schedules);
        let inner = Inner {
            live: Live::new(db.clone(), clock.clone()),
            jobs: jobs.counted_by(metrics.clone()),
            metrics,
            db,
            clock,
            max_age,
            schedules,
        };
        Self {
            inner: Arc::new(inner),
            outgoing: Outgoing::default(),
        }
    }

    /// Returns the same app with other settings of outgoing requests.
    #[must_use]
    pub fn with_outgoing(self, outgoing: Outgoing) -> Self {
        Self { outgoing, ..self }
    }

    /// Returns the sender of requests to the targets of notifications.
    pub(crate) fn outgoing(&self) -> &Outgoing {
        &self.outgoing
    }

    /// Returns the database.
    pub fn db(&self) -> &Db {
        &self.inner.db
    }

    /// Returns the counters of this process.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    /// Returns the clock.
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// Returns the schedules of the jobs.
    pub(crate) fn schedules(&self) -> &Schedules {
        &self.inner.schedules
    }

    /// Returns what runs on a schedule, and when: the sync of each source, and then the sweep.
    pub(crate) fn timetable(&self) -> Vec<(JobRequest, Schedule)> {
        let schedules = self.schedules();
        let syncs = self.jobs().sources().iter().filter_map(|source| {
            let schedule = source.schedule.as_ref().or(schedules.sync.as_ref())?;
            Some((JobRequest::sync_of(source.clone()), schedule.clone()))
        });
        let sweeps = schedules
            .detect
            .clone()
            .map(|schedule| (JobRequest::detect_all(), schedule));
        syncs.chain(sweeps).collect()
    }

    /// Registers the sources and those in `sent`, whose listings are sent to the server, so that each process on the
    /// database knows which are expected.
    ///
    /// # Errors
    ///
    /// BAD_USER_INPUT if a name is not valid or belongs to a source of another kind.
    pub(crate) async fn register_sources(&self, sent: &[Registration]) -> Result<()> {
        let listed = self.jobs().sources().iter().map(Source::registration);
        let sources: Vec<_> = listed.chain(sent.iter().cloned()).collect();
        sources::register(self.db(), &sources).await
    }

    /// Returns the registered sources with their states.
    ///
    /// # Errors
    ///
    /// The database is unavailable.
    pub(crate) async fn sources(&self) -> Result<Vec<sources::Source>> {
        sources::list(self.db(), self.max_age()).await
    }

    /// Returns the freshness of the inventory for all specs.
    ///
    /// # Errors
    ///
    /// The database is unavailable.
    pub(crate) async fn freshness(&self) -> Result<Freshness> {
        freshness::of_scope(self.db(), &Scope::All, &self.inner.max_age).await
    }

    /// Returns the maximum age of a kind's last complete listing.
    pub(crate) fn max_age(&self) -> &MaxAge {
        &self.inner.max_age
    }

    /// Returns the job runner.
    pub fn jobs(&self) -> &Jobs {
        &self.inner.jobs
    }

    /// Returns the feed of committed drift changes.
    pub fn live(&self) -> &Live {
        &self.inner.live
    }
}
