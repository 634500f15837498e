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
fn every_attribute_of_every_supported_type_has_a_decision() {
    let rows = rows();
    let types: BTreeSet<&str> = rows.iter().map(|[type_name, ..]| *type_name).collect();
    assert_eq!(
        (types.len(), rows.len()),
        (26, 859),
        "types and attributes of the provider's schema"
    );
    for type_name in types {
        assert!(
            type_of(&format!("digitalocean_{type_name}")).is_some(),
            "{type_name}"
        );
    }
    let named: BTreeSet<(&str, &str)> = rows
        .iter()
        .map(|[type_name, path, ..]| (*type_name, *path))
        .collect();
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
    for [type_name, path, form, _, word] in rows {
        assert!(
            word.starts_with('=') || words.contains(&word),
            "{type_name} {path}: {word}"
        );
        let block = path.rsplit_once('.').map(|(block, _)| (type_name, block));
        assert!(
            block.is_none_or(|block| named.contains(&block)),
            "{type_name} {path} is in no block"
        );
        let forms = ["string", "number", "bool", "list", "set", "map", "block"];
        assert!(forms.contains(&form), "{type_name} {path}: {form}");
    }
}

#[test]
fn a_decision_follows_from_required_optional_and_computed() {
    for [type_name, path, _, flags, word] in rows() {
        let is_allowed = match flags {
            "r" => word == "required",
            "c" => word == "computed",
            "oc" => ["not_compared", "in_computed_block"].contains(&word),
            "o" => {
                word == "unset"
                    || word.starts_with('=')
                    || ["in_computed_block", "if_declared"].contains(&word)
            }
            other => panic!("{type_name} {path}: {other}"),
        };
        let is_excluded = [
            "identity",
            "never",
            "unlisted",
            "other_resource",
            "duplicate",
            "secret",
        ]
        .contains(&word);
        assert!(is_allowed || is_excluded, "{type_name} {path}: {flags} {word}");
    }
}

#[test]
fn attributes_that_are_not_compared_are_counted_by_resource() {
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
