use serde_json::json;

use super::super::confirm::Confirming;
use super::server::{Answer, Server, json, list, not_found, status};
use super::*;
use crate::domain::inventory::{ListedResource, PROJECT_ID};
use crate::provider::traits::AUTOSCALE_POOL_ID;

/// Checks whether a resource exists. `last` has its stored attributes.
async fn presence(server: &Server, kind: &str, id: &str, last: Value) -> Presence {
    let client = server.client(quick());
    let (confirming, last) = (Confirming::default(), last.as_object().unwrap());
    confirming.presence(&client, kind, id, last).await.unwrap()
}

fn existing(presence: Presence) -> ListedResource {
    match presence {
        Presence::Exists(resource) => *resource,
        other => panic!("{other:?}"),
    }
}

fn unknown(presence: Presence) -> String {
    match presence {
        Presence::Unknown(why) => why,
        other => panic!("{other:?}"),
    }
}

fn is_gone(presence: &Presence) -> bool {
    matches!(presence, Presence::Gone)
}

#[tokio::test]
async fn a_droplet_is_present_gone_or_unknown() {
    let droplet = |id: u32| json(json!({ "droplet": { "id": id, "name": "web-1" } }));
    let too_long = json(json!({ "droplet": { "id": 1, "size_slug": "s".repeat(1000) } }));
    let presence_of = async |answer: Answer| {
        let server = Server::with([("droplets/1", answer)]).await;
        presence(&server, "droplet", "1", json!({})).await
    };
    let found = existing(presence_of(droplet(1)).await);
    assert_eq!((found.provider_id.as_str(), found.name.as_str()), ("1", "web-1"));
    assert_eq!(
        found.unread_fields,
        [AUTOSCALE_POOL_ID, PROJECT_ID].into(),
        "fields that only lists contain are unread"
    );
    assert!(is_gone(&presence_of(not_found()).await));
    for (answer, why) in [
        (droplet(2), "the response is about another resource"),
        (status(403, ""), "the token may not read it (403)"),
        (status(422, ""), "the response status is 422"),
        (json(json!({ "droplet": null })), "the response has no droplet"),
        (json(json!({ "droplet": {} })), "the response has no id"),
    ] {
        assert_eq!(unknown(presence_of(answer).await), why);
    }
    let why = unknown(presence_of(too_long).await);
    assert!(why.contains("sizeSlug"), "{why}");
}

#[tokio::test]
async fn a_rejected_token_ends_all_confirmations() {
    let server = Server::in_turn([status(401, "")]).await;
    let client = server.client(quick());
    let (confirming, last) = (Confirming::default(), Map::new());
    for (kind, id) in [
        ("droplet", "1"),
        ("certificate", "shop"),
        ("domain_record", "12"),
        ("database_firewall", "db-1"),
    ] {
        let answer = confirming.presence(&client, kind, id, &last).await;
        assert!(answer.is_err(), "{kind}");
    }
}

#[tokio::test]
async fn a_kind_that_is_not_synced_is_unknown() {
    let server = Server::in_turn([not_found()]).await;
    let answer = presence(&server, "spaces_bucket", "b-1", json!({})).await;
    assert_eq!(unknown(answer), "unknown kind \"spaces_bucket\"");
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test]
async fn confirmations_after_the_time_limit_are_not_requested() {
    let server = Server::in_turn([not_found()]).await;
    let client = server.client(Limits {
        confirming: Duration::ZERO,
        ..quick()
    });
    let (confirming, last) = (Confirming::default(), Map::new());
    let answer = confirming.presence(&client, "droplet", "1", &last).await;
    assert_eq!(
        unknown(answer.unwrap()),
        "confirming unlisted resources took longer than 0 s; the next sync continues"
    );
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test]
async fn a_single_cdn_endpoint_has_the_name_of_its_certificate() {
    let endpoint = json(json!({ "endpoint": { "id": "cdn-1", "certificate_id": "cert-1" } }));
    let certificates = list("certificates", json!([{ "id": "cert-1", "name": "shop" }]));
    let server = Server::with([
        ("cdn/endpoints/cdn-1", endpoint.clone()),
        ("certificates", certificates),
    ])
    .await;
    let found = existing(presence(&server, "cdn_endpoint", "cdn-1", json!({})).await);
    assert_eq!(found.attrs["certificate_name"], "shop");
    let server = Server::with([("cdn/endpoints/cdn-1", endpoint)]).await;
    let why = unknown(presence(&server, "cdn_endpoint", "cdn-1", json!({})).await);
    assert!(
        why.starts_with("the names of certificates could not be read"),
        "the endpoint is unknown if the certificates cannot be listed: {why}"
    );
}

