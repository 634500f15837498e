//! A filter of a subscription matches the same drifts as the filter of a list.

use std::collections::HashMap;

use chrono::TimeDelta;
use drift_inbox::services::choices::Choice;
use drift_inbox::services::inbox::{self, DriftChoices, DriftFilter, DriftTime, FilteredResource};
use drift_inbox::services::page::PageRequest;
use entity::cloud_drift::{DriftKind, DriftStatus, Severity};
use entity::{cloud_provisioned, cloud_resources};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use sea_orm::EntityTrait as _;
use serde_json::json;
use uuid::Uuid;

use crate::support::TestApp;
use crate::support::cloud::Listed;

/// Creates drifts of several statuses and kinds. The names of the resources test case folding and wildcards.
async fn odd_cloud() -> TestApp {
    let t = TestApp::new().await;
    let names = [
        "web-1",
        "WEB-1",
        "straße",
        "STRASSE",
        "50%_off",
        "İstanbul",
        "a.b*c",
    ];
    let listed = |name: &str| {
        let kind = if name.contains('-') { "droplet" } else { "volume" };
        Listed::new(kind, name)
            .region(if name.starts_with('W') { "NYC3" } else { "nyc3" })
            .size("large")
    };
    t.cloud_has(names.map(listed)).await;
    for name in names {
        let spec = json!({ "size_slug": "small", "region": "fra1", "Größe": 1, "50%": true });
        t.record_spec(name, spec).await;
    }
    t.sweep().await;
    for (name, field) in [("web-1", "region"), ("straße", "50%"), ("a.b*c", "Größe")] {
        let drift = t.open_drift(name, field).await;
        t.accept(&drift).await.unwrap();
        t.later(TimeDelta::microseconds(1));
    }
    t.later(TimeDelta::seconds(1));
    t.cloud_has(names[1..].iter().copied().map(listed)).await;
    t.sweep().await;
    let nowhere = "UPDATE cloud_resources SET region = NULL WHERE name IN ('STRASSE', 'web-1')";
    t.database.execute(nowhere).await.unwrap();
    for change in [
        "SET snoozed = true, snoozed_until_change = true WHERE status = 'open' AND field = 'region'",
        "SET flapping = true WHERE field = 'size_slug' OR field = '*'",
        "SET assignee = 'ada@example.com' WHERE field = 'size_slug'",
        "SET assignee = 'bob' WHERE field = 'Größe'",
        "SET severity = 'low' WHERE field = 'Größe'",
    ] {
        let changed = t.database.execute(format!("UPDATE cloud_drift {change}")).await;
        assert_ne!(changed.unwrap(), 0, "{change}");
    }
    t
}

fn maybe_bool() -> impl Strategy<Value = Option<bool>> {
    prop::option::weighted(0.15, any::<bool>())
}

/// Generates filters from values that occur and values that do not.
fn filters(ids: Vec<Uuid>, times: Vec<chrono::DateTime<chrono::Utc>>) -> impl Strategy<Value = DriftFilter> {
    let statuses = [
        DriftStatus::Open,
        DriftStatus::Accepted,
        DriftStatus::Reverted,
        DriftStatus::Stale,
    ];
    let maybe = |texts: &'static [&'static str]| {
        let text = prop::sample::select(texts).prop_map(str::to_owned);
        prop::option::weighted(0.3, text)
    };
    let time = || prop::option::weighted(0.2, prop::sample::select(times.clone()));
    (
        prop::sample::subsequence(statuses.to_vec(), 1..=4),
        prop::option::weighted(
            0.2,
            prop::sample::select(vec![DriftKind::Changed, DriftKind::Missing]),
        ),
        maybe(&["region", "Region", "größe", "Größe", "*", "50%", ""]),
        prop::option::weighted(0.2, prop::sample::select(ids)),
        maybe(&["droplet", "Droplet", "volume", ""]),
        maybe(&["nyc3", "NYC3", "fra1", ""]),
        maybe(&["cloud", "Cloud", ""]),
        maybe(&[
            "module.net",
            r#"module.net["a.b"]"#,
            "digitalocean_droplet.x",
            "module.nets",
            "digitalocean_droplet",
            "",
        ]),
        maybe(&[
            "DIGITALOCEAN_droplet",
            "net.",
            "web",
            "E-1",
            "SS",
            "ß",
            "SSE",
            "İ",
            "i",
            "%",
            "_",
            "50%_",
            "*",
            "GRÖSSE",
            "rö",
            "size",
            "",
        ]),
        time(),
        (time(), maybe_bool(), maybe_bool()),
    )
        .prop_map(
            |(
                status,
                kind,
                field,
                resource_id,
                resource_kind,
                region,
                source,
                address,
                search,
                after,
                (before, snoozed, flapping),
            )| {
                DriftFilter {
                    status,
                    kind,
                    field,
                    resource_id,
                    resource_kind,
                    region,
                    source,
                    address,
                    search,
                    snoozed,
                    detected_after: after,
                    detected_before: before,
                    flapping,
                    choices: DriftChoices::default(),
                }
            },
        )
}

