//! Projects, registries and uptime checks.

use serde_json::Value;

use super::{Context, Shape, named, resource, text};
use crate::domain::inventory::ListedResource;
use crate::provider::digitalocean::map::shape::Field;

const PROJECT: &[Field] = &[
    ("description", Shape::Plain),
    ("purpose", Shape::Plain),
    ("environment", Shape::Plain),
    ("is_default", Shape::Plain),
];

pub(in super::super) fn project(item: &Value, _: &Context) -> Option<ListedResource> {
    named(item, "project", PROJECT)
}

pub(in super::super) fn registry(item: &Value, _: &Context) -> Option<ListedResource> {
    let name = text(item, "/name")?;
    let mut registry = resource(item, "registry", &name, None);
    if let Some(tier) = text(item, "/subscription/tier/slug") {
        registry.with_attr("subscription_tier_slug", tier);
    }
    Some(registry)
}

const UPTIME_CHECK: &[Field] = &[
    ("type", Shape::Lower),
    ("target", Shape::Url),
    ("regions", Shape::Lower),
    ("enabled", Shape::Plain),
];

pub(in super::super) fn uptime_check(item: &Value, _: &Context) -> Option<ListedResource> {
    let mut check = named(item, "uptime_check", UPTIME_CHECK)?;
    check.settling = false;
    Some(check)
}

/// What an inventory is of: the team, if the token is one of a team's, else the user.
///
/// DigitalOcean's API reference, "Account": `uuid` is the user's, whichever team the token is of, so two teams
/// of one person would look like one account, and a colleague's token like another.
pub(in super::super) fn identity(answer: &Value) -> Option<String> {
    text(answer, "/account/team/uuid").or_else(|| text(answer, "/account/uuid"))
}
