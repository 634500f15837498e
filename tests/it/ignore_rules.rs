//! Ignore rules: what they keep out of the inbox, and what comes back when they end.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use drift_inbox::db::Db;
use drift_inbox::domain::ignore_rules::Definition;
use drift_inbox::domain::snooze::Snooze;
use drift_inbox::error::Error;
use drift_inbox::services::detection::{Scope, apply, gather, plan};
use drift_inbox::services::ignore_rules::{self, Changed, NewRule, Origin};
use drift_inbox::services::undo::{UndoAccept, undo_accept};
use entity::cloud_drift::{self, CloseReason, DriftStatus};
use entity::cloud_resource_events::EventType;
use entity::ignored_differences;
use proptest::prelude::RngExt as _;
use proptest::test_runner::{RngAlgorithm, TestRng};
use sea_orm::{EntityTrait as _, QueryOrder as _};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::detection::a_resized_droplet;
use crate::support::cloud::{Listed, droplet};
use crate::support::{ADMIN, TestApp};

const CREATE: &str = "mutation($input: CreateIgnoreRuleInput!) { createIgnoreRule(input: $input) { closed rule { \
     id field kind pointer reason owner createdBy expiresAt endedAt hits ignoredCount attention } } }";
const END: &str = "mutation($id: ID!) { endIgnoreRule(input: {ruleId: $id, reason: \"no longer\"}) { \
     opened rule { endedBy endReason ignoredCount } } }";
const IGNORED: &str =
    "{ ignoredDifferences { totalCount nodes { field expected actual resource { name } rule { reason } } } }";

fn of_field(field: &str) -> Definition {
    Definition {
        field: field.to_owned(),
        ..Definition::default()
    }
}

impl TestApp {
    async fn ignore(&self, definition: Definition) -> Changed {
        let rule = NewRule {
            name: None,
            definition,
            reason: "expected".to_owned(),
            owner: None,
            expires_at: None,
            origin: Origin::Api,
            bulk: None,
        };
        let created = ignore_rules::create(self.db(), self.app.clock(), ADMIN, &rule).await;
        created.unwrap()
    }

    async fn end_rule(&self, rule: &Changed) -> Changed {
        let ended = ignore_rules::end(self.db(), self.app.clock(), ADMIN, rule.rule.id, None).await;
        ended.unwrap()
    }

    async fn ignored(&self) -> Vec<ignored_differences::Model> {
        let select = ignored_differences::Entity::find()
            .order_by_asc(ignored_differences::Column::ResourceId)
            .order_by_asc(ignored_differences::Column::Field);
        select.all(self.db().reader()).await.unwrap()
    }
}

#[tokio::test]
async fn a_rule_closes_the_drifts_that_it_covers_and_their_end_brings_them_back() {
    let t = a_resized_droplet().await;
    let drift = t.open_drift("web-1", "size_slug").await;
    let input = json!({
        "definition": { "field": "size_slug", "kind": "droplet", "namePattern": "web-*" },
        "reason": "resized for the sale", "owner": "shop",
    });
    let created = t.data(CREATE, json!({ "input": input })).await["createIgnoreRule"].clone();
    assert_eq!(created["closed"], 1);
    let rule = &created["rule"];
    assert_eq!(
        (&rule["hits"], &rule["ignoredCount"]),
        (&json!(0), &json!(1)),
        "{rule}"
    );
    assert_eq!(
        (&rule["owner"], &rule["createdBy"]),
        (&json!("shop"), &json!(ADMIN))
    );

    let closed = &t.drifts().await[0];
    assert_eq!(
        (closed.id, closed.status, closed.close_reason),
        (drift.id, DriftStatus::Stale, Some(CloseReason::Ignored))
    );
    assert_eq!(
        closed.closed_by_rule.map(|id| json!(id)),
        Some(rule["id"].clone())
    );
    assert_eq!(t.sweep().await.opened, 0, "an ignored difference opens no drift");
    let answer = t.data(IGNORED, json!({})).await["ignoredDifferences"].clone();
    let shown = json!([{ "field": "size_slug", "expected": "small", "actual": "large",
        "resource": { "name": "web-1" }, "rule": { "reason": "resized for the sale" } }]);
    assert_eq!((&answer["totalCount"], &answer["nodes"]), (&json!(1), &shown));
    let events = t.events("web-1").await;
    let tail = [EventType::DriftStale, EventType::DifferenceIgnored];
    assert!(tail.iter().all(|event| events.contains(event)), "{events:?}");

    t.later(TimeDelta::hours(1));
    let ended = t.data(END, json!({ "id": rule["id"] })).await["endIgnoreRule"].clone();
    let rule = json!({ "endedBy": ADMIN, "endReason": "no longer", "ignoredCount": 0 });
    assert_eq!(ended, json!({ "opened": 1, "rule": rule }));
    let again = t.open_drift("web-1", "size_slug").await;
    assert_ne!(again.id, drift.id);
    let link =
        "query($id: ID!) { drift(id: $id) { predecessor { id closeReason closedByRule { reason } } } }";
    let predecessor = json!({ "id": drift.id, "closeReason": "IGNORED",
        "closedByRule": { "reason": "resized for the sale" } });
    let answer = t.data(link, json!({ "id": again.id })).await;
    assert_eq!(answer["drift"]["predecessor"], predecessor);
}

