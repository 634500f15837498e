//! Groups of drifts: drifts with one cause are one row.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::cloud::{Listed, droplet};

const GROUPS: &str = "query($by: [DriftGroupBy!], $f: DriftFilter, $first: Int = 20, $after: String, $last: Int,
    $before: String) {
    driftGroups(by: $by, filter: $f, first: $first, after: $after, last: $last, before: $before) { totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
        nodes { key field expected actual redacted resourceKind region source count resourceCount firstDetectedAt
            lastDetectedAt newest { resource { name } } oldest { id } drifts(first: 20) { totalCount nodes { field
            resource { name } } } } } }";

async fn groups(t: &TestApp, by: Value, filter: Value) -> Vec<Value> {
    let data = t.data(GROUPS, json!({ "by": by, "f": filter })).await;
    let nodes = data["driftGroups"]["nodes"].as_array().unwrap().clone();
    assert_eq!(data["driftGroups"]["totalCount"], nodes.len());
    for group in &nodes {
        assert_eq!(group["count"], group["drifts"]["nodes"].as_array().unwrap().len());
        assert_eq!(group["drifts"]["totalCount"], group["count"]);
        // The key of a group selects its drifts in every list.
        let mut filter = filter.clone();
        filter["group"] = group["key"].clone();
        let list = t
            .data(
                "query($f: DriftFilter) { drifts(filter: $f) { totalCount } }",
                json!({ "f": filter }),
            )
            .await;
        assert_eq!(list["drifts"]["totalCount"], group["count"], "{group}");
    }
    nodes
}

/// Twelve droplets and two volumes that have the same tags, in other words; one droplet has another size.
async fn one_cause() -> TestApp {
    let t = TestApp::new().await;
    let names: Vec<String> = (0..12).map(|n| format!("web-{n}")).collect();
    let listed = names.iter().enumerate().map(|(n, name)| {
        let droplet = droplet(name).region(if n % 2 == 0 { "nyc3" } else { "fra1" });
        let size = if n == 0 {
            json!(26)
        } else if n % 2 == 0 {
            json!(25)
        } else {
            json!("25")
        };
        droplet.attr("disk", size)
    });
    let volumes = ["data-1", "data-2"].map(|name| Listed::new("volume", name).attr("disk", 25));
    t.cloud_has(listed.chain(volumes)).await;
    for (n, name) in names
        .iter()
        .map(String::as_str)
        .chain(["data-1", "data-2"])
        .enumerate()
    {
        let expected = if n % 3 == 0 {
            json!(["a", "b"])
        } else {
            json!(["b", "a", "b"])
        };
        t.record_spec(name, json!({ "disk": expected })).await;
    }
    t.sweep().await;
    t
}

#[tokio::test]
async fn drifts_with_one_cause_are_one_group() {
    let t = one_cause().await;
    let found = groups(&t, Value::Null, Value::Null).await;
    let mut counts: Vec<(&str, i64)> = found
        .iter()
        .map(|group| {
            (
                group["resourceKind"].as_str().unwrap(),
                group["count"].as_i64().unwrap(),
            )
        })
        .collect();
    counts.sort_unstable();
    assert_eq!(counts, [("droplet", 1), ("droplet", 11), ("volume", 2)]);
    let large = found.iter().find(|group| group["count"] == 11).unwrap();
    assert_eq!(large["field"], "disk");
    assert_eq!(large["resourceCount"], 11);
    assert!(
        large["newest"]["resource"]["name"]
            .as_str()
            .unwrap()
            .starts_with("web-")
    );
    assert!(large["oldest"]["id"].is_string());
    assert!(large["actual"] == 25 || large["actual"] == "25");
    assert_eq!(large["redacted"], false);
    let by_region = groups(&t, json!(["REGION", "ACTUAL"]), Value::Null).await;
    let mut counts: Vec<i64> = by_region
        .iter()
        .map(|group| group["count"].as_i64().unwrap())
        .collect();
    counts.sort_unstable();
    assert_eq!(counts, [1, 2, 5, 6], "{by_region:#?}");
    let by_all = json!(["SOURCE", "KIND", "FIELD", "EXPECTED", "ACTUAL", "REGION"]);
    assert_eq!(groups(&t, by_all, Value::Null).await.len(), 4);
    let only = groups(&t, json!(["FIELD"]), json!({ "resourceKind": "volume" })).await;
    assert_eq!((only.len(), &only[0]["count"]), (1, &json!(2)));
    assert_eq!(t.refusal(GROUPS, json!({ "by": [] })).await, "BAD_USER_INPUT");
    assert_eq!(
        t.refusal(GROUPS, json!({ "by": ["FIELD", "FIELD"] })).await,
        "BAD_USER_INPUT"
    );
    assert_eq!(
        t.refusal(GROUPS, json!({ "f": { "group": "x" } })).await,
        "BAD_USER_INPUT"
    );
}

