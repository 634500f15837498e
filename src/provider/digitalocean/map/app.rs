//! Apps: their spec, without anything that may be secret.
//!
//! DigitalOcean's API reference, "Apps": values of the environment, credentials of registries and the
//! destinations of logs may be secrets, whether or not they are marked so. Their names are kept, no values.

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