#[tokio::test]
async fn an_ignored_difference_follows_its_values_and_ends_with_them() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1").size("large")]).await;
    t.record_spec("web-1", json!({ "size_slug": "small" })).await;
    let rule = t.ignore(of_field("size_slug")).await;
    assert_eq!((t.sweep().await.opened, t.inbox().await.len()), (0, 0));
    assert_eq!(t.ignored().await[0].actual, Some(json!("large")));
    t.later(TimeDelta::hours(1));
    t.cloud_has([droplet("web-1").size("huge")]).await;
    t.sweep().await;
    let ignored = t.ignored().await;
    assert_eq!(ignored[0].actual, Some(json!("huge")));
    assert!(ignored[0].changed_at > ignored[0].ignored_at);
    let hits = |rows: Vec<entity::ignore_rules::Model>| (rows[0].hits, rows[0].last_hit_at);
    let stored = entity::ignore_rules::Entity::find()
        .all(t.db().reader())
        .await
        .unwrap();
    assert_eq!(hits(stored), (2, Some(t.now())));
    let before = t.tables().await;
    t.sweep().await;
    assert_eq!(t.tables().await, before, "nothing has changed");
    t.cloud_has([droplet("web-1").size("small")]).await;
    t.sweep().await;
    assert!(t.ignored().await.is_empty());
    assert_eq!(t.end_rule(&rule).await.drifts, Some(0));
    assert!(t.drifts().await.is_empty());
}

#[tokio::test]
async fn a_rule_about_a_part_leaves_the_other_parts_compared() {
    let t = TestApp::new().await;
    let with = |size: u32, count: u32| droplet("web-1").attr("pool", json!({ "size": size, "count": count }));
    t.cloud_has([with(1, 5)]).await;
    t.record_spec("web-1", json!({ "pool": { "size": 1, "count": 3 } }))
        .await;
    let part = Definition {
        pointer: Some("/count".to_owned()),
        ..of_field("pool")
    };
    t.ignore(part).await;
    assert_eq!(t.sweep().await.opened, 0);
    t.cloud_has([with(2, 5)]).await;
    assert_eq!(t.sweep().await.opened, 1, "the size has changed too");
    assert!(t.ignored().await.is_empty(), "what is open is not ignored");
    t.cloud_has([with(1, 6)]).await;
    t.sweep().await;
    assert_eq!(t.drifts().await[0].close_reason, Some(CloseReason::Ignored));
}

