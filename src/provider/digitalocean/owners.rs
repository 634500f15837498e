//! The owners of resources: the project or the autoscale pool that each resource belongs to.

use std::collections::{BTreeMap, BTreeSet};

/// The owners of resources, as far as they could be read.
#[derive(Debug, Default)]
pub(super) struct Owners {
    /// The owner of each resource, by the id or the uniform name of the resource.
    pub(super) of: BTreeMap<String, String>,
    /// The owner of all resources: the only project of the account.
    pub(super) of_all: Option<String>,
    /// Why some owners could not be read.
    pub(super) failure: Option<String>,
}

impl Owners {
    pub(super) fn failed(why: String) -> Self {
        Self {
            failure: Some(why),
            ..Self::default()
        }
    }
}

/// The owners of a kind that could not be read. They keep their last values.
#[derive(Debug, Default)]
pub(super) struct Unread {
    /// Unread fields that specs may set.
    pub(super) fields: BTreeSet<&'static str>,
    /// Reason for each field or attribute that could not be read.
    pub(super) notes: Vec<String>,
}

impl Unread {
    /// Returns all reasons in one line, if there are any.
    pub(super) fn note(&self) -> Option<String> {
        (!self.notes.is_empty()).then(|| self.notes.join("; "))
    }
}
