//! Decides whether accepts may be undone, and how that changes the spec.
//!
//! Only the accepted field gets back the value that it had before the accept, so that later accepts of other fields
//! stay. If the field has changed since, a user or a source has decided about it again, and the undo is refused.

use chrono::{DateTime, Utc};
use entity::cloud_drift::{self, DriftKind, DriftStatus};
use entity::cloud_provisioned;
use serde_json::Value;

use super::equality::loosely_equal;
use super::not_compared::NotCompared;
use super::spec_history::SpecVersion;

/// An accept to undo, with the versions of the spec around it.
#[derive(Clone, Debug)]
pub(crate) struct Accepted<'a> {
    /// The accepted drift.
    pub(crate) drift: &'a cloud_drift::Model,
    /// The version before the accept, if it is kept.
    pub(crate) before: Option<SpecVersion>,
    /// The version that the accept made, if it is kept.
    pub(crate) made: Option<SpecVersion>,
}

/// The next version of the spec, in force.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Restored {
    /// JSON object that maps fields to expected values.
    pub(crate) spec: Value,
    /// Parts of fields that are not compared.
    pub(crate) not_compared: NotCompared,
    /// Whether the spec was retired by an accept that is undone.
    pub(crate) was_retired: bool,
}

/// The reason why an undo is refused.
#[derive(Clone, Debug, PartialEq)]
pub enum UndoRefusal {
    /// The drift was not accepted.
    NotAccepted(DriftStatus),
    /// A version of the spec that the undo needs is not kept.
    NotKept,
    /// The spec was retired since.
    Retired {
        /// When.
        at: DateTime<Utc>,
    },
    /// Another source owns the spec now.
    TakenOver {
        /// That source.
        source: String,
    },
    /// The field has another value than the accepted one.
    ValueChanged {
        /// Name of the field.
        field: String,
        /// Its current expected value; None if the spec no longer names the field.
        current: Option<Value>,
    },
    /// A spec was recorded after the accept retired it.
    RecordedAgain,
}

/// Decides whether accepts of one resource may be undone together. Later accepts are undone first.
///
/// # Errors
///
/// The reason why the undo is refused. Then none of the accepts may be undone.
pub(crate) fn decide_undo(
    current: &cloud_provisioned::Model,
    accepted: &[Accepted<'_>],
) -> Result<Restored, UndoRefusal> {
    let mut undo = Undo {
        spec: current.spec.clone(),
        not_compared: NotCompared::of(current),
        retired_at: current.retired_at,
        was_retired: false,
        current,
    };
    let mut latest_first: Vec<&Accepted<'_>> = accepted.iter().collect();
    latest_first.sort_by_key(|accepted| std::cmp::Reverse(accepted.drift.spec_version));
    for accepted in latest_first {
        if accepted.drift.status != DriftStatus::Accepted {
            return Err(UndoRefusal::NotAccepted(accepted.drift.status));
        }
        let (Some(before), Some(made)) = (&accepted.before, &accepted.made) else {
            return Err(UndoRefusal::NotKept);
        };
        match accepted.drift.kind {
            DriftKind::Missing => undo.retirement(before, made)?,
            DriftKind::Changed => undo.value(&accepted.drift.field, before, made)?,
        }
    }
    Ok(Restored {
        spec: undo.spec,
        not_compared: undo.not_compared,
        was_retired: undo.was_retired,
    })
}

/// The spec while accepts are being undone.
struct Undo<'c> {
    current: &'c cloud_provisioned::Model,
    spec: Value,
    not_compared: NotCompared,
    retired_at: Option<DateTime<Utc>>,
    was_retired: bool,
}

impl Undo<'_> {
    fn retirement(&mut self, before: &SpecVersion, made: &SpecVersion) -> Result<(), UndoRefusal> {
        if self.retired_at.is_none() || self.current.spec_version != made.version {
            return Err(UndoRefusal::RecordedAgain);
        }
        self.retired_at = None;
        self.was_retired = true;
        self.not_compared = before.not_compared.clone();
        Ok(())
    }

    fn value(&mut self, field: &str, before: &SpecVersion, made: &SpecVersion) -> Result<(), UndoRefusal> {
        if let Some(at) = self.retired_at {
            return Err(UndoRefusal::Retired { at });
        }
        if self.current.source != made.source {
            return Err(UndoRefusal::TakenOver {
                source: self.current.source.clone(),
            });
        }
        let current = self.spec.get(field);
        let is_accepted_value = match (current, made.spec.get(field)) {
            (Some(current), Some(accepted)) => loosely_equal(current, accepted),
            _ => false,
        };
        if !is_accepted_value {
            return Err(UndoRefusal::ValueChanged {
                field: field.to_owned(),
                current: current.cloned(),
            });
        }
        if let Some(spec) = self.spec.as_object_mut() {
            match before.spec.get(field) {
                Some(value) => _ = spec.insert(field.to_owned(), value.clone()),
                None => _ = spec.remove(field),
            }
        }
        self.not_compared.take_field(field, &before.not_compared);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