#[tokio::test]
async fn a_missing_resource_is_ignored_only_by_a_rule_about_missing_resources() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1"), droplet("web-2")]).await;
    for name in ["web-1", "web-2"] {
        t.record_spec(name, json!({ "size_slug": "small" })).await;
    }
    t.ignore(of_field("size_slug")).await;
    t.cloud_has([droplet("web-2")]).await;
    assert_eq!(t.sweep().await.opened, 1);
    let named = Definition {
        name: Some("web-1".to_owned()),
        ..of_field("*")
    };
    assert_eq!(t.ignore(named).await.drifts, Some(1));
    assert!(t.inbox().await.is_empty());
}

#[tokio::test]
async fn a_rule_that_expires_ends_with_the_next_sweep() {
    let t = a_resized_droplet().await;
    let expires = t.now() + TimeDelta::days(2);
    let input = json!({ "definition": { "field": "size_slug" }, "reason": "until the sale ends", "expiresAt": expires });
    let created = t.data(CREATE, json!({ "input": input })).await["createIgnoreRule"].clone();
    assert_eq!(created["rule"]["attention"], json!(["EXPIRES_SOON"]));
    t.later(TimeDelta::days(1));
    assert_eq!(t.sweep().await.opened, 0);
    t.later(TimeDelta::days(2));
    assert_eq!(t.sweep().await.opened, 1);
    let rules = "{ ignoreRules { nodes { endedBy endReason } } }";
    let ended = json!([{ "endedBy": "system", "endReason": "expired" }]);
    assert_eq!(t.data(rules, json!({})).await["ignoreRules"]["nodes"], ended);
}

#[tokio::test]
async fn a_preview_counts_open_and_past_drifts_and_changes_nothing() {
    let t = TestApp::new().await;
    let names = ["web-1", "web-2", "db-1"];
    let resources = |size: &str| names.map(|name| droplet(name).size(size).region(&format!("of-{name}")));
    t.cloud_has(resources("large")).await;
    for name in names {
        t.record_spec(name, json!({ "size_slug": "small" })).await;
    }
    t.sweep().await;
    t.cloud_has(resources("small")).await;
    t.sweep().await;
    t.later(TimeDelta::days(1));
    t.cloud_has(resources("large")).await;
    t.sweep().await;
    let preview = "query($d: IgnoreRuleDefinitionInput!) { previewIgnoreRule(definition: $d) { \
         openCount resourceCount pastCount truncated nodes { resource { name } } } }";
    let before = t.tables().await;
    let definition = json!({ "field": "size_slug", "namePattern": "web-*" });
    let found = t.data(preview, json!({ "d": definition })).await["previewIgnoreRule"].clone();
    assert_eq!(
        (
            &found["openCount"],
            &found["resourceCount"],
            &found["pastCount"],
            &found["truncated"]
        ),
        (&json!(2), &json!(2), &json!(2), &json!(false))
    );
    let shown: BTreeSet<&str> = found["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|drift| drift["resource"]["name"].as_str())
        .collect();
    assert_eq!(shown, BTreeSet::from(["web-1", "web-2"]));
    assert_eq!(t.tables().await, before);
    // A rule like the preview closes what the preview has counted.
    let like = Definition {
        name: Some("web-*".to_owned()),
        ..of_field("size_slug")
    };
    assert_eq!(t.ignore(like).await.drifts, Some(2));
}

/// Previews that need two connections at a time would wait for each other.
#[tokio::test]
async fn many_previews_share_one_connection() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1").size("large")]).await;
    t.record_spec("web-1", json!({ "size_slug": "small" })).await;
    t.sweep().await;
    let small = Db::connect(&t.database.url, 1).await.unwrap();
    let definition = of_field("size_slug");
    let previews = (0..8).map(|_| ignore_rules::backtest(&small, &definition, t.now()));
    for preview in futures_util::future::join_all(previews).await {
        assert_eq!(preview.unwrap().open, 1);
    }
}

