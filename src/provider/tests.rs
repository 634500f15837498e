use serde_json::json;

use super::checks::MAX_SLUG_BYTES;
use super::*;

fn resource(id: &str) -> ListedResource {
    ListedResource {
        provider_id: id.to_owned(),
        urn: format!("do:volume:{id}"),
        name: "data".to_owned(),
        region: None,
        size_slug: None,
        status: None,
        tags: Vec::new(),
        ip: None,
        vpc_uuid: None,
        project_id: None,
        attrs: Map::new(),
        settling: false,
        unread_fields: BTreeSet::new(),
    }
}

/// Checks a listing of one kind and returns the text of the error.
fn checked(kind: &str, listed: KindListing<Vec<ListedResource>>) -> std::result::Result<(), String> {
    let listed = match listed {
        KindListing::Complete(listed) => Resources::new("digitalocean", kind, listed)
            .map(KindListing::Complete)
            .map_err(|why| why.to_string())?,
        KindListing::Incomplete(why) => KindListing::Incomplete(why),
        KindListing::NotReadable(why) => KindListing::NotReadable(why),
    };
    let listing = Listing {
        provider: "digitalocean".to_owned(),
        account: None,
        started_at: DateTime::UNIX_EPOCH,
        kinds: [(kind.to_owned(), listed)].into(),
        notes: BTreeMap::new(),
        unread_fields: BTreeMap::new(),
        exhaustive: false,
    };
    check_listing(&listing).map_err(|why| why.to_string())
}

fn complete<const N: usize>(resources: [ListedResource; N]) -> KindListing<Vec<ListedResource>> {
    KindListing::Complete(resources.into())
}

#[test]
fn a_duplicate_id_is_rejected() {
    assert_eq!(
        checked("volume", complete([resource("1"), resource("2")])),
        Ok(())
    );
    let why = checked("volume", complete([resource("1"), resource("1")])).unwrap_err();
    assert!(why.contains("volume \"1\": is listed twice"), "{why}");
}

#[test]
fn blank_ids_and_kinds_are_rejected() {
    for (id, named) in [("", "providerId is empty"), (" ", "providerId is blank")] {
        let why = checked("volume", complete([resource(id)])).unwrap_err();
        assert!(why.contains(named), "{why}");
    }
    for (kind, named) in [("", "kind is empty"), ("\t", "kind is blank")] {
        let why = checked(kind, KindListing::Incomplete("no answer".to_owned())).unwrap_err();
        assert!(why.contains(named), "{why}");
    }
    let why = check_identity(" ", "data", "do:volume:1", None).unwrap_err();
    assert!(why.to_string().contains("providerId is blank"), "{why}");
}

#[test]
fn a_text_too_long_for_an_index_is_rejected_with_its_field() {
    let long = || Some("x".repeat(MAX_SLUG_BYTES + 1));
    let with = |change: fn(&mut ListedResource, Option<String>)| {
        let mut resource = resource("1");
        change(&mut resource, long());
        checked("volume", complete([resource])).unwrap_err()
    };
    for (field, why) in [
        ("providerId", with(|r, long| r.provider_id = long.unwrap())),
        ("region", with(|r, long| r.region = long)),
        ("sizeSlug", with(|r, long| r.size_slug = long)),
        ("status", with(|r, long| r.status = long)),
        ("ip", with(|r, long| r.ip = long)),
        ("vpcUuid", with(|r, long| r.vpc_uuid = long)),
        ("projectId", with(|r, long| r.project_id = long)),
    ] {
        assert!(why.contains(field), "{field}: {why}");
    }
    let longest = ListedResource {
        provider_id: "x".repeat(MAX_SLUG_BYTES),
        ..resource("1")
    };
    assert_eq!(checked("volume", complete([longest])), Ok(()));
}

#[test]
fn text_with_a_nul_character_is_rejected_with_its_field() {
    let with = |change: fn(&mut ListedResource)| {
        let mut resource = resource("1");
        change(&mut resource);
        checked("volume", complete([resource]))
    };
    for (field, checked) in [
        ("name", with(|r| r.name = "a\0b".to_owned())),
        ("urn", with(|r| r.urn = "a\0b".to_owned())),
        (
            "tags",
            with(|r| r.tags = vec!["web".to_owned(), "a\0b".to_owned()]),
        ),
        (
            "attrs",
            with(|r| _ = r.attrs.insert("a".to_owned(), json!("a\0b"))),
        ),
    ] {
        let why = checked.unwrap_err();
        assert!(why.contains(field), "{field}: {why}");
    }
}
