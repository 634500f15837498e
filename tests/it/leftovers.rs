//! Leftovers: unmanaged resources that serve nothing.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use drift_inbox::jobs::JobRequest;
use drift_inbox::provider::KindListing;
use drift_inbox::services::inventory::SyncOptions;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::cloud::{Listed, droplet};

const LEFTOVERS: &str = "query($filter: LeftoverFilter, $days: Int, $first: Int, $after: String) {
    leftovers(filter: $filter, olderThanDays: $days, first: $first, after: $after) {
        totalCount pageInfo { hasNextPage endCursor }
        nodes { id rule why state unknownBecause since monthlyPrice { amount currency } resource { name kind } }
    }
    leftoverSummary(filter: $filter, olderThanDays: $days) {
        leftovers unknown unpriced monthlyPrice { amount currency } checkedAt
    } }";

async fn listed(t: &TestApp, variables: Value) -> Value {
    t.data(LEFTOVERS, variables).await
}

/// The names of the leftovers in this state, whatever their age.
async fn names(t: &TestApp, state: &str) -> BTreeSet<String> {
    let answer = listed(
        t,
        json!({ "days": 0, "first": 200, "filter": { "state": state } }),
    )
    .await;
    let nodes = answer["leftovers"]["nodes"].as_array().unwrap().iter();
    nodes
        .map(|node| node["resource"]["name"].as_str().unwrap().to_owned())
        .collect()
}

fn set<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}

fn volume(name: &str, droplet: Option<&str>) -> Listed {
    let attached = droplet.map_or(json!([]), |droplet| json!([droplet]));
    Listed::new("volume", name)
        .region("fra1")
        .attr("size_gigabytes", 100)
        .attr("droplet_ids", attached)
}

fn snapshot(name: &str, kind: &str, of: &str) -> Listed {
    Listed::new("snapshot", name)
        .attr("resource_type", kind)
        .attr("resource_id", of)
        .attr("size_gigabytes", 2.5)
}

fn record(name: &str, kind: &str, data: &str) -> Listed {
    Listed::new("domain_record", name)
        .attr("type", kind)
        .attr("data", data)
        .attr("domain", "shop.example")
}

fn with_ip(mut listed: Listed, ip: &str) -> Listed {
    listed.resource.ip = Some(ip.to_owned());
    listed
}

fn balancer(name: &str) -> Listed {
    Listed::new("load_balancer", name)
        .size("2")
        .attr("type", "REGIONAL")
}

/// Resources that serve something, or about which nothing is said.
fn in_use() -> Vec<Listed> {
    let mut all: Vec<Listed> = (0..200)
        .map(|n| with_ip(droplet(&format!("web-{n:03}")), &format!("192.0.2.{n}")))
        .collect();
    all[7] = all[7]
        .clone()
        .attr("ips", json!({ "public4": ["192.0.2.7", "198.51.100.7"] }));
    all.extend((0..88).map(|n| volume(&format!("data-{n:03}"), Some(&format!("web-{n:03}")))));
    all.extend((0..70).map(|n| snapshot(&format!("of-web-{n:03}"), "droplet", &format!("web-{n:03}"))));
    all.push(snapshot("of-data", "volume", "data-001"));
    all.extend((0..26).map(|n| {
        with_ip(
            Listed::new("reserved_ip", &format!("203.0.113.{n}")),
            &format!("203.0.113.{n}"),
        )
        .attr("droplet_id", format!("web-{n:03}"))
    }));
    all.extend((0..14).map(|n| balancer(&format!("lb-{n:03}")).attr("droplet_ids", json!(["web-001"]))));
    all.extend(
        (0..17)
            .map(|n| Listed::new("firewall", &format!("fw-{n:03}")).attr("droplet_ids", json!(["web-001"]))),
    );
    all.extend((0..40).map(|n| record(&format!("web-{n:03}"), "A", &format!("192.0.2.{n}"))));
    all.push(Listed::new("kubernetes_cluster", "main"));
    all
}

