//! Decides whether an imported spec replaces the recorded one.

use entity::cloud_drift::DriftKind;
use entity::cloud_provisioned;
use serde_json::Value;

use super::equality::loosely_equal;

/// Source of a spec that was recorded with the API.
pub const SOURCE_API: &str = "api";
/// Source of a baseline.
pub const SOURCE_BASELINE: &str = "baseline";
/// Source of a spec that a Terraform state owns; the lineage of the state follows.
pub const SOURCE_TERRAFORM: &str = "terraform:";

/// Returns the name of the Terraform state that is the source of a spec; None for another source.
pub(crate) fn state_name(source: &str) -> Option<&str> {
    source.strip_prefix(SOURCE_TERRAFORM)
}

/// Returns the source of a spec in force if a Terraform state owns it.
pub(crate) fn owning_state(spec: &cloud_provisioned::Model) -> Option<&str> {
    let owned = spec.retired_at.is_none() && state_name(&spec.source).is_some();
    owned.then_some(spec.source.as_str())
}

/// Returns what will undo the accept of a drift of a spec that a Terraform state owns. A plan shows what an apply would
/// do, so an import of a plan keeps an accepted value until then; an import of a state does not.
pub(crate) fn will_be_undone(state: &str, kind: DriftKind, is_of_plan: bool) -> String {
    let (undoes, remedy) = match kind {
        DriftKind::Changed => (
            "sets the former value again",
            "the configuration is changed to the live value",
        ),
        DriftKind::Missing => (
            "creates the resource again",
            "the resource is removed from the configuration",
        ),
    };
    let import = match (is_of_plan, kind) {
        (true, _) => "The next import of a plan shows whether the configuration has followed.",
        (false, DriftKind::Changed) => "The next import of the state also restores its own value until then.",
        (false, DriftKind::Missing) => "The next import of the state also records the spec again until then.",
    };
    format!(
        "The Terraform state {state} owns this spec: the next apply {undoes}, unless {remedy} \
         first. {import}"
    )
}

/// What an import does with one spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportAction {
    /// Record it: no spec is in force, or the spec in force differs.
    Record,
    /// Keep the spec in force, which is equal.
    Keep,
    /// Record it and take over the spec in force from `api` or `baseline`.
    TakeOver,
    /// Refuse it: the spec in force belongs to another source.
    Refuse,
}

impl ImportAction {
    /// Returns whether a new version is recorded.
    pub fn writes_version(self) -> bool {
        matches!(self, Self::Record | Self::TakeOver)
    }
}

/// Decides whether an import from `source` records `spec`. `before` is the recorded spec, which may be retired.
pub fn import_action(
    before: Option<&cloud_provisioned::Model>,
    spec: &Value,
    source: &str,
    take_over: bool,
) -> ImportAction {
    let Some(active) = before.filter(|spec| spec.retired_at.is_none()) else {
        return ImportAction::Record;
    };
    if active.source != source {
        return if take_over && may_be_taken_over(&active.source) {
            ImportAction::TakeOver
        } else {
            ImportAction::Refuse
        };
    }
    if same_fields(&active.spec, spec) && loosely_equal(&active.spec, spec) {
        ImportAction::Keep
    } else {
        ImportAction::Record
    }
}

/// Returns whether an import may take over a spec of this source. It never takes over the spec of another state,
/// because each import of one state would undo the import of the other.
pub(crate) fn may_be_taken_over(source: &str) -> bool {
    [SOURCE_API, SOURCE_BASELINE].contains(&source)
}

/// Returns whether two specs have the same fields. Loose equality does not distinguish a null field, which must be
/// unset, from a field that the spec lacks, which is not compared.
fn same_fields(a: &Value, b: &Value) -> bool {
    match (a.as_object(), b.as_object()) {
        (Some(a), Some(b)) => a.len() == b.len() && a.keys().all(|field| b.contains_key(field)),
        _ => false,
    }
}

