use entity::cloud_drift::{CloseReason, Severity};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;
use uuid::Uuid;

use super::super::acceptance::{Acceptance, decide_accept};
use super::super::detection::{Change, Pair, plan};
use super::super::fixtures::{now, resource, spec};
use super::super::traits::KindTraits;
use super::*;

/// A resource with its spec and the history of the spec, as the services keep them.
struct World {
    pair: Pair,
    history: Vec<SpecVersion>,
    undone: Vec<UndoneAccept>,
}

impl World {
    fn new(wanted: Value, attrs: Value) -> Self {
        let pair = Pair {
            traits: KindTraits::PLAIN,
            spec: spec(wanted),
            resource: resource(attrs),
            open: Vec::new(),
            listed_at: Some(now()),
            rules: std::sync::Arc::default(),
            ignored: Vec::new(),
        };
        Self {
            pair,
            history: Vec::new(),
            undone: Vec::new(),
        }
    }

    fn supersede(&mut self) {
        self.history.push(self.pair.spec.clone().into());
        self.pair.spec.spec_version += 1;
    }

    fn version(&self, version: i32) -> Option<SpecVersion> {
        let current = SpecVersion::from(self.pair.spec.clone());
        let mut all = self.history.iter().chain([&current]);
        all.find(|row| row.version == version).cloned()
    }

    /// Accepts the drift of a field, if it has one.
    fn accept(&mut self, field: &str) -> Option<cloud_drift::Model> {
        let finding = plan(&self.pair, now())
            .changes
            .into_iter()
            .find_map(|change| match change {
                Change::Open(finding) if finding.field == field => Some(finding),
                _ => None,
            })?;
        let mut drift = cloud_drift::Model {
            id: Uuid::nil(),
            resource_id: Uuid::nil(),
            kind: finding.kind,
            field: finding.field,
            expected: Some(finding.expected),
            actual: Some(finding.actual),
            revision: 1,
            status: DriftStatus::Open,
            detected_at: now(),
            resolved_at: None,
            resolved_by: None,
            resolution_note: None,
            close_reason: None,
            closed_by_rule: None,
            severity: Severity::Normal,
            severity_rule: None,
            spec_version: None,
            undone_at: None,
            undone_by: None,
            undone_version: None,
            reverting_at: None,
            reverting_by: None,
            reverting_note: None,
            snoozed: false,
            snoozed_at: None,
            snoozed_by: None,
            snoozed_until: None,
            snoozed_until_change: false,
            snooze_reason: None,
            snooze_bulk_id: None,
            assignee: None,
            last_seen_equal_at: None,
            first_seen_different_at: None,
            window_basis: None,
            flapping: false,
        };
        let acceptance = decide_accept(&drift, &self.pair, None, now()).unwrap();
        let before = self.pair.spec.clone();
        self.supersede();
        match acceptance {
            Acceptance::Adopt(spec) => {
                let kept = NotCompared::of(&before).for_next_version(&before.spec, &spec, None);
                self.pair.spec.not_compared = kept.to_column(self.pair.spec.spec_version);
                self.pair.spec.spec = spec;
            }
            Acceptance::Retire => self.pair.spec.retired_at = Some(now()),
        }
        drift.status = DriftStatus::Accepted;
        drift.close_reason = Some(CloseReason::Accepted);
        drift.spec_version = Some(self.pair.spec.spec_version);
        Some(drift)
    }

    fn decide(&self, drifts: &[&cloud_drift::Model]) -> Result<Restored, UndoRefusal> {
        let accepted: Vec<Accepted<'_>> = drifts
            .iter()
            .map(|drift| Accepted {
                drift,
                before: drift.spec_version.and_then(|version| self.version(version - 1)),
                made: drift.spec_version.and_then(|version| self.version(version)),
            })
            .collect();
        decide_undo(&self.pair.spec, &accepted, self.since())
    }

    fn since(&self) -> Since {
        let current = SpecVersion::from(self.pair.spec.clone());
        let later = self.history.iter().chain([&current]).map(|row| LaterVersion {
            version: row.version,
            recorded_by: row.recorded_by.clone(),
            values: match row.retired_at {
                Some(_) => Map::new(),
                None => row.spec.as_object().unwrap().clone(),
            },
        });
        Since {
            versions: later.collect(),
            undone: self.undone.clone(),
        }
    }

