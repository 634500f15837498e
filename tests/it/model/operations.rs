//! The operations of the sequences.
//!
//! An operation names a drift or a rule by its place among those that exist when it runs, so each part of a sequence
//! is a sequence too, and a failing one can be shrunk.

use super::values::{Spec, V};

/// The resources: kind and name.
pub(super) const RESOURCES: [(&str, &str); 3] =
    [("droplet", "web-1"), ("droplet", "web-2"), ("volume", "data-1")];
/// The kinds of the resources.
pub(super) const KINDS: [&str; 2] = ["droplet", "volume"];
/// The users who decide.
pub(super) const USERS: [&str; 2] = ["ada@example.com", "bob@example.com"];

/// The kind of a resource, by its place in [`KINDS`].
pub(super) fn kind_of(resource: usize) -> usize {
    usize::from(RESOURCES[resource].0 == KINDS[1])
}

/// One operation.
#[derive(Clone, Debug)]
pub(super) enum Op {
    /// A value changes in the cloud. A resource that does not exist is created.
    Change(usize, usize, Option<V>),
    /// A value changes in the cloud, the provider is listed, and everything is compared.
    Drift(usize, usize, Option<V>),
    /// A resource is deleted in the cloud.
    Delete(usize),
    /// A resource begins or stops to settle.
    Settle(usize, bool),
    /// Listings show a resource, or do not although it exists.
    Show(usize, Visible),
    /// How the kind can be listed.
    Readable(usize, Reading),
    /// Whether listings can read the field `mode` of the kind.
    ReadMode(usize, bool),
    /// The provider is listed, or fails.
    Sync { fails: bool },
    /// Everything is compared.
    Sweep,
    /// One resource is compared.
    SweepOf(usize),
    /// A user reads all open drifts. Accepts may refer to what was read.
    Look,
    /// Minutes pass.
    Wait(i64),
    /// A user decides.
    Decide(Decision),
    /// A server begins the operation, and is killed after this many statements.
    Killed(usize, Box<Op>),
    /// A user decides while another one decides, or while everything is compared.
    Together(Decision, Option<Decision>),
}

/// How listings show a resource that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Visible {
    /// They contain it.
    Listed,
    /// They lack it, and the provider confirms that it exists.
    Confirmed,
    /// They lack it, and the provider does not answer.
    Unclear,
}

/// How a kind can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    Complete,
    Incomplete,
    NotReadable,
}

/// A decision of a user.
#[derive(Clone, Debug)]
pub(super) enum Decision {
    Accept {
        user: usize,
        drift: Pick,
        seen: Seen,
        once: bool,
    },
    Undo {
        user: usize,
        drift: usize,
    },
    Record {
        user: usize,
        resource: usize,
        spec: Spec,
        version: Version,
    },
    Retire {
        user: usize,
        resource: usize,
        version: Version,
    },
    Snooze {
        user: usize,
        drift: Pick,
        seen: Seen,
        minutes: Option<i64>,
        until_change: bool,
    },
    Unsnooze {
        user: usize,
        drift: Pick,
    },
    Revert {
        user: usize,
        drift: Pick,
        is_reverting: bool,
    },
    Ignore(NewRule),
    Replace {
        rule: usize,
        by: NewRule,
    },
    EndRule {
        rule: usize,
    },
}

/// A drift by its place.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pick {
    /// Among the open drifts.
    Open(usize),
    /// Among all drifts.
    Any(usize),
}

/// Which revision the user names.
#[derive(Clone, Copy, Debug)]
pub(super) enum Seen {
    /// That of the drift.
    Current,
    /// The one that the user read last.
    Read,
    /// One that never was.
    Wrong,
    /// None.
    Unnamed,
}

/// Which version of the spec the user names.
#[derive(Clone, Copy, Debug)]
pub(super) enum Version {
    Current,
    Wrong,
    Unnamed,
}

/// A rule.
#[derive(Clone, Debug)]
pub(super) struct NewRule {
    pub(super) field: usize,
    pub(super) kind: Option<usize>,
    pub(super) resource: Option<usize>,
    pub(super) live: Option<V>,
    pub(super) open_after: Option<i32>,
    pub(super) minutes: Option<i64>,
}
