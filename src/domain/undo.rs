//! Decides whether accepts may be undone, and how that changes the spec.
//!
//! Only the accepted field gets back the value that it had before the accept, so that later accepts of other fields
//! stay. If a version since has another value of the field, a later decision stands in the way, also if the field has the
//! accepted value again: the undo is refused.

use chrono::{DateTime, Utc};
use entity::cloud_drift::{self, DriftKind, DriftStatus};
use entity::cloud_provisioned;
use serde_json::{Map, Value};

use super::detection::WHOLE_RESOURCE;
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
    /// The field had another value since the accept, so a later version decided about it again.
    Superseded {
        /// Name of the field.
        field: String,
        /// The first version with another value.
        version: i32,
        /// Actor who recorded it.
        recorded_by: String,
    },
    /// There are more versions since the accept than are read.
    TooManySince,
    /// Another decision about the drift was made since.
    DecidedAgain,
}

/// A version of a spec after an accept, with the values of the accepted fields that it has.
#[derive(Clone, Debug)]
pub(crate) struct LaterVersion {
    /// The version.
    pub(crate) version: i32,
    /// Actor who recorded it.
    pub(crate) recorded_by: String,
    /// Expected values by field; empty if the version is a retired one.
    pub(crate) values: Map<String, Value>,
}

/// An accept of a field that was undone: the versions from the accept to the undo decided nothing in the end.
#[derive(Clone, Debug)]
pub(crate) struct UndoneAccept {
    /// Name of the field; `*` for the retirement of the spec.
    pub(crate) field: String,
    /// The version that the accept made.
    pub(crate) from: i32,
    /// The version that the undo made.
    pub(crate) to: i32,
}

/// What happened to a spec since an accept.
#[derive(Clone, Debug, Default)]
pub(crate) struct Since {
    /// The versions after the one that the accept made, in order; those before are left out.
    pub(crate) versions: Vec<LaterVersion>,
    /// The accepts that were undone.
    pub(crate) undone: Vec<UndoneAccept>,
}

impl Since {
    /// Returns the first version after `made` whose value of the field is not the accepted one, unless an undo took that
    /// decision back.
    fn superseding(&self, field: &str, made: i32, accepted: &Value) -> Option<&LaterVersion> {
        let is_taken_back = |version: i32| {
            self.undone.iter().any(|undone| {
                let is_about_field = undone.field == field || undone.field == WHOLE_RESOURCE;
                is_about_field && undone.from > made && (undone.from..undone.to).contains(&version)
            })
        };
        self.versions.iter().find(|later| {
            let value = later.values.get(field);
            later.version > made
                && !value.is_some_and(|value| loosely_equal(value, accepted))
                && !is_taken_back(later.version)
        })
    }
}

/// Decides whether accepts of one resource may be undone together. Later accepts are undone first.
///
/// # Errors
///
/// The reason why the undo is refused. Then none of the accepts may be undone.
pub(crate) fn decide_undo(
    current: &cloud_provisioned::Model,
    accepted: &[Accepted<'_>],
    since: Since,
) -> Result<Restored, UndoRefusal> {
    let mut undo = Undo {
        since,
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
        // An earlier accept of the field may be undone together with this one.
        undo.since.undone.push(UndoneAccept {
            field: accepted.drift.field.clone(),
            from: made.version,
            to: i32::MAX,
        });
    }
    Ok(Restored {
        spec: undo.spec,
        not_compared: undo.not_compared,
        was_retired: undo.was_retired,
    })
}

/// The spec while accepts are being undone.
struct Undo<'c> {
    since: Since,
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
        let accepted = made.spec.get(field).unwrap_or(&Value::Null);
        if let Some(later) = self.since.superseding(field, made.version, accepted) {
            return Err(UndoRefusal::Superseded {
                field: field.to_owned(),
                version: later.version,
                recorded_by: later.recorded_by.clone(),
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
