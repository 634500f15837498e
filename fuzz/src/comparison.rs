//! The comparison of a spec with a live resource. The input has a spec, the live attributes and optionally an object with
//! the columns of the resource and what else decides, each on a line of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::DateTime;
use drift_inbox::domain::compare_texts::{Texts, compare_texts};
use drift_inbox::domain::detection::{Change, Finding, Pair, plan};
use drift_inbox::domain::traits::KindTraits;
use entity::cloud_drift::{self, DriftKind, DriftStatus};
use entity::{cloud_provisioned, cloud_resources};
use serde_json::{Value, json};
use uuid::Uuid;

use super::json::{Dice, Meaning, Spelling, meaning, parsed, spelled};

/// The columns that a spec can set, in the order of [`Texts::schema_fields`].
const COLUMNS: [&str; 8] = [
    "name",
    "region",
    "size_slug",
    "status",
    "tags",
    "ip",
    "vpc_uuid",
    "project_id",
];
const TAGS: usize = 4;
const PROJECT: usize = 7;

/// The field of a drift of a missing resource. No spec can set it.
const WHOLE_RESOURCE: &str = "*";

/// What is compared, besides the spec and the attributes.
struct Case {
    columns: [Option<String>; 8],
    tags: Value,
    /// The column with the parts of fields that are not compared.
    open: Option<Value>,
    is_seen: bool,
    is_gone: bool,
    traits: KindTraits,
}

impl Case {
    fn of(settings: &Value) -> Self {
        let columns = COLUMNS.map(|name| settings[name].as_str().map(str::to_owned));
        let paths = settings.get("open").filter(|open| !open.is_null());
        Self {
            columns,
            tags: settings.get("tags").cloned().unwrap_or(json!([])),
            open: paths.map(|paths| json!({ "specVersion": 1, "paths": paths })),
            is_seen: settings["unseen"] != true,
            is_gone: settings["gone"] == true,
            traits: KindTraits {
                unset_project_is_unread: settings["projects"] == true,
                ..KindTraits::default()
            },
        }
    }

    fn pair(&self, spec: &Value, attrs: &Value) -> Pair {
        let column = |at: usize| self.columns[at].clone();
        let time = DateTime::UNIX_EPOCH;
        Pair {
            spec: cloud_provisioned::Model {
                id: Uuid::nil(),
                resource_id: Uuid::nil(),
                spec: spec.clone(),
                spec_version: 1,
                source: "api".to_owned(),
                recorded_by: "operator".to_owned(),
                recorded_at: time,
                retired_at: None,
                created_at: time,
                not_compared: self.open.clone(),
                address: None,
            },
            resource: cloud_resources::Model {
                id: Uuid::nil(),
                provider: "cloud".to_owned(),
                kind: "machine".to_owned(),
                provider_id: "1".to_owned(),
                urn: "cloud:machine:1".to_owned(),
                name: column(0).unwrap_or_default(),
                region: column(1),
                size_slug: column(2),
                status: column(3),
                tags: self.tags.clone(),
                ip: column(5),
                vpc_uuid: column(6),
                project_id: column(PROJECT),
                attrs: attrs.clone(),
                revision: 1,
                first_seen_at: self.is_seen.then_some(time),
                gone_at: self.is_gone.then_some(time),
                settling_since: None,
                owned: false,
                source: String::new(),
            },
            open: Vec::new(),
            listed_at: None,
            traits: self.traits,
            rules: Arc::default(),
            ignored: Vec::new(),
        }
    }

    /// Returns what the resource has for a field.
    fn live(&self, attrs: &Value, field: &str) -> Value {
        let column = match COLUMNS.iter().position(|name| *name == field) {
            Some(TAGS) => self.tags.clone(),
            Some(at) => json!(self.columns[at]),
            None => Value::Null,
        };
        match meaning(&column) {
            Meaning::Unset => attrs.get(field).cloned().unwrap_or_default(),
            _ => column,
        }
    }
}

/// A comparison reports exactly the fields that differ, whichever way the values are written and read.
pub fn check(input: &[u8]) {
    let mut lines = input.splitn(3, |byte| *byte == b'\n');
    let (Some(spec_text), Some(attrs_text)) = (lines.next(), lines.next()) else {
        return;
    };
    let (Some(spec), Some(attrs)) = (object(spec_text), object(attrs_text)) else {
        return;
    };
    let case = Case::of(&lines.next().and_then(parsed).unwrap_or_default());
    let found = findings(&case.pair(&spec, &attrs));
    if case.is_seen && !case.is_gone {
        exactly_what_differs(&case, &spec, &attrs, &found);
        is_symmetric(&case, &spec, &attrs, &found);
    } else {
        assert_eq!(
            found.len(),
            usize::from(case.is_gone),
            "missing as a whole, or not compared"
        );
    }
    nothing_to_change_afterwards(&case, &spec, &attrs, &found);
    as_texts(&case, spec_text, attrs_text, &found);
    let dice = &mut Dice::of(input);
    let rewritten = [&spec, &attrs].map(|value| spelled(value, Spelling::SameMeaning, dice));
    let [Some(spec), Some(attrs)] = [0, 1].map(|at| object(rewritten[at].as_bytes())) else {
        panic!("{rewritten:?} are objects");
    };
    let again = findings(&case.pair(&spec, &attrs));
    assert_eq!(meanings(&again), meanings(&found), "{rewritten:?}");
    as_texts(&case, rewritten[0].as_bytes(), rewritten[1].as_bytes(), &again);
}