    fn undo(&mut self, drifts: &[&cloud_drift::Model]) -> Result<(), UndoRefusal> {
        let restored = self.decide(drifts)?;
        self.supersede();
        self.pair.spec.not_compared = restored.not_compared.to_column(self.pair.spec.spec_version);
        self.pair.spec.spec = restored.spec;
        self.pair.spec.retired_at = None;
        self.undone.extend(drifts.iter().map(|drift| UndoneAccept {
            field: drift.field.clone(),
            from: drift.spec_version.unwrap(),
            to: self.pair.spec.spec_version,
        }));
        Ok(())
    }

    fn set(&mut self, field: &str, value: Value) {
        self.pair.resource.attrs[field] = value;
    }

    fn record(&mut self, spec: Value, source: &str) {
        self.supersede();
        self.pair.spec.spec = spec;
        self.pair.spec.source = source.to_owned();
        self.pair.spec.retired_at = None;
    }
}

fn drifted() -> World {
    World::new(
        json!({ "size": 25, "list": ["b", "a"] }),
        json!({ "size": 30, "list": ["c"] }),
    )
}

#[test]
fn an_undo_restores_the_value_of_its_field_and_keeps_later_accepts() {
    let mut world = drifted();
    let size = world.accept("size").unwrap();
    let list = world.accept("list").unwrap();
    world.undo(&[&size]).unwrap();
    assert_eq!(world.pair.spec.spec, json!({ "size": 25, "list": ["c"] }));
    world.undo(&[&list]).unwrap();
    assert_eq!(
        world.pair.spec.spec.to_string(),
        r#"{"list":["b","a"],"size":25}"#
    );
    assert_eq!(world.pair.spec.spec_version, 5);
}

#[test]
fn accepts_are_undone_together_or_not_at_all() {
    let mut world = drifted();
    let (size, list) = (world.accept("size").unwrap(), world.accept("list").unwrap());
    world.set("size", json!(31));
    let again = world.accept("size").unwrap();
    let refusal = UndoRefusal::ValueChanged {
        field: "size".to_owned(),
        current: Some(json!(31)),
    };
    assert_eq!(world.decide(&[&size, &list]), Err(refusal));
    assert!(world.undo(&[&size, &list, &again]).is_ok());
    assert_eq!(world.pair.spec.spec, json!({ "size": 25, "list": ["b", "a"] }));
}

#[test]
fn an_undo_is_refused_if_a_later_change_stands_in_the_way() {
    let mut world = drifted();
    let size = world.accept("size").unwrap();
    world.record(json!({ "list": [] }), "api");
    let refusal = UndoRefusal::ValueChanged {
        field: "size".to_owned(),
        current: None,
    };
    assert_eq!(world.decide(&[&size]), Err(refusal), "the field left the spec");
    world.record(json!({ "size": "30" }), "terraform:prod");
    let refusal = UndoRefusal::TakenOver {
        source: "terraform:prod".to_owned(),
    };
    assert_eq!(world.decide(&[&size]), Err(refusal));
    world.record(json!({ "size": "30" }), "api");
    let refusal = UndoRefusal::Superseded {
        field: "size".to_owned(),
        version: 3,
        recorded_by: world.pair.spec.recorded_by.clone(),
    };
    assert_eq!(
        world.decide(&[&size]),
        Err(refusal),
        "the field left the spec in between"
    );
    world.supersede();
    world.pair.spec.retired_at = Some(now());
    assert_eq!(world.decide(&[&size]), Err(UndoRefusal::Retired { at: now() }));
}

#[test]
fn a_value_that_was_recorded_again_on_purpose_stays() {
    let mut world = drifted();
    let size = world.accept("size").unwrap();
    world.record(json!({ "size": "30", "list": ["c"] }), "api");
    assert!(
        world.decide(&[&size]).is_ok(),
        "the same value in another notation is no other decision"
    );
    world.record(json!({ "size": 40, "list": ["c"] }), "api");
    world.record(json!({ "size": 30, "list": ["c"] }), "api");
    let refused = world.decide(&[&size]).unwrap_err();
    assert!(
        matches!(&refused, UndoRefusal::Superseded { field, version: 4, .. } if field == "size"),
        "{refused:?}"
    );
}

#[test]
fn a_later_accept_that_was_undone_does_not_stand_in_the_way() {
    let mut world = drifted();
    let first = world.accept("size").unwrap();
    world.set("size", json!(31));
    let second = world.accept("size").unwrap();
    world.undo(&[&second]).unwrap();
    world.undo(&[&first]).unwrap();
    assert_eq!(world.pair.spec.spec["size"], json!(25));
}

