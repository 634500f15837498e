//! Checks of listed resources before they are stored.

use crate::domain::inventory::ListedResource;
use crate::domain::validation::{InvalidInput, MAX_TEXT_BYTES, check_attributes, check_text};

/// Longest id, kind or slug, in bytes. PostgreSQL's index entries hold 2,700 bytes, and several of these
/// share one.
pub(super) const MAX_SLUG_BYTES: usize = 512;

/// Checks that all values of a resource can be stored.
pub(crate) fn check_resource(resource: &ListedResource) -> Result<(), InvalidInput> {
    let region = resource.region.as_deref();
    check_identity(&resource.provider_id, &resource.name, &resource.urn, region)?;
    let slugs = [
        ("sizeSlug", &resource.size_slug),
        ("status", &resource.status),
        ("ip", &resource.ip),
        ("vpcUuid", &resource.vpc_uuid),
        ("projectId", &resource.project_id),
    ];
    for (what, text) in slugs {
        check_text(what, text.as_deref().unwrap_or_default(), MAX_SLUG_BYTES)?;
    }
    for tag in &resource.tags {
        check_text("tags", tag, MAX_TEXT_BYTES)?;
    }
    check_attributes(&resource.attrs)
}

pub(super) fn check_slug(what: &str, text: &str) -> Result<(), InvalidInput> {
    if text.trim().is_empty() {
        let why = if text.is_empty() { "empty" } else { "blank" };
        return Err(InvalidInput::new(format!("{what} is {why}")));
    }
    check_text(what, text, MAX_SLUG_BYTES)
}

/// Checks that the values of the unique key can be stored.
pub(crate) fn check_identity(
    provider_id: &str,
    name: &str,
    urn: &str,
    region: Option<&str>,
) -> Result<(), InvalidInput> {
    check_slug("providerId", provider_id)?;
    check_text("name", name, MAX_TEXT_BYTES)?;
    check_text("urn", urn, MAX_TEXT_BYTES)?;
    check_text("region", region.unwrap_or_default(), MAX_SLUG_BYTES)
}