/// Servers of the release before know neither rules nor ignored differences.
#[tokio::test]
async fn a_server_of_an_earlier_release_forgets_the_ignored_differences_too() {
    let t = TestApp::new().await;
    for name in ["web-1", "web-2"] {
        t.cloud_has([droplet("web-1").size("large"), droplet("web-2").size("large")])
            .await;
        t.record_spec(name, json!({ "size_slug": "small" })).await;
    }
    t.ignore(of_field("size_slug")).await;
    t.sweep().await;
    assert_eq!(t.ignored().await.len(), 2);
    for table in ["cloud_provisioned", "cloud_resource_events", "cloud_resources"] {
        let column = if table == "cloud_resources" {
            "id"
        } else {
            "resource_id"
        };
        let sql = format!(
            "DELETE FROM {table} WHERE {column} IN (SELECT id FROM cloud_resources WHERE name = 'web-1')"
        );
        t.database.execute(sql).await.unwrap();
    }
    let left = t.ignored().await;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].resource_id, t.resource("web-2").await.id);
}

#[tokio::test]
async fn what_a_sweep_planned_with_other_rules_is_planned_again() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1").size("large")]).await;
    t.record_spec("web-1", json!({ "size_slug": "small" })).await;
    let batch = gather(t.db(), &Scope::All).await.unwrap().unwrap();
    let rule = t.ignore(of_field("size_slug")).await;
    let applied = apply(t.db(), &plan(&batch, t.now()), t.now()).await.unwrap();
    assert_eq!((applied.moved.len(), t.inbox().await.len()), (1, 0));
    let batch = gather(t.db(), &Scope::All).await.unwrap().unwrap();
    t.end_rule(&rule).await;
    let applied = apply(t.db(), &plan(&batch, t.now()), t.now()).await.unwrap();
    assert_eq!((applied.moved.len(), t.ignored().await.len()), (1, 0));
    assert_eq!(t.sweep().await.opened, 1);
}

#[tokio::test]
async fn a_retired_or_forgotten_resource_has_no_ignored_differences() {
    let t = a_resized_droplet().await;
    t.ignore(of_field("size_slug")).await;
    assert_eq!(t.ignored().await.len(), 1);
    let id = t.resource("web-1").await.id;
    let retire =
        "mutation($id: ID!) { retireSpec(input: {resourceId: $id, expectedSpecVersion: 1}) { specVersion } }";
    t.data(retire, json!({ "id": id })).await;
    assert!(t.ignored().await.is_empty(), "without a sweep");
    t.record_spec("web-1", json!({ "size_slug": "small" })).await;
    t.sweep().await;
    assert_eq!(t.ignored().await.len(), 1);
    t.cloud_has([]).await;
    let retire = retire.replace("expectedSpecVersion: 1", "expectedSpecVersion: 3");
    t.data(&retire, json!({ "id": id })).await;
    let forget = "mutation($id: ID!) { forgetResource(input: {resourceId: $id, includeHistory: true}) { __typename } }";
    t.data(forget, json!({ "id": id })).await;
    assert!(t.ignored().await.is_empty());
}

#[tokio::test]
async fn rules_that_are_not_valid_are_refused() {
    let t = TestApp::new().await;
    let valid = json!({ "definition": { "field": "size_slug" }, "reason": "expected", "name": "sale" });
    t.data(CREATE, json!({ "input": valid })).await;
    let with = |key: &str, value: Value| {
        let mut input = valid.clone();
        input["name"] = json!("other");
        input[key] = value;
        input
    };
    for (input, why) in [
        (valid.clone(), "a rule with the name \"sale\" is in force"),
        (with("reason", json!(" ")), "reason must not be empty"),
        (with("owner", json!("")), "owner must not be empty"),
        (with("expiresAt", json!("2020-01-01T00:00:00Z")), "in the future"),
        (
            with("definition", json!({ "field": "a", "pointer": "b" })),
            "pointer must begin with /",
        ),
        (
            with("definition", json!({ "field": "a", "live": [] })),
            "live is empty",
        ),
        (
            with("definition", json!({ "field": "a", "resourceId": "7" })),
            "not a UUID",
        ),
    ] {
        let answer = t.ask(CREATE, json!({ "input": input })).await;
        let refusal = answer["errors"][0]["message"].to_string().replace('\\', "");
        assert_eq!(
            answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT",
            "{refusal}"
        );
        assert!(refusal.contains(why), "{refusal}");
    }
    let unknown = t.refusal(END, json!({ "id": Uuid::now_v7() })).await;
    assert_eq!(unknown, "NOT_FOUND");
}

