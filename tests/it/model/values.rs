//! The values of the sequences: a few meanings, each in several notations.
//!
//! Which notations have the same meaning is written down here, so that the model does not depend on how the server
//! compares values.

use std::collections::BTreeMap;
use std::fmt;

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

/// The fields of the resources and specs. The first two are schema fields, the third is an attribute.
pub(super) const FIELDS: [&str; 3] = ["region", "tags", "mode"];
/// The field that listings may be unable to read.
pub(super) const MODE: usize = 2;
/// The field of a drift of a missing resource.
pub(super) const WHOLE: usize = 3;

/// The name of a field.
pub(super) fn field_name(field: usize) -> &'static str {
    FIELDS.get(field).copied().unwrap_or("*")
}

/// A value in one notation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct V(u8);

impl V {
    pub(super) const NULL: Self = Self(0);
    pub(super) const A: Self = Self(4);
    pub(super) const B: Self = Self(5);
    const LISTS: [Self; 4] = [Self(12), Self(13), Self(14), Self(15)];

    pub(super) fn json(self) -> Value {
        match self.0 {
            0 => Value::Null,
            1 => json!(""),
            2 => json!([]),
            3 => json!({}),
            4 => json!("a"),
            5 => json!("b"),
            6 => json!(25),
            7 => json!(25.0),
            8 => json!("25"),
            9 => json!("25.0"),
            10 => json!(true),
            11 => json!("true"),
            12 => json!(["a"]),
            13 => json!(["a", "b"]),
            14 => json!(["b", "a", "a"]),
            15 => json!(["c"]),
            16 => json!({ "k": "a" }),
            _ => json!({ "k": "a", "x": null }),
        }
    }

    /// Two values are equal if and only if their meanings are.
    pub(super) fn meaning(self) -> &'static str {
        match self.0 {
            0..=3 => "unset",
            4 => "a",
            5 => "b",
            6..=8 => "25",
            9 => "25.0",
            10 | 11 => "true",
            12 => "the set of a",
            13 | 14 => "the set of a and b",
            15 => "the set of c",
            _ => "the map of k to a",
        }
    }
}

impl fmt::Debug for V {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.json())
    }
}

/// A value for a spec: any, but often one that a resource may have.
pub(super) fn wanted(field: usize) -> BoxedStrategy<V> {
    prop_oneof![3 => live(field).prop_map(|live| live.unwrap_or(V::NULL)), 1 => any_value()].boxed()
}

/// A live value: one that the column may have, or any for an attribute.
pub(super) fn live(field: usize) -> BoxedStrategy<Option<V>> {
    match field {
        0 => select(vec![Some(V::A), Some(V::B), None]).boxed(),
        1 => prop_oneof![4 => select(V::LISTS.to_vec()).prop_map(Some), 1 => Just(None)].boxed(),
        _ => prop_oneof![6 => any_value().prop_map(Some), 1 => Just(None)].boxed(),
    }
}

fn any_value() -> impl Strategy<Value = V> {
    (0_u8..18).prop_map(V)
}

/// A spec: values by field.
pub(super) type Spec = BTreeMap<usize, V>;

pub(super) fn spec_json(spec: &Spec) -> Value {
    let fields = spec
        .iter()
        .map(|(field, value)| (field_name(*field).to_owned(), value.json()));
    Value::Object(fields.collect())
}

/// An expected value as a drift shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    Value(V),
    /// The whole spec of a missing resource.
    Spec(Spec),
}

impl Shown {
    pub(super) fn json(&self) -> Value {
        match self {
            Self::Value(value) => value.json(),
            Self::Spec(spec) => spec_json(spec),
        }
    }

    pub(super) fn means(&self, other: &Self) -> bool {
        let set = |spec: &Spec| -> BTreeMap<usize, &str> {
            let meanings = spec.iter().map(|(field, value)| (*field, value.meaning()));
            meanings.filter(|(_, meaning)| *meaning != "unset").collect()
        };
        match (self, other) {
            (Self::Value(a), Self::Value(b)) => a.meaning() == b.meaning(),
            (Self::Spec(a), Self::Spec(b)) => set(a) == set(b),
            _ => false,
        }
    }
}
