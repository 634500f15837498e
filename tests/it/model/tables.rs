//! Writes the model and the tables as lines of text, so that a difference between them can be read.

use std::collections::{BTreeMap, HashMap};

use drift_inbox::db::Db;
use entity::cloud_drift::{self as drift, DriftKind};
use entity::inventory_kinds::ListingOutcome;
use entity::{
    cloud_provisioned as provisioned, cloud_resource_events as events, cloud_resources as resources,
    ignore_rules, ignored_differences as ignored, inventory_kinds as kinds, spec_versions as versions,
};
use sea_orm::{ActiveEnum as _, EntityTrait, QueryOrder};
use serde_json::{Value, json};
use uuid::Uuid;

use super::operations::{KINDS, RESOURCES, Reading, USERS};
use super::state::{Drift, Model, Status, Stored, Time};
use super::values::{MODE, field_name, spec_json};

/// The rows that the model knows, and the ids of what it names.
pub(super) struct Tables {
    pub(super) lines: Vec<String>,
    pub(super) resources: HashMap<usize, Uuid>,
    /// The drifts by resource, field and place.
    pub(super) drifts: HashMap<(usize, String, usize), Uuid>,
    /// The rules in the order in which they were made.
    pub(super) rules: Vec<Uuid>,
}

impl Tables {
    pub(super) fn drift(&self, drift: &Drift) -> Uuid {
        let field = field_name(drift.field).to_owned();
        self.drifts[&(drift.resource, field, drift.nth)]
    }
}

fn shown<T: std::fmt::Display>(value: Option<T>) -> String {
    value.map_or("-".to_owned(), |value| value.to_string())
}

fn time(at: Option<Time>) -> String {
    shown(at.map(|at| at.format("%d %H:%M:%S")))
}

fn user(user: usize) -> &'static str {
    USERS[user]
}

/// Returns the lines of the model.
pub(super) fn lines_of(model: &Model) -> Vec<String> {
    let mut lines = Vec::new();
    for (place, (_, name)) in RESOURCES.iter().enumerate() {
        if let Some(stored) = &model.stored[place] {
            lines.push(resource_line(name, stored));
        }
        let versions = model.specs[place].iter().enumerate();
        lines.extend(versions.map(|(before, version)| {
            let of = (*name, before as i32 + 1);
            spec_line(of, version.retired, user(version.by), &spec_json(&version.spec))
        }));
    }
    lines.extend(KINDS.iter().zip(&model.kinds).filter_map(|(name, kind)| {
        let outcome = kind.outcome?;
        Some(format!(
            "kind {name}: {outcome:?}, completed {}, mode unread {}",
            time(kind.completed_at),
            kind.mode_is_unread
        ))
    }));
    lines.extend(model.drifts.iter().map(drift_line));
    let rules = model.rules.iter().enumerate();
    lines.extend(
        rules.map(|(place, rule)| format!("rule {place}: {}, ended {}", field_name(rule.field), rule.ended)),
    );
    lines.extend(model.ignored.iter().map(|((resource, field), row)| {
        let field = field_name(*field);
        let values = format!("{} -> {}", row.expected.json(), row.actual.json());
        ignored_line(RESOURCES[*resource].1, field, &values, row.rule, row.sweeps)
    }));
    lines.extend(model.events.iter().map(|((resource, what, of, field), times)| {
        let about = match (of, field) {
            (Some(of), _) => format!(
                "{} #{}",
                field_name(model.drifts[*of].field),
                model.drifts[*of].nth
            ),
            (None, Some(field)) => field_name(*field).to_owned(),
            (None, None) => String::new(),
        };
        event_line(RESOURCES[*resource].1, what, &about, *times)
    }));
    lines.sort_unstable();
    lines
}

fn resource_line(name: &str, stored: &Stored) -> String {
    let [region, tags, mode] = stored.live.fields;
    let mode = mode.map(|mode| mode.json());
    live_line(
        name,
        &region.map_or(Value::Null, |region| region.json()),
        &tags.map_or(json!([]), |tags| tags.json()),
        mode.as_ref(),
        stored,
    )
}

fn live_line(name: &str, region: &Value, tags: &Value, mode: Option<&Value>, stored: &Stored) -> String {
    format!(
        "resource {name}: region {region}, tags {tags}, mode {}, settling since {}, gone {}",
        shown(mode),
        time(stored.settling_since),
        stored.gone
    )
}