/// Generates conditions with several values. Most have a few values, and half of them exclude values.
fn choices(ids: Vec<Uuid>) -> impl Strategy<Value = DriftChoices> {
    fn of<T: Clone + std::fmt::Debug + 'static>(values: Vec<T>) -> impl Strategy<Value = Choice<T>> {
        let list = |values: Vec<T>| {
            let most = values.len();
            prop::sample::subsequence(values, 1..=most)
        };
        (
            prop::option::weighted(0.25, list(values.clone())),
            prop::option::weighted(0.25, list(values)),
        )
            .prop_map(|(any_of, none_of)| Choice {
                any_of,
                none_of: none_of.unwrap_or_default(),
            })
    }
    let texts = |listed: &[&str]| of(listed.iter().map(|text| (*text).to_owned()).collect());
    (
        texts(&["region", "Größe", "*", "50%", "size_slug", "'"]),
        of(ids),
        texts(&["droplet", "Droplet", "volume", "dns"]),
        texts(&["nyc3", "NYC3", "fra1", ""]),
        texts(&["cloud", "Cloud", ""]),
        texts(&[
            "module.net",
            "digitalocean_droplet.x",
            "module.nets",
            r#"module.net["a.b"]"#,
        ]),
        texts(&["digitalocean", "aws"]),
        texts(&["ada@example.com", "Ada@example.com", "bob"]),
        maybe_bool(),
        prop::option::weighted(
            0.2,
            prop::sample::subsequence(vec![Severity::Low, Severity::Normal, Severity::High], 1..=3),
        ),
    )
        .prop_map(
            |(
                field,
                resource_id,
                resource_kind,
                region,
                source,
                address,
                provider,
                assignee,
                assigned,
                severity,
            )| DriftChoices {
                field,
                resource_id,
                resource_kind,
                region,
                source,
                address,
                provider,
                assignee,
                assigned,
                severity,
                ..DriftChoices::default()
            },
        )
}

#[tokio::test]
async fn a_subscription_and_a_list_with_one_filter_have_the_same_drifts() {
    have_the_same_drifts(400, |filter, _| filter).await;
}

#[tokio::test]
async fn a_subscription_and_a_list_with_several_values_have_the_same_drifts() {
    have_the_same_drifts(600, |filter, choices| DriftFilter {
        status: filter.status,
        kind: filter.kind,
        region: filter.region,
        field: filter.field,
        choices,
        ..DriftFilter::default()
    })
    .await;
}

#[tokio::test]
async fn a_subscription_and_a_list_with_several_values_and_other_conditions_have_the_same_drifts() {
    have_the_same_drifts(400, |filter, choices| DriftFilter {
        resource_id: None,
        choices,
        ..filter
    })
    .await;
}

async fn have_the_same_drifts(cases: usize, combine: impl Fn(DriftFilter, DriftChoices) -> DriftFilter) {
    let t = odd_cloud().await;
    let drifts = t.drifts().await;
    let resources = cloud_resources::Entity::find()
        .all(t.db().reader())
        .await
        .unwrap();
    for (name, address) in [
        ("straße", "module.net.digitalocean_droplet.web"),
        ("50%_off", r#"module.net["a.b"].digitalocean_droplet.web"#),
        ("WEB-1", "digitalocean_droplet.x"),
    ] {
        let sql = format!(
            "UPDATE cloud_provisioned SET address = '{address}' WHERE resource_id IN \
             (SELECT id FROM cloud_resources WHERE name = '{name}')"
        );
        t.database.execute(sql).await.unwrap();
    }
    let specs = cloud_provisioned::Entity::find()
        .all(t.db().reader())
        .await
        .unwrap();
    let addresses: HashMap<Uuid, String> = specs
        .into_iter()
        .filter_map(|spec| Some((spec.resource_id, spec.address?)))
        .collect();
    assert!(!addresses.is_empty());
    let place = |id: Uuid| {
        let row = resources.iter().find(|row| row.id == id).unwrap();
        FilteredResource {
            id,
            provider: row.provider.clone(),
            kind: row.kind.clone(),
            provider_id: row.provider_id.clone(),
            name: row.name.clone().into(),
            region: row.region.clone(),
            source: row.source.clone(),
            address: addresses.get(&id).cloned(),
        }
    };
    let mut times: Vec<_> = drifts.iter().map(|drift| drift.detected_at).collect();
    times.extend(
        drifts
            .iter()
            .map(|drift| drift.detected_at + TimeDelta::microseconds(1)),
    );
    let ids: Vec<Uuid> = resources.iter().map(|row| row.id).collect();
    let strategy = (filters(ids.clone(), times), choices(ids));
    let (mut runner, mut sizes) = (TestRunner::deterministic(), std::collections::BTreeSet::new());
    for case in 0..cases {
        let (filter, choices) = strategy.new_tree(&mut runner).unwrap().current();
        let filter = combine(filter, choices);
        let order = inbox::order_by(DriftTime::DetectedAt, true);
        let mut received: Vec<Uuid> = drifts
            .iter()
            .filter(|drift| filter.matches(drift, &place(drift.resource_id)))
            .map(|drift| drift.id)
            .collect();
        received.sort();
        let simplified = filter.clone().simplified();
        let rest = if case % 2 == 0 { vec![&filter] } else { vec![] };
        for filter in rest.into_iter().chain([&simplified]) {
            let page = inbox::list(t.db().reader(), filter, order, &PageRequest::first(200))
                .await
                .unwrap();
            let mut listed: Vec<Uuid> = page.rows.iter().map(|(_, drift)| drift.id).collect();
            listed.sort();
            assert_eq!(listed, received, "{filter:?}");
            let matching = drifts
                .iter()
                .filter(|drift| filter.matches(drift, &place(drift.resource_id)));
            assert_eq!(matching.count(), received.len(), "{filter:?}");
        }
        let counted = inbox::count(t.db().reader(), &simplified).await.unwrap();
        assert_eq!(counted, received.len() as i64, "{simplified:?}");
        sizes.insert(received.len());
    }
    assert!(sizes.len() > 7, "the numbers of matches hardly differ: {sizes:?}");
}
