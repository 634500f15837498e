//! Projects, registries and uptime checks.

use serde_json::Value;

use super::{Context, Shape, named, resource, text};
use crate::domain::inventory::ListedResource;
use crate::provider::digitalocean::map::shape::Field;
use crate::provider::normalize;

pub(super) const PROJECT: &[Field] = &[
    ("description", Shape::Plain),
    ("environment", Shape::Plain),
    ("is_default", Shape::Switch),
];

pub(in super::super) fn project(item: &Value, _: &Context) -> Option<ListedResource> {
    let mut project = named(item, "project", PROJECT)?;
    if let Some(purpose) = text(item, "/purpose") {
        project.with_attr("purpose", normalize::purpose(&purpose));
    }
    Some(project)
}

pub(in super::super) fn registry(item: &Value, _: &Context) -> Option<ListedResource> {
    let name = text(item, "/name")?;
    let mut registry = resource(item, "registry", &name, None);
    if let Some(tier) = text(item, "/subscription/tier/slug") {
        registry.with_attr("subscription_tier_slug", tier);
    }
    Some(registry)
}

pub(super) const UPTIME_CHECK: &[Field] = &[
    ("type", Shape::Lower),
    ("target", Shape::Url),
    ("regions", Shape::Lower),
    ("enabled", Shape::Switch),
];

pub(in super::super) fn uptime_check(item: &Value, _: &Context) -> Option<ListedResource> {
    let mut check = named(item, "uptime_check", UPTIME_CHECK)?;
    check.settling = false;
    check.attrs.entry("type").or_insert_with(|| "https".into());
    Some(check)
}

/// Returns the id of the account: the id of the team if the token belongs to a team, otherwise the id of the user.
///
/// DigitalOcean's API reference, "Account": `uuid` is the id of the user in each team. With it, two teams of one user
/// would count as one account, and tokens of two members of a team as two accounts.
pub(in super::super) fn identity(answer: &Value) -> Option<String> {
    text(answer, "/account/team/uuid").or_else(|| text(answer, "/account/uuid"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::shown;
    use super::*;

    #[test]
    fn projects_registries_and_uptime_checks_are_mapped() {
        let item = json!({ "id": "p-1", "name": "shop", "description": "", "purpose": "Web Application",
            "environment": "Production", "is_default": true, "owner_id": 1, "updated_at": "2026" });
        assert_eq!(
            shown(project(&item, &Context::default())),
            json!({ "id": "p-1", "urn": "do:project:p-1", "name": "shop", "attrs":
                { "purpose": "Web Application", "environment": "Production", "is_default": true } })
        );
        let item = json!({ "name": "shop", "region": "fra1", "storage_usage_bytes": 1,
            "subscription": { "tier": { "slug": "basic", "monthly_price_in_cents": 500 } } });
        assert_eq!(
            shown(registry(&item, &Context::default())),
            json!({ "id": "shop", "urn": "do:registry:shop", "name": "shop", "region": "fra1",
                    "attrs": { "subscription_tier_slug": "basic" } })
        );
        let item = json!({ "id": "u-1", "name": "home", "type": "https", "target": "https://shop.example",
            "regions": ["us_west", "eu_west"], "enabled": false });
        assert_eq!(
            shown(uptime_check(&item, &Context::default()))["attrs"],
            json!({ "type": "https", "target": "https://shop.example", "regions": ["eu_west", "us_west"],
                    "enabled": false })
        );
    }

    #[test]
    fn the_team_id_is_preferred_to_the_user_id() {
        let answer = json!({ "account": { "uuid": "ada", "team": { "uuid": "team-1" } } });
        assert_eq!(identity(&answer).as_deref(), Some("team-1"));
        assert_eq!(
            identity(&json!({ "account": { "uuid": "ada" } })).as_deref(),
            Some("ada")
        );
        assert_eq!(identity(&json!({ "account": {} })), None);
    }
}
