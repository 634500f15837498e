//! Versions of specs, in force and superseded, and the differences between two of them.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use entity::{cloud_provisioned, spec_versions};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::changes::{Changes, MemberNames, changes};
use super::equality::loosely_equal;
use super::not_compared::NotCompared;
use super::redaction::hides;

/// One version of the spec of a resource.
#[derive(Clone, Debug, PartialEq)]
pub struct SpecVersion {
    /// Resource that the spec describes.
    pub resource_id: Uuid,
    /// The version: 1, 2, 3 and so on.
    pub version: i32,
    /// JSON object that maps fields to expected values.
    pub spec: Value,
    /// Parts of fields that this version leaves open.
    pub not_compared: NotCompared,
    /// What owned the spec.
    pub source: String,
    /// Terraform address of the instance, if an import recorded the version.
    pub address: Option<String>,
    /// Actor who recorded it.
    pub recorded_by: String,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
    /// When the spec was retired, if this version is a retired one.
    pub retired_at: Option<DateTime<Utc>>,
    /// When the next version was recorded; None if this is the newest.
    pub superseded_at: Option<DateTime<Utc>>,
    /// The reason that its actor gave.
    pub reason: Option<String>,
}

impl From<cloud_provisioned::Model> for SpecVersion {
    fn from(row: cloud_provisioned::Model) -> Self {
        Self {
            not_compared: NotCompared::of(&row),
            resource_id: row.resource_id,
            version: row.spec_version,
            spec: row.spec,
            source: row.source,
            address: row.address,
            recorded_by: row.recorded_by,
            recorded_at: row.recorded_at,
            retired_at: row.retired_at,
            superseded_at: None,
            reason: None,
        }
    }
}

impl From<spec_versions::Model> for SpecVersion {
    fn from(row: spec_versions::Model) -> Self {
        Self {
            not_compared: NotCompared::stored(row.not_compared.as_ref(), row.spec_version),
            resource_id: row.resource_id,
            version: row.spec_version,
            spec: row.spec,
            source: row.source,
            address: row.address,
            recorded_by: row.recorded_by,
            recorded_at: row.recorded_at,
            retired_at: row.retired_at,
            superseded_at: Some(row.superseded_at),
            reason: None,
        }
    }
}

/// How a field differs between two versions of a spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldChangeKind {
    /// Only the later version names it.
    Added,
    /// Only the earlier version names it, so that it is no longer compared.
    Removed,
    /// Both name it, with different values.
    Changed,
}

/// A field that differs between two versions of a spec.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldChange {
    /// Name of the field.
    pub field: String,
    /// Whether it was added, removed or changed.
    pub kind: FieldChangeKind,
    /// Whether the values are secret, so that none is shown.
    pub redacted: bool,
    /// Value in the first version; null if it does not name the field.
    pub before: Value,
    /// Value in the second version; null if it does not name the field.
    pub after: Value,
    /// The differences inside the field.
    pub changes: Changes,
}

/// Returns the fields that differ between two specs, ordered by name. A null that one of them names and the other lacks
/// is a difference, because only a field that is named is compared.
pub fn field_changes(before: &Value, after: &Value, names: &MemberNames) -> Vec<FieldChange> {
    let none = Map::new();
    let (before, after) = (
        before.as_object().unwrap_or(&none),
        after.as_object().unwrap_or(&none),
    );
    let fields: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    fields
        .into_iter()
        .filter_map(|field| field_change(field, before.get(field), after.get(field), names))
        .collect()
}

fn field_change(
    field: &str,
    before: Option<&Value>,
    after: Option<&Value>,
    names: &MemberNames,
) -> Option<FieldChange> {
    let kind = match (before, after) {
        (Some(before), Some(after)) if loosely_equal(before, after) => return None,
        (Some(_), Some(_)) => FieldChangeKind::Changed,
        (None, _) => FieldChangeKind::Added,
        (Some(_), None) => FieldChangeKind::Removed,
    };
    let redacted = hides(before, after);
    let [before, after] = [before, after].map(|side| side.filter(|_| !redacted).cloned().unwrap_or_default());
    Some(FieldChange {
        field: field.to_owned(),
        kind,
        redacted,
        changes: changes(&before, &after, names),
        before,
        after,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::redaction::redacted;

    const NAMES: MemberNames = MemberNames {
        single: &[],
        pairs: &[],
    };

    #[test]
    fn fields_are_added_removed_and_changed_and_secrets_are_hidden() {
        let before = json!({ "size": "s", "tags": ["a", "b"], "gone": null, "key": redacted("00"), "n": 1 });
        let after = json!({ "size": "l", "tags": ["b", "a"], "new": null, "key": "plain", "n": "1" });
        let found = field_changes(&before, &after, &NAMES);
        let shape: Vec<_> = found
            .iter()
            .map(|f| (f.field.as_str(), f.kind, f.redacted))
            .collect();
        assert_eq!(
            shape,
            [
                ("gone", FieldChangeKind::Removed, false),
                ("key", FieldChangeKind::Changed, true),
                ("new", FieldChangeKind::Added, false),
                ("size", FieldChangeKind::Changed, false),
            ]
        );
        assert_eq!((&found[1].before, &found[1].after), (&Value::Null, &Value::Null));
        assert!(found[1].changes.list.is_empty());
        assert_eq!((&found[3].before, &found[3].after), (&json!("s"), &json!("l")));
        assert_eq!(found[3].changes.list.len(), 1);
        assert!(field_changes(&before, &before, &NAMES).is_empty());
    }
}
