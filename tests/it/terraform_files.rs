//! Unusual Terraform states: from old versions of Terraform, from mirrors, from PowerShell and from CI.

use drift_inbox::provider::terraform::{State, parse, parse_value};
use drift_inbox::services::imports::ImportOptions;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::account::{Account, droplet};
use crate::support::process::Program;
use crate::support::state::{droplets, state_file};

/// Returns the attributes of a droplet in a state.
fn attributes(number: u64) -> Value {
    json!({ "id": number.to_string(), "name": format!("web-{number}"), "region": "nyc3", "size": "s-1vcpu-1gb",
            "tags": ["web"], "volume_ids": [], "monitoring": true, "backups": false, "ipv6": false })
}

/// Returns a state with droplets 1 to 4, each with another provider address.
fn of_old_addresses() -> State {
    let instances = (1..=4).map(|number| ("digitalocean_droplet", format!("d{number}"), attributes(number)));
    let mut file = state_file("l-1", 1, instances);
    let addresses = [
        "provider[\"registry.terraform.io/-/digitalocean\"]",
        "provider[\"registry.terraform.io/terraform-providers/digitalocean\"]",
        "module.shop.provider.digitalocean",
        "provider[\"mirror.example.com/digitalocean/digitalocean\"].eu",
    ];
    for (place, address) in addresses.into_iter().enumerate() {
        file["resources"][place]["provider"] = address.into();
    }
    parse_value(file).unwrap()
}

/// Returns the provider id and the field of every open drift, sorted.
async fn open(account: &Account) -> Vec<(String, String)> {
    let mut open = Vec::new();
    for drift in account.t.inbox().await {
        let rows = drift_inbox::services::resources::by_ids(account.t.db().reader(), &[drift.resource_id])
            .await
            .unwrap();
        open.push((rows[0].provider_id.clone(), drift.field));
    }
    open.sort_unstable();
    open
}

#[tokio::test]
async fn legacy_provider_addresses_are_recognized_as_digitalocean() {
    let account = Account::new().await;
    account.stub.has("droplets", (1..=4).map(droplet));
    for place in 0..4 {
        account
            .stub
            .change("droplets", place, |it| it["size_slug"] = "s-2vcpu-4gb".into());
    }
    account.sync().await;
    let summary = account.t.import(&of_old_addresses()).await;
    assert_eq!((summary.recorded, summary.skipped.foreign), (4, 0));
    assert_eq!(summary.refused, []);
    account.t.sweep().await;
    let all = ["1", "2", "3", "4"].map(|id| (id.to_owned(), "size_slug".to_owned()));
    assert_eq!(open(&account).await, all);
}

#[tokio::test]
async fn flat_attributes_of_terraform_0_11_are_read() {
    let account = Account::new().await;
    account.stub.has("droplets", [droplet(1), droplet(2)]);
    account
        .stub
        .change("droplets", 0, |it| it["size_slug"] = "s-2vcpu-4gb".into());
    account.stub.has(
        "reserved_ips",
        [json!({ "ip": "198.51.100.9", "droplet": null, "region": { "slug": "nyc3" } })],
    );
    account.sync().await;
    let instances = [
        ("digitalocean_droplet", "old".to_owned(), json!(null)),
        ("digitalocean_floating_ip", "vpn".to_owned(), json!(null)),
        ("digitalocean_droplet", "new".to_owned(), attributes(2)),
    ];
    let mut file = state_file("l-1", 1, instances);
    file["resources"][0]["instances"][0]["attributes_flat"] = json!({
        "id": "1", "name": "web-1", "region": "nyc3", "size": "s-1vcpu-1gb", "backups": "false", "ipv6": "false",
        "monitoring": "true", "tags.#": "1", "tags.2577471110": "web", "volume_ids.#": "0", "status": "active",
    });
    file["resources"][1]["instances"][0]["attributes_flat"] =
        json!({ "id": "198.51.100.9", "ip_address": "198.51.100.9", "region": "nyc3", "droplet_id": "1" });
    let summary = account.t.import(&parse_value(file).unwrap()).await;
    assert_eq!((summary.recorded, summary.skipped.without_id), (3, 0));
    account.t.sweep().await;
    let wanted = [("1", "size_slug"), ("198.51.100.9", "droplet_id")];
    assert_eq!(
        open(&account).await,
        wanted.map(|(id, field)| (id.to_owned(), field.to_owned()))
    );
}

