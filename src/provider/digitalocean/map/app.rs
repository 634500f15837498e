//! Apps: their spec, without anything that may be secret.
//!
//! DigitalOcean's API reference, "Apps": values of the environment, credentials of registries and the
//! destinations of logs may be secrets, whether or not they are marked so. Their names are kept, no values.

use serde_json::Value;

use super::{Context, Shape, resource, text};
use crate::domain::inventory::ListedResource;
use crate::provider::digitalocean::map::shape::{Field, pick};

const ENVS: Shape = Shape::Object(&[
    ("key", Shape::Plain),
    ("scope", Shape::Plain),
    ("type", Shape::Plain),
]);
const LOG_DESTINATIONS: Shape = Shape::Object(&[("name", Shape::Plain)]);
const REPOSITORY: Shape = Shape::Object(&[
    ("branch", Shape::Plain),
    ("repo", Shape::Plain),
    ("repo_clone_url", Shape::Url),
    ("deploy_on_push", Shape::Plain),
]);
const IMAGE: Shape = Shape::Object(&[
    ("registry", Shape::Plain),
    ("registry_type", Shape::Plain),
    ("repository", Shape::Plain),
    ("tag", Shape::Plain),
    ("digest", Shape::Plain),
    ("deploy_on_push", Shape::Object(&[("enabled", Shape::Plain)])),
]);
const HEALTH_CHECK: Shape = Shape::Object(&[
    ("failure_threshold", Shape::Plain),
    ("port", Shape::Plain),
    ("http_path", Shape::Plain),
    ("initial_delay_seconds", Shape::Plain),
    ("period_seconds", Shape::Plain),
    ("success_threshold", Shape::Plain),
    ("timeout_seconds", Shape::Plain),
]);
const MATCH: Shape = Shape::Object(&[
    ("exact", Shape::Plain),
    ("prefix", Shape::Plain),
    ("regex", Shape::Plain),
]);
const CORS: Shape = Shape::Object(&[
    ("allow_origins", MATCH),
    ("allow_methods", Shape::Plain),
    ("allow_headers", Shape::Plain),
    ("expose_headers", Shape::Plain),
    ("max_age", Shape::Plain),
    ("allow_credentials", Shape::Plain),
]);
const AUTOSCALING: Shape = Shape::Object(&[
    ("min_instance_count", Shape::Plain),
    ("max_instance_count", Shape::Plain),
    (
        "metrics",
        Shape::Object(&[
            ("cpu", Shape::Object(&[("percent", Shape::Plain)])),
            (
                "requests_per_second",
                Shape::Object(&[("per_instance", Shape::Plain)]),
            ),
            (
                "request_duration",
                Shape::Object(&[("p95_milliseconds", Shape::Plain)]),
            ),
        ]),
    ),
]);
const ALERTS: Shape = Shape::Object(&[
    ("rule", Shape::Plain),
    ("disabled", Shape::Plain),
    ("operator", Shape::Plain),
    ("value", Shape::Plain),
    ("window", Shape::Plain),
]);

/// Services, sites, jobs, workers and functions have most of these.
const COMPONENT: Shape = Shape::Object(&[
    ("name", Shape::Plain),
    ("git", REPOSITORY),
    ("github", REPOSITORY),
    ("gitlab", REPOSITORY),
    ("bitbucket", REPOSITORY),
    ("image", IMAGE),
    ("dockerfile_path", Shape::Plain),
    ("build_command", Shape::Plain),
    ("run_command", Shape::Plain),
    ("source_dir", Shape::Plain),
    ("output_dir", Shape::Plain),
    ("index_document", Shape::Plain),
    ("error_document", Shape::Plain),
    ("catchall_document", Shape::Plain),
    ("environment_slug", Shape::Plain),
    ("envs", ENVS),
    ("log_destinations", LOG_DESTINATIONS),
    ("instance_count", Shape::Plain),
    ("instance_size_slug", Shape::Plain),
    ("autoscaling", AUTOSCALING),
    ("cors", CORS),
    ("health_check", HEALTH_CHECK),
    ("liveness_health_check", HEALTH_CHECK),
    ("protocol", Shape::Plain),
    ("http_port", Shape::Plain),
    ("internal_ports", Shape::Plain),
    (
        "routes",
        Shape::Object(&[("path", Shape::Plain), ("preserve_path_prefix", Shape::Plain)]),
    ),
    (
        "termination",
        Shape::Object(&[
            ("drain_seconds", Shape::Plain),
            ("grace_period_seconds", Shape::Plain),
        ]),
    ),
    ("kind", Shape::Plain),
    ("alerts", ALERTS),
]);