#[tokio::test]
async fn missing_resources_are_grouped_by_their_kind() {
    let t = one_cause().await;
    t.later(TimeDelta::seconds(5));
    let left = (0..6).map(|n| droplet(&format!("web-{n}")).attr("disk", 26));
    t.cloud_has(left).await;
    t.sweep().await;
    let found = groups(&t, Value::Null, json!({ "kind": "MISSING" })).await;
    let counts: Vec<(&Value, &Value)> = found
        .iter()
        .map(|group| (&group["resourceKind"], &group["count"]))
        .collect();
    assert_eq!(counts.len(), 2);
    assert!(counts.contains(&(&json!("droplet"), &json!(6))), "{counts:?}");
    assert!(counts.contains(&(&json!("volume"), &json!(2))), "{counts:?}");
    assert_eq!(found[0]["expected"], Value::Null);
    // Also if they are not grouped by the kind itself.
    assert_eq!(
        groups(&t, json!(["EXPECTED"]), json!({ "kind": "MISSING" }))
            .await
            .len(),
        2
    );
}

#[tokio::test]
async fn pages_of_groups_have_each_group_once() {
    let t = TestApp::new().await;
    t.cloud_has((0..9).map(|n| droplet(&format!("web-{n}")).attr("x", n / 2)))
        .await;
    for n in 0..9 {
        t.later(TimeDelta::seconds(n % 3));
        t.record_spec(&format!("web-{n}"), json!({ "x": "other" })).await;
        t.sweep().await;
    }
    let (mut after, mut counts, mut times) = (Value::Null, Vec::new(), Vec::new());
    loop {
        let page = t.data(GROUPS, json!({ "first": 2, "after": after })).await["driftGroups"].clone();
        assert_eq!(page["totalCount"], 5);
        for group in page["nodes"].as_array().unwrap() {
            counts.push(group["count"].as_i64().unwrap());
            times.push(group["lastDetectedAt"].as_str().unwrap().to_owned());
        }
        after = page["pageInfo"]["endCursor"].clone();
        if page["pageInfo"]["hasNextPage"] == false {
            break;
        }
    }
    assert_eq!((counts.len(), counts.iter().sum::<i64>()), (5, 9));
    assert!(times.is_sorted_by(|a, b| a >= b), "{times:?}");
}

/// A server of an earlier release changes the values and the revision, but not the cause.
#[tokio::test]
async fn a_drift_without_a_cause_is_a_group_of_its_own_until_the_next_sweep() {
    let t = one_cause().await;
    let old = "UPDATE cloud_drift SET actual = '27', revision = revision + 1 WHERE resource_kind = 'volume'";
    t.database.execute(old).await.unwrap();
    let live =
        "UPDATE cloud_resources SET attrs = '{\"disk\": 27}', revision = revision + 1 WHERE kind = 'volume'";
    t.database.execute(live).await.unwrap();
    let filter = json!({ "resourceKind": "volume" });
    assert_eq!(groups(&t, Value::Null, filter.clone()).await.len(), 2);
    assert_eq!(t.sweep().await.changed, 0);
    let found = groups(&t, Value::Null, filter).await;
    assert_eq!((found.len(), &found[0]["actual"]), (1, &json!(27)));
}

/// What a group has in common must not reveal whether two secrets are equal.
#[tokio::test]
async fn redacted_values_are_in_one_group() {
    let t = one_cause().await;
    let secret = |digest: &str| format!("{{\"drift-inbox:redacted\": \"{digest}\"}}");
    for (n, (expected, actual)) in [
        ("\"earlier\"".to_owned(), secret("aa")),
        (secret("bb"), secret("cc")),
    ]
    .into_iter()
    .enumerate()
    {
        let sql = format!(
            "UPDATE cloud_drift SET expected = '{expected}', actual = '{actual}', revision = 2 WHERE resource_id IN \
             (SELECT id FROM cloud_resources WHERE name = 'data-{}')",
            n + 1
        );
        t.database.execute(sql).await.unwrap();
    }
    // The sweep of other resources records the causes of these drifts.
    let id = t.resource("web-1").await.id;
    t.data(
        "mutation($id: ID!) { detectDrift(input: { resourceIds: [$id] }) { run { id } } }",
        json!({ "id": id }),
    )
    .await;
    let found = groups(&t, Value::Null, json!({ "resourceKind": "volume" })).await;
    assert_eq!(found.len(), 1, "{found:#?}");
    let shown = (&found[0]["expected"], &found[0]["actual"], &found[0]["redacted"]);
    assert_eq!(shown, (&Value::Null, &Value::Null, &json!(true)));
    let text = json!(found).to_string();
    assert!(!text.contains("earlier") && !text.contains("aa\""), "{text}");
}
