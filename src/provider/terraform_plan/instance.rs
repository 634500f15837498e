//! The instances that a plan describes.

use std::fmt;

use serde_json::Value;

use super::decisions::Verdict;
use super::keyed::Digest;

/// An instance of a resource, with both sides of each declared field.
#[derive(Clone)]
pub struct Instance {
    /// Address in the state.
    pub address: String,
    /// Address in the last applied state, if a `moved` block changed it.
    pub previous_address: Option<String>,
    /// Source address of the provider, such as `registry.terraform.io/hashicorp/aws`.
    pub provider: String,
    /// Terraform type.
    pub kind: String,
    /// A readable name: a tag, a name, the id, or else the address.
    pub name: String,
    /// Region, if the plan says it.
    pub region: Option<String>,
    /// The provider's id, unless it is secret.
    pub cloud_id: Option<String>,
    /// Declared fields, by name.
    pub fields: Vec<Field>,
    /// Whether the provider no longer has it.
    pub gone: bool,
    /// Whether Terraform will replace it, because its creation failed halfway.
    pub tainted: bool,
    /// Attributes with blocks that are not declared, or declared dynamically: the plan does not say which.
    pub not_compared: Vec<String>,
    /// Attributes that changed outside and are not declared. The next apply may undo the changes all the same.
    pub undeclared_changes: Vec<String>,
    /// Whether a normal plan decided what the configuration would undo.
    pub decided: bool,
}

/// A declared field.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Name of the attribute.
    pub name: String,
    /// Both values.
    pub sides: Sides,
    /// The constant of the configuration, if it is one.
    pub constant: Option<Constant>,
    /// Whether the state took over a live value that no user accepted, so that the plan shows no drift. If the code
    /// refers to other values, it may also have followed, which only a normal plan shows.
    pub swallowed: bool,
    /// Whether the code has the value in force, so that an accept of this value no longer matters.
    pub followed: bool,
    /// What a normal plan of this or of an earlier import decided.
    pub verdict: Option<Verdict>,
}

impl Field {
    /// Returns whether the values are not shown.
    pub fn redacted(&self) -> bool {
        matches!(self.sides, Sides::Redacted { .. })
    }
}

/// The desired and the live value of a field.
#[derive(Clone, PartialEq)]
pub enum Sides {
    /// Values that may be shown. Blocks contain their declared attributes only, and JSON texts are parsed.
    Shown {
        /// The value in force.
        desired: Value,
        /// The value that the provider read.
        live: Value,
    },
    /// Secret values.
    Redacted {
        /// Whether they are loosely equal.
        equal: bool,
        /// Digest of the value in force.
        desired: Digest,
        /// Digest of the value that the provider read.
        live: Digest,
    },
}

/// The constant that a configuration has for a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Constant {
    /// Its digest.
    pub digest: Digest,
    /// Whether it is the value that was applied last. Some attributes never are, such as hashes of their text.
    pub equals_applied: bool,
    /// Whether it is the live value.
    pub equals_live: bool,
}

/// Does not show values: what is not recognized as a secret may be one all the same.
impl fmt::Debug for Sides {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shown { .. } => f.write_str("Shown(..)"),
            Self::Redacted { equal, .. } => write!(f, "Redacted(equal: {equal})"),
        }
    }
}

/// Shows the address and the names of the fields.
impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance")
            .field("address", &self.address)
            .field("kind", &self.kind)
            .field("gone", &self.gone)
            .field("fields", &self.fields)
            .field("not_compared", &self.not_compared)
            .finish_non_exhaustive()
    }
}
