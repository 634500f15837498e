//! Imports of Terraform states.

use drift_inbox::provider::terraform::{State, parse_value};
use drift_inbox::services::imports::{ImportOptions, import_state};
use entity::cloud_resource_events::EventType;
use entity::{cloud_provisioned, cloud_resources, terraform_states};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sea_orm::{EntityTrait, QueryOrder};
use serde_json::json;

use crate::support::TestApp;
use crate::support::cloud::droplet;
use crate::support::state::{droplets, state_file};

const SMALL: &str = "s-1vcpu-1gb";
const LARGE: &str = "s-2vcpu-4gb";

/// Returns the rows of all tables that an import may write, except events.
async fn written(
    t: &TestApp,
) -> (
    Vec<cloud_provisioned::Model>,
    Vec<cloud_resources::Model>,
    Vec<terraform_states::Model>,
) {
    let db = t.db().reader();
    (
        cloud_provisioned::Entity::find()
            .order_by_asc(cloud_provisioned::Column::ResourceId)
            .all(db)
            .await
            .unwrap(),
        cloud_resources::Entity::find()
            .order_by_asc(cloud_resources::Column::Id)
            .all(db)
            .await
            .unwrap(),
        terraform_states::Entity::find().all(db).await.unwrap(),
    )
}

fn counts(summary: &drift_inbox::services::imports::ImportSummary) -> [u64; 4] {
    [
        summary.recorded,
        summary.changed,
        summary.unchanged,
        summary.retired,
    ]
}

#[tokio::test]
async fn specs_of_a_state_are_compared_with_live_values() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("web-1").size(LARGE), droplet("web-2")])
        .await;
    let summary = t
        .import(&droplets(
            "l-1",
            1,
            &[("web-1", SMALL), ("web-2", SMALL), ("web-3", SMALL)],
        ))
        .await;
    assert_eq!(counts(&summary), [3, 0, 0, 0]);
    assert_eq!((summary.unsynced, summary.lineage.as_str()), (1, "l-1"));
    assert_eq!(t.spec("web-1").await.source, "terraform:l-1");
    assert_eq!(t.events("web-1").await.last(), Some(&EventType::SpecRecorded));
    assert_eq!(t.sweep().await.unsynced, 1);
    let inbox: Vec<String> = t.inbox().await.into_iter().map(|drift| drift.field).collect();
    assert_eq!(inbox, ["size_slug"], "an unsynced resource is not missing");
    t.sync().await;
    t.sweep().await;
    let missing = t.open_drift("web-3", "*").await;
    assert_eq!(
        missing.expected,
        Some(json!({"name": "web-3", "region": "nyc3", "size_slug": SMALL}))
    );
}

#[tokio::test]
async fn importing_before_or_after_the_first_sync_gives_the_same_result() {
    let state = droplets("l-1", 1, &[("web-1", SMALL), ("web-2", LARGE), ("gone", SMALL)]);
    let cloud = || [droplet("web-1").tags(["a"]), droplet("web-2")];
    let mut ends = Vec::new();
    for import_first in [true, false] {
        let t = TestApp::new().await;
        if import_first {
            t.import(&state).await;
            let row = t.resource("gone").await;
            assert_eq!((row.first_seen_at, row.gone_at), (None, None));
            assert_eq!((row.region.as_deref(), row.revision), (Some("nyc3"), 1));
        }
        t.cloud_has(cloud()).await;
        if !import_first {
            t.import(&state).await;
        }
        t.cloud_has(cloud()).await;
        t.sweep().await;
        let mut end = Vec::new();
        for name in ["web-1", "web-2", "gone"] {
            let (row, spec) = (t.resource(name).await, t.spec(name).await);
            end.push(json!([
                row.name,
                row.region,
                row.size_slug,
                row.tags,
                row.attrs,
                row.urn.len() > 1,
                row.gone_at.is_some(),
                spec.spec,
                spec.spec_version,
                spec.source
            ]));
        }
        for drift in t.inbox().await {
            end.push(json!([drift.field, drift.expected, drift.actual]));
        }
        end[3..].sort_by_key(ToString::to_string);
        ends.push(end);
    }
    assert_eq!(ends[0], ends[1]);
}