/// Resources that look like leftovers and are none.
fn near_misses() -> Vec<Listed> {
    vec![
        volume("pvc-0c1d", None),
        volume("of-kubernetes", None).tags(["k8s:abc"]),
        volume("managed-volume", None),
        snapshot("backup", "droplet", "gone-1").attr("type", "backup"),
        snapshot("of-a-kind-of-its-own", "appliance", "1"),
        balancer("by-tag").attr("tag", "web"),
        balancer("global").attr("target_load_balancer_ids", json!(["lb-001"])),
        balancer("of-kubernetes-lb").tags(["k8s"]),
        Listed::new("firewall", "by-tags").tags(["web"]),
        record("elsewhere", "A", "8.8.8.8"),
        record("secondary", "A", "198.51.100.7"),
        record("moved", "A", "198.51.100.1"),
        record("alias", "CNAME", "198.51.100.2"),
        record("text", "TXT", "198.51.100.2"),
        // The address of a droplet that is gone belongs to another resource now.
        with_ip(Listed::new("reserved_ip", "198.51.100.1"), "198.51.100.1").attr("droplet_id", "web-002"),
    ]
}

/// The 25 leftovers.
fn planted() -> Vec<Listed> {
    let mut all: Vec<Listed> = (0..8)
        .map(|n| volume(&format!("lost-volume-{n}"), None))
        .collect();
    all.extend((0..4).map(|n| snapshot(&format!("lost-snapshot-{n}"), "droplet", &format!("never-{n}"))));
    all.push(snapshot("lost-snapshot-of-gone", "droplet", "gone-1"));
    all.push(snapshot("lost-snapshot-of-volume", "volume", "never-5"));
    all.extend((0..4).map(|n| {
        let ip = format!("203.0.113.20{n}");
        with_ip(Listed::new("reserved_ip", &ip), &ip)
    }));
    all.push(balancer("lost-lb-0").attr("droplet_ids", json!([])));
    all.push(balancer("lost-lb-1"));
    all.push(balancer("lost-lb-2").attr("type", "GLOBAL"));
    all.push(Listed::new("firewall", "lost-firewall-0"));
    all.push(Listed::new("firewall", "lost-firewall-1").attr("droplet_ids", json!([])));
    all.push(record("lost-record-0", "A", "198.51.100.2"));
    all.push(record("lost-record-1", "A", "198.51.100.3"));
    all
}

/// Droplets whose addresses are lost when they are gone.
fn soon_gone() -> Vec<Listed> {
    (1..=3)
        .map(|n| with_ip(droplet(&format!("gone-{n}")), &format!("198.51.100.{n}")))
        .collect()
}

fn all() -> Vec<Listed> {
    [in_use(), near_misses(), planted()].concat()
}

/// Five hundred resources, of which 25 serve nothing, forty days after they were first seen.
async fn account() -> TestApp {
    let t = TestApp::new().await;
    t.cloud_has([all(), soon_gone()].concat()).await;
    t.record_spec("managed-volume", json!({ "size_gigabytes": 100 }))
        .await;
    t.cloud_has(all()).await;
    t.later(TimeDelta::days(40));
    t.sync().await;
    t
}

#[tokio::test]
async fn of_500_resources_exactly_the_25_planted_ones_are_leftovers() {
    let t = account().await;
    assert_eq!(all().len() + soon_gone().len(), 500);
    let wanted: BTreeSet<String> = planted()
        .iter()
        .map(|listed| listed.resource.name.clone())
        .collect();
    assert_eq!(wanted.len(), 25);
    assert_eq!(names(&t, "LEFTOVER").await, wanted);
    assert_eq!(names(&t, "UNKNOWN").await, BTreeSet::new());
    let answer = listed(&t, json!({ "days": 30, "first": 200 })).await;
    assert_eq!(answer["leftovers"]["totalCount"], 25);
    let mut rules: BTreeMap<String, usize> = BTreeMap::new();
    for node in answer["leftovers"]["nodes"].as_array().unwrap() {
        *rules
            .entry(node["rule"].as_str().unwrap().to_owned())
            .or_default() += 1;
        assert!(node["why"].as_str().unwrap().ends_with('.'));
    }
    let counts = [
        ("FIREWALL_OF_NOTHING", 2),
        ("LOAD_BALANCER_WITHOUT_TARGETS", 3),
        ("RECORD_OF_LOST_ADDRESS", 2),
        ("SNAPSHOT_OF_NOTHING", 6),
        ("UNASSIGNED_RESERVED_IP", 4),
        ("UNATTACHED_VOLUME", 8),
    ];
    assert_eq!(rules, counts.map(|(rule, count)| (rule.to_owned(), count)).into());
    // 8 volumes of 100 GiB, 6 snapshots of 2.5 GiB, 4 addresses and 2 regional load balancers of 2 nodes. The price of a
    // global load balancer is not known.
    assert_eq!(
        answer["leftoverSummary"],
        json!({ "leftovers": 25, "unknown": 0, "unpriced": 1, "monthlyPrice": { "amount": "148.90", "currency": "USD" },
            "checkedAt": answer["leftoverSummary"]["checkedAt"] })
    );
    assert_eq!(
        listed(&t, json!({ "days": 41 })).await["leftovers"]["totalCount"],
        0
    );
}

