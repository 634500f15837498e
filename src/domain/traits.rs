//! What the rules need to know about a kind of resources. The provider of the kind says it.

use serde_json::Value;

use super::listed::ListedResource;

/// The traits of one kind. The default fits a kind of which nothing special is known.
#[derive(Clone, Copy, Debug)]
pub struct KindTraits {
    /// Whether a temporary status delays the drifts of its resources. Rules that let traffic in or send it somewhere
    /// take effect at once, so they never settle.
    pub settles: bool,
    /// Whether an unset project means that the project could not be read.
    pub unset_project_is_unread: bool,
    /// Whether another part of the cloud created the resource and maintains it.
    pub is_owned: fn(&ListedResource) -> bool,
    /// Fields that change without a decision of the operators, given the attributes of the resource.
    pub volatile_fields: fn(&Value) -> &'static [&'static str],
}

impl KindTraits {
    /// The default.
    pub(crate) const PLAIN: Self = Self {
        settles: true,
        unset_project_is_unread: false,
        is_owned: |_| false,
        volatile_fields: |_| &[],
    };
}

impl Default for KindTraits {
    fn default() -> Self {
        Self::PLAIN
    }
}