#[test]
fn an_undo_needs_an_accepted_drift_and_both_versions() {
    let mut world = drifted();
    let mut size = world.accept("size").unwrap();
    world.history.clear();
    assert_eq!(world.decide(&[&size]), Err(UndoRefusal::NotKept));
    size.status = DriftStatus::Stale;
    assert_eq!(
        world.decide(&[&size]),
        Err(UndoRefusal::NotAccepted(DriftStatus::Stale))
    );
}

#[test]
fn the_spec_of_a_missing_resource_is_in_force_again_unless_one_was_recorded_since() {
    let mut world = drifted();
    world.pair.resource.gone_at = Some(now());
    let missing = world.accept("*").unwrap();
    assert!(world.pair.spec.retired_at.is_some());
    let restored = world.decide(&[&missing]).unwrap();
    assert!(restored.was_retired);
    assert_eq!(restored.spec, world.pair.spec.spec);
    world.record(json!({ "size": 1 }), "api");
    assert_eq!(world.decide(&[&missing]), Err(UndoRefusal::RecordedAgain));
}

#[test]
fn an_undo_restores_the_uncompared_parts_of_its_field() {
    let mut world = World::new(
        json!({ "app": { "image": "a" }, "other": { "x": 1 } }),
        json!({ "app": { "image": "b", "port": 80 }, "other": { "x": 1, "y": 2 } }),
    );
    let mut open = NotCompared::default();
    open.add("app", vec!["port".into()]);
    open.add("other", vec!["y".into()]);
    world.pair.spec.not_compared = open.to_column(1);
    let app = world.accept("app").unwrap();
    assert_ne!(NotCompared::of(&world.pair.spec), open);
    world.undo(&[&app]).unwrap();
    assert_eq!(NotCompared::of(&world.pair.spec), open);
    assert_eq!(
        world.pair.spec.spec,
        json!({ "app": { "image": "a" }, "other": { "x": 1 } })
    );
}

fn value() -> impl Strategy<Value = Value> {
    select(vec![
        json!(null),
        json!(""),
        json!(1),
        json!("1"),
        json!(1.0),
        json!(["a", "b"]),
        json!(["b", "a"]),
        json!({ "port": 80, "host": "x" }),
        json!({ "port": 81 }),
        json!([]),
    ])
}

fn values() -> impl Strategy<Value = Value> {
    proptest::collection::btree_map(select(vec!["a", "b", "c"]), value(), 0..4).prop_map(|map| {
        map.into_iter()
            .map(|(field, value)| (field.to_owned(), value))
            .collect()
    })
}

proptest! {
    #[test]
    fn undone_in_reverse_order_any_accepts_leave_the_first_spec_to_the_byte(
        wanted in values(),
        live in values(),
        open in select(vec![None, Some("a"), Some("b")]),
        steps in proptest::collection::vec((select(vec!["a", "b", "c", "*"]), value(), any::<bool>()), 0..12),
        together in any::<bool>(),
    ) {
        let mut world = World::new(wanted, live);
        let mut not_compared = NotCompared::default();
        if let Some(field) = open.filter(|field| world.pair.spec.spec.get(field).is_some()) {
            not_compared.add(field, vec!["host".into()]);
        }
        world.pair.spec.not_compared = not_compared.to_column(1);
        let first = world.pair.spec.clone();
        let mut accepts = Vec::new();
        for (field, value, gone) in steps {
            if field == "*" {
                world.pair.resource.gone_at = gone.then(now);
            } else {
                world.set(field, value);
            }
            accepts.extend(world.accept(field));
        }
        let latest_first: Vec<&cloud_drift::Model> = accepts.iter().rev().collect();
        if together && !latest_first.is_empty() {
            let versions = world.pair.spec.spec_version;
            prop_assert_eq!(world.undo(&latest_first), Ok(()));
            prop_assert_eq!(world.pair.spec.spec_version, versions + 1);
        } else {
            for drift in latest_first {
                prop_assert_eq!(world.undo(&[drift]), Ok(()));
            }
        }
        let last = &world.pair.spec;
        prop_assert_eq!(last.spec.to_string(), first.spec.to_string());
        prop_assert_eq!(NotCompared::of(last), NotCompared::of(&first));
        prop_assert_eq!(last.retired_at, None);
    }
}
