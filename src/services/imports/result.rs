//! The result of one batch of an import.

use super::{Closing, RefusedResource, TakenOver};

/// The effects of a batch. For a dry run, the effects that it would have.
#[derive(Default)]
pub(super) struct BatchResult {
    pub(super) recorded: u64,
    pub(super) changed: u64,
    pub(super) taken_over: Vec<TakenOver>,
    pub(super) unchanged: u64,
    pub(super) retired: u64,
    pub(super) unsynced: u64,
    pub(super) changed_elsewhere: u64,
    pub(super) unattached: u64,
    pub(super) refused: Vec<RefusedResource>,
    pub(super) closes: Vec<Closing>,
}