fn spec_line((name, version): (&str, i32), is_retired: bool, by: &str, spec: &Value) -> String {
    let state = if is_retired { "retired" } else { "in force" };
    format!("spec {name} {version:02}: {state}, by {by}: {spec}")
}

fn ignored_line(name: &str, field: &str, values: &str, rule: usize, sweeps: Option<i32>) -> String {
    format!(
        "ignored {name} {field}: {values}, rule {rule}, sweeps {}",
        shown(sweeps)
    )
}

fn event_line(name: &str, what: &str, about: &str, times: usize) -> String {
    format!("event {name} {what} {about}: {times} times")
}

fn drift_line(drift: &Drift) -> String {
    let status = match drift.status {
        Status::Open => "open",
        Status::Accepted => "accepted",
        Status::Reverted => "reverted",
        Status::Stale => "stale",
    };
    let snooze = drift
        .snooze
        .map(|snooze| format!("until {} or change {}", time(snooze.until), snooze.until_change));
    let name = RESOURCES[drift.resource].1;
    format!(
        "drift {name} {} #{}: {status} r{}, {} -> {}, because {}, rule {}, by {}, version {}, undone {}, snooze {}, reverting {}",
        field_name(drift.field),
        drift.nth,
        drift.revision,
        drift.expected.json(),
        drift.actual.json(),
        shown(drift.reason),
        shown(drift.closed_by_rule),
        shown(drift.by.map(user)),
        shown(drift.version),
        shown(drift.undone),
        shown(snooze),
        shown(drift.reverting.map(user))
    )
}

fn stored_drift_line(name: &str, nth: usize, row: &drift::Model, rules: &[Uuid]) -> String {
    let snooze = row.snoozed.then(|| {
        format!(
            "until {} or change {}",
            time(row.snoozed_until),
            row.snoozed_until_change
        )
    });
    let rule = row
        .closed_by_rule
        .map(|id| rules.iter().position(|rule| *rule == id).unwrap_or(usize::MAX));
    let is_whole = (row.kind == DriftKind::Missing) == (row.field == "*");
    assert!(
        is_whole,
        "the kind and the field of a drift do not agree: {row:?}"
    );
    let is_closed = row.resolved_at.is_some() && row.close_reason.is_some();
    assert_eq!(is_closed, row.status != drift::DriftStatus::Open, "{row:?}");
    format!(
        "drift {name} {} #{nth}: {} r{}, {} -> {}, because {}, rule {}, by {}, version {}, undone {}, snooze {}, reverting {}",
        row.field,
        row.status.to_value(),
        row.revision,
        row.expected.clone().unwrap_or_default(),
        row.actual.clone().unwrap_or_default(),
        shown(row.close_reason.map(|reason| reason.word())),
        shown(rule),
        shown(row.resolved_by.clone()),
        shown(row.spec_version),
        shown(row.undone_version),
        shown(snooze),
        shown(row.reverting_by.clone())
    )
}

