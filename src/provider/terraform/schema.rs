//! The meaning of empty attributes, for every attribute of every imported type.
//!
//! An attribute is empty if it is null, `""`, zero, an empty list or map, or missing. The last column of
//! `schema.tsv` defines what that means. The meaning follows from the provider's schema (whether the attribute is
//! required, optional or computed) and from its code (whether it reads the attribute back, and its default):
//!
//! | `if_empty` | meaning of an empty attribute |
//! | --- | --- |
//! | `unset` | optional and not computed: the configuration does not set it, so the value must be unset |
//! | `=VALUE` | the same, but the provider or the API has this default |
//! | `not_compared` | optional and computed: the cloud may have chosen the value, so it is not compared |
//! | `in_computed_block` | part of a block that is optional and computed, so its origin is unknown: not compared |
//! | `if_declared` | read back by the provider only if the configuration declares it: not compared |
//! | `required`, `identity` | never empty |
//! | `computed` | set by the cloud and never declared |
//! | `never` | never read back by the provider, or used by Terraform only |
//! | `unlisted` | not in the API lists that a sync reads |
//! | `other_resource` | a project membership or an attachment, which another Terraform resource may declare |
//! | `duplicate` | duplicates another attribute, which is compared |
//! | `secret` | never read |
//!
//! If a resource lacks an attribute entirely, its state was written by a provider version without that attribute. The
//! attribute is then not compared, even if its row has `unset` or `=VALUE`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value;

const TABLE: &str = include_str!("schema.tsv");
const PREFIX: &str = "digitalocean_";

/// The meaning of an empty attribute.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::provider) enum EmptyMeaning {
    /// The value must be unset.
    Unset,
    /// The value must be this default.
    Default(Value),
    /// The value is not compared.
    NotCompared,
    /// There is no meaning, because the attribute is never empty or never compared.
    Absent,
}

/// An attribute or a block of a type.
#[derive(Clone, Debug)]
pub(in crate::provider) struct Attribute {
    pub(in crate::provider) name: &'static str,
    /// `string`, `number`, `bool`, `list`, `set`, `map` or `block`.
    #[cfg(test)]
    pub(in crate::provider) form: &'static str,
    /// The value in the column `if_empty`.
    #[cfg(test)]
    pub(in crate::provider) word: &'static str,
    pub(in crate::provider) if_empty: EmptyMeaning,
}

/// Attributes by the path of their block. The path of the type itself is empty.
type Blocks = BTreeMap<&'static str, Vec<Attribute>>;

static TYPES: LazyLock<BTreeMap<&'static str, Blocks>> = LazyLock::new(|| {
    let mut types: BTreeMap<&str, Blocks> = BTreeMap::new();
    for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
        let columns: Vec<&'static str> = line.split('\t').collect();
        let [type_name, path, _form, _flags, word] = columns[..] else {
            continue;
        };
        let (block, name) = path.rsplit_once('.').unwrap_or(("", path));
        let attribute = Attribute {
            name,
            #[cfg(test)]
            form: _form,
            #[cfg(test)]
            word,
            if_empty: parse_meaning(word),
        };
        let blocks = types.entry(type_name).or_default();
        blocks.entry(block).or_default().push(attribute);
    }
    types
});

fn parse_meaning(word: &str) -> EmptyMeaning {
    match word {
        "unset" => EmptyMeaning::Unset,
        "not_compared" | "in_computed_block" | "if_declared" => EmptyMeaning::NotCompared,
        _ => match word.strip_prefix('=') {
            Some(default) => {
                serde_json::from_str(default).map_or(EmptyMeaning::Absent, EmptyMeaning::Default)
            }
            None => EmptyMeaning::Absent,
        },
    }
}

/// Returns the attributes of a block, or of the type itself if `block` is empty.
pub(in crate::provider) fn attributes(type_name: &str, block: &str) -> &'static [Attribute] {
    let blocks = TYPES.get(type_name.strip_prefix(PREFIX).unwrap_or(type_name));
    blocks
        .and_then(|blocks| blocks.get(block))
        .map_or(&[], Vec::as_slice)
}

/// Returns the meaning of an empty attribute of a block.
pub(in crate::provider) fn meaning_if_empty(
    type_name: &str,
    block: &str,
    name: &str,
) -> &'static EmptyMeaning {
    attributes(type_name, block)
        .iter()
        .find(|attribute| attribute.name == name)
        .map_or(&EmptyMeaning::Absent, |attribute| &attribute.if_empty)
}

/// Returns whether a value is empty. `false` is not empty.
pub(in crate::provider) fn is_empty_value(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::Bool(_)) => false,
        Some(Value::Number(number)) => number.as_f64() == Some(0.0),
        Some(Value::String(text)) => text.is_empty(),
        // A block without attributes is a null in the list.
        Some(Value::Array(items)) => items.iter().all(Value::is_null),
        Some(Value::Object(map)) => map.is_empty(),
    }
}
