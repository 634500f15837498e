use std::collections::HashSet;

use serde_json::json;

use super::*;

fn resource(id: &str) -> ListedResource {
    ListedResource {
        provider_id: id.to_owned(),
        urn: format!("urn:{id}"),
        name: format!("name of {id}"),
        region: Some("nyc3".to_owned()),
        size_slug: Some("small".to_owned()),
        status: None,
        tags: vec!["web".to_owned()],
        ip: Some("203.0.113.1".to_owned()),
        vpc_uuid: Some("net".to_owned()),
        project_id: None,
        attrs: Map::from_iter([(
            "numbers".to_owned(),
            json!([1, -1, u64::MAX, 1.5e-300, 0.1, "\u{fc}\n"]),
        )]),
        settling: false,
        unread_fields: BTreeSet::new(),
    }
}

/// This many different ids in pseudo-random order.
fn ids(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|n| format!("id-{:x}", n.wrapping_mul(2_654_435_761) % 4_294_967_296))
}

#[test]
fn resources_are_read_as_they_were_added_in_the_order_of_ids() {
    let mut added = vec![
        resource("b"),
        ListedResource {
            settling: true,
            ..resource("a")
        },
        ListedResource {
            unread_fields: ["project_id"].into(),
            ..resource("\u{fc}")
        },
        ListedResource {
            unread_fields: ["project_id", "pool"].into(),
            ..resource("B")
        },
        ListedResource {
            unread_fields: ["project_id"].into(),
            ..resource("10")
        },
    ];
    let resources = Resources::new("cloud", "machine", added.clone()).unwrap();
    assert_eq!((resources.len(), resources.is_empty()), (5, false));
    added.sort_by(|a, b| a.provider_id.cmp(&b.provider_id));
    assert_eq!(resources.to_vec().unwrap(), added);
    assert!(Resources::new("cloud", "machine", []).unwrap().is_empty());
    assert_eq!(Resources::default().to_vec().unwrap(), []);
}

#[test]
fn many_resources_of_several_kinds_are_sorted_outside_the_memory() {
    const COUNT: usize = 50_000;
    let kinds = ["volume", "droplet", "vpc"];
    let mut spool = Spool::new("cloud");
    spool.add_kind("empty");
    for (n, id) in ids(COUNT).enumerate() {
        spool.add(kinds[n % 3], &resource(&id)).unwrap();
    }
    let listed = spool.finish().unwrap();
    assert_eq!(
        listed.keys().collect::<Vec<_>>(),
        ["droplet", "empty", "volume", "vpc"]
    );
    assert_eq!(listed.values().map(Resources::len).sum::<usize>(), COUNT);
    for (number, kind) in kinds.iter().enumerate() {
        let mut expected: Vec<String> = ids(COUNT).skip(number).step_by(3).collect();
        expected.sort_unstable();
        let read = listed[*kind].to_vec().unwrap();
        assert!(read.iter().map(|one| &one.provider_id).eq(&expected), "{kind}");
        assert!(
            read.iter().all(|one| *one == resource(&one.provider_id)),
            "{kind}"
        );
    }
    let of = &listed["droplet"].of;
    assert!(of.data.is_in_file() && of.keys.is_in_file());
}

#[test]
fn the_first_resource_that_may_not_enter_is_named() {
    let bad = |id: &str| ListedResource {
        name: "\0".to_owned(),
        ..resource(id)
    };
    let refused = |kinds: &[(&str, ListedResource)]| {
        let mut spool = Spool::new("cloud");
        for (kind, resource) in kinds {
            spool.add(kind, resource).unwrap();
        }
        spool
            .finish()
            .err()
            .map(|why| why.to_string())
            .unwrap_or_default()
    };
    let twice = "machine \"1\": is listed twice";
    let invalid = "machine \"2\": name contains the character U+0000";
    let one = || ("machine", resource("1"));
    assert_eq!(refused(&[one(), one()]), twice);
    assert_eq!(refused(&[one(), ("volume", resource("1"))]), "");
    assert_eq!(refused(&[one(), one(), ("machine", bad("2"))]), twice);
    assert_eq!(refused(&[one(), ("machine", bad("2")), one()]), invalid);
    assert_eq!(refused(&[one(), ("machine", bad("1"))]), twice);
    assert_eq!(
        refused(&[("volume", bad("1")), one(), one()]),
        twice,
        "in the order of kinds"
    );
    assert!(refused(&[("", bad("1")), one(), one()]).contains("kind is empty"));
}

#[test]
fn digests_depend_on_the_traits_of_the_kind() {
    let backup = ListedResource {
        attrs: Map::from_iter([("type".to_owned(), json!("backup"))]),
        ..resource("1")
    };
    let digests: HashSet<String> = [
        ("digitalocean", "snapshot"),
        ("digitalocean", "volume"),
        ("cloud", "snapshot"),
    ]
    .into_iter()
    .map(|(provider, kind)| {
        let resources = Resources::new(provider, kind, [backup.clone()]).unwrap();
        resources.keys().next().unwrap().unwrap().digest.to_string()
    })
    .collect();
    assert_eq!(digests.len(), 2);
}
