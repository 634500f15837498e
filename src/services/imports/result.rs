//! The result of one batch of an import.

use super::{Closing, RefusedResource, TakenOver};

/// What a batch did, or would do in a dry run.
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
