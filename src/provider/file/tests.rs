use serde_json::json;

use super::*;
use crate::domain::inventory::ListedResource;

/// Creates an inventory file with this text. It is deleted when the folder is dropped.
fn file(text: impl AsRef<[u8]>) -> (InventoryFile, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inventory.json");
    std::fs::write(&path, text).unwrap();
    (InventoryFile::new(path), folder)
}

async fn listed(text: impl AsRef<[u8]>) -> Result<Listing> {
    let (file, _folder) = file(text);
    file.list(None, DateTime::UNIX_EPOCH).await
}

fn complete(listing: &Listing, kind: &str) -> Vec<ListedResource> {
    match &listing.kinds[kind] {
        KindListing::Complete(resources) => resources.to_vec().unwrap(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_listing_contains_every_resource_of_the_file() {
    let text = json!({ "provider": "hetzner", "resources": [
        { "kind": "server", "providerId": "1", "name": "web-1", "attrs": { "backups": true } },
        { "kind": "volume", "providerId": "2", "urn": "hz:volume:2", "tags": ["db"] },
    ]});
    let listing = listed(text.to_string()).await.unwrap();
    assert_eq!(
        (listing.provider.as_str(), listing.started_at),
        ("hetzner", DateTime::UNIX_EPOCH)
    );
    assert!(listing.exhaustive, "a kind that it does not name has nothing");
    let [server] = &complete(&listing, "server")[..] else {
        panic!("{listing:?}");
    };
    assert_eq!(
        (server.urn.as_str(), server.name.as_str()),
        ("hetzner:server:1", "web-1")
    );
    assert_eq!(Value::Object(server.attrs.clone()), json!({ "backups": true }));
    let [volume] = &complete(&listing, "volume")[..] else {
        panic!("{listing:?}");
    };
    assert_eq!((volume.urn.as_str(), &volume.tags[0][..]), ("hz:volume:2", "db"));
    assert_eq!(listing.notes, BTreeMap::new());
}

#[tokio::test]
async fn a_number_beyond_64_bits_rejects_only_its_resource() {
    let text = r#"{ "provider": "hetzner", "resources": [
        { "kind": "server", "providerId": "1", "attrs": { "serial": 36893488147419103232 } },
        { "kind": "server", "providerId": "2", "attrs": { "serial": 36893488147419103232 } },
        { "kind": "server", "providerId": "3", "attrs": { "serial": 7 } }
    ]}"#;
    let (file, _folder) = file(text);
    let listing = file.list(None, DateTime::UNIX_EPOCH).await.unwrap();
    let ids = complete(&listing, "server")
        .into_iter()
        .map(|one| one.provider_id);
    assert_eq!(ids.collect::<Vec<_>>(), ["3"]);
    let why = "was rejected and keeps its stored values: attrs contains an integer beyond 64 bits";
    assert_eq!(listing.notes["server"], format!("\"1\" {why}; \"2\" {why}"));
    for (id, gone) in [("1", false), ("2", false), ("3", true), ("4", true)] {
        let presence = file.confirm_gone("server", id, &Map::new()).await.unwrap();
        assert_eq!(matches!(presence, Presence::Gone), gone, "{id}: {presence:?}");
        assert_eq!(
            matches!(presence, Presence::Unknown(_)),
            !gone,
            "{id}: {presence:?}"
        );
    }
}

#[tokio::test]
async fn an_invalid_file_is_refused_by_name() {
    let twice = json!({ "provider": "hetzner", "resources": [
        { "kind": "server", "providerId": "1" }, { "kind": "server", "providerId": "1" },
    ]});
    for (text, reason) in [
        ("{".to_owned(), "line 1"),
        (r#"{"provider": "hetzner"}"#.to_owned(), "resources"),
        (twice.to_string(), "is listed twice"),
    ] {
        let why = listed(&text).await.unwrap_err().to_string();
        assert!(why.contains("inventory.json: ") && why.contains(reason), "{why}");
    }
    let absent = InventoryFile::new("/nowhere/inventory.json");
    let why = absent.list(None, DateTime::UNIX_EPOCH).await.unwrap_err();
    assert!(
        why.to_string().contains("inventory file inventory.json: "),
        "{why}"
    );
}

#[tokio::test]
async fn a_file_is_read_up_to_4_gib() {
    let mut text = json!({ "provider": "hetzner", "resources": [] }).to_string();
    text.extend(std::iter::repeat_n(' ', 2 * 1024 * 1024));
    assert!(listed(text).await.is_ok());
    let (file, folder) = file("");
    // A sparse file, which takes no space on the disk.
    let hole = std::fs::File::create(folder.path().join("inventory.json")).unwrap();
    hole.set_len(4 * 1024 * 1024 * 1024 + 1).unwrap();
    let why = file
        .list(None, DateTime::UNIX_EPOCH)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        why.contains("the file has 4294967297 bytes; at most 4294967296 are allowed"),
        "{why}"
    );
}

#[tokio::test]
async fn a_source_is_named_by_its_absolute_path_and_has_no_account() {
    assert_eq!(
        InventoryFile::new("/srv/cloud.json").source(),
        "file:/srv/cloud.json"
    );
    let relative = InventoryFile::new("cloud.json");
    let here = std::env::current_dir().unwrap().join("cloud.json");
    assert_eq!(relative.source(), format!("file:{}", here.display()));
    assert_eq!(relative.account().await.unwrap(), None);
}
