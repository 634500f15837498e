use std::collections::BTreeMap;

use serde_json::json;

use super::super::kinds::Kind;
use super::server::{Server, json, list, not_found, status};
use super::*;
use crate::domain::inventory::ListedResource;

pub(super) fn kind(name: &str) -> &'static Kind {
    KINDS.iter().find(|kind| kind.name == name).unwrap()
}

/// Lists one kind in a run of its own.
async fn result_of(server: &Server, name: &str) -> KindListing<Vec<ListedResource>> {
    let client = server.client(quick());
    let of_kind = Run::new(&client, soon()).list_kind(kind(name)).await;
    of_kind.unwrap().listing
}

pub(super) fn complete(listing: KindListing<Vec<ListedResource>>) -> Vec<ListedResource> {
    match listing {
        KindListing::Complete(listed) => listed,
        other => panic!("{other:?}"),
    }
}

fn incomplete(listing: KindListing<Vec<ListedResource>>) -> String {
    match listing {
        KindListing::Incomplete(why) => why,
        other => panic!("{other:?}"),
    }
}

fn ids(listing: KindListing<Vec<ListedResource>>) -> Vec<String> {
    let listed = complete(listing).into_iter();
    listed.map(|resource| resource.provider_id).collect()
}

#[tokio::test]
async fn a_list_that_several_kinds_need_is_requested_once() {
    let balancer = json!([{ "id": "lb-1", "project_id": "p-1",
        "forwarding_rules": [{ "certificate_id": "cert-1" }] }]);
    let server = Server::with([
        ("domains", list("domains", json!([{ "name": "shop.example" }]))),
        (
            "domains/shop.example/records",
            list("domain_records", json!([{ "id": 1, "type": "A" }])),
        ),
        (
            "databases",
            json(json!({ "databases": [{ "id": "db-1", "project_id": "p-1" }] })),
        ),
        ("databases/db-1/firewall", json(json!({ "rules": [] }))),
        (
            "kubernetes/clusters",
            list(
                "kubernetes_clusters",
                json!([{ "id": "k-1", "node_pools": [{ "id": "np-1" }] }]),
            ),
        ),
        (
            "certificates",
            list("certificates", json!([{ "id": "cert-1", "name": "shop" }])),
        ),
        ("load_balancers", list("load_balancers", balancer)),
        (
            "cdn/endpoints",
            list(
                "endpoints",
                json!([{ "id": "cdn-1", "certificate_id": "cert-1" }]),
            ),
        ),
        ("projects", list("projects", json!([{ "id": "p-1" }]))),
        ("vpcs", list("vpcs", json!([{ "id": "vpc-1" }]))),
        ("volumes", list("volumes", json!([{ "id": "v-1" }]))),
        ("firewalls", list("firewalls", json!([{ "id": "f-1" }]))),
    ])
    .await;
    let client = server.client(quick());
    let run = Run::new(&client, soon());
    for (name, id) in [
        ("volume", "v-1"),
        ("firewall", "f-1"),
        ("domain", "shop.example"),
        ("domain_record", "1"),
        ("database", "db-1"),
        ("database_firewall", "db-1"),
        ("kubernetes_cluster", "k-1"),
        ("kubernetes_node_pool", "np-1"),
        ("certificate", "shop"),
        ("load_balancer", "lb-1"),
        ("cdn_endpoint", "cdn-1"),
        ("project", "p-1"),
        ("vpc", "vpc-1"),
    ] {
        let of_kind = run.list_kind(kind(name)).await.unwrap();
        assert_eq!(ids(of_kind.listing), [id], "{name}");
    }
    for path in [
        "domains",
        "databases",
        "kubernetes/clusters",
        "certificates",
        "projects",
    ] {
        assert_eq!(server.times(path), 1, "{path}");
    }
}

