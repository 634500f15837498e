//! Apps, without the parts of their `spec` that may be secret.
//!
//! DigitalOcean's API reference, "Apps": values of environment variables, credentials of registries and destinations of
//! logs may be secrets, even if they are not marked as such. Only names are stored, no values.

use serde_json::Value;

use super::{Context, resource, text};
use crate::domain::inventory::ListedResource;
use crate::provider::app_spec::app_spec;

pub(in super::super) fn app(item: &Value, _: &Context) -> Option<ListedResource> {
    let id = item.get("id").and_then(super::id_text)?;
    let mut app = resource(item, "app", &id, text(item, "/spec/name"));
    app.region = super::lower(item, "/spec/region").or(app.region);
    app.status = text(item, "/active_deployment/phase");
    app.settling = ["/in_progress_deployment/id", "/pending_deployment/id"]
        .into_iter()
        .any(|deployment| text(item, deployment).is_some());
    if let Some(Value::Object(spec)) = item.get("spec") {
        app.with_attr("spec", app_spec(spec));
    }
    Some(app)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::shown;
    use super::*;

    #[test]
    fn an_app_is_mapped_without_values_of_environment_variables() {
        let item = json!({
            "id": "a-1", "project_id": "p-1", "region": { "slug": "ams" }, "tier_slug": "basic",
            "live_url": "https://shop.example", "in_progress_deployment": { "id": "d-2" },
            "active_deployment": { "id": "d-1", "phase": "ACTIVE", "cause": "hunter2" },
            "spec": { "name": "shop", "services": [{ "name": "web", "instance_count": 2,
                "envs": [{ "key": "API_KEY", "value": "hunter2", "type": "SECRET", "scope": "RUN_TIME" }] }] },
        });
        assert_eq!(
            shown(app(&item, &Context::default())),
            json!({
                "id": "a-1", "urn": "do:app:a-1", "name": "shop", "region": "ams", "status": "ACTIVE",
                "project_id": "p-1", "settling": true,
                "attrs": { "spec": { "name": "shop", "services": [{ "name": "web", "instance_count": 2,
                    "envs": [{ "key": "API_KEY", "type": "SECRET", "scope": "RUN_TIME" }] }] } },
            })
        );
    }
}
