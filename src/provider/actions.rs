//! The log of actions that a provider keeps: what was done to its resources, and when. It is an optional capability.

use chrono::{DateTime, Utc};

/// One action on one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloudAction {
    /// The provider's number of the action. A later action has a higher number.
    pub number: i64,
    /// What was done, in the provider's terms.
    pub action_type: String,
    /// Status in the provider's terms.
    pub status: String,
    /// Whether the action has ended.
    pub ended: bool,
    /// Kind of the resource.
    pub kind: String,
    /// The provider's id of the resource.
    pub provider_id: String,
    /// Region slug.
    pub region: Option<String>,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub completed_at: Option<DateTime<Utc>>,
}

/// What was read of a log of actions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActionLog {
    /// The provider keeps no such log.
    None,
    /// These actions.
    Read {
        /// The actions of known kinds, in any order.
        actions: Vec<CloudAction>,
        /// Whether all actions after the given number were read. If not, older ones were left out.
        is_whole: bool,
    },
    /// The log could not be read, for this reason.
    NotReadable(String),
}
