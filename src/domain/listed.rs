//! A resource as a listing returns it.

use std::collections::BTreeSet;

use entity::cloud_resources;
use serde_json::{Map, Value};

/// The schema field for the project of a resource.
pub const PROJECT_ID: &str = "project_id";

/// One resource of a listing.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedResource {
    /// The provider's id, unique within the kind.
    pub provider_id: String,
    /// Uniform resource name (URN): the name that the provider defines, otherwise `provider:kind:providerId`.
    pub urn: String,
    /// Display name; empty if it has none.
    pub name: String,
    /// Region slug.
    pub region: Option<String>,
    /// Size slug.
    pub size_slug: Option<String>,
    /// Status in the provider's terms.
    pub status: Option<String>,
    /// Tags, in the order of the listing.
    pub tags: Vec<String>,
    /// Primary IP address.
    pub ip: Option<String>,
    /// VPC that it belongs to.
    pub vpc_uuid: Option<String>,
    /// Project that it belongs to.
    pub project_id: Option<String>,
    /// Attributes: all compared values that are not schema fields.
    pub attrs: Map<String, Value>,
    /// Whether the provider reports a temporary status: new, creating, resizing, upgrading, ...
    pub settling: bool,
    /// Unread fields: names of schema fields or attributes that this listing could not read. They keep their last
    /// values, so that a failed read does not look like a change.
    pub unread_fields: BTreeSet<&'static str>,
}

impl ListedResource {
    /// Returns the resource with the stored values of its unread fields.
    pub(super) fn completed(mut self, row: Option<&cloud_resources::Model>) -> Self {
        for field in std::mem::take(&mut self.unread_fields) {
            match (field, row) {
                (PROJECT_ID, Some(row)) => self.project_id.clone_from(&row.project_id),
                (_, Some(row)) => {
                    if let Some(value) = row.attrs.get(field) {
                        self.attrs.insert(field.to_owned(), value.clone());
                    }
                }
                (_, None) => {}
            }
        }
        self
    }
}
