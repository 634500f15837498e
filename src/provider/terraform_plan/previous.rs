//! What an earlier import knew of an instance.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::decisions::Verdict;
use super::keyed::Digest;

/// A value, or the digest of a secret one.
#[derive(Clone, PartialEq)]
pub enum Known {
    /// The value.
    Value(Value),
    /// The digest of a value that is not shown.
    Digest(Digest),
}

/// Does not show values.
impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(_) => f.write_str("Value(..)"),
            Self::Digest(digest) => write!(f, "Digest({digest})"),
        }
    }
}

/// What an earlier import knew of an instance.
#[derive(Clone, Debug, Default)]
pub struct Previous {
    /// Fields by name.
    pub fields: BTreeMap<String, PreviousField>,
    /// Digest of the applied values, if a normal plan decided that the configuration does not have the instance.
    pub removed: Option<Digest>,
}

/// What an earlier import knew of a field.
#[derive(Clone, Debug)]
pub struct PreviousField {
    /// Value that is in force.
    pub desired: Known,
    /// Digest of the constant of the configuration, if an import saw it equal to the state.
    pub constant: Option<Digest>,
    /// Live value, if it was open drift.
    pub open: Option<Known>,
    /// Whether the value in force was accepted, so that it replaces the value that was applied.
    pub accepted: bool,
    /// Value that the accepted one replaced. If the state has it again, an apply put it back.
    pub replaced: Option<Known>,
    /// What a normal plan decided about the attribute.
    pub verdict: Option<Verdict>,
    /// Whether the values that were recorded before the field was secret are hidden.
    pub hidden: bool,
}
