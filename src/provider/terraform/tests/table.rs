use std::collections::BTreeSet;

use super::*;

const TABLE: &str = include_str!("../schema.tsv");

/// The rows of the table: type, attribute, form, flags (required, optional, computed) and meaning of an empty value.
fn rows() -> Vec<[&'static str; 5]> {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.split('\t').collect::<Vec<_>>().try_into().unwrap())
        .collect()
}

#[test]
fn every_attribute_of_every_type_that_is_read_has_a_decision() {
    let rows = rows();
    let types: BTreeSet<&str> = rows.iter().map(|[of, ..]| *of).collect();
    assert_eq!(
        (types.len(), rows.len()),
        (26, 859),
        "types and attributes of the provider's schema"
    );
    for of in types {
        assert!(type_of(&format!("digitalocean_{of}")).is_some(), "{of}");
    }
    let named: BTreeSet<(&str, &str)> = rows.iter().map(|[of, path, ..]| (*of, *path)).collect();
    assert_eq!(named.len(), rows.len(), "no attribute has two decisions");
    let words = [
        "required",
        "identity",
        "computed",
        "never",
        "unlisted",
        "other_resource",
        "duplicate",
        "secret",
        "unset",
        "not_compared",
        "in_computed_block",
        "if_declared",
    ];
    for [of, path, form, _, word] in rows {
        assert!(
            word.starts_with('=') || words.contains(&word),
            "{of} {path}: {word}"
        );
        let block = path.rsplit_once('.').map(|(block, _)| (of, block));
        assert!(
            block.is_none_or(|block| named.contains(&block)),
            "{of} {path} is in no block"
        );
        let forms = ["string", "number", "bool", "list", "set", "map", "block"];
        assert!(forms.contains(&form), "{of} {path}: {form}");
    }
}

#[test]
fn a_decision_follows_from_required_optional_and_computed() {
    for [of, path, _, flags, word] in rows() {
        let may_be = match flags {
            "r" => word == "required",
            "c" => word == "computed",
            "oc" => ["not_compared", "in_computed_block"].contains(&word),
            "o" => {
                word == "unset"
                    || word.starts_with('=')
                    || ["in_computed_block", "if_declared"].contains(&word)
            }
            other => panic!("{of} {path}: {other}"),
        };
        let is_out = [
            "identity",
            "never",
            "unlisted",
            "other_resource",
            "duplicate",
            "secret",
        ]
        .contains(&word);
        assert!(may_be || is_out, "{of} {path}: {flags} {word}");
    }
}

#[test]
fn attributes_that_a_state_leaves_open_are_counted_by_resource() {
    let droplet = |id: &str, more: Value| {
        let mut droplet = json!({"id": id, "name": "web", "size": "s-1", "backups": false, "ipv6": false,
            "monitoring": false, "public_networking": true, "private_networking": true, "tags": [], "vpc_uuid": "v-1", "region": "nyc3"});
        droplet
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        ("digitalocean_droplet", droplet)
    };
    let counts = |state: State| state.not_compared().into_iter().collect::<Vec<_>>();
    assert_eq!(counts(state([droplet("1", json!({}))])), []);
    let empty = state([
        droplet("1", json!({"region": null, "vpc_uuid": null})),
        droplet("2", json!({"vpc_uuid": null})),
    ]);
    let expected = [
        ("digitalocean_droplet.region", 1),
        ("digitalocean_droplet.vpc_uuid", 2),
    ];
    assert_eq!(
        counts(empty),
        expected.map(|(attribute, resources)| (attribute.to_owned(), resources))
    );
}