#[tokio::test]
async fn a_second_import_of_a_state_and_a_dry_run_write_nothing() {
    let t = TestApp::new().await;
    let state = droplets("l-1", 4, &[("web-1", SMALL), ("web-2", LARGE)]);
    t.import(&state).await;
    let before = written(&t).await;
    t.later(chrono::TimeDelta::hours(1));
    let summary = t.import(&state).await;
    assert_eq!(counts(&summary), [0, 0, 2, 0]);
    assert_eq!(written(&t).await, before);
    assert_eq!(t.events("web-1").await.len(), 1);
    let dry = ImportOptions {
        dry_run: true,
        ..ImportOptions::default()
    };
    let newer = droplets("l-1", 5, &[("web-1", LARGE), ("web-2", LARGE), ("web-3", SMALL)]);
    let summary = t.try_import(&newer, dry).await.unwrap();
    assert_eq!(counts(&summary), [1, 1, 1, 0]);
    assert_eq!(written(&t).await, before, "a dry run");
    assert_eq!(counts(&t.import(&newer).await), [1, 1, 1, 0]);
    assert_eq!(t.spec("web-1").await.spec_version, 2);
}

#[tokio::test]
async fn an_older_serial_of_a_state_is_refused_completely() {
    let t = TestApp::new().await;
    t.import(&droplets("l-1", 7, &[("web-1", SMALL)])).await;
    let before = written(&t).await;
    let older = droplets("l-1", 6, &[("web-1", LARGE), ("web-2", SMALL)]);
    let refused = t.try_import(&older, ImportOptions::default()).await.unwrap_err();
    assert_eq!(refused.code(), "BAD_USER_INPUT");
    assert!(refused.to_string().contains("serial 6") && refused.to_string().contains("serial 7"));
    assert_eq!(written(&t).await, before);
    t.import(&droplets("l-2", 1, &[("web-2", SMALL)])).await;
    assert_eq!(t.spec("web-2").await.source, "terraform:l-2");
    assert_eq!(
        t.spec("web-1").await.retired_at,
        None,
        "another state does not affect the first"
    );
}

#[tokio::test]
async fn an_import_refuses_specs_of_other_sources_and_imports_the_rest() {
    let t = TestApp::new().await;
    t.cloud_has(["api", "base", "other", "mine"].map(droplet)).await;
    t.record_spec("api", json!({"size_slug": LARGE})).await;
    t.import(&droplets("l-2", 1, &[("other", LARGE)])).await;
    let before = t.spec("other").await;
    let summary = t
        .import(&droplets(
            "l-1",
            1,
            &[("api", SMALL), ("mine", SMALL), ("other", SMALL)],
        ))
        .await;
    assert_eq!(counts(&summary), [1, 0, 0, 0]);
    let refused: Vec<(&str, &str)> = summary
        .refused
        .iter()
        .map(|refusal| (refusal.address.as_str(), refusal.reason.as_str()))
        .collect();
    assert_eq!(
        refused,
        [
            (
                "digitalocean_droplet.api",
                "its spec belongs to api; import with --take-over (in the API: takeOver) to take it over"
            ),
            ("digitalocean_droplet.other", "its spec belongs to terraform:l-2"),
        ]
    );
    assert_eq!(t.spec("other").await, before);
    assert_eq!(t.spec("api").await.spec, json!({"size_slug": LARGE}));
}