#[tokio::test]
async fn a_certificate_is_requested_by_its_name() {
    let certificates = |names: &[&str]| {
        let all = names
            .iter()
            .map(|name| json!({ "id": format!("c-{name}"), "name": name }));
        list("certificates", all.collect())
    };
    let presence_of = async |answer: Answer| {
        let server = Server::with([("certificates?name=shop", answer)]).await;
        presence(&server, "certificate", "shop", json!({})).await
    };
    let found = existing(presence_of(certificates(&["shop-2", "shop"])).await);
    assert_eq!(found.provider_id, "shop");
    assert!(is_gone(&presence_of(certificates(&["shop-2"])).await));
    assert_eq!(
        unknown(presence_of(not_found()).await),
        "the list of certificates was not found (404)"
    );
}

#[tokio::test]
async fn a_record_is_requested_below_its_domain() {
    let record = json!({ "domain_record": { "id": 12, "type": "A", "name": "www" } });
    let server = Server::with([("domains/shop.example/records/12", json(record))]).await;
    let last = json!({ "domain": "shop.example" });
    let found = existing(presence(&server, "domain_record", "12", last.clone()).await);
    assert_eq!(
        (found.name.as_str(), &found.attrs["domain"]),
        ("www", &json!("shop.example"))
    );
    assert!(is_gone(&presence(&server, "domain_record", "13", last).await));
}

#[tokio::test]
async fn records_without_a_known_domain_are_listed_once_for_all_confirmations() {
    let server = Server::with([
        ("domains", list("domains", json!([{ "name": "shop.example" }]))),
        (
            "domains/shop.example/records",
            list("domain_records", json!([{ "id": 12, "type": "A" }])),
        ),
    ])
    .await;
    let client = server.client(quick());
    let (confirming, last) = (Confirming::default(), Map::new());
    let presence_of = async |id| {
        let answer = confirming.presence(&client, "domain_record", id, &last);
        answer.await.unwrap()
    };
    assert_eq!(existing(presence_of("12").await).provider_id, "12");
    assert!(is_gone(&presence_of("13").await));
    assert_eq!(server.times("domains"), 1);

    let closed = Server::with([("domains", status(403, ""))]).await;
    assert_eq!(
        unknown(presence(&closed, "domain_record", "12", json!({})).await),
        "/v2/domains: the token may not read it (403)"
    );
}

#[tokio::test]
async fn a_node_pool_is_settling_if_its_cluster_is() {
    let pool = json!({ "node_pool": { "id": "np-1", "name": "workers" } });
    let cluster =
        |state: &str| json!({ "kubernetes_cluster": { "id": "k-1", "status": { "state": state } } });
    let presence_of = async |cluster: Answer| {
        let server = Server::with([
            ("kubernetes/clusters/k-1/node_pools/np-1", json(pool.clone())),
            ("kubernetes/clusters/k-1", cluster),
        ])
        .await;
        let last = json!({ "cluster_id": "k-1" });
        presence(&server, "kubernetes_node_pool", "np-1", last).await
    };
    for (state, settling) in [("upgrading", true), ("running", false)] {
        let found = existing(presence_of(json(cluster(state))).await);
        assert_eq!(
            (found.name.as_str(), found.settling),
            ("workers", settling),
            "{state}"
        );
    }
    assert_eq!(
        unknown(presence_of(not_found()).await),
        "the cluster of the pool was not found (404)"
    );
}

#[tokio::test]
async fn node_pools_without_a_cluster_are_searched_in_all_clusters() {
    let clusters = json!([{ "id": "k-1", "node_pools": [{ "id": "np-1" }] }]);
    let server = Server::with([("kubernetes/clusters", list("kubernetes_clusters", clusters))]).await;
    let presence_of = async |id, last| presence(&server, "kubernetes_node_pool", id, last).await;
    assert_eq!(existing(presence_of("np-1", json!({})).await).provider_id, "np-1");
    assert!(is_gone(&presence_of("np-2", json!({})).await));
    assert!(is_gone(
        &presence_of("np-2", json!({ "cluster_id": "k-1" })).await
    ));
}

#[tokio::test]
async fn a_database_firewall_exists_as_long_as_its_cluster() {
    let rules = || json(json!({ "rules": [{ "uuid": "r-1", "type": "ip_addr", "value": "203.0.113.5" }] }));
    let database = || json(json!({ "database": { "id": "db-1", "name": "main" } }));
    let presence_of = async |database: Answer, rules: Answer| {
        let server = Server::with([("databases/db-1", database), ("databases/db-1/firewall", rules)]).await;
        presence(&server, "database_firewall", "db-1", json!({})).await
    };
    let found = existing(presence_of(database(), rules()).await);
    assert_eq!(
        (found.name.as_str(), &found.attrs["rules"]),
        ("main", &json!([{ "type": "ip_addr", "value": "203.0.113.5" }]))
    );
    assert_eq!(
        unknown(presence_of(database(), not_found()).await),
        "the firewall of the cluster was not found (404)"
    );
    let of_a_replica = existing(presence_of(not_found(), rules()).await);
    assert_eq!(
        (of_a_replica.provider_id.as_str(), of_a_replica.name.as_str()),
        ("db-1", "db-1")
    );
    assert!(is_gone(&presence_of(not_found(), not_found()).await));
    assert_eq!(
        unknown(presence_of(status(422, ""), rules()).await),
        "the response status is 422"
    );
}
