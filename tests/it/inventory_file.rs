//! The inventory file: its format, and the errors of invalid files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta};
use drift_inbox::app::App;
use drift_inbox::clock::Clock;
use drift_inbox::error::Error;
use drift_inbox::jobs::JobRequest;
use drift_inbox::provider::file::InventoryFile;
use drift_inbox::provider::{InventoryProvider, Listing};
use drift_inbox::services::inventory::SyncOptions;
use entity::job_runs::{self, JobOutcome};
use serde_json::{Value, json};

use crate::support::TestApp;

/// A server that syncs from a file.
struct FromFile {
    app: App,
    t: TestApp,
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl FromFile {
    /// Creates the server. The file does not exist yet.
    async fn new() -> Self {
        let (t, folder) = (TestApp::new().await, tempfile::tempdir().unwrap());
        let path = folder.path().join("inventory.json");
        let file: Arc<dyn InventoryProvider> = Arc::new(InventoryFile::new(&path));
        let app = App::new(t.db().clone(), Clock::Manual(t.clock.clone()), Some(file));
        Self {
            app,
            t,
            path,
            _folder: folder,
        }
    }

    /// Writes the file and syncs from it.
    async fn sync(&self, text: impl AsRef<[u8]>) -> job_runs::Model {
        std::fs::write(&self.path, text).unwrap();
        self.sync_again().await
    }

    async fn sync_again(&self) -> job_runs::Model {
        self.t.later(TimeDelta::seconds(1));
        let request = JobRequest::Sync(SyncOptions::default());
        self.app.jobs().run(request).await.unwrap()
    }

    /// Syncs from an invalid file. The run must fail and change nothing. Its error must contain the words and the name of the file, without its folder.
    async fn refuses(&self, text: impl AsRef<[u8]>, words: &[&str]) {
        let text = text.as_ref();
        let before = self.t.tables().await;
        let run = self.sync(text).await;
        let shown = String::from_utf8_lossy(&text[..text.len().min(300)]).into_owned();
        self.is_refusal(&run, words, &shown);
        assert_eq!(self.t.tables().await, before, "{shown}");
    }

    fn is_refusal(&self, run: &job_runs::Model, words: &[&str], shown: &str) {
        assert_eq!(run.outcome, Some(JobOutcome::Failed), "{shown}");
        let error = run.error.as_deref().unwrap();
        let (folder, name) = (self.path.parent().unwrap(), self.path.file_name().unwrap());
        assert!(error.contains(name.to_str().unwrap()), "{error}\n{shown}");
        assert!(
            !error.contains(folder.to_str().unwrap()),
            "every reader sees it: {error}"
        );
        for word in words {
            assert!(error.contains(word), "{error}\nlacks {word:?}\n{shown}");
        }
    }
}

/// Returns a file with one droplet, which `change` modifies.
fn one(change: impl FnOnce(&mut Value)) -> String {
    let mut entry = json!({ "kind": "droplet", "providerId": "1", "name": "web-1" });
    change(&mut entry);
    json!({ "provider": "digitalocean", "resources": [entry] }).to_string()
}

fn with(key: &str, value: Value) -> String {
    one(|entry| entry[key] = value)
}

async fn list(path: &Path) -> Result<Listing, Error> {
    InventoryFile::new(path).list(None, DateTime::UNIX_EPOCH).await
}

/// Returns `levels` nested objects.
fn nested(levels: usize) -> Value {
    (1..levels).fold(json!({}), |inner, _| json!({ "a": inner }))
}

#[tokio::test]
async fn every_key_of_the_format_is_stored() {
    let f = FromFile::new().await;
    let text = json!({ "provider": "hetzner", "resources": [{
        "kind": "server", "providerId": "3164444", "name": "web-1", "urn": "hz:server:3164444", "region": "nbg1",
        "sizeSlug": "cx22", "status": "running", "tags": ["web", "prod"], "ip": "203.0.113.1", "vpcUuid": "net-1",
        "projectId": "p-1", "attrs": { "backups": true, "rules": [{ "port": 22 }] },
    }] });
    let run = f.sync(text.to_string()).await;
    assert_eq!(run.outcome, Some(JobOutcome::Succeeded), "{:?}", run.error);
    let row = f.t.resource("web-1").await;
    let ids = [row.provider, row.kind, row.provider_id, row.urn];
    assert_eq!(ids, ["hetzner", "server", "3164444", "hz:server:3164444"]);
    let fields = [
        row.region,
        row.size_slug,
        row.status,
        row.ip,
        row.vpc_uuid,
        row.project_id,
    ];
    let expected = ["nbg1", "cx22", "running", "203.0.113.1", "net-1", "p-1"];
    assert_eq!(fields.map(Option::unwrap), expected);
    assert_eq!(row.tags, json!(["web", "prod"]));
    assert_eq!(row.attrs, json!({ "backups": true, "rules": [{ "port": 22 }] }));
}

#[tokio::test]
async fn optional_keys_may_be_null_or_absent() {
    let f = FromFile::new().await;
    let absent = one(|_| {});
    assert_eq!(f.sync(&absent).await.outcome, Some(JobOutcome::Succeeded));
    let row = f.t.resource("web-1").await;
    assert_eq!(row.urn, "digitalocean:droplet:1");
    assert_eq!(
        (&row.region, &row.tags, &row.attrs),
        (&None, &json!([]), &json!({}))
    );
    let null = one(|entry| {
        let optional = "urn region sizeSlug status tags ip vpcUuid projectId attrs";
        for key in optional.split(' ') {
            entry[key] = Value::Null;
        }
    });
    let run = f.sync(&null).await;
    assert_eq!(run.outcome, Some(JobOutcome::Succeeded), "{:?}", run.error);
    assert_eq!(f.t.resource("web-1").await, row, "null equals an absent key");
}

#[tokio::test]
async fn the_refusal_of_an_unknown_missing_or_repeated_key_contains_its_name() {
    let f = FromFile::new().await;
    f.sync(one(|_| {})).await;
    f.refuses(with("size_slug", json!("x")), &["size_slug", "line 1"])
        .await;
    f.refuses(with("Region", json!("x")), &["Region"]).await;
    f.refuses(
        r#"{"provider":"digitalocean","resources":[],"account":1}"#,
        &["account"],
    )
    .await;
    f.refuses(r#"{"provider":"digitalocean"}"#, &["resources"]).await;
    f.refuses(r#"{"resources":[]}"#, &["provider"]).await;
    for key in ["kind", "providerId"] {
        let without = one(|entry| drop(entry.as_object_mut().unwrap().remove(key)));
        f.refuses(without, &["missing", key]).await;
        f.refuses(with(key, Value::Null), &["null", "line 1"]).await;
    }
    let twice = one(|_| {}).replace(r#""name":"#, r#""name":"web-0","name":"#);
    f.refuses(twice, &["duplicate", "name"]).await;
}

#[tokio::test]
async fn a_value_of_the_wrong_type_is_refused_with_its_line() {
    let f = FromFile::new().await;
    f.sync(one(|_| {})).await;
    f.refuses(with("providerId", json!(3_164_444)), &["3164444", "line 1"])
        .await;
    f.refuses(with("tags", json!("web")), &["web", "line 1"]).await;
    f.refuses(with("tags", json!(["web", 1])), &["line 1"]).await;
    f.refuses(with("attrs", json!(["a"])), &["line 1"]).await;
    f.refuses(with("region", json!({ "slug": "nyc3" })), &["line 1"])
        .await;
    f.refuses("[]", &["line 1"]).await;
    f.refuses("null", &["line 1"]).await;
    f.refuses("{\"provider\":\"digitalocean\",\n\"resources\":{}}", &["line 2"])
        .await;
}

#[tokio::test]
async fn values_that_cannot_be_stored_are_refused_with_the_name_of_the_resource() {
    let f = FromFile::new().await;
    f.sync(one(|_| {})).await;
    let droplet = "droplet \"1\"";
    for key in [
        "name",
        "urn",
        "region",
        "sizeSlug",
        "status",
        "ip",
        "vpcUuid",
        "projectId",
    ] {
        f.refuses(with(key, json!("a\0b")), &[droplet, key, "U+0000"])
            .await;
    }
    f.refuses(with("tags", json!(["a", "\0"])), &[droplet, "tags", "U+0000"])
        .await;
    f.refuses(
        with("attrs", json!({ "a": [{ "\0": 1 }] })),
        &[droplet, "attrs", "U+0000"],
    )
    .await;
    f.refuses(with("kind", json!("a\0")), &["kind", "U+0000"]).await;
    f.refuses(with("kind", json!("")), &["kind", "empty"]).await;
    f.refuses(with("providerId", json!("")), &["providerId", "empty"])
        .await;
    f.refuses(r#"{"provider":"","resources":[]}"#, &["provider", "empty"])
        .await;
    f.refuses(with("attrs", nested(65)), &[droplet, "64 levels"])
        .await;
    f.refuses(with("attrs", nested(300)), &["line 1"]).await;
    f.refuses(
        with("attrs", json!({ "a": "x".repeat(1 << 20) })),
        &[droplet, "attrs"],
    )
    .await;
    f.refuses(with("providerId", json!(" \t")), &["providerId", "blank"])
        .await;
    let run = f.sync(with("attrs", nested(64))).await;
    assert_eq!(run.outcome, Some(JobOutcome::Succeeded), "{:?}", run.error);
}

#[tokio::test]
async fn a_resource_that_is_listed_twice_is_refused() {
    let f = FromFile::new().await;
    f.sync(one(|_| {})).await;
    let entry = |kind: &str, id: &str, name: &str| json!({ "kind": kind, "providerId": id, "name": name });
    let file = |entries: Value| json!({ "provider": "digitalocean", "resources": entries }).to_string();
    let twice = file(json!([
        entry("droplet", "7", "a"),
        entry("volume", "7", "b"),
        entry("droplet", "7", "c")
    ]));
    f.refuses(twice, &["droplet \"7\"", "twice"]).await;
    let once_a_kind = file(json!([entry("droplet", "1", "web-1"), entry("volume", "1", "b")]));
    assert_eq!(f.sync(once_a_kind).await.outcome, Some(JobOutcome::Succeeded));
}

#[tokio::test]
async fn a_file_that_is_not_json_is_refused() {
    let f = FromFile::new().await;
    let good = one(|_| {});
    f.sync(&good).await;
    f.refuses("", &["line 1"]).await;
    f.refuses(" \n\n", &["line"]).await;
    f.refuses("provider: digitalocean\n", &["line 1"]).await;
    f.refuses(format!("{good}\n{good}"), &["line 2"]).await;
    f.refuses(
        good.replace("web-1", "NaN").replace("\"NaN\"", "NaN"),
        &["line 1"],
    )
    .await;
    f.refuses(good.replace("}]}", "},]}"), &["line 1"]).await;
    let latin: Vec<u8> = good
        .replace("web-1", "?")
        .bytes()
        .map(|b| if b == b'?' { 0xfc } else { b })
        .collect();
    f.refuses(latin, &["line 1"]).await;
    let mut half: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    half.pop();
    f.refuses(half, &["UTF-16", "PowerShell"]).await;
}

#[tokio::test]
async fn a_truncated_file_is_refused_at_every_length() {
    let f = FromFile::new().await;
    let text = json!({ "provider": "digitalocean", "resources": [
        { "kind": "droplet", "providerId": "1", "name": "w\u{fc}b", "tags": ["a"], "attrs": { "n": 25.5 } },
        { "kind": "volume", "providerId": "2", "name": "data", "region": null },
    ] });
    let text = serde_json::to_vec_pretty(&text).unwrap();
    assert_eq!(f.sync(&text).await.outcome, Some(JobOutcome::Succeeded));
    for end in 0..text.len() {
        std::fs::write(&f.path, &text[..end]).unwrap();
        let error = list(&f.path).await.expect_err("a truncated file was accepted");
        assert!(error.to_string().contains("line "), "{end}: {error}");
    }
    for end in (0..text.len()).step_by(37).chain([text.len() - 1]) {
        f.refuses(&text[..end], &["line "]).await;
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_refused() {
    let f = FromFile::new().await;
    f.sync(one(|_| {})).await;
    let before = f.t.tables().await;
    std::fs::remove_file(&f.path).unwrap();
    let run = f.sync_again().await;
    f.is_refusal(&run, &["No such file"], "no file");
    std::fs::create_dir(&f.path).unwrap();
    let run = f.sync_again().await;
    f.is_refusal(&run, &["directory"], "a folder");
    assert_eq!(f.t.tables().await, before);
}

#[tokio::test]
async fn a_refused_file_is_a_provider_error_and_not_an_internal_one() {
    let f = FromFile::new().await;
    std::fs::write(&f.path, "{").unwrap();
    for path in [f.path.as_path(), Path::new("/nowhere/inventory.json")] {
        assert_eq!(list(path).await.unwrap_err().code(), "UPSTREAM_UNAVAILABLE");
    }
    std::fs::write(&f.path, with("name", json!("\0"))).unwrap();
    assert_eq!(list(&f.path).await.unwrap_err().code(), "UPSTREAM_UNAVAILABLE");
}

#[tokio::test]
async fn a_number_beyond_64_bits_rejects_its_resource_and_not_the_file() {
    for number in ["18446744073709551616", "-9223372036854775809", "1e300"] {
        let f = FromFile::new().await;
        f.sync(one(|_| {})).await;
        let before = f.t.resource("web-1").await;
        let text = json!({ "provider": "digitalocean", "resources": [
            { "kind": "droplet", "providerId": "1", "name": "renamed", "attrs": { "a": "NUMBER" } },
            { "kind": "droplet", "providerId": "2", "name": "web-2" },
        ] });
        let run = f.sync(text.to_string().replace("\"NUMBER\"", number)).await;
        assert_eq!(run.outcome, Some(JobOutcome::Partial), "{run:?}");
        let droplets = &run.counts["kinds"]["droplet"];
        assert_eq!(droplets["unconfirmed"], 1, "{droplets}");
        for words in ["reason", "note"] {
            assert!(
                droplets[words].as_str().unwrap().contains("64 bits"),
                "{droplets}"
            );
        }
        assert_eq!(f.t.resource("web-1").await, before, "the resource is unchanged");
        assert_eq!(f.t.resource("web-2").await.provider_id, "2");
    }
}

#[tokio::test]
async fn lists_instead_of_objects_are_refused() {
    let f = FromFile::new().await;
    f.sync(one(|_| {})).await;
    f.refuses(r#"["digitalocean", []]"#, &["object", "line 1"]).await;
    f.refuses(
        r#"{"provider": "digitalocean", "resources": [["droplet", "1", "web-1"]]}"#,
        &["object", "line 1"],
    )
    .await;
}

#[tokio::test]
async fn a_file_with_a_byte_order_mark_or_in_utf_16_is_read() {
    let text = one(|_| {});
    let utf16: Vec<u8> = format!("\u{feff}{text}")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    for bytes in [format!("\u{feff}{text}").into_bytes(), utf16] {
        let f = FromFile::new().await;
        assert_eq!(f.sync(bytes).await.outcome, Some(JobOutcome::Succeeded));
        assert_eq!(f.t.resource("web-1").await.provider_id, "1");
    }
}