#[tokio::test]
async fn specs_of_the_api_are_taken_over_only_with_take_over() {
    let t = TestApp::new().await;
    t.cloud_has(["api", "base", "other", "new"].map(|name| droplet(name).size(LARGE)))
        .await;
    t.record_spec("api", json!({"size_slug": SMALL})).await;
    let baseline = "mutation { recordBaseline(input: { filter: { search: \"base\" } }) { count } }";
    assert_eq!(t.data(baseline, json!({})).await["recordBaseline"]["count"], 1);
    t.import(&droplets("l-2", 1, &[("other", LARGE)])).await;
    t.sweep().await;
    assert_eq!(t.inbox().await.len(), 1);
    let state = droplets(
        "l-1",
        1,
        &[("api", LARGE), ("base", LARGE), ("new", LARGE), ("other", SMALL)],
    );
    let options = |dry_run: bool| ImportOptions {
        take_over: true,
        dry_run,
        ..ImportOptions::default()
    };
    let before = written(&t).await;
    let dry = t.try_import(&state, options(true)).await.unwrap();
    assert_eq!(written(&t).await, before, "a dry run");
    let summary = t.try_import(&state, options(false)).await.unwrap();
    assert_eq!(dry, summary);
    assert_eq!(counts(&summary), [1, 0, 0, 0]);
    let taken: Vec<[&str; 3]> = summary
        .taken_over
        .iter()
        .map(|taken| {
            [
                taken.address.as_str(),
                taken.provider_id.as_str(),
                taken.from.as_str(),
            ]
        })
        .collect();
    assert_eq!(
        taken,
        [
            ["digitalocean_droplet.api", "api", "api"],
            ["digitalocean_droplet.base", "base", "baseline"],
        ]
    );
    let refused: Vec<&str> = summary
        .refused
        .iter()
        .map(|refusal| refusal.reason.as_str())
        .collect();
    assert_eq!(refused, ["its spec belongs to terraform:l-2"]);
    assert_eq!(summary.closes.len(), 1);
    for (name, version) in [("api", 2), ("base", 2), ("new", 1)] {
        let spec = t.spec(name).await;
        assert_eq!(
            (spec.source.as_str(), spec.spec_version),
            ("terraform:l-1", version)
        );
    }
    assert_eq!(t.spec("other").await.source, "terraform:l-2");
    let events = t.event_rows(t.resource("api").await.id).await;
    let last = events.last().unwrap();
    assert_eq!(last.event_type, EventType::SpecRecorded);
    let recorded = json!({
        "specVersion": 2, "source": "terraform:l-1", "address": "digitalocean_droplet.api"
    });
    assert_eq!(last.data, recorded);
    // After that, the spec belongs to the state like any other spec.
    let again = t.import(&state).await;
    assert_eq!((counts(&again), again.taken_over.len()), ([0, 0, 3, 0], 0));
    t.sweep().await;
    assert!(t.inbox().await.is_empty());
}

#[tokio::test]
async fn specs_whose_instances_left_their_state_are_retired() {
    let t = TestApp::new().await;
    t.import(&droplets("l-2", 1, &[("other", SMALL)])).await;
    t.import(&droplets("l-1", 1, &[("a", SMALL), ("b", SMALL), ("c", SMALL)]))
        .await;
    let before = written(&t).await;
    let fewer = droplets("l-1", 2, &[("a", SMALL)]);
    let refused = t.try_import(&fewer, ImportOptions::default()).await.unwrap_err();
    assert!(refused.to_string().contains("2 of 3") && refused.to_string().contains("--allow-mass-retire"));
    assert_eq!(written(&t).await, before);
    let meant = ImportOptions {
        allow_mass_retire: true,
        ..ImportOptions::default()
    };
    let summary = t.try_import(&fewer, meant).await.unwrap();
    assert_eq!(counts(&summary), [0, 0, 1, 2]);
    for (name, retired) in [("a", false), ("b", true), ("c", true), ("other", false)] {
        assert_eq!(t.spec(name).await.retired_at.is_some(), retired, "{name}");
    }
    assert_eq!(t.events("b").await.last(), Some(&EventType::SpecRetired));
    let again = t.import(&droplets("l-1", 3, &[("a", SMALL), ("b", SMALL)])).await;
    assert_eq!(counts(&again), [1, 0, 1, 0]);
    assert_eq!(t.spec("b").await.spec_version, 3);
}

