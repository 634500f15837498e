use entity::cloud_resources;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, json};
use std::sync::Arc;

use super::*;
use crate::domain::detection::{Pair, Plan, plan, plan_of};
use crate::domain::fixtures::{bare_resource, now, spec};
use crate::domain::not_compared::NotCompared;

const VALUES: [&str; 22] = [
    "null",
    "\"\"",
    "[]",
    "{}",
    "1",
    "\"1\"",
    "1.0",
    "\"1.0\"",
    "1e0",
    "true",
    "\"true\"",
    "[\"a\",\"b\"]",
    "[\"b\", \"a\", \"a\"]",
    "[null]",
    "{\"k\":null}",
    "{\"k\":1,\"l\":[2]}",
    "{\"l\": [\"2\"], \"k\": \"1\"}",
    "\"a\\nb\"",
    "\"\\u0061\"",
    "\"a\"",
    "99999999999999999999",
    "not json",
];
const FIELDS: [&str; 12] = [
    "name",
    "region",
    "size_slug",
    "status",
    "tags",
    "ip",
    "vpc_uuid",
    "project_id",
    "a",
    "b",
    "c",
    "other",
];

/// The text of an object, whose fields may occur twice.
fn object() -> impl Strategy<Value = String> {
    let entry = (select(FIELDS.to_vec()), select(VALUES.to_vec()));
    let plain = entry
        .clone()
        .prop_filter("is plain", |(_, value)| json_text::is_plain(value));
    let distinct = vec(plain, 0..8).prop_map(|entries| {
        let map: std::collections::BTreeMap<_, _> = entries.into_iter().collect();
        map.into_iter().collect::<Vec<_>>()
    });
    prop_oneof![9 => distinct, 1 => vec(entry, 0..8)].prop_map(|entries| {
        let entries: Vec<_> = entries
            .iter()
            .map(|(name, value)| format!("\"{name}\":{value}"))
            .collect();
        format!("{{{}}}", entries.join(","))
    })
}

fn column() -> impl Strategy<Value = Option<String>> {
    select(vec![
        None,
        Some(""),
        Some("1"),
        Some("true"),
        Some("a"),
        Some("a\nb"),
    ])
    .prop_map(|text| text.map(str::to_owned))
}

/// The pair as values; None if it does not decode.
fn values(texts: &Texts<'_>, open: Option<Value>) -> Option<Pair> {
    let parsed = |text: &str| serde_json::from_str::<Value>(text).ok();
    let comparable = |text| parsed(text).filter(crate::domain::validation::is_comparable);
    let text = |position: usize| texts.schema_fields[position].map(str::to_owned);
    let resource = cloud_resources::Model {
        name: text(0)?,
        region: text(1),
        size_slug: text(2),
        status: text(3),
        tags: parsed(texts.schema_fields[TAGS]?)?,
        ip: text(5),
        vpc_uuid: text(6),
        project_id: text(7),
        first_seen_at: texts.is_seen.then(now),
        gone_at: texts.is_gone.then(now),
        ..bare_resource(comparable(texts.attrs)?)
    };
    let mut wanted = spec(comparable(texts.spec)?);
    wanted.not_compared = open;
    Some(Pair {
        spec: wanted,
        resource,
        open: Vec::new(),
        listed_at: None,
        rules: Arc::default(),
        ignored: Vec::new(),
        traits: texts.traits,
    })
}

fn plan_without_open(compared: Compared) -> Plan {
    plan_of(compared, &[], |drift| unreachable!("no drift is open: {drift:?}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn texts_and_values_yield_the_same_plan(
        (wanted, live, tags) in (object(), object(), select(VALUES.to_vec())),
        columns in vec(column(), 8),
        (is_seen, is_gone, unread) in (prop::bool::weighted(0.9), prop::bool::weighted(0.1), any::<bool>()),
        open in prop::option::weighted(0.2, select(vec![vec![json!("k")], vec![json!("l"), json!("m")]])),
    ) {
        let open = open.map(|path| {
            let mut open = NotCompared::default();
            open.add("a", path);
            open.to_column(1).unwrap()
        });
        let open_text = open.as_ref().map(Value::to_string);
        let mut schema_fields: [Option<&str>; 8] = std::array::from_fn(|n| columns[n].as_deref());
        schema_fields[0] = Some(schema_fields[0].unwrap_or_default());
        schema_fields[TAGS] = Some(tags);
        let traits = KindTraits { unset_project_is_unread: unread, ..KindTraits::PLAIN };
        let texts = Texts {
            spec: &wanted,
            not_compared: open_text.as_deref(),
            schema_fields,
            attrs: &live,
            is_seen,
            is_gone,
            traits,
        };
        if let Some(compared) = compare_texts(&texts) {
            let pair = values(&texts, open);
            prop_assert!(pair.is_some(), "what is compared as text decodes");
            prop_assert_eq!(plan_without_open(compared), plan(&pair.unwrap(), now()));
        }
    }

    #[test]
    fn usual_pairs_are_compared_as_texts(
        wanted in btree_map(select(FIELDS.to_vec()), select(vec![json!(1), json!(["a", "b"]), json!({"k": [1]})]), 0..8),
        live in btree_map(select(FIELDS.to_vec()), select(vec![json!("1"), json!(["b", "a"]), json!({"k": []})]), 0..8),
        region in column(),
    ) {
        let object = |map: std::collections::BTreeMap<&str, Value>| {
            Value::Object(map.into_iter().map(|(k, v)| (k.to_owned(), v)).collect::<Map<_, _>>()).to_string()
        };
        let (wanted, live) = (object(wanted), object(live));
        let mut schema_fields = [None; 8];
        (schema_fields[0], schema_fields[1], schema_fields[TAGS]) = (Some(""), region.as_deref(), Some("[]"));
        let texts = Texts {
            spec: &wanted,
            not_compared: None,
            schema_fields,
            attrs: &live,
            is_seen: true,
            is_gone: false,
            traits: KindTraits::PLAIN,
        };
        let compared = compare_texts(&texts);
        prop_assert!(compared.is_some());
        prop_assert_eq!(plan_without_open(compared.unwrap()), plan(&values(&texts, None).unwrap(), now()));
    }
}

#[test]
fn the_tags_have_their_position() {
    assert_eq!(SCHEMA_FIELDS[TAGS], "tags");
}
