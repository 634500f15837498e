//! What a configuration declares: the attributes of each resource, and how many instances there are.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Map, Value};

use super::address::{Address, Key};
use super::keyed::{Digest, DigestKey};
use super::values::{Shape, projected, stored};

/// The configuration of a plan.
#[derive(Default)]
pub(super) struct Configuration {
    pub(super) root: Module,
    /// Region of each provider block whose region is a constant.
    pub(super) regions: HashMap<String, String>,
}

/// A module.
#[derive(Default)]
pub(super) struct Module {
    /// Resources by type and name, such as `aws_instance.web`.
    pub(super) resources: HashMap<String, Declared>,
    pub(super) calls: HashMap<String, Call>,
    pub(super) sensitive_variables: BTreeSet<String>,
}

/// A call of a module.
#[derive(Default)]
pub(super) struct Call {
    pub(super) instances: Instances,
    pub(super) module: Module,
}

/// A resource of the configuration.
pub(super) struct Declared {
    pub(super) attributes: BTreeMap<String, Attribute>,
    pub(super) instances: Instances,
    pub(super) provider: String,
}

/// An attribute that is declared.
pub(super) struct Attribute {
    pub(super) shape: Shape,
    /// Digest of its value, if this is a constant.
    pub(super) constant: Option<Digest>,
}

/// Which instances a resource or a module has.
#[derive(Default)]
pub(super) enum Instances {
    /// Unknown: an expression of constants only, such as `toset(["a"])`, is left out of the plan.
    #[default]
    Unknown,
    /// As many as this, or an unknown number.
    Count(Option<u64>),
    /// One for each of these keys, or for unknown keys.
    Each(Option<BTreeSet<String>>),
}

impl Instances {
    /// Returns the instances that two expressions of a resource or a call make.
    pub(super) fn of(count: Option<&Value>, each: Option<&Value>) -> Self {
        let constant = |expression: &Value| expression.get("constant_value").cloned();
        match (count, each) {
            (Some(count), _) => Self::Count(constant(count).and_then(|count| count.as_u64())),
            (None, Some(each)) => Self::Each(constant(each).and_then(|keys| keys_of(&keys))),
            (None, None) => Self::Unknown,
        }
    }

    /// Returns whether there is an instance with this key.
    fn presence(&self, key: Option<&Key>) -> Presence {
        let is_in = |contains: Option<bool>| match contains {
            Some(true) => Presence::Declared,
            Some(false) => Presence::Absent,
            None => Presence::Undecided,
        };
        match (self, key) {
            (Self::Unknown, None) => Presence::Declared,
            (Self::Unknown, Some(_)) => Presence::Undecided,
            (Self::Count(count), Some(Key::Number(index))) => is_in(count.map(|count| *index < count)),
            (Self::Each(keys), Some(Key::Text(key))) => is_in(keys.as_ref().map(|keys| keys.contains(key))),
            _ => Presence::Absent,
        }
    }
}

/// Whether the configuration has an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Presence {
    /// It has not.
    Absent,
    /// It has the resource, but `count` or `for_each` is an expression whose value the plan does not contain.
    Undecided,
    /// It has.
    Declared,
}

fn keys_of(value: &Value) -> Option<BTreeSet<String>> {
    match value {
        Value::Object(map) => Some(map.keys().cloned().collect()),
        Value::Array(items) => {
            let keys = items.iter().map(|item| item.as_str().map(str::to_owned));
            keys.collect()
        }
        _ => None,
    }
}

impl Configuration {
    /// Returns what is declared for an instance, or None if the configuration has no such instance.
    pub(super) fn find(&self, address: &Address) -> Option<&Declared> {
        let (resource, presence) = self.look_up(address)?;
        (presence != Presence::Absent).then_some(resource)
    }

    /// Returns whether the configuration has an instance.
    pub(super) fn presence(&self, address: &Address) -> Presence {
        self.look_up(address)
            .map_or(Presence::Absent, |(_, presence)| presence)
    }

    fn look_up(&self, address: &Address) -> Option<(&Declared, Presence)> {
        let (mut module, mut presence) = (&self.root, Presence::Declared);
        for step in &address.modules {
            let call = module.calls.get(&step.name)?;
            presence = presence.min(call.instances.presence(step.key.as_ref()));
            module = &call.module;
        }
        let resource = module
            .resources
            .get(&format!("{}.{}", address.kind, address.name))?;
        Some((
            resource,
            presence.min(resource.instances.presence(address.key.as_ref())),
        ))
    }
}

/// Returns the attributes that the expressions of a resource declare.
pub(super) fn attributes(
    kind: &str,
    expressions: &Map<String, Value>,
    key: &DigestKey,
) -> BTreeMap<String, Attribute> {
    let declared = expressions.iter().filter_map(|(name, expression)| {
        let shape = shape(expression)?;
        let constant =
            constant(expression).map(|value| key.digest(kind, name, &stored(&projected(&value, &shape))));
        Some((name.clone(), Attribute { shape, constant }))
    });
    declared.collect()
}

/// Returns what an expression declares; None if it is null, which declares nothing.
fn shape(expression: &Value) -> Option<Shape> {
    match expression {
        Value::Object(map) if is_leaf(map) => {
            let is_null = map.get("constant_value").is_some_and(Value::is_null);
            (!is_null).then_some(Shape::Whole)
        }
        Value::Object(block) => Some(block_shape(block)),
        Value::Array(blocks) => {
            let mut all = Shape::Blocks(BTreeMap::new());
            for block in blocks {
                all.unite(block.as_object().map_or(Shape::Whole, block_shape));
            }
            Some(all)
        }
        _ => None,
    }
}

fn block_shape(block: &Map<String, Value>) -> Shape {
    let members = block
        .iter()
        .filter_map(|(name, expression)| Some((name.clone(), shape(expression)?)));
    Shape::Blocks(members.collect())
}

/// An expression, as opposed to a block. A call that has constant arguments only has no members.
fn is_leaf(map: &Map<String, Value>) -> bool {
    let mut members = map.iter();
    members.all(|(name, member)| match name.as_str() {
        "constant_value" => true,
        "references" => member.is_array(),
        _ => false,
    })
}

/// Returns the value of an expression or of blocks if it is constant as a whole.
fn constant(expression: &Value) -> Option<Value> {
    match expression {
        Value::Object(map) if is_leaf(map) => map.get("constant_value").cloned(),
        Value::Object(block) => {
            let members = block.iter();
            let members = members.map(|(name, member)| Some((name.clone(), constant(member)?)));
            members.collect::<Option<Map<_, _>>>().map(Value::Object)
        }
        Value::Array(blocks) => blocks.iter().map(constant).collect(),
        _ => None,
    }
}
