//! The owners of resources: the results of lists that say which project or pool a resource belongs to.

use std::collections::{BTreeMap, BTreeSet};

/// The owners of resources, as far as they could be read.
#[derive(Debug, Default)]
pub(super) struct Owners {
    /// The owner of each resource.
    pub(super) of: BTreeMap<String, String>,
    /// The owner of all resources: the only project of the account.
    pub(super) of_all: Option<String>,
    /// Why some owners could not be read.
    pub(super) doubt: Option<String>,
}

impl Owners {
    pub(super) fn doubted(why: String) -> Self {
        Self {
            doubt: Some(why),
            ..Self::default()
        }
    }
}

/// What could not be read of the owners of a kind: it stays as it was last known.
#[derive(Debug, Default)]
pub(super) struct Unread {
    /// Fields that specs may set.
    pub(super) fields: BTreeSet<&'static str>,
    /// Why, for each field or attribute.
    pub(super) notes: Vec<String>,
}

impl Unread {
    /// Returns all reasons in one line, if there are any.
    pub(super) fn note(&self) -> Option<String> {
        (!self.notes.is_empty()).then(|| self.notes.join("; "))
    }
}
