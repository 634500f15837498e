//! What silence means: one table for every attribute of every type that is read.
//!
//! A state is silent about an attribute that is null, empty, zero or not there. `schema.tsv` beside this file says for
//! each attribute what that means. It follows from the provider's schema (is the attribute required, optional,
//! computed?) and from what the provider does with it (does it read the attribute back, has it a default?):
//!
//! | silence | meaning |
//! | --- | --- |
//! | `unset` | optional and not computed: the configuration has none, so the value must be unset |
//! | `=VALUE` | the same, but the provider or the API has this default |
//! | `open` | optional and computed: the configuration may leave it to the cloud, so it is not compared |
//! | `inside` | a part of a block that is optional and computed as a whole, which cannot be decided: not compared |
//! | `told` | read back only where the configuration declares it: not compared |
//! | `required`, `identity` | never silent |
//! | `computed` | the cloud's answer, which nothing declares |
//! | `never` | the provider never reads it back, or it is for Terraform only |
//! | `unlisted` | the lists of the API that are synced do not have it |
//! | `elsewhere` | a membership or an attachment, which another resource may declare |
//! | `twin` | another attribute says the same, and that one is compared |
//! | `secret` | never read |
//!
//! An attribute of a resource that is not there at all stands in no state of a provider that knows it: it is open.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value;

const TABLE: &str = include_str!("schema.tsv");
const PREFIX: &str = "digitalocean_";

/// What silence about an attribute means.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::provider) enum Silence {
    /// The value must be unset.
    Unset,
    /// The value must be this.
    Default(Value),
    /// The value is not compared.
    Open,
    /// Nothing: the attribute is never silent, or it is not compared in any case.
    Nothing,
}

/// One attribute, or one block.
#[derive(Clone, Debug)]
pub(in crate::provider) struct Attribute {
    pub(in crate::provider) name: &'static str,
    /// `string`, `number`, `bool`, `list`, `set`, `map` or `block`.
    #[cfg(test)]
    pub(in crate::provider) form: &'static str,
    /// The word in the table.
    #[cfg(test)]
    pub(in crate::provider) word: &'static str,
    pub(in crate::provider) silence: Silence,
}

/// Attributes by the block that they are in; the type itself is the block without a name.
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
            silence: silence(word),
        };
        let blocks = types.entry(type_name).or_default();
        blocks.entry(block).or_default().push(attribute);
    }
    types
});

fn silence(word: &str) -> Silence {
    match word {
        "unset" => Silence::Unset,
        "open" | "inside" | "told" => Silence::Open,
        _ => match word.strip_prefix('=') {
            Some(default) => serde_json::from_str(default).map_or(Silence::Nothing, Silence::Default),
            None => Silence::Nothing,
        },
    }
}

/// The attributes of a block of a type; of the type itself where `block` is empty.
pub(in crate::provider) fn attributes(type_name: &str, block: &str) -> &'static [Attribute] {
    let blocks = TYPES.get(type_name.strip_prefix(PREFIX).unwrap_or(type_name));
    blocks
        .and_then(|blocks| blocks.get(block))
        .map_or(&[], Vec::as_slice)
}

/// What silence about an attribute of a block means.
pub(in crate::provider) fn silence_of(type_name: &str, block: &str, name: &str) -> &'static Silence {
    attributes(type_name, block)
        .iter()
        .find(|attribute| attribute.name == name)
        .map_or(&Silence::Nothing, |attribute| &attribute.silence)
}

/// Whether a state says nothing with this value. `false` says something.
pub(in crate::provider) fn is_silent(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::Bool(_)) => false,
        Some(Value::Number(number)) => number.as_f64() == Some(0.0),
        Some(Value::String(text)) => text.is_empty(),
        // A block without any attribute is a null in the list.
        Some(Value::Array(items)) => items.iter().all(Value::is_null),
        Some(Value::Object(map)) => map.is_empty(),
    }
}
