//! The scripts of `docs/sources.md` that list a cloud as JSON lines. They run with stand-ins for the tools of the cloud,
//! whose answers have the shapes of the real ones.

use std::path::Path;
use std::process::Command;

use entity::cloud_resources;
use sea_orm::EntityTrait as _;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::process::{Ended, Program};

/// Answers like `hcloud server list -o json` and `hcloud volume list -o json`. Fails if FAIL names the list.
const HCLOUD: &str = r#"#!/bin/sh
case "$1" in
server) cat <<'JSON'
[
  {
    "id": 42, "name": "db-1", "status": "running", "created": "2026-01-01T00:00:00Z",
    "public_net": { "ipv4": { "id": 7, "ip": "203.0.113.5", "blocked": false }, "floating_ips": [] },
    "private_net": [], "server_type": { "id": 22, "name": "cx22", "cores": 2, "memory": 4, "disk": 40 },
    "datacenter": { "id": 4, "name": "fsn1-dc14", "location": { "id": 1, "name": "fsn1" } },
    "image": { "id": 1, "name": "debian-12" }, "backup_window": "22-02", "labels": { "env": "prod" },
    "protection": { "delete": true, "rebuild": true }, "volumes": [7]
  },
  {
    "id": 43, "name": "web-1", "status": "off", "public_net": { "ipv4": { "ip": "" } },
    "server_type": { "name": "cx22" }, "location": { "id": 2, "name": "nbg1" }, "datacenter": null,
    "image": null, "backup_window": null, "labels": {}, "protection": { "delete": false, "rebuild": false }
  }
]
JSON
;;
volume) [ "$VOLUMES" = no ] && echo null || cat <<'JSON'
[
  {
    "id": 7, "name": "data", "server": 42, "status": "available", "location": { "id": 1, "name": "fsn1" },
    "size": 50, "format": "ext4", "protection": { "delete": false }, "labels": {}, "linux_device": "/dev/sdb"
  }
]
JSON
;;
esac
[ "$FAIL" != "$1" ]
"#;

/// Answers like `aws`. Its first region has two instances and a volume, the second has none. Fails if FAIL names the
/// region.
const AWS: &str = r#"#!/bin/sh
case "$*" in
sts*) echo 123456789012 ;;
*describe-instances*eu-central-1*) cat <<'JSON'
{ "Reservations": [ { "ReservationId": "r-1", "OwnerId": "123456789012", "Groups": [], "Instances": [
  {
    "InstanceId": "i-1", "ImageId": "ami-1", "InstanceType": "t3.micro", "State": { "Code": 16, "Name": "running" },
    "Placement": { "AvailabilityZone": "eu-central-1a", "Tenancy": "default" }, "PublicIpAddress": "203.0.113.9",
    "SubnetId": "subnet-1", "Tags": [ { "Key": "Name", "Value": "web-1" }, { "Key": "env", "Value": "prod" } ],
    "SecurityGroups": [ { "GroupName": "b", "GroupId": "sg-2" }, { "GroupName": "a", "GroupId": "sg-1" } ]
  },
  {
    "InstanceId": "i-2", "ImageId": "ami-1", "InstanceType": "t3.micro", "SecurityGroups": [],
    "State": { "Code": 48, "Name": "terminated" }, "Placement": { "AvailabilityZone": "eu-central-1a" }
  }
] } ] }
JSON
;;
*describe-volumes*eu-central-1*) cat <<'JSON'
{ "Volumes": [ {
  "VolumeId": "vol-1", "Size": 8, "VolumeType": "gp3", "Iops": 3000, "Encrypted": true, "State": "in-use",
  "AvailabilityZone": "eu-central-1a", "Attachments": [ { "InstanceId": "i-1", "Device": "/dev/xvda" } ]
} ] }
JSON
;;
*describe-instances*) echo '{ "Reservations": [] }' ;;
*describe-volumes*) echo '{ "Volumes": [] }' ;;
esac
case "$*" in *"${FAIL:-nothing}"*) exit 1 ;; esac
"#;

/// Returns the script below a heading of the page.
fn script(heading: &str) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/sources.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, section) = page.split_once(&format!("### {heading}\n")).unwrap();
    let (_, script) = section.split_once("```sh\n").unwrap();
    script.split_once("```").unwrap().0.to_owned()
}

/// Runs the script with a stand-in for its tool. Returns whether it succeeded, and its lines.
fn list(heading: &str, tool: &str, stand_in: &str, settings: &[(&str, &str)]) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(tool);
    std::fs::write(&path, stand_in).unwrap();
    assert!(
        Command::new("chmod")
            .arg("+x")
            .arg(&path)
            .status()
            .unwrap()
            .success()
    );
    let others = std::env::var("PATH").unwrap();
    let ended = Command::new("bash")
        .args(["-c", &script(heading)])
        .env("PATH", format!("{}:{others}", folder.path().display()))
        .envs(settings.iter().copied())
        .output()
        .unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(
        !said.contains("jq: command not found"),
        "install jq, as scripts/test does"
    );
    (ended.status.success(), String::from_utf8(ended.stdout).unwrap())
}