#[tokio::test]
async fn the_result_of_an_incomplete_kind_has_a_reason() {
    let server = Server::with([
        ("firewalls", status(403, "")),
        ("snapshots", status(422, "")),
        ("images?private=true", status(401, "")),
    ])
    .await;
    let client = server.client(quick());
    let run = Run::new(&client, soon());
    for (name, why) in [
        ("firewall", "/v2/firewalls: the token may not read it (403)"),
        ("registry", "/v2/registries: not found (404)"),
    ] {
        match run.list_kind(kind(name)).await.unwrap().listing {
            KindListing::NotReadable(reason) => assert_eq!(reason, why),
            other => panic!("{name}: {other:?}"),
        }
    }
    let snapshots = run.list_kind(kind("snapshot")).await.unwrap().listing;
    assert_eq!(incomplete(snapshots), "/v2/snapshots: the response status is 422");
    assert!(
        run.list_kind(kind("image")).await.is_err(),
        "a refused token ends the run"
    );
}

#[tokio::test]
async fn droplets_with_and_without_a_gpu_are_one_kind() {
    let server = Server::with([
        ("droplets", list("droplets", json!([{ "id": 1 }]))),
        ("droplets?type=gpus", list("droplets", json!([{ "id": 2 }]))),
    ])
    .await;
    assert_eq!(ids(result_of(&server, "droplet").await), ["1", "2"]);
    let server = Server::with([("droplets", list("droplets", json!([{ "id": 1 }])))]).await;
    match result_of(&server, "droplet").await {
        KindListing::NotReadable(_) => {}
        other => panic!("one of its two lists is missing: {other:?}"),
    }
}

#[tokio::test]
async fn an_item_without_an_id_makes_its_kind_incomplete() {
    let server = Server::with([
        (
            "registries",
            json(json!({ "registries": [{ "region": "fra1" }] })),
        ),
        ("databases", json(json!({ "databases": [{ "name": "main" }] }))),
        (
            "kubernetes/clusters",
            list(
                "kubernetes_clusters",
                json!([{ "id": "k-1", "node_pools": [{ "name": "np" }] }]),
            ),
        ),
    ])
    .await;
    for (name, why) in [
        ("registry", "/v2/registries: an item has no id"),
        ("database_firewall", "/v2/databases: an item has no id"),
        ("kubernetes_node_pool", "a node pool has no id"),
    ] {
        assert_eq!(incomplete(result_of(&server, name).await), why);
    }
}

#[tokio::test]
async fn a_resource_that_cannot_be_stored_makes_its_kind_incomplete() {
    let long = "v".repeat(1000);
    let volumes = json!([{ "id": "v-1" }, { "id": "v-2", "region": long }]);
    let server = Server::with([("firewalls", list("firewalls", volumes))]).await;
    let why = incomplete(result_of(&server, "firewall").await);
    assert!(
        why.starts_with("\"v-2\" cannot be stored: ") && why.contains("region"),
        "{why}"
    );
}

#[tokio::test]
async fn the_newer_of_two_certificates_with_one_name_is_listed() {
    let certificate = |id: &str, state: &str, created: &str| json!({ "id": id, "name": "shop", "state": state, "created_at": created });
    let both = json!([
        certificate("c-1", "verified", "2026-03-01T00:00:00Z"),
        certificate("c-2", "error", "2026-01-01T00:00:00Z"),
    ]);
    let server = Server::with([("certificates", list("certificates", both))]).await;
    let listed = complete(result_of(&server, "certificate").await);
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].status.as_deref(), Some("verified"));
}

