use std::collections::BTreeMap;

use serde_json::json;

use super::super::fetch_owners::mark_unread;
use super::run::{complete, kind};
use super::server::{Answer, Server, list, not_found, status};
use super::*;
use crate::domain::inventory::{ListedResource, PROJECT_ID};
use crate::provider::traits::AUTOSCALE_POOL_ID;

/// Starts a server with one droplet, volume, VPC, firewall and project. `more` adds or replaces responses.
async fn account<const N: usize>(more: [(&'static str, Answer); N]) -> Server {
    let mut answers = BTreeMap::from([
        ("droplets", list("droplets", json!([{ "id": 1 }]))),
        ("droplets?type=gpus", list("droplets", json!([]))),
        ("droplets/autoscale", list("autoscale_pools", json!([]))),
        ("volumes", list("volumes", json!([{ "id": "v-1" }]))),
        ("vpcs", list("vpcs", json!([{ "id": "vpc-1" }]))),
        ("firewalls", list("firewalls", json!([{ "id": "f-1" }]))),
        ("projects", list("projects", json!([{ "id": "p-1" }]))),
    ]);
    answers.extend(more);
    Server::start(move |request| {
        let path = request.split("page=1&per_page=200").next().unwrap();
        let path = path.trim_end_matches(['?', '&']);
        answers.get(path).cloned().unwrap_or_else(not_found)
    })
    .await
}

/// Returns the only resource of a kind, and the note on unread fields.
async fn only_resource(server: &Server, name: &str) -> (ListedResource, Option<String>) {
    let client = server.client(quick());
    let of_kind = Run::new(&client, soon()).list_kind(kind(name)).await.unwrap();
    let mut listed = complete(of_kind.listing);
    assert_eq!(listed.len(), 1, "{listed:?}");
    (listed.remove(0), of_kind.note)
}

fn projects(ids: &[&str]) -> Answer {
    let all = ids.iter().map(|id| json!({ "id": id })).collect();
    list("projects", all)
}

/// Returns the resources of a project, each with the month of 2026 in which it was assigned.
fn resources(all: &[(&str, u32)]) -> Answer {
    let all = all
        .iter()
        .map(|(urn, month)| json!({ "urn": urn, "assigned_at": format!("2026-{month:02}-01T00:00:00Z") }));
    list("resources", all.collect())
}

fn pool_members(droplets: &[u32]) -> Answer {
    let all = droplets.iter().map(|id| json!({ "droplet_id": id }));
    list("droplets", all.collect())
}

#[tokio::test]
async fn a_single_project_contains_every_resource() {
    let server = account([]).await;
    for name in ["droplet", "volume"] {
        let (resource, note) = only_resource(&server, name).await;
        assert_eq!(
            (resource.project_id.as_deref(), note),
            (Some("p-1"), None),
            "{name}"
        );
        assert!(resource.unread_fields.is_empty(), "{name}: {resource:?}");
    }
    let (network, note) = only_resource(&server, "vpc").await;
    assert_eq!(
        (network.project_id, note),
        (None, None),
        "not every network is in a project"
    );
    assert!(network.unread_fields.contains(PROJECT_ID));
    assert_eq!(server.times("projects/p-1/resources"), 0);
}

#[tokio::test]
async fn projects_are_requested_only_if_needed() {
    let server = account([(
        "volumes",
        list("volumes", json!([{ "id": "v-1", "project_id": "p-7" }])),
    )])
    .await;
    let (volume, _) = only_resource(&server, "volume").await;
    assert_eq!(volume.project_id.as_deref(), Some("p-7"));
    let (firewall, _) = only_resource(&server, "firewall").await;
    assert_eq!((firewall.project_id, firewall.unread_fields.len()), (None, 0));
    assert_eq!(server.times("projects"), 0);
    assert_eq!(server.times("droplets/autoscale"), 0);
}

#[tokio::test]
async fn pools_are_not_requested_without_droplets() {
    let server = account([("droplets", list("droplets", json!([])))]).await;
    let client = server.client(quick());
    let of_kind = Run::new(&client, soon()).list_kind(kind("droplet")).await;
    assert_eq!(complete(of_kind.unwrap().listing), []);
    assert_eq!(server.times("droplets/autoscale"), 0);
}

#[tokio::test]
async fn a_resource_is_in_the_project_that_lists_it() {
    let server = account([
        ("projects", projects(&["p-1", "p-2"])),
        ("projects/p-1/resources", resources(&[("do:droplet:2", 1)])),
        (
            "projects/p-2/resources",
            resources(&[("do:droplet:1", 1), ("do:VPC:vpc-1", 1)]),
        ),
    ])
    .await;
    for name in ["droplet", "vpc"] {
        let (resource, _) = only_resource(&server, name).await;
        assert_eq!(resource.project_id.as_deref(), Some("p-2"), "{name}");
    }
    let (volume, note) = only_resource(&server, "volume").await;
    assert_eq!((volume.project_id, note), (None, None));
    assert!(
        volume.unread_fields.contains(PROJECT_ID),
        "it was on the way between two lists"
    );
}

#[tokio::test]
async fn a_resource_moved_while_projects_are_read_is_in_the_later_project() {
    for (first, second, holder) in [(1, 2, "p-2"), (2, 1, "p-1")] {
        let server = account([
            ("projects", projects(&["p-1", "p-2"])),
            ("projects/p-1/resources", resources(&[("do:droplet:1", first)])),
            ("projects/p-2/resources", resources(&[("do:droplet:1", second)])),
        ])
        .await;
        let (droplet, _) = only_resource(&server, "droplet").await;
        assert_eq!(droplet.project_id.as_deref(), Some(holder));
    }
}

#[tokio::test]
async fn a_floating_ip_in_a_project_is_the_reserved_ip() {
    let server = account([
        (
            "reserved_ips",
            list("reserved_ips", json!([{ "ip": "203.0.113.5" }])),
        ),
        ("projects", projects(&["p-1", "p-2"])),
        (
            "projects/p-1/resources",
            resources(&[("do:floatingip:203.0.113.5", 1)]),
        ),
        ("projects/p-2/resources", resources(&[])),
    ])
    .await;
    let (address, _) = only_resource(&server, "reserved_ip").await;
    assert_eq!(address.project_id.as_deref(), Some("p-1"));
}

#[tokio::test]
async fn unreadable_projects_leave_the_project_unread_with_a_reason() {
    let server = account([("projects", status(403, ""))]).await;
    let (volume, note) = only_resource(&server, "volume").await;
    assert!(volume.unread_fields.contains(PROJECT_ID));
    assert_eq!(
        note.unwrap(),
        "project_id keeps its last known value: /v2/projects: the token may not read it (403)"
    );
    // One of three projects is readable.
    let server = account([
        ("projects", projects(&["p-1", "p-2", "p-3"])),
        ("projects/p-2/resources", resources(&[("do:volume:v-1", 1)])),
    ])
    .await;
    let (volume, note) = only_resource(&server, "volume").await;
    assert_eq!(
        volume.project_id.as_deref(),
        Some("p-2"),
        "the project of a volume in a readable list is known"
    );
    assert_eq!(
        note.unwrap(),
        "project_id keeps its last known value: /v2/projects/p-1/resources: not found (404); and 1 more"
    );
}

#[tokio::test]
async fn a_token_rejected_for_projects_ends_the_run() {
    for more in [
        ("projects", status(401, "")),
        ("droplets/autoscale", status(401, "")),
    ] {
        let server = account([more]).await;
        let client = server.client(quick());
        let run = Run::new(&client, soon());
        assert!(run.list_kind(kind("droplet")).await.is_err());
    }
}

#[tokio::test]
async fn a_droplet_has_the_id_of_its_autoscale_pool() {
    let pools = || list("autoscale_pools", json!([{ "id": "pool-1" }, { "id": "pool-2" }]));
    let server = account([
        ("droplets/autoscale", pools()),
        ("droplets/autoscale/pool-1/members", pool_members(&[7])),
        ("droplets/autoscale/pool-2/members", pool_members(&[1])),
    ])
    .await;
    let (droplet, note) = only_resource(&server, "droplet").await;
    assert_eq!(droplet.attrs[AUTOSCALE_POOL_ID], "pool-2");
    assert_eq!((droplet.unread_fields.len(), note), (0, None));

    let server = account([
        ("droplets/autoscale", pools()),
        ("droplets/autoscale/pool-1/members", pool_members(&[7])),
        ("droplets/autoscale/pool-2/members", pool_members(&[8])),
    ])
    .await;
    let (droplet, _) = only_resource(&server, "droplet").await;
    assert!(!droplet.attrs.contains_key(AUTOSCALE_POOL_ID));
    assert!(droplet.unread_fields.is_empty(), "no pool made it");
}

#[tokio::test]
async fn the_pool_of_a_droplet_is_unread_if_a_pool_cannot_be_read() {
    let server = account([
        ("projects", status(403, "")),
        (
            "droplets/autoscale",
            list("autoscale_pools", json!([{ "id": "pool-1" }])),
        ),
        ("droplets/autoscale/pool-1/members", status(403, "")),
    ])
    .await;
    let client = server.client(quick());
    let of_kind = Run::new(&client, soon())
        .list_kind(kind("droplet"))
        .await
        .unwrap();
    let [droplet] = &complete(of_kind.listing)[..] else {
        panic!("there is one droplet");
    };
    assert_eq!(droplet.unread_fields, [AUTOSCALE_POOL_ID, PROJECT_ID].into());
    assert_eq!(
        of_kind.note.unwrap(),
        "project_id keeps its last known value: /v2/projects: the token may not read it (403); \
         autoscale_pool_id keeps its last known value: /v2/droplets/autoscale/pool-1/members: the token may \
         not read it (403)"
    );
    assert_eq!(
        of_kind.unread_fields,
        [PROJECT_ID].into(),
        "no spec can set the pool"
    );
}

#[tokio::test]
async fn fields_that_only_lists_contain_are_unread_in_a_single_response() {
    let server = account([]).await;
    let (mut resource, _) = only_resource(&server, "firewall").await;
    for (kind, project, unread_fields) in [
        ("droplet", None, &[AUTOSCALE_POOL_ID, PROJECT_ID][..]),
        ("droplet", Some("p-1"), &[AUTOSCALE_POOL_ID]),
        ("volume", None, &[PROJECT_ID]),
        ("volume", Some("p-1"), &[]),
        ("vpc", None, &[PROJECT_ID]),
        ("firewall", None, &[]),
    ] {
        resource.project_id = project.map(str::to_owned);
        resource.unread_fields.clear();
        mark_unread(kind, &mut resource);
        let found: Vec<&str> = resource.unread_fields.iter().copied().collect();
        assert_eq!(found, unread_fields, "{kind} in {project:?}");
    }
}