const INGRESS: Shape = Shape::Object(&[
    (
        "rules",
        Shape::Object(&[
            ("match", Shape::Object(&[("path", MATCH), ("authority", MATCH)])),
            ("cors", CORS),
            (
                "component",
                Shape::Object(&[
                    ("name", Shape::Plain),
                    ("preserve_path_prefix", Shape::Plain),
                    ("rewrite", Shape::Plain),
                ]),
            ),
            (
                "redirect",
                Shape::Object(&[
                    ("uri", Shape::Plain),
                    ("authority", Shape::Plain),
                    ("port", Shape::Plain),
                    ("scheme", Shape::Plain),
                    ("redirect_code", Shape::Plain),
                ]),
            ),
        ]),
    ),
    ("custom_error_page_url", Shape::Url),
]);

const APP: &[Field] = &[(
    "spec",
    Shape::Object(&[
        ("name", Shape::Plain),
        ("region", Shape::Lower),
        ("features", Shape::Plain),
        ("disable_edge_cache", Shape::Plain),
        ("disable_email_obfuscation", Shape::Plain),
        ("enhanced_threat_control_enabled", Shape::Plain),
        (
            "domains",
            Shape::Object(&[
                ("domain", Shape::Lower),
                ("type", Shape::Plain),
                ("wildcard", Shape::Plain),
                ("zone", Shape::Lower),
                ("minimum_tls_version", Shape::Plain),
            ]),
        ),
        ("services", COMPONENT),
        ("static_sites", COMPONENT),
        ("jobs", COMPONENT),
        ("workers", COMPONENT),
        ("functions", COMPONENT),
        (
            "databases",
            Shape::Object(&[
                ("name", Shape::Plain),
                ("cluster_name", Shape::Plain),
                ("db_name", Shape::Plain),
                ("db_user", Shape::Plain),
                ("engine", Shape::Plain),
                ("version", Shape::Plain),
                ("production", Shape::Plain),
            ]),
        ),
        ("envs", ENVS),
        ("alerts", ALERTS),
        ("ingress", INGRESS),
        ("egress", Shape::Object(&[("type", Shape::Plain)])),
        (
            "maintenance",
            Shape::Object(&[
                ("enabled", Shape::Plain),
                ("archive", Shape::Plain),
                ("offline_page_url", Shape::Url),
            ]),
        ),
        ("vpc", Shape::Object(&[("id", Shape::Lower)])),
    ]),
)];

pub(in super::super) fn app(item: &Value, _: &Context) -> Option<ListedResource> {
    let id = item.get("id").and_then(super::id_text)?;
    let mut app = resource(item, "app", &id, text(item, "/spec/name"));
    app.region = super::lower(item, "/spec/region").or(app.region);
    app.status = text(item, "/active_deployment/phase");
    app.settling = ["/in_progress_deployment/id", "/pending_deployment/id"]
        .into_iter()
        .any(|deployment| text(item, deployment).is_some());
    for (name, shape) in APP {
        if let Some(mut picked) = item.get(name).and_then(|value| pick(value, shape)) {
            drop_general(&mut picked);
            app.with_attr(name, picked);
        }
    }
    Some(app)
}

/// A variable without a type is a `GENERAL` one.
fn drop_general(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(drop_general),
        Value::Object(fields) => {
            if fields.contains_key("key") && fields.get("type").is_some_and(|kind| kind == "GENERAL") {
                fields.remove("type");
            }
            fields.values_mut().for_each(drop_general);
        }
        _ => {}
    }
}
