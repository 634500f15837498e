//! Sources that a process can list.

use std::sync::Arc;

use chrono::TimeDelta;

use crate::domain::schedule::Schedule;
use crate::provider::InventoryProvider;
use crate::services::sources::Registration;

/// A source that this process can list.
#[derive(Clone)]
pub struct Source {
    /// Name of the source. Syncs of one source never run at the same time.
    pub name: String,
    /// Provider that lists the source.
    pub provider: Arc<dyn InventoryProvider>,
    /// Schedule of its own; if not set, syncs have the schedule of the server.
    pub schedule: Option<Schedule>,
    /// Expected time between two listings, if no schedule decides it.
    pub interval: Option<TimeDelta>,
    /// The account that it must list; any if not set.
    pub account: Option<String>,
}

impl Source {
    /// Creates a source with the default name of its provider.
    pub fn new(provider: Arc<dyn InventoryProvider>) -> Self {
        Self {
            name: provider.source(),
            provider,
            schedule: None,
            interval: None,
            account: None,
        }
    }

    /// Sets the name.
    #[must_use]
    pub fn named(self, name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..self
        }
    }

    /// Returns what is registered of the source.
    pub(crate) fn registration(&self) -> Registration {
        Registration {
            name: self.name.clone(),
            kind: self.provider.kind(),
            schedule: self.schedule.as_ref().map(|schedule| schedule.text().to_owned()),
            interval: self.interval,
        }
    }
}
