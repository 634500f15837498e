//! Coverage: how much of the inventory is managed.

use serde_json::json;

use crate::http_client::codes;
use crate::support::TestApp;
use crate::support::cloud::{Listed, droplet};

const COVERAGE: &str = "{ coverage { provider kind managed unmanaged owned drifted missing } }";

#[tokio::test]
async fn coverage_counts_managed_unmanaged_drifted_and_missing_resources() {
    let t = TestApp::new().await;
    let always = || {
        [
            droplet("drifted"),
            droplet("fine"),
            droplet("unmanaged"),
            droplet("worker").tags(["k8s", "k8s:abc"]),
            Listed::new("volume", "pvc-1"),
            Listed::new("vpc", "default-nyc3").region("nyc3"),
            Listed::new("vpc", "mine").region("nyc3").attr("default", false),
            Listed::new("domain_record", "@").attr("type", "SOA"),
        ]
    };
    t.cloud_has(always().into_iter().chain([droplet("missing"), droplet("left")]))
        .await;
    for (name, region) in [("drifted", "ams3"), ("fine", "nyc3"), ("missing", "nyc3")] {
        t.record_spec(name, json!({"region": region, "size_slug": "s-1vcpu-1gb"}))
            .await;
    }
    t.cloud_has(always()).await;
    t.sweep().await;
    let data = t.data(COVERAGE, json!({})).await;
    let kind = |kind: &str, counts: [u32; 5]| {
        let [managed, unmanaged, owned, drifted, missing] = counts;
        json!({"provider": "digitalocean", "kind": kind, "managed": managed, "unmanaged": unmanaged,
            "owned": owned, "drifted": drifted, "missing": missing})
    };
    assert_eq!(
        data["coverage"],
        json!([
            kind("domain_record", [0, 0, 1, 0, 0]),
            kind("droplet", [3, 1, 1, 1, 1]),
            kind("volume", [0, 0, 1, 0, 0]),
            kind("vpc", [0, 1, 1, 0, 0]),
        ])
    );
    let unmanaged =
        "{ resources(filter: { managed: false, gone: false }) { totalCount nodes { name owned } } }";
    let data = t.data(unmanaged, json!({})).await;
    let mut names: Vec<&str> = data["resources"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node["name"].as_str().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["mine", "unmanaged"]);
    let viewer = t.token(None, &["platform_viewer"]);
    assert!(codes(&t.ask_as(Some(&viewer), COVERAGE, json!({})).await).is_empty());
    assert_eq!(
        codes(&t.ask_as(None, COVERAGE, json!({})).await),
        ["UNAUTHENTICATED"]
    );
}

#[tokio::test]
async fn a_resource_becomes_owned_when_kubernetes_tags_it() {
    let t = TestApp::new().await;
    t.cloud_has([droplet("a")]).await;
    assert!(!t.resource("a").await.owned);
    t.cloud_has([droplet("a").tags(["k8s"])]).await;
    assert!(t.resource("a").await.owned);
    t.cloud_has([droplet("a")]).await;
    assert!(!t.resource("a").await.owned);
    // An older version stored such a row, because it did not clear the flag.
    t.database
        .execute(if t.database.is_postgres() {
            "UPDATE cloud_resources SET owned = true"
        } else {
            "UPDATE cloud_resources SET owned = 1"
        })
        .await
        .unwrap();
    t.cloud_has([droplet("a")]).await;
    assert!(!t.resource("a").await.owned);
}

/// Returns the number of resources that match a filter.
async fn found(t: &TestApp, filter: &str) -> serde_json::Value {
    let query = format!("{{ resources(filter: {filter}) {{ totalCount }} }}");
    t.data(&query, json!({})).await["resources"]["totalCount"].take()
}

#[tokio::test]
async fn coverage_filters_and_baseline_agree_on_unmanaged_resources() {
    let t = TestApp::new().await;
    let stays = || {
        [
            droplet("unmanaged"),
            droplet("asked"),
            droplet("worker").tags(["k8s"]),
        ]
    };
    t.cloud_has(stays().into_iter().chain([droplet("gone"), droplet("missing")]))
        .await;
    for name in ["asked", "missing"] {
        t.record_spec(name, json!({"region": "nyc3"})).await;
    }
    t.cloud_has(stays()).await;
    // Inserted after the syncs, which would mark it as gone.
    t.imported("heard-of").await;
    assert_eq!(
        found(&t, "{ managed: false }").await,
        1,
        "one resource exists and has no spec"
    );
    assert_eq!(found(&t, "{ managed: false, gone: false }").await, 1);
    assert_eq!(
        found(&t, "{ managed: false, gone: true }").await,
        0,
        "a gone resource is not unmanaged"
    );
    assert_eq!(found(&t, "{ managed: true }").await, 2);
    assert_eq!(found(&t, "{ managed: true, gone: true }").await, 1);
    assert_eq!(found(&t, "{ gone: true }").await, 2);
    let data = t
        .data("{ coverage { managed unmanaged owned missing } }", json!({}))
        .await;
    assert_eq!(
        data["coverage"],
        json!([{"managed": 2, "unmanaged": 1, "owned": 1, "missing": 0}])
    );
    let baseline = "mutation { recordBaseline(input: { filter: {} }) { nodes { resource { name } } } }";
    assert_eq!(
        t.data(baseline, json!({})).await["recordBaseline"]["nodes"],
        json!([{"resource": {"name": "unmanaged"}}])
    );
    assert_eq!(found(&t, "{ managed: false }").await, 0);
}
