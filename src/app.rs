//! The shared state of a server or command.

use std::sync::Arc;

use crate::clock::Clock;
use crate::db::Db;
use crate::domain::freshness::MaxAge;
use crate::domain::schedule::Schedules;
use crate::error::Result;
use crate::jobs::{Jobs, Source};
use crate::live::Live;
use crate::provider::InventoryProvider;
use crate::services::detection::Scope;
use crate::services::freshness::{self, Freshness};

/// Settings of the source of the inventory.
#[derive(Clone, Debug, Default)]
pub struct SourceSettings {
    /// Name of the source; if absent, the default name that the provider returns.
    pub source: Option<String>,
    /// Maximum age of a kind's last complete listing.
    pub max_age: MaxAge,
}

/// The state of a server or command: the database, the clock, the schedules, the job runner and the live feed. Clones
/// share it.
#[derive(Clone)]
pub struct App {
    inner: Arc<Inner>,
}

struct Inner {
    db: Db,
    clock: Clock,
    max_age: MaxAge,
    schedules: Schedules,
    jobs: Jobs,
    live: Live,
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
        let settings = SourceSettings {
            max_age: schedules
                .sync
                .clone()
                .map(MaxAge::twice_the_interval)
                .unwrap_or_default(),
            ..SourceSettings::default()
        };
        Self::with_settings(db, clock, inventory, schedules, settings)
    }

    /// Creates an app with schedules and settings of the source.
    pub fn with_settings(
        db: Db,
        clock: Clock,
        inventory: Option<Arc<dyn InventoryProvider>>,
        schedules: Schedules,
        settings: SourceSettings,
    ) -> Self {
        let SourceSettings {
            source: name,
            max_age,
        } = settings;
        let source = inventory.map(|provider| Source {
            name: name.unwrap_or_else(|| provider.source()),
            provider,
        });
        let inner = Inner {
            live: Live::new(db.clone(), clock.clone()),
            jobs: Jobs::new(db.clone(), clock.clone(), source, max_age.clone(), &schedules),
            db,
            clock,
            max_age,
            schedules,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Returns the database.
    pub fn db(&self) -> &Db {
        &self.inner.db
    }

    /// Returns the clock.
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// Returns the schedules of the jobs.
    pub(crate) fn schedules(&self) -> &Schedules {
        &self.inner.schedules
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