#[tokio::test]
async fn rules_that_never_hit_or_hide_much_are_listed() {
    let t = TestApp::new().await;
    let names: Vec<String> = (0..51).map(|number| format!("web-{number}")).collect();
    t.cloud_has(names.iter().map(|name| droplet(name).size("large")))
        .await;
    for name in &names {
        t.record_spec(name, json!({ "size_slug": "small" })).await;
    }
    t.ignore(of_field("size_slug")).await;
    t.ignore(of_field("region")).await;
    t.sweep().await;
    t.later(TimeDelta::days(30));
    let rules = "{ ignoreRules(inForce: true) { totalCount nodes { field ignoredCount attention } } }";
    let listed = t.data(rules, json!({})).await["ignoreRules"].clone();
    let nodes = json!([
        { "field": "region", "ignoredCount": 0, "attention": ["NEVER_HIT"] },
        { "field": "size_slug", "ignoredCount": 51, "attention": ["HIDES_MUCH"] },
    ]);
    assert_eq!(listed["totalCount"], 2);
    let by_field = |rows: &Value| {
        let mut rows = rows.as_array().unwrap().clone();
        rows.sort_by_key(|row| row["field"].to_string());
        rows
    };
    assert_eq!(by_field(&listed["nodes"]), by_field(&nodes));
}