fn hetzner(settings: &[(&str, &str)]) -> (bool, String) {
    list("Hetzner", "hcloud", HCLOUD, settings)
}

fn parsed(lines: &str) -> Vec<Value> {
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Stores lines as the inventory of a source.
fn store(t: &TestApp, source: &str, lines: &str) -> Ended {
    let program = Program::new()
        .with("DATABASE_URL", &t.database.url)
        .with_file("lines", lines);
    program.run(&["sync", "--source", source, "--from", "lines"])
}

/// Returns the ids of the resources that are not gone.
async fn present(t: &TestApp) -> Vec<String> {
    let all = cloud_resources::Entity::find()
        .all(t.db().reader())
        .await
        .unwrap();
    let present = all.into_iter().filter(|resource| resource.gone_at.is_none());
    let mut ids: Vec<String> = present.map(|resource| resource.provider_id).collect();
    ids.sort();
    ids
}

#[test]
fn the_script_of_hetzner_lists_servers_and_volumes() {
    let (succeeded, lines) = hetzner(&[]);
    assert!(succeeded, "{lines}");
    let wanted = [
        json!({ "provider": "hetzner", "account": "webshop", "kinds": ["server", "volume"] }),
        json!({ "kind": "server", "providerId": "42", "name": "db-1", "status": "running", "region": "fsn1",
            "sizeSlug": "cx22", "ip": "203.0.113.5", "attrs": { "image": "debian-12", "labels": { "env": "prod" },
            "backups": true, "protection": { "delete": true, "rebuild": true } } }),
        json!({ "kind": "server", "providerId": "43", "name": "web-1", "status": "off", "region": "nbg1",
            "sizeSlug": "cx22", "ip": "", "attrs": { "image": null, "labels": {}, "backups": false,
            "protection": { "delete": false, "rebuild": false } } }),
        json!({ "complete": "server" }),
        json!({ "kind": "volume", "providerId": "7", "name": "data", "status": "available", "region": "fsn1",
            "attrs": { "size": 50, "format": "ext4", "labels": {}, "protection": { "delete": false }, "server": 42 } }),
        json!({ "complete": "volume" }),
    ];
    assert_eq!(parsed(&lines), wanted);
}

#[test]
fn the_script_of_aws_lists_the_instances_and_volumes_of_all_regions() {
    let (succeeded, lines) = list("AWS", "aws", AWS, &[]);
    assert!(succeeded, "{lines}");
    let wanted = [
        json!({ "provider": "aws", "account": "123456789012", "kinds": ["instance", "volume"] }),
        json!({ "kind": "instance", "providerId": "i-1", "name": "web-1", "status": "running", "sizeSlug": "t3.micro",
            "region": "eu-central-1", "ip": "203.0.113.9", "attrs": { "image": "ami-1", "subnet": "subnet-1",
            "tags": { "Name": "web-1", "env": "prod" }, "security_groups": ["sg-1", "sg-2"] } }),
        json!({ "complete": "instance" }),
        json!({ "kind": "volume", "providerId": "vol-1", "name": null, "status": "in-use", "region": "eu-central-1",
            "attrs": { "size": 8, "type": "gp3", "iops": 3000, "encrypted": true, "instances": ["i-1"], "tags": {} } }),
        json!({ "complete": "volume" }),
    ];
    assert_eq!(parsed(&lines), wanted);
    // A region that cannot be listed leaves the kind incomplete.
    let (succeeded, lines) = list("AWS", "aws", AWS, &[("FAIL", "us-east-1")]);
    assert!(!succeeded && !lines.contains("\"complete\""), "{lines}");
}

#[tokio::test]
async fn a_tool_that_fails_makes_no_resource_gone() {
    let t = TestApp::today().await;
    let stored = store(&t, "hetzner", &hetzner(&[]).1);
    assert_eq!(stored.code, Some(0), "{}", stored.output());
    assert_eq!(present(&t).await, ["42", "43", "7"]);

    let (succeeded, lines) = hetzner(&[("FAIL", "volume")]);
    let stored = store(&t, "hetzner", &lines);
    assert!(
        !succeeded && stored.out.contains("partial"),
        "{lines}{}",
        stored.output()
    );
    // A tool that fails before its first line leaves the kind incomplete too.
    let (succeeded, lines) = hetzner(&[("FAIL", "volume"), ("VOLUMES", "no")]);
    let stored = store(&t, "hetzner", &lines);
    assert!(!succeeded && stored.code == Some(1), "{lines}{}", stored.output());
    let (succeeded, lines) = hetzner(&[("FAIL", "server")]);
    let stored = store(&t, "hetzner", &lines);
    assert!(
        !succeeded && stored.out.contains("no kind is complete"),
        "{lines}{}",
        stored.output()
    );
    assert_eq!(stored.code, Some(1));
    assert_eq!(present(&t).await, ["42", "43", "7"]);

    // An empty list is complete, and says that the volume is gone.
    let stored = store(&t, "hetzner", &hetzner(&[("VOLUMES", "no")]).1);
    assert_eq!(stored.code, Some(0), "{}", stored.output());
    assert_eq!(present(&t).await, ["42", "43"]);
}