/// Returns whether an import needs an explicit permission, because it would retire more than half of the specs of its
/// state. The cause may be an emptied state.
pub(crate) fn is_mass_retire(leaving: usize, before: usize) -> bool {
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
            not_compared: None,
            address: None,
        }
    }

    #[test]
    fn only_its_own_source_replaces_a_spec_and_only_if_the_specs_differ() {
        let spec = json!({"tags": ["a", "b"], "size": 25, "note": null});
        assert_eq!(
            import_action(None, &spec, "terraform:x", false),
            ImportAction::Record
        );
        let mut before = recorded(
            "terraform:x",
            json!({"size": "25", "tags": ["b", "a"], "note": ""}),
        );
        assert_eq!(
            import_action(Some(&before), &spec, "terraform:x", false),
            ImportAction::Keep
        );
        assert_eq!(
            import_action(Some(&before), &spec, "terraform:y", false),
            ImportAction::Refuse
        );
        let fewer = json!({"tags": ["a", "b"], "size": 25});
        assert_eq!(
            import_action(Some(&before), &fewer, "terraform:x", false),
            ImportAction::Record
        );
        before.retired_at = Some(DateTime::UNIX_EPOCH);
        for source in ["terraform:x", "terraform:y"] {
            assert_eq!(
                import_action(Some(&before), &spec, source, false),
                ImportAction::Record
            );
        }
    }

    #[test]
    fn only_specs_of_api_and_baseline_are_taken_over() {
        let spec = json!({"size": 25});
        for source in [SOURCE_API, SOURCE_BASELINE] {
            let mut before = recorded(source, spec.clone());
            assert_eq!(
                import_action(Some(&before), &spec, "terraform:x", false),
                ImportAction::Refuse
            );
            assert_eq!(
                import_action(Some(&before), &spec, "terraform:x", true),
                ImportAction::TakeOver
            );
            before.retired_at = Some(DateTime::UNIX_EPOCH);
            assert_eq!(
                import_action(Some(&before), &spec, "terraform:x", true),
                ImportAction::Record
            );
        }
        let others = recorded("terraform:y", spec.clone());
        assert_eq!(
            import_action(Some(&others), &spec, "terraform:x", true),
            ImportAction::Refuse
        );
        let own = recorded("terraform:x", spec.clone());
        assert_eq!(
            import_action(Some(&own), &spec, "terraform:x", true),
            ImportAction::Keep
        );
    }

    #[test]
    fn the_warning_of_an_accept_says_what_undoes_it() {
        let of_state = will_be_undone("prod", DriftKind::Changed, false);
        assert!(of_state.contains("The Terraform state prod owns") && of_state.contains("next apply"));
        assert!(of_state.contains("restores its own value"));
        let gone = will_be_undone("prod", DriftKind::Missing, false);
        assert!(gone.contains("creates the resource again") && gone.contains("records the spec again"));
        let of_plan = will_be_undone("prod", DriftKind::Changed, true);
        assert!(of_plan.contains("configuration has followed") && !of_plan.contains("restores"));
    }

    #[test]
    fn retiring_more_than_half_needs_permission() {
        assert!(!is_mass_retire(0, 0));
        assert!(!is_mass_retire(5, 10));
        assert!(is_mass_retire(6, 10));
        assert!(is_mass_retire(1, 1));
    }

    #[test]
    fn only_record_and_take_over_write_a_version() {
        assert!(ImportAction::Record.writes_version() && ImportAction::TakeOver.writes_version());
        assert!(!ImportAction::Keep.writes_version() && !ImportAction::Refuse.writes_version());
    }

    #[test]
    fn specs_with_other_field_names_are_recorded() {
        let before = recorded("terraform:x", json!({ "tags": null, "region": "nyc3" }));
        for spec in [
            json!({ "region": "nyc3", "vpc_uuid": null }),
            json!({ "region": "nyc3" }),
        ] {
            assert_eq!(
                import_action(Some(&before), &spec, "terraform:x", false),
                ImportAction::Record
            );
        }
    }
}