/// A random choice.
fn one_of<const N: usize>(random: &mut TestRng, of: [&'static str; N]) -> &'static str {
    of[random.random_range(0..N)]
}

const NAMES: [&str; 3] = ["a-1", "a-2", "b-1"];
const FIELDS: [&str; 3] = ["size_slug", "pool", "note"];

fn random_resource(random: &mut TestRng, name: &str) -> Listed {
    let pool = json!({ "size": random.random_range(1..3), "count": random.random_range(1..3) });
    let listed = droplet(name)
        .size(one_of(random, ["small", "large"]))
        .attr("pool", pool);
    match random.random_range(0..3) {
        0 => listed,
        n => listed.attr("note", n),
    }
}

fn random_rule(random: &mut TestRng) -> Definition {
    let field = one_of(random, [FIELDS[0], FIELDS[1], FIELDS[2], "*"]);
    let pointer =
        (field == "pool" && random.random_bool(0.7)).then(|| one_of(random, ["/size", "/count"]).to_owned());
    Definition {
        name: random
            .random_bool(0.5)
            .then(|| one_of(random, ["a-*", "b-1"]).to_owned()),
        live: if field == "note" && random.random_bool(0.5) {
            vec![json!(1)]
        } else {
            Vec::new()
        },
        pointer,
        ..of_field(field)
    }
}

/// Null and an empty map are the same.
fn unset_as_null(value: Value) -> Value {
    if value == json!({}) { Value::Null } else { value }
}

/// Returns what differs and is not ignored, computed without the code of sweeps.
fn unequal(expected: &Value, live: &Value, name: &str, rules: &[Definition]) -> BTreeSet<String> {
    let covers = |rule: &Definition, field: &str, value: &Value| {
        let named = rule
            .name
            .as_deref()
            .is_none_or(|pattern| match pattern.strip_suffix('*') {
                Some(prefix) => name.starts_with(prefix),
                None => name == pattern,
            });
        rule.field == field && named && (rule.live.is_empty() || rule.live.contains(value))
    };
    let mut open = BTreeSet::new();
    for (field, wanted) in expected.as_object().unwrap() {
        let actual = live.get(field).unwrap_or(&Value::Null);
        let (mut wanted, mut left) = (wanted.clone(), actual.clone());
        let mut is_ignored = false;
        for rule in rules.iter().filter(|rule| covers(rule, field, actual)) {
            match &rule.pointer {
                None => is_ignored = true,
                Some(pointer) => {
                    for side in [&mut wanted, &mut left] {
                        side.as_object_mut().and_then(|side| side.remove(&pointer[1..]));
                    }
                }
            }
        }
        if !is_ignored && unset_as_null(wanted) != unset_as_null(left) {
            open.insert(field.clone());
        }
    }
    open
}

/// An accept, with what its undo must restore.
struct Decided {
    drift: Uuid,
    place: usize,
    field: String,
    spec: Value,
}

impl Decided {
    /// Undoes the accept. If that is not refused, the field of the spec has its value before, and all others stay.
    async fn undo(&self, t: &TestApp, specs: &mut [Value]) -> bool {
        let undo = UndoAccept {
            drift_id: self.drift,
            reason: None,
        };
        match undo_accept(t.db(), ADMIN, &undo, t.now()).await {
            Ok(_) if self.field == "*" => specs[self.place] = self.spec.clone(),
            Ok(_) => specs[self.place][&self.field] = self.spec[&self.field].clone(),
            Err(Error::NotUndoable(_)) => return false,
            Err(error) => panic!("{error:?}"),
        }
        let stored = t.spec(NAMES[self.place]).await;
        assert_eq!((&stored.spec, stored.retired_at), (&specs[self.place], None));
        true
    }
}

/// The snoozes that should last, by drift, each with the revision that the user saw.
#[derive(Default)]
struct Snoozes(std::collections::BTreeMap<Uuid, (Snooze, i32)>);

impl Snoozes {
    async fn add(&mut self, t: &TestApp, drift: &cloud_drift::Model, random: &mut TestRng) {
        let until = random
            .random_bool(0.5)
            .then(|| t.now() + TimeDelta::hours(random.random_range(1..6)));
        let snooze = Snooze {
            until,
            until_change: until.is_none() || random.random_bool(0.5),
        };
        t.snooze(drift, snooze).await.unwrap();
        self.0.insert(drift.id, (snooze, drift.revision));
    }

    /// Returns whether an open drift should be snoozed.
    fn contain(&self, t: &TestApp, drift: &cloud_drift::Model) -> bool {
        self.0.get(&drift.id).is_some_and(|(snooze, seen)| {
            snooze.until.is_none_or(|until| until > t.now())
                && !(snooze.until_change && drift.revision != *seen)
        })
    }
}

/// What is open is exactly what differs minus what is ignored, after any sequence of changes of values, specs and rules,
/// snoozes and undos. A drift is snoozed exactly as long as it should be.
#[tokio::test]
async fn what_is_open_is_what_differs_and_is_not_ignored() {
    let t = TestApp::new().await;
    let mut random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut live: Vec<Option<Listed>> = NAMES.iter().map(|name| Some(droplet(name))).collect();
    t.cloud_has(live.iter().flatten().cloned()).await;
    let mut specs = vec![json!({}); NAMES.len()];
    let mut rules: Vec<(Changed, Definition)> = Vec::new();
    let (mut accepts, mut snoozes): (Vec<Decided>, Snoozes) = Default::default();
    let (mut undone, mut refused, mut were_snoozed) = (0, 0, 0);
    for name in NAMES {
        t.record_spec(name, json!({})).await;
    }
    for step in 0..240 {
        let place = random.random_range(0..NAMES.len());
        match random.random_range(0..10) {
            0 | 1 => {
                live[place] = random
                    .random_bool(0.8)
                    .then(|| random_resource(&mut random, NAMES[place]));
                t.cloud_has(live.iter().flatten().cloned()).await;
            }
            2 => {
                let wanted = random_resource(&mut random, NAMES[place]);
                specs[place] = json!({ "size_slug": wanted.resource.size_slug, "pool": wanted.resource.attrs["pool"],
                    "note": wanted.resource.attrs.get("note") });
                t.record_spec(NAMES[place], specs[place].clone()).await;
            }
            3 if rules.len() < 4 => {
                let definition = random_rule(&mut random);
                rules.push((t.ignore(definition.clone()).await, definition));
            }
            4 if !rules.is_empty() => {
                let rule = rules.remove(random.random_range(0..rules.len()));
                t.end_rule(&rule.0).await;
            }
            6 | 7 => {
                let open = t.inbox().await;
                if let Some(drift) = open.get(random.random_range(0..open.len().max(1))) {
                    snoozes.add(&t, drift, &mut random).await;
                }
            }
            8 => t.later(TimeDelta::hours(random.random_range(1..4))),
            9 if !accepts.is_empty() => {
                let accept = accepts.remove(random.random_range(0..accepts.len()));
                match accept.undo(&t, &mut specs).await {
                    true => undone += 1,
                    false => refused += 1,
                }
            }
            _ => {
                let open = t.inbox().await;
                if let Some(drift) = open.first() {
                    // Only an accept of current values succeeds; then the spec has the live value.
                    if let Ok(accepted) = t.accept(drift).await {
                        let at = t.resource_names().await;
                        let place = NAMES
                            .iter()
                            .position(|name| at[&drift.resource_id] == *name)
                            .unwrap();
                        let before = accepted.provisioned.map_or(Value::Null, |spec| spec.spec);
                        accepts.push(Decided {
                            drift: drift.id,
                            place,
                            field: drift.field.clone(),
                            spec: std::mem::replace(&mut specs[place], before),
                        });
                    }
                }
            }
        }
        t.sweep().await;
        let definitions: Vec<Definition> = rules.iter().map(|(_, definition)| definition.clone()).collect();
        let mut expected = BTreeSet::new();
        for (place, name) in NAMES.iter().enumerate() {
            if specs[place].is_null() {
                continue;
            }
            let open = match &live[place] {
                Some(listed) => {
                    let mut attrs = Value::Object(listed.resource.attrs.clone());
                    attrs["size_slug"] = json!(listed.resource.size_slug);
                    unequal(&specs[place], &attrs, name, &definitions)
                }
                None => unequal(&json!({ "*": 1 }), &json!({}), name, &definitions),
            };
            expected.extend(open.into_iter().map(|field| ((*name).to_owned(), field)));
        }
        let names = t.resource_names().await;
        let open = t.inbox().await;
        for drift in &open {
            assert_eq!(
                drift.snoozed,
                snoozes.contain(&t, drift),
                "step {step}, {drift:?}"
            );
            were_snoozed += u32::from(drift.snoozed);
        }
        let closed = t.drifts().await;
        let mut closed = closed.iter().filter(|drift| drift.status != DriftStatus::Open);
        assert!(closed.all(|drift| !drift.snoozed && drift.snoozed_at.is_none()));
        let open: BTreeSet<(String, String)> = open
            .into_iter()
            .map(|drift| (names[&drift.resource_id].clone(), drift.field))
            .collect();
        assert_eq!(
            open, expected,
            "step {step}, rules {definitions:?}, specs {specs:?}"
        );
    }
    assert!(
        t.drifts()
            .await
            .iter()
            .any(|drift| drift.close_reason == Some(CloseReason::Ignored))
    );
    assert!(
        undone > 5 && refused > 0 && were_snoozed > 50,
        "{undone} {refused} {were_snoozed}"
    );
}

impl TestApp {
    async fn resource_names(&self) -> std::collections::BTreeMap<Uuid, String> {
        let rows = entity::cloud_resources::Entity::find()
            .all(self.db().reader())
            .await
            .unwrap();
        rows.into_iter().map(|row| (row.id, row.name)).collect()
    }
}

const FILE: &str = "[[rule]]\ntitle = \"sizes\"\nreason = \"resized at will\"\nfield = \"size_slug\"\n\
    [[rule]]\ntitle = \"regions\"\nreason = \"moved\"\nfield = \"region\"\n";

#[tokio::test]
async fn the_rules_of_a_file_follow_the_file_and_others_stay() {
    use drift_inbox::domain::ignore_rules::parse_file;
    use drift_inbox::services::ignore_rules::{FileAction, apply_file};
    let t = a_resized_droplet().await;
    t.ignore(of_field("tags")).await;
    let apply = async |text: &str, is_trial: bool| {
        let rules = parse_file(text).unwrap();
        let applied = apply_file(t.db(), t.app.clock(), ADMIN, &rules, is_trial)
            .await
            .unwrap();
        (
            applied
                .rules
                .into_iter()
                .map(|(_, action)| action)
                .collect::<Vec<_>>(),
            applied.drifts,
        )
    };
    use FileAction::{Begin, End, Keep, Replace};
    let before = t.tables().await;
    assert_eq!(apply(FILE, true).await, (vec![Begin, Begin], None));
    assert_eq!(t.tables().await, before, "a trial changes nothing");
    assert_eq!(apply(FILE, false).await, (vec![Begin, Begin], Some((1, 0))));
    let before = t.tables().await;
    assert_eq!(apply(FILE, false).await, (vec![Keep, Keep], Some((0, 0))));
    assert_eq!(t.tables().await, before, "the same file changes nothing");
    let other = FILE.replace("moved", "moved on");
    assert_eq!(apply(&other, false).await, (vec![Keep, Replace], Some((0, 0))));
    let shorter = other.split_once("[[rule]]\ntitle = \"regions").unwrap().1;
    let shorter = format!("[[rule]]\ntitle = \"regions{shorter}");
    assert_eq!(apply(&shorter, false).await, (vec![Keep, End], Some((0, 1))));
    assert_eq!(t.inbox().await.len(), 1, "the size is a drift again");
    let past = format!(
        "{shorter}expires = \"2020-01-01T00:00:00Z\"
"
    );
    assert_eq!(
        apply(&past, true).await.0,
        vec![End, FileAction::Expired],
        "an expired rule is like none"
    );
    let rules = t
        .data("{ ignoreRules(inForce: true) { nodes { field } } }", json!({}))
        .await;
    let fields: BTreeSet<&str> = rules["ignoreRules"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|rule| rule["field"].as_str())
        .collect();
    assert_eq!(fields, BTreeSet::from(["region", "tags"]));
}

#[tokio::test]
async fn the_commands_apply_list_and_end_rules() {
    use crate::support::process::Program;
    let program = Program::new().with_file("rules.toml", FILE);
    let file = program.folder().join("rules.toml").display().to_string();
    let run = |arguments: &[&str]| program.run(arguments);
    let tried = run(&["rules", "apply", &file, "--dry-run"]);
    assert_eq!(
        (tried.code, tried.out.as_str()),
        (Some(0), "+ sizes\n+ regions\nrules: 2 rules would change\n"),
        "{}",
        tried.err
    );
    let applied = run(&["rules", "apply", &file]);
    assert!(
        applied
            .out
            .ends_with("rules: 2 rules changed; 0 drifts closed, 0 drifts opened\n"),
        "{}{}",
        applied.out,
        applied.err
    );
    let again = run(&["rules", "apply", &file]);
    assert!(again.out.starts_with("= sizes\n= regions\n"), "{}", again.out);
    let listed = run(&["rules", "list"]);
    assert!(listed.out.contains("resized at will"), "{}", listed.out);
    let id = listed
        .out
        .lines()
        .nth(1)
        .unwrap()
        .split_whitespace()
        .next()
        .unwrap()
        .to_owned();
    assert_eq!(run(&["rules", "end", &id]).code, Some(0));
    let presets = run(&["rules", "presets"]);
    assert!(presets.out.contains("sameMinorVersion = true"), "{}", presets.out);
    let mistake = Program::new().with_file("rules.toml", "[[rule]]\ntitle = \"a\"\n");
    let refused = mistake.run(&[
        "rules",
        "apply",
        &mistake.folder().join("rules.toml").display().to_string(),
    ]);
    assert_eq!(refused.code, Some(2), "{}", refused.err);
    assert!(
        refused.err.contains("rule 1: reason is missing"),
        "{}",
        refused.err
    );
}
