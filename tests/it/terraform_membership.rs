//! Declarations: projects and attachments in all imported states decide the project and the attachments of a resource.

use drift_inbox::provider::terraform::parse_value;
use drift_inbox::services::imports::{ImportOptions, ImportSummary};
use entity::{cloud_provisioned, cloud_resources};
use sea_orm::EntityTrait;
use serde_json::{Value, json};

use crate::support::account::{Account, droplet};
use crate::support::state::state_file;

const FIRST: &str = "p-1";
const SHOP: &str = "p-2";

type Instances = Vec<(&'static str, Value)>;

/// Returns a database cluster in a state. Its `project_id` is the first project, in which it was created.
fn cluster() -> Instances {
    vec![(
        "digitalocean_database_cluster",
        json!({ "id": "db-1", "name": "main", "engine": "pg", "version": "16", "size": "db-s-1vcpu-1gb",
                "region": "nyc3", "node_count": 1, "tags": [], "project_id": FIRST }),
    )]
}

fn project(id: &str, resources: Value) -> Instances {
    vec![(
        "digitalocean_project",
        json!({ "id": id, "name": id, "description": "", "purpose": "Web Application", "environment": "Production",
                "is_default": id == FIRST, "resources": resources }),
    )]
}

fn project_resources(project: &str) -> Instances {
    vec![(
        "digitalocean_project_resources",
        json!({ "id": project, "project": project, "resources": ["do:dbaas:db-1"] }),
    )]
}

/// Creates an account with a cluster in the project with this id.
async fn account_in(project: &str) -> Account {
    let account = Account::new().await;
    account.stub.has(
        "databases",
        [json!({ "id": "db-1", "name": "main", "engine": "pg", "version": "16", "num_nodes": 1, "region": "nyc3",
                 "size": "db-s-1vcpu-1gb", "status": "online", "tags": [], "project_id": project })],
    );
    account.stub.has("databases/db-1/firewall", []);
    account.stub.has(
        "projects",
        [FIRST, SHOP].map(|id| {
            json!({ "id": id, "name": id, "description": "", "purpose": "Web Application",
                    "environment": "Production", "is_default": id == FIRST })
        }),
    );
    account
}

async fn import(account: &Account, lineage: &str, serial: i64, instances: &[Instances]) -> ImportSummary {
    let named = instances.iter().flatten().enumerate();
    let named = named.map(|(place, (type_name, it))| (*type_name, format!("r{place}"), it.clone()));
    let state = parse_value(state_file(lineage, serial, named)).unwrap();
    let meant = ImportOptions {
        allow_mass_retire: true,
        ..ImportOptions::default()
    };
    account.t.try_import(&state, meant).await.unwrap()
}

/// Returns the spec of the cluster. It is found by kind, because the trusted sources have the same name.
async fn cluster_spec(account: &Account) -> cloud_provisioned::Model {
    let specs = cloud_provisioned::Entity::find().find_also_related(cloud_resources::Entity);
    let specs = specs.all(account.t.db().reader()).await.unwrap();
    let mut of_clusters = specs
        .into_iter()
        .filter(|(_, row)| row.as_ref().is_some_and(|row| row.kind == "database"));
    of_clusters.next().unwrap().0
}

/// Syncs and sweeps. Returns the field, the expected and the live value of every open drift.
async fn open(account: &Account) -> Vec<Value> {
    account.sync().await;
    account.t.sweep().await;
    let drifts = account.t.inbox().await;
    drifts
        .into_iter()
        .map(|drift| json!([drift.field, drift.expected, drift.actual]))
        .collect()
}

#[tokio::test]
async fn a_project_with_inline_resources_declares_the_project_of_its_members() {
    let account = account_in(SHOP).await;
    let members = project(SHOP, json!(["do:dbaas:db-1"]));
    import(&account, "l-1", 1, &[cluster(), members]).await;
    assert_eq!(open(&account).await, Vec::<Value>::new());
    account
        .stub
        .change("databases", 0, |it| it["project_id"] = FIRST.into());
    assert_eq!(open(&account).await, [json!(["project_id", SHOP, FIRST])]);
}

#[tokio::test]
async fn a_project_in_another_state_declares_membership_in_any_import_order() {
    for project_first in [true, false] {
        let account = account_in(SHOP).await;
        let order = if project_first { [1, 0] } else { [0, 1] };
        for part in order {
            let changed = match part {
                0 => import(&account, "l-cluster", 1, &[cluster()]).await.recorded,
                _ => {
                    let summary = import(&account, "l-project", 1, &[project_resources(SHOP)]).await;
                    assert_eq!(summary.skipped.unattached, u64::from(project_first));
                    summary.changed_elsewhere
                }
            };
            assert_eq!(
                changed,
                u64::from(!(project_first && part == 1)),
                "{project_first} {part}"
            );
        }
        assert_eq!(open(&account).await, Vec::<Value>::new());
        assert_eq!(cluster_spec(&account).await.source, "terraform:l-cluster");
        account
            .stub
            .change("databases", 0, |it| it["project_id"] = FIRST.into());
        assert_eq!(open(&account).await, [json!(["project_id", SHOP, FIRST])]);
        // A second import of both states changes nothing.
        let version = cluster_spec(&account).await.spec_version;
        assert_eq!(import(&account, "l-cluster", 1, &[cluster()]).await.unchanged, 1);
        let again = import(&account, "l-project", 1, &[project_resources(SHOP)]).await;
        assert_eq!(again.changed_elsewhere, 0);
        assert_eq!(cluster_spec(&account).await.spec_version, version);
    }
}

#[tokio::test]
async fn the_project_of_an_undeclared_member_is_not_compared() {
    let account = account_in(SHOP).await;
    import(&account, "l-cluster", 1, &[cluster()]).await;
    assert_eq!(open(&account).await, Vec::<Value>::new());
    import(&account, "l-project", 1, &[project_resources(FIRST)]).await;
    assert_eq!(open(&account).await, [json!(["project_id", FIRST, SHOP])]);
    // The declaration is removed, and the field is no longer compared.
    let summary = import(&account, "l-project", 2, &[]).await;
    assert_eq!((summary.changed_elsewhere, summary.closes.len()), (1, 1));
    assert_eq!(open(&account).await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_default_project_that_lists_a_member_does_not_contradict_another_project() {
    let account = account_in(SHOP).await;
    let both = [
        cluster(),
        project(FIRST, json!(["do:dbaas:db-1"])),
        project(SHOP, json!(["do:dbaas:db-1"])),
    ];
    let summary = import(&account, "l-1", 1, &both).await;
    assert_eq!(summary.refused, []);
    assert_eq!(open(&account).await, Vec::<Value>::new());
    assert_eq!(cluster_spec(&account).await.spec["project_id"], SHOP);
}

#[tokio::test]
async fn contradicting_states_are_reported_and_the_project_is_not_compared() {
    let account = account_in(SHOP).await;
    import(&account, "l-cluster", 1, &[cluster()]).await;
    import(&account, "l-a", 1, &[project_resources(SHOP)]).await;
    let summary = import(&account, "l-b", 1, &[project_resources(FIRST)]).await;
    let conflicts = |summary: &ImportSummary| -> Vec<String> {
        let reasons = summary.refused.iter().map(|refusal| refusal.reason.clone());
        reasons
            .filter(|reason| reason.contains("l-a") && reason.contains("l-b"))
            .collect()
    };
    assert_eq!(conflicts(&summary).len(), 1, "{summary:?}");
    assert_eq!(summary.refused[0].provider_id, "db-1");
    assert_eq!(open(&account).await, Vec::<Value>::new());
    // An import of the cluster's own state reports the contradiction, too, until a declaration is removed.
    assert_eq!(
        conflicts(&import(&account, "l-cluster", 1, &[cluster()]).await).len(),
        1
    );
    assert_eq!(cluster_spec(&account).await.spec.get("project_id"), None);
    import(&account, "l-a", 2, &[]).await;
    assert_eq!(open(&account).await, [json!(["project_id", FIRST, SHOP])]);
}

#[tokio::test]
async fn a_dry_run_stores_no_declaration_and_counts_the_changes_of_other_specs() {
    let account = account_in(SHOP).await;
    import(&account, "l-cluster", 1, &[cluster()]).await;
    let before = account.t.tables().await;
    let instances = project_resources(SHOP)
        .into_iter()
        .map(|(type_name, it)| (type_name, "r".to_owned(), it));
    let state = parse_value(state_file("l-project", 1, instances)).unwrap();
    let dry = ImportOptions {
        dry_run: true,
        ..ImportOptions::default()
    };
    let summary = account.t.try_import(&state, dry).await.unwrap();
    assert_eq!((summary.changed_elsewhere, account.t.tables().await), (1, before));
}

/// Returns a droplet in a state.
fn machine() -> Instances {
    vec![(
        "digitalocean_droplet",
        json!({ "id": "1", "name": "web-1", "region": "nyc3", "size": "s-1vcpu-1gb", "tags": ["web"], "volume_ids": [] }),
    )]
}

fn storage() -> Instances {
    vec![
        (
            "digitalocean_volume",
            json!({ "id": "v-1", "name": "data", "region": "nyc3", "size": 10, "description": "", "tags": [] }),
        ),
        (
            "digitalocean_reserved_ip",
            json!({ "id": "198.51.100.9", "ip_address": "198.51.100.9", "region": "nyc3" }),
        ),
    ]
}

fn attachments() -> Instances {
    vec![
        (
            "digitalocean_volume_attachment",
            json!({ "id": "1-v-1", "droplet_id": 1, "volume_id": "v-1" }),
        ),
        (
            "digitalocean_reserved_ip_assignment",
            json!({ "id": "1-198.51.100.9", "droplet_id": 1, "ip_address": "198.51.100.9" }),
        ),
    ]
}

async fn account_with_attachments(attached: bool) -> Account {
    let account = Account::new().await;
    let mut machine = droplet(1);
    let (volumes, droplets) = if attached {
        (json!(["v-1"]), json!([1]))
    } else {
        (json!([]), json!([]))
    };
    machine["volume_ids"] = volumes;
    account.stub.has("droplets", [machine]);
    account.stub.has(
        "volumes",
        [json!({ "id": "v-1", "name": "data", "region": { "slug": "nyc3" }, "size_gigabytes": 10, "description": "",
                 "tags": [], "droplet_ids": droplets })],
    );
    let holder = if attached { json!({ "id": 1 }) } else { Value::Null };
    account.stub.has(
        "reserved_ips",
        [json!({ "ip": "198.51.100.9", "droplet": holder, "region": { "slug": "nyc3" } })],
    );
    account
}

#[tokio::test]
async fn attachments_in_another_state_are_declared_in_any_import_order() {
    let parts = [machine(), storage(), attachments()];
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        for attached in [true, false] {
            let account = account_with_attachments(attached).await;
            for part in order {
                import(&account, &format!("l-{part}"), 1, &parts[part..=part]).await;
            }
            let mut fields: Vec<Value> = open(&account).await.into_iter().map(|it| it[0].clone()).collect();
            fields.sort_by_key(Value::to_string);
            let wanted: &[&str] = if attached {
                &[]
            } else {
                &["droplet_id", "droplet_ids", "volume_ids"]
            };
            assert_eq!(fields, wanted, "{order:?} {attached}");
        }
    }
}

#[tokio::test]
async fn volumes_without_a_declared_attachment_are_not_compared() {
    for attached in [true, false] {
        let account = account_with_attachments(attached).await;
        import(&account, "l-0", 1, &[machine()]).await;
        assert_eq!(open(&account).await, Vec::<Value>::new(), "{attached}");
    }
}

/// Returns the droplet in a state that was refreshed while the volume was attached.
fn machine_with_volume() -> Instances {
    let mut machine = machine();
    machine[0].1["volume_ids"] = json!(["v-1"]);
    machine
}

#[tokio::test]
async fn volumes_are_not_compared_once_the_last_attachment_is_removed() {
    for droplet in [machine, machine_with_volume] {
        for droplet_first in [true, false] {
            let account = account_with_attachments(false).await;
            let (owner, attached) = ([droplet()], [attachments()]);
            import(&account, "l-droplet", 1, &owner).await;
            import(&account, "l-attachments", 1, &attached).await;
            assert_eq!(account.t.spec("web-1").await.spec["volume_ids"], json!(["v-1"]));
            if droplet_first {
                import(&account, "l-droplet", 2, &owner).await;
                import(&account, "l-attachments", 2, &[]).await;
            } else {
                import(&account, "l-attachments", 2, &[]).await;
                import(&account, "l-droplet", 2, &owner).await;
            }
            assert_eq!(account.t.spec("web-1").await.spec.get("volume_ids"), None);
            assert_eq!(open(&account).await, Vec::<Value>::new(), "{droplet_first}");
        }
    }
}

#[tokio::test]
async fn volumes_that_the_configuration_of_a_droplet_refers_to_are_compared() {
    let account = account_with_attachments(false).await;
    let (type_name, droplet) = machine_with_volume().remove(0);
    let mut file = state_file("l-1", 1, [(type_name, "web".to_owned(), droplet)]);
    file["resources"][0]["instances"][0]["dependencies"] = json!(["module.data.digitalocean_volume.data"]);
    account.t.import(&parse_value(file).unwrap()).await;
    assert_eq!(open(&account).await, [json!(["volume_ids", ["v-1"], null])]);
}

#[tokio::test]
async fn attachments_are_not_compared_if_an_attachment_is_tainted() {
    let account = account_with_attachments(true).await;
    let attached = attachments().remove(0);
    let instances = [machine(), storage(), vec![attached]].concat();
    let named = instances.into_iter().enumerate();
    let named = named.map(|(place, (type_name, it))| (type_name, format!("r{place}"), it));
    let mut file = state_file("l-1", 1, named);
    file["resources"][3]["instances"][0]["status"] = "tainted".into();
    account.t.import(&parse_value(file).unwrap()).await;
    assert_eq!(account.t.spec("web-1").await.spec.get("volume_ids"), None);
    assert_eq!(account.t.spec("data").await.spec.get("droplet_ids"), None);
}

#[tokio::test]
async fn two_concurrent_imports_store_both_declarations() {
    for _ in 0..5 {
        let account = account_in(FIRST).await;
        let (cluster, project) = (cluster(), project_resources(SHOP));
        let (owner, member) = ([cluster], [project]);
        tokio::join!(
            import(&account, "l-cluster", 1, &owner),
            import(&account, "l-project", 1, &member)
        );
        assert_eq!(cluster_spec(&account).await.spec["project_id"], SHOP);
    }
}