#[tokio::test]
async fn certificates_are_requested_only_if_one_is_used() {
    let endpoints = |certificate: &str| {
        list(
            "endpoints",
            json!([{ "id": "cdn-1", "certificate_id": certificate }]),
        )
    };
    let certificates = list("certificates", json!([{ "id": "cert-1", "name": "shop" }]));
    let server = Server::with([
        ("cdn/endpoints", endpoints("cert-1")),
        ("certificates", certificates),
    ])
    .await;
    let listed = complete(result_of(&server, "cdn_endpoint").await);
    assert_eq!(listed[0].attrs["certificate_name"], "shop");

    let server = Server::with([("cdn/endpoints", endpoints(""))]).await;
    assert_eq!(ids(result_of(&server, "cdn_endpoint").await), ["cdn-1"]);
    assert_eq!(server.times("certificates"), 0);

    let server = Server::with([("cdn/endpoints", endpoints("cert-1"))]).await;
    assert_eq!(
        incomplete(result_of(&server, "cdn_endpoint").await),
        "the names of certificates could not be read: /v2/certificates: not found (404)"
    );
}

#[tokio::test]
async fn records_of_all_domains_are_listed_except_soa() {
    let records = |ids: [u32; 2]| {
        let [soa, a] = ids;
        list(
            "domain_records",
            json!([{ "id": soa, "type": "SOA" }, { "id": a, "type": "A" }]),
        )
    };
    let server = Server::with([
        (
            "domains",
            list(
                "domains",
                json!([{ "name": "Shop.example" }, { "name": "b.example" }]),
            ),
        ),
        ("domains/shop.example/records", records([11, 12])),
        ("domains/b.example/records", records([21, 22])),
    ])
    .await;
    let listed = complete(result_of(&server, "domain_record").await);
    let domain_of: BTreeMap<&str, &Value> = listed
        .iter()
        .map(|record| (record.provider_id.as_str(), &record.attrs["domain"]))
        .collect();
    assert_eq!(
        domain_of,
        [("12", &json!("shop.example")), ("22", &json!("b.example"))].into()
    );
}

#[tokio::test]
async fn a_domain_deleted_during_the_listing_makes_the_records_incomplete() {
    let server = Server::start(|request| match request {
        "domains?page=1&per_page=200" => list("domains", json!([{ "name": "shop.example" }])),
        _ => not_found(),
    })
    .await;
    assert_eq!(
        incomplete(result_of(&server, "domain_record").await),
        "/v2/domains/shop.example/records: not found (404)"
    );
}

#[tokio::test]
async fn each_database_cluster_has_its_trusted_sources() {
    let server = Server::with([
        (
            "databases",
            json(json!({ "databases": [{ "id": "db-1", "name": "main" }] })),
        ),
        (
            "databases/db-1/firewall",
            json(json!({ "rules": [{ "uuid": "r-1", "type": "ip_addr", "value": "203.0.113.5" }] })),
        ),
    ])
    .await;
    let listed = complete(result_of(&server, "database_firewall").await);
    assert_eq!(
        (listed[0].provider_id.as_str(), listed[0].name.as_str()),
        ("db-1", "main")
    );
    assert_eq!(
        listed[0].attrs["rules"],
        json!([{ "type": "ip_addr", "value": "203.0.113.5" }])
    );
}

#[tokio::test]
async fn a_node_pool_is_settling_if_its_cluster_or_a_node_is() {
    let cluster = |id: &str, state: &str, node: &str| {
        let nodes = json!([{ "status": { "state": node } }]);
        json!({ "id": format!("k-{id}"), "status": { "state": state },
                "node_pools": [{ "id": format!("np-{id}"), "nodes": nodes }] })
    };
    let clusters = json!([
        cluster("1", "running", "running"),
        cluster("2", "upgrading", "running"),
        cluster("3", "running", "provisioning"),
    ]);
    let server = Server::with([("kubernetes/clusters", list("kubernetes_clusters", clusters))]).await;
    let listed = complete(result_of(&server, "kubernetes_node_pool").await);
    let settling: Vec<(&str, bool)> = listed
        .iter()
        .map(|pool| (pool.provider_id.as_str(), pool.settling))
        .collect();
    assert_eq!(settling, [("np-1", false), ("np-2", true), ("np-3", true)]);
    assert_eq!(listed[0].attrs["cluster_id"], "k-1");
}
