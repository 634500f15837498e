//! What an imported spec means for the one that is recorded.

use entity::cloud_provisioned;
use serde_json::Value;

use super::canonical::loosely_equal;

/// What to do with one imported spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Record it: nothing is in force, or something else is.
    Record,
    /// It says what is recorded already.
    Keep,
    /// The spec in force belongs to another source, which alone may change it.
    Refuse,
}

/// Decides what becomes of a spec that `source` asks for, where `before` is recorded.
pub fn decide(before: Option<&cloud_provisioned::Model>, spec: &Value, source: &str) -> Decision {
    let Some(active) = before.filter(|spec| spec.retired_at.is_none()) else {
        return Decision::Record;
    };
    if active.source != source {
        return Decision::Refuse;
    }
    if same_fields(&active.spec, spec) && loosely_equal(&active.spec, spec) {
        Decision::Keep
    } else {
        Decision::Record
    }
}

/// A field that must be unset is loosely the same as one that nobody watches, and yet it is watched.
fn same_fields(a: &Value, b: &Value) -> bool {
    match (a.as_object(), b.as_object()) {
        (Some(a), Some(b)) => a.len() == b.len() && a.keys().all(|field| b.contains_key(field)),
        _ => false,
    }
}

/// How many specs of a state may retire in one import without somebody saying that it is meant: an emptied state
/// must not look like a dismantled cloud.
pub fn is_mass_retire(leaving: usize, before: usize) -> bool {
    leaving * 2 > before
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn recorded(source: &str, spec: Value) -> cloud_provisioned::Model {
        cloud_provisioned::Model {
            id: Uuid::nil(),
            resource_id: Uuid::nil(),
            spec,
            spec_version: 1,
            source: source.to_owned(),
            recorded_by: "ada".to_owned(),
            recorded_at: DateTime::UNIX_EPOCH,
            retired_at: None,
            created_at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn only_its_own_source_changes_a_spec_and_only_if_something_differs() {
        let spec = json!({"tags": ["a", "b"], "size": 25, "note": null});
        assert_eq!(decide(None, &spec, "terraform:x"), Decision::Record);
        let mut before = recorded(
            "terraform:x",
            json!({"size": "25", "tags": ["b", "a"], "note": ""}),
        );
        assert_eq!(decide(Some(&before), &spec, "terraform:x"), Decision::Keep);
        assert_eq!(decide(Some(&before), &spec, "terraform:y"), Decision::Refuse);
        let fewer = json!({"tags": ["a", "b"], "size": 25});
        assert_eq!(decide(Some(&before), &fewer, "terraform:x"), Decision::Record);
        before.retired_at = Some(DateTime::UNIX_EPOCH);
        for source in ["terraform:x", "terraform:y"] {
            assert_eq!(decide(Some(&before), &spec, source), Decision::Record);
        }
    }

    #[test]
    fn half_may_leave_and_more_may_not() {
        assert!(!is_mass_retire(0, 0));
        assert!(!is_mass_retire(5, 10));
        assert!(is_mass_retire(6, 10));
        assert!(is_mass_retire(1, 1));
    }
}
