//! The projects of resources, and the autoscale pools of droplets.

use drift_inbox::jobs::JobRequest;
use drift_inbox::services::coverage;
use drift_inbox::services::inventory::{KindOutcome, SyncOptions};
use entity::job_runs::{self, JobOutcome};
use serde_json::{Value, json};

use crate::support::account::{Account, counts, droplet};
use crate::support::stub_do::{normal_answer, response};

fn member(droplet: u64) -> Value {
    json!({ "droplet_id": droplet, "status": "active", "health_status": "HEALTHY", "created_at": "2026-01-01" })
}

fn assigned(urn: &str, at: &str) -> Value {
    json!({ "urn": urn, "assigned_at": at, "status": "ok", "links": { "self": "https://elsewhere.example" } })
}

/// Returns the pool of every droplet and whether the droplet is owned.
async fn pools(account: &Account) -> Vec<(Option<String>, bool)> {
    let droplets = account.present("droplet").await;
    let pool = |attrs: &Value| attrs["autoscale_pool_id"].as_str().map(str::to_owned);
    droplets.iter().map(|row| (pool(&row.attrs), row.owned)).collect()
}

async fn projects(account: &Account, kind: &str) -> Vec<Option<String>> {
    let rows = account.present(kind).await;
    rows.into_iter().map(|row| row.project_id).collect()
}

