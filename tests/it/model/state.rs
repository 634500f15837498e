//! The state of the model.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::operations::{KINDS, RESOURCES, Reading, Visible};
use super::values::{Shown, Spec, V, WHOLE};

pub(super) type Time = DateTime<Utc>;

/// The values of a resource in the cloud or in the inventory.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Live {
    pub(super) fields: [Option<V>; WHOLE],
    pub(super) settling: bool,
}

/// A resource in the cloud.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct InCloud {
    pub(super) live: Live,
    pub(super) visible: Visible,
}

/// A resource in the inventory.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stored {
    pub(super) live: Live,
    pub(super) settling_since: Option<Time>,
    pub(super) gone: bool,
}

/// What is known of the listings of a kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Kind {
    pub(super) outcome: Option<Reading>,
    pub(super) completed_at: Option<Time>,
    pub(super) mode_is_unread: bool,
}

/// A version of a spec. The first one has the number 1.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Version {
    pub(super) spec: Spec,
    pub(super) retired: bool,
    pub(super) by: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Open,
    Accepted,
    Reverted,
    Stale,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Drift {
    pub(super) resource: usize,
    pub(super) field: usize,
    /// How many drifts of this field there were before.
    pub(super) nth: usize,
    pub(super) expected: Shown,
    pub(super) actual: V,
    pub(super) revision: i32,
    pub(super) status: Status,
    pub(super) reason: Option<&'static str>,
    pub(super) closed_by_rule: Option<usize>,
    pub(super) by: Option<usize>,
    /// The version that its accept made.
    pub(super) version: Option<i32>,
    /// The version that the undo made.
    pub(super) undone: Option<i32>,
    pub(super) snooze: Option<Snooze>,
    pub(super) reverting: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Snooze {
    pub(super) until: Option<Time>,
    pub(super) until_change: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rule {
    pub(super) field: usize,
    pub(super) kind: Option<usize>,
    pub(super) resource: Option<usize>,
    pub(super) live: Option<V>,
    pub(super) open_after: Option<i32>,
    pub(super) expires_at: Option<Time>,
    pub(super) ended: bool,
}

/// A difference that a rule keeps out of the inbox.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ignored {
    pub(super) rule: usize,
    pub(super) expected: Shown,
    pub(super) actual: V,
    /// How many sweeps have seen it, if it only waits.
    pub(super) sweeps: Option<i32>,
}

/// An entry of the log: the resource, the type, and the drift or the field that it is about.
pub(super) type Event = (usize, &'static str, Option<usize>, Option<usize>);

/// The newest sweep of everything.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LastSweep {
    pub(super) at: Time,
    /// Whether the inventory was vouched for.
    pub(super) succeeded: bool,
    pub(super) compared: usize,
    pub(super) settling: usize,
}

/// Everything that the server should know, and the cloud.
#[derive(Clone, Debug)]
pub(super) struct Model {
    pub(super) now: Time,
    pub(super) cloud: [Option<InCloud>; RESOURCES.len()],
    /// The cloud when it was listed last.
    pub(super) listed: [Option<InCloud>; RESOURCES.len()],
    pub(super) reading: [Reading; KINDS.len()],
    pub(super) mode_is_unread: [bool; KINDS.len()],
    pub(super) stored: [Option<Stored>; RESOURCES.len()],
    pub(super) kinds: [Kind; KINDS.len()],
    pub(super) specs: [Vec<Version>; RESOURCES.len()],
    pub(super) drifts: Vec<Drift>,
    pub(super) rules: Vec<Rule>,
    pub(super) ignored: BTreeMap<(usize, usize), Ignored>,
    pub(super) events: BTreeMap<Event, usize>,
    /// When the last sync succeeded at least in part.
    pub(super) synced_at: Option<Time>,
    pub(super) last_sync_failed: bool,
    pub(super) last_sweep: Option<LastSweep>,
    /// A run was killed, so that it is not known how it ended, until the next one.
    pub(super) sync_is_unknown: bool,
    pub(super) sweep_is_unknown: bool,
    /// The states after each commit of the operation that is running.
    commits: Vec<Model>,
}

impl Model {
    pub(super) fn new(now: Time) -> Self {
        Self {
            now,
            cloud: Default::default(),
            listed: Default::default(),
            reading: [Reading::Complete; KINDS.len()],
            mode_is_unread: Default::default(),
            stored: Default::default(),
            kinds: Default::default(),
            specs: Default::default(),
            drifts: Vec::new(),
            rules: Vec::new(),
            ignored: BTreeMap::new(),
            events: BTreeMap::new(),
            synced_at: None,
            last_sync_failed: false,
            last_sweep: None,
            sync_is_unknown: false,
            sweep_is_unknown: false,
            commits: Vec::new(),
        }
    }

    /// Notes that the server commits what has changed since the last commit.
    pub(super) fn commit(&mut self) {
        let commits = std::mem::take(&mut self.commits);
        let committed = self.clone();
        self.commits = commits;
        self.commits.push(committed);
    }

    /// Returns the states after each commit since the last call.
    pub(super) fn take_commits(&mut self) -> Vec<Self> {
        std::mem::take(&mut self.commits)
    }

    pub(super) fn note(&mut self, event: Event) {
        *self.events.entry(event).or_default() += 1;
    }

    pub(super) fn note_drift(&mut self, drift: usize, what: &'static str) {
        self.note((self.drifts[drift].resource, what, Some(drift), None));
    }

    /// Returns the spec in force.
    pub(super) fn in_force(&self, resource: usize) -> Option<&Spec> {
        let last = self.specs[resource].last()?;
        (!last.retired).then_some(&last.spec)
    }

    pub(super) fn version(&self, resource: usize) -> i32 {
        self.specs[resource].len() as i32
    }

    pub(super) fn open(&self) -> Vec<usize> {
        let open = |drift: &usize| self.drifts[*drift].status == Status::Open;
        (0..self.drifts.len()).filter(open).collect()
    }

    pub(super) fn open_of(&self, resource: usize, field: usize) -> Option<usize> {
        let is = |drift: &Drift| (drift.resource, drift.field) == (resource, field);
        self.open().into_iter().find(|open| is(&self.drifts[*open]))
    }

    pub(super) fn is_gone(&self, resource: usize) -> bool {
        self.stored[resource].as_ref().is_some_and(|stored| stored.gone)
    }

    /// Returns the live value that the inventory has.
    pub(super) fn live(&self, resource: usize, field: usize) -> V {
        let stored = self.stored[resource]
            .as_ref()
            .expect("a spec of an unknown resource");
        stored.live.fields[field].unwrap_or(V::NULL)
    }
}