#[tokio::test]
async fn a_tainted_instance_keeps_its_spec() {
    let t = TestApp::new().await;
    t.import(&droplets("l-1", 1, &[("a", SMALL)])).await;
    let instance = json!({"id": "a", "name": "a", "region": "nyc3", "size": LARGE});
    let mut file = state_file("l-1", 2, [("digitalocean_droplet", "a".to_owned(), instance)]);
    file["resources"][0]["instances"][0]["status"] = "tainted".into();
    let summary = t.import(&parse_value(file).unwrap()).await;
    assert_eq!((counts(&summary), summary.skipped.tainted), ([0, 0, 0, 0], 1));
    assert_eq!(t.spec("a").await.spec["size_slug"], SMALL);
    assert_eq!(t.spec("a").await.retired_at, None);
}

#[tokio::test]
async fn the_summary_lists_the_drifts_that_the_import_closes() {
    let t = TestApp::new().await;
    t.cloud_has([
        droplet("web-1").size(LARGE),
        droplet("web-2").size(LARGE),
        droplet("old").size(LARGE),
    ])
    .await;
    t.import(&droplets(
        "l-1",
        1,
        &[("web-1", SMALL), ("web-2", SMALL), ("old", SMALL)],
    ))
    .await;
    t.sweep().await;
    assert_eq!(t.inbox().await.len(), 3);
    let summary = t
        .import(&droplets("l-1", 2, &[("web-1", LARGE), ("web-2", "s-3")]))
        .await;
    let closes: Vec<(&str, &str)> = summary
        .closes
        .iter()
        .map(|closing| (closing.name.as_str(), closing.field.as_str()))
        .collect();
    assert_eq!(closes, [("web-1", "size_slug"), ("old", "size_slug")]);
    let closing_ids: Vec<uuid::Uuid> = summary.closes.iter().map(|closing| closing.drift_id).collect();
    let before = t.inbox().await;
    t.sweep().await;
    let after: Vec<uuid::Uuid> = t.inbox().await.into_iter().map(|drift| drift.id).collect();
    for drift in before {
        assert_eq!(closing_ids.contains(&drift.id), !after.contains(&drift.id));
    }
}

#[tokio::test]
async fn output_of_terraform_show_json_needs_a_lineage() {
    let t = TestApp::new().await;
    let mut shown: State = droplets("l-1", 1, &[("a", SMALL)]);
    (shown.lineage, shown.serial) = (None, None);
    let refused = t.try_import(&shown, ImportOptions::default()).await.unwrap_err();
    assert!(refused.to_string().contains("--lineage"));
    let named = |name: &str| ImportOptions {
        lineage: Some(name.to_owned()),
        ..ImportOptions::default()
    };
    assert_eq!(
        counts(&t.try_import(&shown, named("prod")).await.unwrap()),
        [1, 0, 0, 0]
    );
    assert_eq!(
        counts(&t.try_import(&shown, named("prod")).await.unwrap()),
        [0, 0, 1, 0]
    );
    assert_eq!(t.spec("a").await.source, "terraform:prod");
    let own = droplets("l-1", 1, &[("a", SMALL)]);
    for bad in ["a\0b", "a\nb", &"x".repeat(300)] {
        assert!(t.try_import(&own, named(bad)).await.is_err(), "{bad:?}");
        assert!(t.try_import(&shown, named(bad)).await.is_err(), "{bad:?}");
    }
}

#[tokio::test]
async fn instances_with_values_that_cannot_be_stored_are_refused() {
    let t = TestApp::new().await;
    let tags: Vec<String> = (0..20_000).map(|n| format!("tag-number-{n:06}")).collect();
    let instances = [
        (
            "digitalocean_droplet",
            "nul".to_owned(),
            json!({"id": "1", "name": "a\u{0}b"}),
        ),
        (
            "digitalocean_droplet",
            "large".to_owned(),
            json!({"id": "2", "name": "b", "tags": tags}),
        ),
        (
            "digitalocean_droplet",
            "long".to_owned(),
            json!({"id": "x".repeat(3000), "name": "c"}),
        ),
        (
            "digitalocean_droplet",
            "fine".to_owned(),
            json!({"id": "4", "name": "d"}),
        ),
    ];
    let summary = t
        .import(&parse_value(state_file("l-1", 1, instances)).unwrap())
        .await;
    assert_eq!(counts(&summary), [1, 0, 0, 0]);
    let mut refused: Vec<&str> = summary
        .refused
        .iter()
        .map(|refusal| refusal.address.as_str())
        .collect();
    refused.sort_unstable();
    assert_eq!(
        refused,
        [
            "digitalocean_droplet.large",
            "digitalocean_droplet.long",
            "digitalocean_droplet.nul"
        ]
    );
}

