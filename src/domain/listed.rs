//! A resource as a listing returns it.

use std::collections::BTreeSet;

use entity::cloud_resources;
use serde_json::{Map, Value};

/// The schema field that says which project a resource belongs to.
pub const PROJECT_ID: &str = "project_id";

/// A resource as a listing has it.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedResource {
    /// The provider's own id, unique within the kind.
    pub provider_id: String,
    /// Uniform name.
    pub urn: String,
    /// Name that operators gave it, empty if it has none.
    pub name: String,
    /// Region slug.
    pub region: Option<String>,
    /// Size slug.
    pub size_slug: Option<String>,
    /// Status as the provider words it.
    pub status: Option<String>,
    /// Tags, in the order of the listing.
    pub tags: Vec<String>,
    /// Primary address.
    pub ip: Option<String>,
    /// Network that it belongs to.
    pub vpc_uuid: Option<String>,
    /// Project that it belongs to.
    pub project_id: Option<String>,
    /// Everything else that is compared.
    pub attrs: Map<String, Value>,
    /// Whether the provider reports a temporary status: new, creating, resizing, upgrading, ...
    pub settling: bool,
    /// What this listing could not tell, by the name of the schema field or attribute: it stays as it was
    /// last known, so that a question without an answer never looks like a change.
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