/// Reads the tables.
pub(super) async fn read(db: &Db) -> Tables {
    let reader = db.reader();
    let mut lines = Vec::new();
    let mut names: HashMap<Uuid, usize> = HashMap::new();
    for row in resources::Entity::find().all(reader).await.unwrap() {
        let place = RESOURCES
            .iter()
            .position(|(_, name)| *name == row.provider_id)
            .unwrap();
        assert!(names.insert(row.id, place).is_none());
        lines.push(stored_line(&row));
    }
    let name = |id: &Uuid| RESOURCES[names[id]].1;
    for row in provisioned::Entity::find().all(reader).await.unwrap() {
        let is_retired = row.retired_at.is_some();
        let of = (name(&row.resource_id), row.spec_version);
        lines.push(spec_line(of, is_retired, &row.recorded_by, &row.spec));
    }
    for row in versions::Entity::find().all(reader).await.unwrap() {
        let is_retired = row.retired_at.is_some();
        let of = (name(&row.resource_id), row.spec_version);
        lines.push(spec_line(of, is_retired, &row.recorded_by, &row.spec));
    }
    lines.extend(
        kinds::Entity::find()
            .all(reader)
            .await
            .unwrap()
            .iter()
            .filter_map(kind_line),
    );
    let rules = ignore_rules::Entity::find().order_by_asc(ignore_rules::Column::Id);
    let rules = rules.all(reader).await.unwrap();
    let placed = rules.iter().enumerate();
    lines.extend(
        placed.map(|(place, row)| format!("rule {place}: {}, ended {}", row.field, row.ended_at.is_some())),
    );
    let rules: Vec<Uuid> = rules.iter().map(|row| row.id).collect();
    for row in ignored::Entity::find().all(reader).await.unwrap() {
        let values = format!(
            "{} -> {}",
            row.expected.unwrap_or_default(),
            row.actual.unwrap_or_default()
        );
        let rule = rules.iter().position(|rule| *rule == row.rule_id).unwrap();
        lines.push(ignored_line(
            name(&row.resource_id),
            &row.field,
            &values,
            rule,
            row.sweeps,
        ));
    }
    let mut drifts = HashMap::new();
    let mut places: HashMap<Uuid, (String, usize)> = HashMap::new();
    for row in drift::Entity::find()
        .order_by_asc(drift::Column::Id)
        .all(reader)
        .await
        .unwrap()
    {
        let resource = names[&row.resource_id];
        let nth = (0..)
            .find(|nth| !drifts.contains_key(&(resource, row.field.clone(), *nth)))
            .unwrap();
        drifts.insert((resource, row.field.clone(), nth), row.id);
        places.insert(row.id, (row.field.clone(), nth));
        lines.push(stored_drift_line(name(&row.resource_id), nth, &row, &rules));
    }
    let log = events::Entity::find().all(reader).await.unwrap();
    lines.extend(event_lines(&log, name, &places));
    lines.sort_unstable();
    Tables {
        lines,
        resources: names.iter().map(|(id, place)| (*place, *id)).collect(),
        drifts,
        rules,
    }
}

fn event_lines(
    log: &[events::Model],
    name: impl Fn(&Uuid) -> &'static str,
    places: &HashMap<Uuid, (String, usize)>,
) -> Vec<String> {
    let mut counted: BTreeMap<(&str, String, String), usize> = BTreeMap::new();
    for row in log {
        let of = row.data["driftId"]
            .as_str()
            .map(|id| Uuid::try_parse(id).unwrap());
        let about = match of {
            Some(id) => {
                let (field, nth) = &places[&id];
                format!("{field} #{nth}")
            }
            None => row.data["field"].as_str().unwrap_or_default().to_owned(),
        };
        let what = row.event_type.to_value();
        *counted.entry((name(&row.resource_id), what, about)).or_default() += 1;
    }
    let lines = counted.into_iter();
    lines
        .map(|((name, what, about), times)| event_line(name, &what, &about, times))
        .collect()
}

fn stored_line(row: &resources::Model) -> String {
    let region = row.region.as_ref().map_or(Value::Null, |region| json!(region));
    let stored = Stored {
        live: super::state::Live {
            fields: Default::default(),
            settling: false,
        },
        settling_since: row.settling_since,
        gone: row.gone_at.is_some(),
    };
    assert!(row.first_seen_at.is_some() && !row.owned, "{row:?}");
    live_line(
        &row.provider_id,
        &region,
        &row.tags,
        row.attrs.get(super::values::FIELDS[MODE]),
        &stored,
    )
}

fn kind_line(row: &kinds::Model) -> Option<String> {
    let outcome = match row.outcome? {
        ListingOutcome::Complete => Reading::Complete,
        ListingOutcome::Incomplete => Reading::Incomplete,
        ListingOutcome::NotReadable => Reading::NotReadable,
    };
    let unread = row.unread_fields.as_ref().and_then(Value::as_array);
    let is_unread = unread.is_some_and(|fields| !fields.is_empty());
    Some(format!(
        "kind {}: {outcome:?}, completed {}, mode unread {is_unread}",
        row.kind,
        time(row.completed_at)
    ))
}

/// Returns the lines that only one side has.
pub(super) fn difference(model: &[String], tables: &[String]) -> Option<String> {
    if model == tables {
        return None;
    }
    let only = |of: &[String], other: &[String], mark: &str| {
        let missing: Vec<String> = of
            .iter()
            .filter(|line| !other.contains(line))
            .map(|line| format!("{mark} {line}\n"))
            .collect();
        missing.concat()
    };
    let twice = tables
        .windows(2)
        .filter(|pair| pair[0] == pair[1])
        .map(|pair| format!("twice in the database {}\n", pair[0]));
    let twice: String = twice.collect();
    Some(format!(
        "{}{}{twice}",
        only(model, tables, "expected     "),
        only(tables, model, "in the tables")
    ))
}