#[tokio::test]
async fn many_instances_are_imported_in_batches_during_a_sync() {
    let t = TestApp::new().await;
    let names: Vec<String> = (0..1_200).map(|n| format!("web-{n:04}")).collect();
    let state = droplets(
        "l-1",
        1,
        &names
            .iter()
            .map(|name| (name.as_str(), SMALL))
            .collect::<Vec<_>>(),
    );
    t.cloud.set(names.iter().map(|name| droplet(name)));
    let mut progress = Vec::new();
    let options = ImportOptions::default();
    let import = import_state(t.db(), "ada", &state, &options, t.now(), |done, total| {
        progress.push((done, total))
    });
    let (summary, run) = tokio::join!(import, t.sync());
    assert_eq!(counts(&summary.unwrap()), [1_200, 0, 0, 0]);
    assert!(run.error.is_none(), "{:?}", run.error);
    assert_eq!(
        progress,
        [(250, 1200), (500, 1200), (750, 1200), (1000, 1200), (1200, 1200)]
    );
    assert_eq!(t.sweep().await.opened, 0);
}

#[tokio::test]
async fn concurrent_imports_of_one_state_leave_the_newest_serial() {
    let t = TestApp::new().await;
    let sizes = ["s-1", "s-2", "s-3", "s-4", "s-5", "s-6"];
    let states: Vec<State> = (1..)
        .zip(sizes)
        .map(|(serial, size)| droplets("l-1", serial, &[("a", size), ("b", size), ("c", size)]))
        .collect();
    let all = states
        .iter()
        .rev()
        .map(|state| t.try_import(state, ImportOptions::default()));
    for outcome in futures_util::future::join_all(all).await {
        if let Err(refused) = outcome {
            assert_eq!(refused.code(), "BAD_USER_INPUT", "{refused}");
        }
    }
    for name in ["a", "b", "c"] {
        assert_eq!(t.spec(name).await.spec["size_slug"], "s-6");
    }
}

#[test]
fn importing_is_idempotent() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let sizes = prop::sample::select(vec!["s-1", "s-2", ""]);
    let tags = prop::option::of(prop::collection::vec("[A-Za-c]{1,2}", 0..3));
    let one = (sizes, tags, any::<Option<bool>>());
    let fleets = prop::collection::btree_map("[a-e]", one, 1..6);
    let strategy = prop::collection::vec(fleets, 1..4);
    let config = Config {
        cases: 12,
        failure_persistence: None,
        ..Config::default()
    };
    let run = TestRunner::new(config).run(&strategy, |history| {
        runtime.block_on(async {
            let t = TestApp::new().await;
            for (serial, fleet) in (1..).zip(history) {
                let instances = fleet.iter().map(|(id, (size, tags, backups))| {
                    let attributes =
                        json!({"id": id, "name": id, "size": size, "tags": tags, "backups": backups});
                    ("digitalocean_droplet", id.clone(), attributes)
                });
                let state = parse_value(state_file("l-1", serial, instances)).unwrap();
                let meant = || ImportOptions {
                    allow_mass_retire: true,
                    ..ImportOptions::default()
                };
                t.try_import(&state, meant()).await.unwrap();
                let before = written(&t).await;
                let active = before.0.iter().filter(|spec| spec.retired_at.is_none()).count();
                assert_eq!(active, fleet.len());
                let again = t.try_import(&state, meant()).await.unwrap();
                assert_eq!(counts(&again), [0, 0, fleet.len() as u64, 0]);
                assert_eq!(written(&t).await, before);
            }
        });
        Ok(())
    });
    run.unwrap();
}
