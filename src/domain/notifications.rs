//! Notifications: which target is notified of what, how transitions are grouped, and when a failed delivery is tried again.

mod digest;
mod retries;
pub(crate) mod slack;
mod summary;

use entity::cloud_drift::{DriftKind, Severity};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

pub(crate) use self::digest::{DIGEST_OF, Digest, KindCount, minute_of_day, next_digest, time_of_day};
pub(crate) use self::retries::{GIVE_UP_AFTER, retry_delay};
pub(crate) use self::summary::Summary;
use super::sources::SourceState;

/// What a target can be notified of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Transition {
    /// A drift was opened.
    DriftDetected,
    /// The expected or live value of an open drift changed.
    DriftChanged,
    /// A drift was accepted.
    DriftAccepted,
    /// A drift was closed: the values no longer differ, or an ignore rule covers the difference.
    DriftStale,
    /// A drift was closed because its live value was put back on purpose.
    DriftReverted,
    /// The accept of a drift was undone.
    AcceptUndone,
    /// A source could not be listed, or its plan was refused.
    SourceFailed,
    /// A source is overdue.
    SourceOverdue,
    /// A source that had failed or was overdue is up to date again.
    SourceRecovered,
}

impl Transition {
    /// All transitions.
    pub const ALL: [Self; 9] = [
        Self::DriftDetected,
        Self::DriftChanged,
        Self::DriftAccepted,
        Self::DriftStale,
        Self::DriftReverted,
        Self::AcceptUndone,
        Self::SourceFailed,
        Self::SourceOverdue,
        Self::SourceRecovered,
    ];

    /// Returns the word in the database: for drifts that of the event.
    pub fn word(self) -> &'static str {
        match self {
            Self::DriftDetected => "drift_detected",
            Self::DriftChanged => "drift_changed",
            Self::DriftAccepted => "drift_accepted",
            Self::DriftStale => "drift_stale",
            Self::DriftReverted => "drift_reverted",
            Self::AcceptUndone => "accept_undone",
            Self::SourceFailed => "source_failed",
            Self::SourceOverdue => "source_overdue",
            Self::SourceRecovered => "source_recovered",
        }
    }

    /// Returns the transition with this word.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|transition| transition.word() == word)
    }

    /// Returns what happened, as a part of a sentence.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::DriftDetected => "detected",
            Self::DriftChanged => "changed",
            Self::DriftAccepted => "accepted",
            Self::DriftStale => "closed",
            Self::DriftReverted => "put back",
            Self::AcceptUndone => "accept undone",
            Self::SourceFailed => "could not be listed",
            Self::SourceOverdue => "is overdue",
            Self::SourceRecovered => "is up to date again",
        }
    }
}

/// Returns the transition of a source that is in another state than the one that was noted last, and the word of the state
/// to note. A source that has never been listed, and one that is well when it is first seen, is noted silently or not at
/// all.
pub(crate) fn source_transition(
    noted: Option<&str>,
    now: SourceState,
) -> Option<(&'static str, Option<Transition>)> {
    let (word, transition) = match now {
        SourceState::Never => return None,
        SourceState::Ok | SourceState::Partial => ("ok", Transition::SourceRecovered),
        SourceState::Failed | SourceState::Refused => ("failed", Transition::SourceFailed),
        SourceState::Overdue => ("overdue", Transition::SourceOverdue),
    };
    match noted {
        Some(noted) if noted == word => None,
        None if word == "ok" => Some((word, None)),
        _ => Some((word, Some(transition))),
    }
}

/// Which transitions a target is notified of. An empty list selects everything. Unknown members are ignored, so that an
/// older server can read the filter of a newer one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Filter {
    /// Transitions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub transitions: Vec<Transition>,
    /// Kinds of resources.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resource_kinds: Vec<String>,
    /// Fields of drifts; `*` for missing resources.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// Regions of resources.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<String>,
    /// Names of sources.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// Least severity of drifts; None for all. Sources have no severity.
    #[serde(skip_serializing_if = "Option::is_none", with = "severity_word")]
    pub min_severity: Option<Severity>,
}