#[tokio::test]
async fn pages_and_filters_cover_all_leftovers_once() {
    let t = account().await;
    let mut after = Value::Null;
    let mut seen = Vec::new();
    loop {
        let page = listed(&t, json!({ "days": 0, "first": 7, "after": after })).await["leftovers"].clone();
        let nodes = page["nodes"].as_array().unwrap();
        seen.extend(
            nodes
                .iter()
                .map(|node| (node["since"].to_string(), node["id"].to_string())),
        );
        if page["pageInfo"]["hasNextPage"] != true {
            break;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
    assert_eq!(seen.len(), 25);
    assert!(seen.is_sorted_by(|a, b| a < b), "the oldest first, each once");
    for (filter, count) in [
        (json!({ "kind": "volume" }), 8),
        (json!({ "rule": "SNAPSHOT_OF_NOTHING" }), 6),
        (json!({ "region": "fra1" }), 8),
        (json!({ "source": "cloud", "kind": "firewall" }), 2),
        (json!({ "source": "other" }), 0),
    ] {
        let found = listed(&t, json!({ "days": 0, "filter": filter })).await;
        assert_eq!(found["leftovers"]["totalCount"], count, "{filter}");
        assert_eq!(found["leftoverSummary"]["leftovers"], count, "{filter}");
    }
    let refused = t.ask(LEFTOVERS, json!({ "days": -1 })).await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "BAD_USER_INPUT");
}

/// A droplet with a volume, and a snapshot of a droplet that does not exist.
async fn small() -> TestApp {
    let t = TestApp::new().await;
    t.cloud_has(small_account()).await;
    t
}

fn small_account() -> Vec<Listed> {
    vec![
        droplet("web-1"),
        volume("data", Some("web-1")),
        volume("lost", None),
        snapshot("nightly", "droplet", "web-1"),
        snapshot("old", "droplet", "web-9"),
    ]
}

#[tokio::test]
async fn what_a_kind_that_was_not_listed_could_use_is_unknown() {
    for listing in [
        KindListing::Incomplete("a page is missing".to_owned()),
        KindListing::NotReadable("the token may not".to_owned()),
    ] {
        let t = small().await;
        assert_eq!(names(&t, "LEFTOVER").await, set(["lost", "old"]));
        t.cloud.unread([("droplet", listing)]);
        t.sync().await;
        assert_eq!(
            names(&t, "LEFTOVER").await,
            set(["lost"]),
            "its own values say so"
        );
        assert_eq!(names(&t, "UNKNOWN").await, set(["old"]));
        let answer = listed(&t, json!({ "days": 0, "filter": { "state": "UNKNOWN" } })).await;
        let node = &answer["leftovers"]["nodes"][0];
        assert_eq!(
            node["unknownBecause"],
            "The newest listing of droplet is not complete."
        );
        assert_eq!(
            (
                &answer["leftoverSummary"]["leftovers"],
                &answer["leftoverSummary"]["unknown"]
            ),
            (&json!(0), &json!(1))
        );
        t.cloud.unread([]);
        t.sync().await;
        assert_eq!(names(&t, "LEFTOVER").await, set(["lost", "old"]));
    }
}

#[tokio::test]
async fn a_narrowed_sync_cannot_tell_what_other_kinds_use() {
    let t = small().await;
    // web-9 was created after the last listing of droplets, and the snapshot was taken of it.
    t.later(TimeDelta::hours(1));
    let kinds = Some(["snapshot".to_owned()].into());
    let options = SyncOptions {
        kinds,
        ..SyncOptions::default()
    };
    t.cloud
        .set([small_account(), vec![snapshot("new", "droplet", "web-2")]].concat());
    t.app.jobs().run(JobRequest::Sync(options)).await.unwrap();
    assert_eq!(names(&t, "LEFTOVER").await, set(["lost"]));
    assert_eq!(names(&t, "UNKNOWN").await, set(["new", "old"]));
    t.cloud.set(
        [
            small_account(),
            vec![droplet("web-2"), snapshot("new", "droplet", "web-2")],
        ]
        .concat(),
    );
    t.sync().await;
    assert_eq!(names(&t, "LEFTOVER").await, set(["lost", "old"]));
    assert_eq!(names(&t, "UNKNOWN").await, set([]));
}

#[tokio::test]
async fn nothing_is_known_while_the_source_fails() {
    let t = small().await;
    t.cloud.fail(Some("the API is down"));
    t.sync().await;
    assert_eq!(names(&t, "LEFTOVER").await, set([]));
    assert_eq!(names(&t, "UNKNOWN").await, set(["lost", "old"]));
    let answer = listed(&t, json!({ "days": 0 })).await;
    let because = answer["leftovers"]["nodes"][0]["unknownBecause"]
        .as_str()
        .unwrap();
    assert!(because.starts_with("The source cloud "), "{because}");
    t.cloud.fail(None);
    t.sync().await;
    assert_eq!(names(&t, "LEFTOVER").await, set(["lost", "old"]));
}

#[tokio::test]
async fn the_age_counts_from_the_last_use() {
    let t = small().await;
    t.later(TimeDelta::days(50));
    t.cloud.set([
        droplet("web-1"),
        volume("data", None),
        volume("lost", Some("web-1")),
    ]);
    t.sync().await;
    assert_eq!(names(&t, "LEFTOVER").await, set(["data"]));
    let since = listed(&t, json!({ "days": 0 })).await["leftovers"]["nodes"][0]["since"].clone();
    assert_eq!(since, t.now().to_rfc3339());
    assert_eq!(
        listed(&t, json!({})).await["leftovers"]["totalCount"],
        0,
        "the default is 7 days"
    );
    t.later(TimeDelta::days(7));
    assert_eq!(listed(&t, json!({})).await["leftovers"]["totalCount"], 1);
    // Other changes do not make it younger.
    t.cloud.set([
        droplet("web-1"),
        volume("data", None).tags(["a"]),
        volume("lost", Some("web-1")),
    ]);
    t.sync().await;
    assert_eq!(
        listed(&t, json!({})).await["leftovers"]["nodes"][0]["since"],
        since
    );
}

#[tokio::test]
async fn a_spec_makes_a_resource_managed_at_once() {
    let t = small().await;
    t.record_spec("lost", json!({ "size_gigabytes": 100 })).await;
    assert_eq!(names(&t, "LEFTOVER").await, set(["old"]));
    assert_eq!(
        listed(&t, json!({ "days": 0 })).await["leftoverSummary"]["leftovers"],
        1
    );
}

#[tokio::test]
async fn a_change_by_another_program_is_seen_by_the_next_check() {
    let t = small().await;
    let empty = if t.database.is_postgres() {
        "'[]'::jsonb"
    } else {
        "'[]'"
    };
    let sql = match t.database.is_postgres() {
        true => format!("UPDATE cloud_resources SET attrs = jsonb_set(attrs, '{{droplet_ids}}', {empty}) WHERE name = 'data'"),
        false => "UPDATE cloud_resources SET attrs = json_set(attrs, '$.droplet_ids', json('[]')) WHERE name = 'data'".to_owned(),
    };
    t.database.execute(sql).await.unwrap();
    assert!(
        drift_inbox::services::leftovers::check_if_due(t.db())
            .await
            .unwrap()
    );
    assert_eq!(names(&t, "LEFTOVER").await, set(["data", "lost", "old"]));
    assert!(
        !drift_inbox::services::leftovers::check_if_due(t.db())
            .await
            .unwrap(),
        "nothing has changed"
    );
}

#[tokio::test]
async fn a_check_that_was_interrupted_is_repeated() {
    let t = small().await;
    t.database.execute("DELETE FROM leftovers").await.unwrap();
    t.sync().await;
    assert_eq!(names(&t, "LEFTOVER").await, set([]), "nothing is due");
    // The process died after the marks were deleted.
    t.database
        .execute("UPDATE leftover_checks SET finished = false")
        .await
        .unwrap();
    t.sync().await;
    assert_eq!(names(&t, "LEFTOVER").await, set(["lost", "old"]));
}

#[tokio::test]
async fn two_checks_at_the_same_time_keep_what_both_find() {
    let t = small().await;
    let other = t.connect().await;
    for round in 0..5 {
        t.database
            .execute("UPDATE leftover_checks SET finished = false")
            .await
            .unwrap();
        let one = drift_inbox::services::leftovers::check_if_due(t.db());
        let two = drift_inbox::services::leftovers::check_if_due(&other);
        let (one, two) = tokio::join!(one, two);
        assert!(one.is_ok() && two.is_ok());
        assert_eq!(names(&t, "LEFTOVER").await, set(["lost", "old"]), "round {round}");
    }
}

#[tokio::test]
async fn a_check_stops_when_a_later_one_has_begun() {
    let t = small().await;
    // The later one begins after the first batch.
    let begin = "UPDATE leftover_checks SET number = number + 1";
    let trigger = match t.database.is_postgres() {
        true => format!(
            "CREATE FUNCTION later() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {begin}; RETURN NULL; END $$; \
             CREATE TRIGGER later AFTER INSERT ON leftovers FOR EACH STATEMENT EXECUTE FUNCTION later()"
        ),
        false => format!("CREATE TRIGGER later AFTER INSERT ON leftovers BEGIN {begin}; END"),
    };
    for sql in [
        "DELETE FROM leftovers",
        "UPDATE leftover_checks SET finished = false",
        &trigger,
    ] {
        t.database.execute(sql).await.unwrap();
    }
    drift_inbox::services::leftovers::check_if_due(t.db())
        .await
        .unwrap();
    assert_eq!(
        names(&t, "LEFTOVER").await.len(),
        1,
        "the later one may have decided against the others"
    );
    let drop = match t.database.is_postgres() {
        true => "DROP FUNCTION later() CASCADE",
        false => "DROP TRIGGER later",
    };
    t.database.execute(drop).await.unwrap();
    // The later check, which was interrupted, is repeated.
    t.sync().await;
    assert_eq!(names(&t, "LEFTOVER").await, set(["lost", "old"]));
}

#[tokio::test]
async fn what_unlisted_kinds_could_use_is_never_called_a_leftover() {
    let t = TestApp::new().await;
    let mut inside = droplet("web-1").attr("image", json!({ "id": 7 }));
    inside.resource.vpc_uuid = Some("used".to_owned());
    let owners = [
        balancer("lb").attr("droplet_ids", json!([1])),
        Listed::new("database", "db"),
        Listed::new("kubernetes_cluster", "k"),
    ];
    let named = |kind: &str, id: &str| {
        let mut listed = Listed::new(kind, id).attr("type", "custom");
        listed.resource.region = Some("nyc3".to_owned());
        listed
    };
    let others = [
        named("vpc", "used"),
        named("vpc", "empty"),
        named("vpc", "default-nyc3"),
        named("image", "7"),
        named("image", "8"),
    ];
    t.cloud_has([vec![inside], owners.to_vec(), others.to_vec()].concat())
        .await;
    assert_eq!(names(&t, "LEFTOVER").await, set([]));
    assert_eq!(names(&t, "UNKNOWN").await, set(["empty", "8"]));
}

#[tokio::test]
async fn a_deleted_resource_is_no_leftover() {
    let t = small().await;
    let lost = "(SELECT id FROM cloud_resources WHERE name = 'lost')";
    for sql in [
        format!("DELETE FROM cloud_resource_events WHERE resource_id IN {lost}"),
        "DELETE FROM cloud_resources WHERE name = 'lost'".to_owned(),
    ] {
        t.database.execute(sql).await.unwrap();
    }
    assert_eq!(names(&t, "LEFTOVER").await, set(["old"]));
    let rows = t.database.execute("DELETE FROM leftovers").await;
    assert_eq!(rows.unwrap(), 1, "its row is deleted with it");
}

#[tokio::test]
async fn each_list_price_has_a_source_and_a_day() {
    let t = TestApp::new().await;
    let query = "{ listPrices { item unit monthlyPrice { amount currency } source since } }";
    let prices = t.data(query, json!({})).await["listPrices"].clone();
    for price in prices.as_array().unwrap() {
        assert!(
            price["source"]
                .as_str()
                .unwrap()
                .starts_with("https://docs.digitalocean.com/")
        );
        assert!(chrono::NaiveDate::parse_from_str(price["since"].as_str().unwrap(), "%Y-%m-%d").is_ok());
    }
    assert_eq!(prices.as_array().unwrap().len(), 5);
}