/// Returns an object that may be stored.
fn object(text: &[u8]) -> Option<Value> {
    let value = parsed(text).filter(Value::is_object)?;
    (!has_too_large_number(&value) && value.get(WHOLE_RESOURCE).is_none()).then_some(value)
}

fn has_too_large_number(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64() && number.as_f64().is_some_and(|float| float.abs() >= 9e18),
        Value::Array(items) => items.iter().any(has_too_large_number),
        Value::Object(map) => map.values().any(has_too_large_number),
        _ => false,
    }
}

/// Returns the differences that a sweep finds if no drift is open.
fn findings(pair: &Pair) -> Vec<Finding> {
    let plan = plan(pair, DateTime::UNIX_EPOCH);
    assert!(!plan.settling && !plan.waiting);
    let found = plan.changes.into_iter().map(|change| match change {
        Change::Open(finding) => finding,
        other => panic!("{other:?} while no drift is open"),
    });
    found.collect()
}

fn meanings(found: &[Finding]) -> Vec<(&str, Meaning, Meaning)> {
    let each = found.iter();
    each.map(|one| (one.field.as_str(), meaning(&one.expected), meaning(&one.actual)))
        .collect()
}

fn exactly_what_differs(case: &Case, spec: &Value, attrs: &Value, found: &[Finding]) {
    let by_field: BTreeMap<&str, &Finding> = found.iter().map(|one| (one.field.as_str(), one)).collect();
    assert!(found.is_sorted_by(|a, b| a.field < b.field), "{found:?}");
    for (field, expected) in spec.as_object().into_iter().flatten() {
        let live = case.live(attrs, field);
        let is_unread = field == "project_id" && case.traits.unset_project_is_unread;
        let is_known = !is_unread || meaning(&live) != Meaning::Unset;
        let differs = is_known && meaning(expected) != meaning(&live);
        match by_field.get(field.as_str()) {
            Some(finding) => {
                assert!(differs, "{field}: {expected} and {live} mean the same");
                assert_eq!((&finding.expected, &finding.actual), (expected, &live), "{field}");
                assert_eq!(finding.kind, DriftKind::Changed);
            }
            // A part that is not compared hides a difference, and nothing else does.
            None if case.open.is_none() => assert!(!differs, "{field}: {expected} and {live} differ"),
            None => {}
        }
    }
    let fields: BTreeSet<&str> = spec
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str())
        .collect();
    assert!(
        found.iter().all(|one| fields.contains(one.field.as_str())),
        "{found:?}"
    );
}

/// A spec with the live values, compared with a resource that has the expected ones, differs in the same attributes.
fn is_symmetric(case: &Case, spec: &Value, attrs: &Value, found: &[Finding]) {
    let is_of_both = |field: &&str| {
        let is_column = COLUMNS.contains(field);
        !is_column && spec.get(field).is_some() && attrs.get(field).is_some()
    };
    let of_both = |found: &[Finding]| -> Vec<String> {
        let fields = found.iter().map(|one| one.field.as_str());
        fields.filter(is_of_both).map(str::to_owned).collect()
    };
    let reversed = findings(&case.pair(attrs, spec));
    assert_eq!(of_both(found), of_both(&reversed), "{spec} and {attrs}");
    let with_itself = findings(&case.pair(attrs, attrs));
    let attributes = with_itself
        .iter()
        .filter(|one| !COLUMNS.contains(&one.field.as_str()));
    assert_eq!(attributes.count(), 0, "{attrs} differs from itself");
}

/// A sweep over unchanged data changes nothing.
fn nothing_to_change_afterwards(case: &Case, spec: &Value, attrs: &Value, found: &[Finding]) {
    let mut pair = case.pair(spec, attrs);
    pair.open = found.iter().enumerate().map(|(at, one)| drift(at, one)).collect();
    let plan = plan(&pair, DateTime::UNIX_EPOCH);
    assert_eq!(plan.changes, [], "{spec} and {attrs}");
}

fn drift(number: usize, finding: &Finding) -> cloud_drift::Model {
    cloud_drift::Model {
        id: Uuid::from_u128(number as u128),
        resource_id: Uuid::nil(),
        kind: finding.kind,
        field: finding.field.clone(),
        expected: Some(finding.expected.clone()),
        actual: Some(finding.actual.clone()),
        revision: 1,
        status: DriftStatus::Open,
        detected_at: DateTime::UNIX_EPOCH,
        resolved_at: None,
        resolved_by: None,
        resolution_note: None,
        close_reason: None,
        closed_by_rule: None,
        severity: finding.rating.severity,
        severity_rule: finding.rating.rule.map(str::to_owned),
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
    }
}

/// The comparison of texts has the result of that of the values, if it has one.
fn as_texts(case: &Case, spec: &[u8], attrs: &[u8], found: &[Finding]) {
    let [Ok(spec), Ok(attrs)] = [spec, attrs].map(std::str::from_utf8) else {
        return;
    };
    let (tags, open) = (case.tags.to_string(), case.open.as_ref().map(Value::to_string));
    let mut schema_fields: [Option<&str>; 8] = std::array::from_fn(|at| case.columns[at].as_deref());
    schema_fields[0] = Some(schema_fields[0].unwrap_or_default());
    schema_fields[TAGS] = Some(&tags);
    let compared = compare_texts(&Texts {
        spec,
        not_compared: open.as_deref(),
        schema_fields,
        attrs,
        is_seen: case.is_seen,
        is_gone: case.is_gone,
        traits: case.traits,
    });
    if let Some(compared) = compared {
        assert_eq!(compared.findings, found, "{spec} and {attrs} as texts");
    }
}