/// The severity as its word in the database.
mod severity_word {
    use entity::cloud_drift::Severity;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    #[expect(clippy::ref_option, reason = "serde calls it with a reference to the field")]
    pub(super) fn serialize<S: Serializer>(severity: &Option<Severity>, out: S) -> Result<S::Ok, S::Error> {
        severity.map(Severity::word).serialize(out)
    }

    /// A word of a later release selects everything, so that no notification is lost.
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Severity>, D::Error> {
        let word = Option::<String>::deserialize(from)?;
        Ok(word.and_then(|word| Severity::of_word(&word)))
    }
}

impl Filter {
    /// Returns whether a target is notified of a transition of a drift. What is unknown about a resource that was forgotten
    /// meanwhile is taken to match, so that nothing is lost.
    pub(crate) fn matches(&self, happened: &Happened) -> bool {
        let resource = happened.resource.as_ref();
        let known = |list: &[String], value: Option<&str>| {
            list.is_empty() || value.is_none_or(|value| list.iter().any(|listed| listed == value))
        };
        self.selects(happened.transition)
            && self
                .min_severity
                .is_none_or(|least| happened.severity.is_none_or(|severity| severity >= least))
            && known(&self.resource_kinds, resource.map(|known| known.kind.as_str()))
            && known(&self.fields, Some(&happened.field))
            && known(
                &self.regions,
                resource.map(|known| known.region.as_deref().unwrap_or_default()),
            )
            && known(&self.sources, resource.map(|known| known.source.as_str()))
    }

    /// Returns whether a target is notified of a transition of a source.
    pub(crate) fn matches_source(&self, transition: Transition, name: &str) -> bool {
        self.selects(transition)
            && (self.sources.is_empty() || self.sources.iter().any(|source| source == name))
    }

    fn selects(&self, transition: Transition) -> bool {
        self.transitions.is_empty() || self.transitions.contains(&transition)
    }
}

/// What is known of the resource of a drift.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct KnownResource {
    /// Kind within the provider.
    pub(crate) kind: String,
    /// The provider's own id.
    pub(crate) provider_id: String,
    /// Display name.
    pub(crate) name: Option<String>,
    /// Region, if it has one.
    pub(crate) region: Option<String>,
    /// Source that lists it; empty if none does.
    pub(crate) source: String,
    /// Terraform address.
    pub(crate) address: Option<String>,
}

/// A transition of a drift.
#[derive(Clone, Debug)]
pub(crate) struct Happened {
    /// What happened.
    pub(crate) transition: Transition,
    /// Id of the resource.
    pub(crate) resource_id: Option<Uuid>,
    /// The resource; None if it was forgotten meanwhile.
    pub(crate) resource: Option<KnownResource>,
    /// Id of the drift.
    pub(crate) drift_id: Option<Uuid>,
    /// Kind of the drift; None if its row was deleted meanwhile.
    pub(crate) kind: Option<DriftKind>,
    /// Revision of the drift; None if its row was deleted meanwhile.
    pub(crate) revision: Option<i32>,
    /// Severity of the drift; None if its row was deleted meanwhile.
    pub(crate) severity: Option<Severity>,
    /// Field of the drift.
    pub(crate) field: String,
    /// Expected value, as it is stored.
    pub(crate) expected: Option<Value>,
    /// Live value, as it is stored.
    pub(crate) actual: Option<Value>,
    /// Who caused it.
    pub(crate) actor: String,
}

/// Returns the address that shows a drift at a revision on the page. `public_url` is the address of the page.
pub(crate) fn link(public_url: &str, drift: Uuid, revision: Option<i32>) -> String {
    let revision = revision.map(|revision| format!("&revision={revision}"));
    format!(
        "{}/?drift={drift}{}",
        public_url.trim_end_matches('/'),
        revision.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests;