#[tokio::test]
async fn an_instance_that_cannot_be_read_retires_nothing() {
    let account = Account::new().await;
    let two = || {
        let instances =
            (1..=2).map(|number| ("digitalocean_droplet", format!("d{number}"), attributes(number)));
        state_file("l-1", 1, instances)
    };
    account.t.import(&parse_value(two()).unwrap()).await;
    let mut file = two();
    file["serial"] = 2.into();
    let instance = &mut file["resources"][0]["instances"][0];
    instance["attributes"] = json!(null);
    instance["attributes_flat"] = json!({ "tags.#": "7" });
    let summary = account.t.import(&parse_value(file).unwrap()).await;
    assert_eq!(
        (summary.unchanged, summary.retired, summary.skipped.without_id),
        (1, 0, 0)
    );
    let refused: Vec<&str> = summary.refused.iter().map(|it| it.address.as_str()).collect();
    assert_eq!(refused, ["digitalocean_droplet.d1"]);
    assert!(summary.refused[0].reason.contains("attributes_flat"));
    assert_eq!(account.t.spec("web-1").await.retired_at, None);
}

fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(bytes).collect()
}

#[test]
fn a_state_in_utf_16_or_with_a_byte_order_mark_is_read() {
    let text = state_file(
        "l-1",
        1,
        [("digitalocean_droplet", "a".to_owned(), attributes(1))],
    )
    .to_string();
    let plain = parse(text.as_bytes()).unwrap();
    let marked = format!("\u{feff}{text}");
    for encoded in [
        marked.clone().into_bytes(),
        utf16(&marked, u16::to_le_bytes),
        utf16(&marked, u16::to_be_bytes),
        utf16(&text, u16::to_le_bytes),
        utf16(&text, u16::to_be_bytes),
    ] {
        assert_eq!(parse(&encoded).unwrap(), plain);
    }
    let mut cut_off = utf16(&marked, u16::to_le_bytes);
    cut_off.pop();
    let program = Program::new().with_file("state.json", "");
    std::fs::write(program.folder().join("state.json"), cut_off).unwrap();
    let ended = program.run(&["import-terraform", "state.json"]);
    assert_eq!(ended.code, Some(1), "{}", ended.output());
    for word in ["UTF-16", "PowerShell", "Out-File -Encoding utf8"] {
        assert!(ended.output().contains(word), "{word}: {}", ended.output());
    }
    std::fs::write(
        program.folder().join("state.json"),
        utf16(&marked, u16::to_le_bytes),
    )
    .unwrap();
    let ended = program.run(&["import-terraform", "state.json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.output());
    assert!(ended.out.contains("1 recorded"), "{}", ended.out);
}

#[test]
fn the_error_of_a_state_with_lines_of_a_ci_wrapper_mentions_the_wrapper() {
    let text = state_file(
        "l-1",
        1,
        [("digitalocean_droplet", "a".to_owned(), attributes(1))],
    )
    .to_string();
    let wrapped =
        format!("[command]/opt/bin/terraform state pull\n{text}\n::debug::Terraform exited with code 0.\n");
    let program = Program::new().with_file("state.json", wrapped);
    let ended = program.run(&["import-terraform", "state.json"]);
    assert_eq!(ended.code, Some(1), "{}", ended.output());
    assert!(
        ended.output().contains("terraform_wrapper: false"),
        "{}",
        ended.output()
    );
}

#[tokio::test]
async fn two_environments_with_the_same_lineage_need_different_names() {
    let t = TestApp::new().await;
    let small = |names: [&'static str; 2]| names.map(|name| (name, "s-1"));
    let prod = droplets("l-1", 41, &small(["prod-0", "prod-1"]));
    t.import(&prod).await;
    let older = droplets("l-1", 12, &small(["staging-0", "staging-1"]));
    let newer = droplets("l-1", 99, &small(["staging-0", "staging-1"]));
    for staging in [&older, &newer] {
        let refused = t.try_import(staging, ImportOptions::default()).await.unwrap_err();
        assert!(refused.to_string().contains("--lineage NAME"), "{refused}");
    }
    assert_eq!(t.spec("prod-0").await.retired_at, None);
    let named = || ImportOptions {
        lineage: Some("staging".to_owned()),
        ..ImportOptions::default()
    };
    let summary = t.try_import(&older, named()).await.unwrap();
    assert_eq!((summary.recorded, summary.lineage.as_str()), (2, "staging"));
    assert_eq!(summary.own_lineage.as_deref(), Some("l-1"));
    assert_eq!(t.spec("staging-0").await.source, "terraform:staging");
    let again = t.import(&prod).await;
    assert_eq!((again.unchanged, again.retired, again.own_lineage), (2, 0, None));
    assert_eq!(t.try_import(&older, named()).await.unwrap().unchanged, 2);
    for name in ["prod-0", "prod-1", "staging-0", "staging-1"] {
        assert_eq!(t.spec(name).await.retired_at, None, "{name}");
    }
}
