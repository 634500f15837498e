//! Properties of a kind that the rules depend on. Each provider defines them for its kinds.

use serde_json::Value;

use super::listed::ListedResource;
use super::severity::SeverityRule;

/// Properties of one kind. The default is for kinds without special rules.
#[derive(Clone, Copy, Debug)]
pub struct KindTraits {
    /// Whether resources of the kind can be settling. False for kinds that admit or route traffic, such as firewalls
    /// and DNS records: their changes take effect at once.
    pub settles: bool,
    /// Whether an unset project means that the project could not be read.
    pub unset_project_is_unread: bool,
    /// Returns whether a listed resource is owned.
    pub is_owned: fn(&ListedResource) -> bool,
    /// Returns the fields that change without an operator's decision, given the attributes of a resource.
    pub volatile_fields: fn(&Value) -> &'static [&'static str],
    /// Rules for the severity of differences, in addition to those for any cloud.
    pub severity_rules: &'static [SeverityRule],
}

impl KindTraits {
    /// The properties of a kind without special rules.
    pub(crate) const PLAIN: Self = Self {
        settles: true,
        unset_project_is_unread: false,
        is_owned: |_| false,
        volatile_fields: |_| &[],
        severity_rules: &[],
    };
}

impl Default for KindTraits {
    fn default() -> Self {
        Self::PLAIN
    }
}