fn succeeded(run: &job_runs::Model) {
    let why = (&run.error, &run.counts);
    assert_eq!(run.outcome, Some(JobOutcome::Succeeded), "{why:?}");
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

async fn account_with_pools() -> Account {
    let account = Account::new().await;
    account.stub.has("droplets", (1..=3).map(droplet));
    account.stub.has(
        "droplets/autoscale",
        [json!({ "id": "p-1" }), json!({ "id": "p-2" })],
    );
    account.stub.has("droplets/autoscale/p-1/members", [member(1)]);
    account.stub.has("droplets/autoscale/p-2/members", [member(2)]);
    account
}

#[tokio::test]
async fn members_of_an_autoscale_pool_need_no_spec() {
    let account = account_with_pools().await;
    succeeded(&account.sync().await);
    let made = [(some("p-1"), true), (some("p-2"), true), (None, false)];
    assert_eq!(pools(&account).await, made);
    let kinds = coverage::by_kind(account.t.db().reader()).await.unwrap();
    let droplets = kinds.iter().find(|kind| kind.kind == "droplet").unwrap();
    assert_eq!((droplets.owned, droplets.unmanaged), (2, 1));
    // One request for the list of pools, and one for the members of each.
    let requests = account.stub.requests();
    let of_pools = requests
        .iter()
        .filter(|request| request.path.starts_with("droplets/autoscale"));
    assert_eq!(of_pools.count(), 3);
    // One droplet leaves the pool.
    account.stub.has("droplets/autoscale/p-2/members", []);
    succeeded(&account.sync().await);
    assert_eq!(pools(&account).await[1], (None, false));
}

#[tokio::test]
async fn pools_that_cannot_be_listed_keep_their_members_and_make_the_run_partial() {
    let account = account_with_pools().await;
    account.sync().await;
    let before = pools(&account).await;
    let faults = [
        (
            "droplets/autoscale",
            403,
            "/v2/droplets/autoscale: the token may not read it (403)",
        ),
        (
            "droplets/autoscale",
            404,
            "/v2/droplets/autoscale: not found (404)",
        ),
        (
            "droplets/autoscale/p-2/members",
            500,
            "/v2/droplets/autoscale/p-2/members: the response status is 500",
        ),
        (
            "droplets/autoscale/p-2/members",
            404,
            "/v2/droplets/autoscale/p-2/members: not found (404)",
        ),
    ];
    for (path, status, why) in faults {
        account.stub.fault(move |request, value| {
            if request.path == path {
                response(status, [], "{}")
            } else {
                normal_answer(value)
            }
        });
        account.stub.change("droplets", 1, |droplet| {
            droplet["name"] = format!("{path} {status}").into()
        });
        let run = account.sync().await;
        succeeded(&run);
        assert_eq!(counts(&run).changed, 1, "other fields are updated");
        let report = &counts(&run).kinds["droplet"];
        assert_eq!(report.outcome, KindOutcome::Complete);
        let note = format!("autoscale_pool_id keeps its last known value: {why}");
        assert_eq!(report.note.as_deref(), Some(note.as_str()));
        assert_eq!(pools(&account).await, before, "{why}");
    }
}

/// Creates an account with two projects and a resource of every kind that can be in a project.
async fn account_with_projects() -> Account {
    let account = Account::new().await;
    let stub = &account.stub;
    stub.has("droplets", (1..=2).map(droplet));
    for (path, id) in [
        ("volumes", "v-1"),
        ("load_balancers", "lb-1"),
        ("databases", "db-1"),
        ("kubernetes/clusters", "k-1"),
    ] {
        stub.has(path, [json!({ "id": id, "name": id })]);
    }
    stub.has("domains", [json!({ "name": "d1.example" })]);
    stub.has("vpcs", [json!({ "id": "vpc-1", "name": "main" })]);
    stub.has("reserved_ips", [json!({ "ip": "203.0.113.1" })]);
    stub.has(
        "apps",
        [json!({ "id": "a-1", "spec": { "name": "shop" }, "project_id": "p-2" })],
    );
    stub.has(
        "projects",
        ["p-1", "p-2"].map(|id| json!({ "id": id, "name": id, "is_default": id == "p-1" })),
    );
    let early = "2026-01-01T00:00:00Z";
    let of_first = [
        "do:droplet:1",
        "do:volume:v-1",
        "do:loadbalancer:lb-1",
        "do:dbaas:db-1",
        "do:kubernetes:k-1",
        "do:space:files",
    ];
    stub.has("projects/p-1/resources", of_first.map(|urn| assigned(urn, early)));
    let of_second = [
        "do:droplet:2",
        "do:domain:d1.example",
        "do:floatingip:203.0.113.1",
        "do:app:a-1",
    ];
    stub.has(
        "projects/p-2/resources",
        of_second.map(|urn| assigned(urn, early)),
    );
    account
}

#[tokio::test]
async fn every_resource_has_its_project() {
    let account = account_with_projects().await;
    succeeded(&account.sync().await);
    assert_eq!(projects(&account, "droplet").await, [some("p-1"), some("p-2")]);
    for (kind, project) in [
        ("volume", "p-1"),
        ("load_balancer", "p-1"),
        ("database", "p-1"),
        ("kubernetes_cluster", "p-1"),
        ("domain", "p-2"),
        ("reserved_ip", "p-2"),
        ("app", "p-2"),
    ] {
        assert_eq!(projects(&account, kind).await, [some(project)], "{kind}");
    }
    assert_eq!(projects(&account, "vpc").await, [None]);

    // A resource that moves while the lists are read can be in both lists, or in neither.
    let moved = assigned("do:droplet:1", "2026-02-01T00:00:00Z");
    account
        .stub
        .has("projects/p-2/resources", [assigned("do:droplet:2", ""), moved]);
    succeeded(&account.sync().await);
    assert_eq!(projects(&account, "droplet").await, [some("p-2"), some("p-2")]);
    for project in ["projects/p-1/resources", "projects/p-2/resources"] {
        account.stub.has(project, []);
    }
    let run = account.sync().await;
    succeeded(&run);
    assert_eq!(counts(&run).changed, 0);
}

#[tokio::test]
async fn the_only_project_contains_every_resource_and_is_not_listed() {
    let account = account_with_projects().await;
    account.stub.has(
        "projects",
        [json!({ "id": "p-9", "name": "all", "is_default": true })],
    );
    succeeded(&account.sync().await);
    assert!(
        account
            .stub
            .requests()
            .iter()
            .all(|request| !request.path.ends_with("/resources"))
    );
    assert_eq!(projects(&account, "droplet").await, [some("p-9"), some("p-9")]);
    assert_eq!(
        projects(&account, "app").await,
        [some("p-2")],
        "an app has the field project_id itself"
    );
    assert_eq!(
        projects(&account, "vpc").await,
        [None],
        "a VPC can be in no project"
    );
}

#[tokio::test]
async fn a_project_that_cannot_be_listed_changes_no_membership() {
    let account = account_with_projects().await;
    account.sync().await;
    for refused in ["projects", "projects/p-1/resources"] {
        for status in [403, 404, 500] {
            account.stub.fault(move |request, value| {
                if request.path == refused {
                    response(status, [], "{}")
                } else {
                    normal_answer(value)
                }
            });
            let run = account.sync().await;
            assert_eq!(
                (counts(&run).changed, counts(&run).gone),
                (0, 0),
                "{refused} {status}"
            );
            assert_eq!(run.outcome, Some(JobOutcome::Partial), "{refused} {status}");
            let report = &counts(&run).kinds["volume"];
            assert_eq!(report.outcome, KindOutcome::Complete);
            assert_eq!(report.unread_fields, ["project_id"]);
            let note = report.note.as_deref().unwrap();
            assert!(
                note.starts_with(&format!("project_id keeps its last known value: /v2/{refused}: ")),
                "{note}"
            );
            let project = counts(&run).kinds["project"].outcome;
            assert_eq!(project == KindOutcome::Complete, refused != "projects");
        }
    }
    // Status 401 for one list ends the whole sync.
    account.stub.fault(|request, value| {
        if request.path == "projects/p-1/resources" {
            response(401, [], "{}")
        } else {
            normal_answer(value)
        }
    });
    let run = account.sync().await;
    assert_eq!(run.outcome, Some(JobOutcome::Failed));
    assert!(
        run.error
            .unwrap()
            .starts_with("DigitalOcean rejected the token (401)")
    );
}

#[tokio::test]
async fn a_resource_that_is_read_alone_keeps_its_project_and_pool() {
    let account = account_with_pools().await;
    account.stub.has(
        "projects",
        ["p-1", "p-2"].map(|id| json!({ "id": id, "name": id })),
    );
    account
        .stub
        .has("projects/p-1/resources", [assigned("do:droplet:1", "")]);
    account.sync().await;
    // The list lacks a droplet that exists.
    account.stub.fault(|request, value| {
        if !request.is_droplets(1) {
            return normal_answer(value);
        }
        let mut page = value.unwrap();
        page["droplets"].as_array_mut().unwrap().remove(0);
        page["meta"]["total"] = 2.into();
        normal_answer(Some(page))
    });
    let only_droplets = SyncOptions {
        kinds: Some(["droplet".to_owned()].into()),
        ..SyncOptions::default()
    };
    let run = account.sync_with(only_droplets).await;
    succeeded(&run);
    assert_eq!((counts(&run).changed, counts(&run).gone), (0, 0));
    assert_eq!(pools(&account).await[0], (some("p-1"), true));
    assert_eq!(projects(&account, "droplet").await[0], some("p-1"));
}

/// The token may not list the projects, so only the specs have a `project_id`.
#[tokio::test]
async fn an_unknown_project_membership_is_not_drift() {
    let account = account_with_projects().await;
    account.stub.fault(|request, value| match request.path.as_str() {
        "projects" => response(403, [], "{}"),
        _ => normal_answer(value),
    });
    account.sync().await;
    for (name, project) in [("web-1", "p-1"), ("web-2", "p-1"), ("main", "p-1")] {
        account
            .t
            .record_spec(name, json!({ "project_id": project }))
            .await;
    }
    let swept = account.t.sweep().await;
    assert_eq!((swept.opened, swept.fields_compared), (0, 0));
    let run = account.t.app.jobs().run(JobRequest::detect_all()).await.unwrap();
    assert_eq!(run.outcome, Some(JobOutcome::Partial), "it cannot compare them");
    account.stub.fault(|_, value| normal_answer(value));
    succeeded(&account.sync().await);
    let swept = account.t.sweep().await;
    assert_eq!((swept.opened, swept.fields_compared), (1, 2));
    let drift = account.t.open_drift("web-2", "project_id").await;
    assert_eq!(drift.actual, Some(json!("p-2")));
}

#[tokio::test]
async fn a_move_out_of_a_project_that_cannot_be_listed_makes_the_sweep_partial() {
    let account = account_with_projects().await;
    succeeded(&account.sync().await);
    account
        .t
        .record_spec("web-1", json!({ "project_id": "p-1" }))
        .await;
    let detect = || account.t.app.jobs().run(JobRequest::detect_all());
    succeeded(&detect().await.unwrap());
    // The droplet moves to the other project, whose list cannot be read.
    account.stub.has("projects/p-1/resources", []);
    account.stub.fault(|request, value| match request.path.as_str() {
        "projects/p-2/resources" => response(500, [], "{}"),
        _ => normal_answer(value),
    });
    let run = account.sync().await;
    assert_eq!(run.outcome, Some(JobOutcome::Partial));
    let run = detect().await.unwrap();
    assert_eq!(run.outcome, Some(JobOutcome::Partial));
    assert_eq!(run.counts["opened"], 0);
    let why = run.error.unwrap();
    assert!(
        why.contains("droplet of digitalocean has fields that the newest sync could not read: project_id"),
        "{why}"
    );
}
