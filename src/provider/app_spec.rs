//! Reduces the `spec` of an app to the fields that may be stored, for expected and live values alike.

use serde_json::{Map, Value};

use super::normalize::without_user;

/// Fields of an app's `spec` that may be stored, at any depth. Values of variables, credentials of registries, tokens
/// of log destinations and webhooks of alerts are excluded, because they can be secrets.
const APP_FIELDS: [&str; 96] = [
    "alerts",
    "allow_credentials",
    "allow_headers",
    "allow_methods",
    "allow_origins",
    "archive",
    "authority",
    "autoscaling",
    "bitbucket",
    "branch",
    "build_command",
    "catchall_document",
    "cluster_name",
    "component",
    "cors",
    "cpu",
    "databases",
    "db_name",
    "db_user",
    "deploy_on_push",
    "digest",
    "disable_edge_cache",
    "disable_email_obfuscation",
    "disabled",
    "dockerfile_path",
    "domain",
    "domains",
    "drain_seconds",
    "egress",
    "enabled",
    "engine",
    "enhanced_threat_control_enabled",
    "environment_slug",
    "envs",
    "error_document",
    "exact",
    "expose_headers",
    "failure_threshold",
    "features",
    "functions",
    "git",
    "github",
    "gitlab",
    "grace_period_seconds",
    "health_check",
    "http_path",
    "http_port",
    "id",
    "image",
    "index_document",
    "ingress",
    "initial_delay_seconds",
    "instance_count",
    "instance_size_slug",
    "internal_ports",
    "jobs",
    "kind",
    "liveness_health_check",
    "log_destinations",
    "maintenance",
    "match",
    "max_age",
    "max_instance_count",
    "metrics",
    "min_instance_count",
    "name",
    "operator",
    "output_dir",
    "path",
    "percent",
    "period_seconds",
    "port",
    "prefix",
    "preserve_path_prefix",
    "production",
    "redirect",
    "redirect_code",
    "regex",
    "region",
    "registry",
    "registry_type",
    "repo",
    "repository",
    "rewrite",
    "routes",
    "rule",
    "rules",
    "run_command",
    "scheme",
    "services",
    "source_dir",
    "static_sites",
    "success_threshold",
    "tag",
    "termination",
    "type",
];
/// The second part of [`APP_FIELDS`].
const MORE_APP_FIELDS: [&str; 10] = [
    "timeout_seconds",
    "uri",
    REPO_CLONE_URL,
    "version",
    "vpc",
    "wildcard",
    "window",
    "workers",
    "zone",
    "offline_page_url",
];
/// URL of a source repository. A user and password in it are removed.
const REPO_CLONE_URL: &str = "repo_clone_url";
/// Maximum depth of an app's `spec`. The format itself has nine levels.
const APP_LEVELS: usize = 16;

/// Returns the `spec` of an app, in the format of the API, with only the fields that may be stored. False, zero and
/// empty values are removed, because the API omits them and Terraform states contain them.
pub(crate) fn app_spec(spec: &Map<String, Value>) -> Value {
    Value::Object(app_object("", spec, 0))
}

fn app_object(parent_field: &str, object: &Map<String, Value>, level: usize) -> Map<String, Value> {
    let mut kept: Map<String, Value> = object
        .iter()
        .filter(|(field, _)| may_keep(parent_field, field))
        .filter_map(|(field, value)| Some((field.clone(), app_value(field, value, level + 1)?)))
        .collect();
    add_defaults(parent_field, &mut kept);
    kept
}

/// Adds the defaults of the API, which a response or a Terraform state may omit.
fn add_defaults(parent_field: &str, object: &mut Map<String, Value>) {
    let (field, default) = match parent_field {
        "envs" => ("scope", Value::from("RUN_AND_BUILD_TIME")),
        "image" if !object.contains_key("digest") => ("tag", "latest".into()),
        // With autoscaling, the count is dropped, because the autoscaler sets it.
        "services" | "workers" | "jobs" if object.contains_key("autoscaling") => {
            object.remove("instance_count");
            return;
        }
        "services" | "workers" | "jobs" => ("instance_count", 1.into()),
        _ => return,
    };
    if !object.is_empty() {
        object.entry(field).or_insert(default);
    }
}

/// Returns whether a value is a default that most responses omit. Such values are removed.
fn is_default(field: &str, text: &str) -> bool {
    matches!(
        (field, text),
        ("type", "GENERAL" | "AUTOASSIGN") | ("kind", "UNSPECIFIED")
    )
}

fn may_keep(parent_field: &str, field: &str) -> bool {
    match parent_field {
        "envs" => matches!(field, "key" | "scope" | "type"),
        "log_destinations" => field == "name",
        "alerts" => matches!(field, "rule" | "disabled" | "operator" | "value" | "window"),
        _ => APP_FIELDS.contains(&field) || MORE_APP_FIELDS.contains(&field),
    }
}

fn app_value(field: &str, value: &Value, level: usize) -> Option<Value> {
    if level > APP_LEVELS {
        return None;
    }
    match value {
        Value::Null | Value::Bool(false) => None,
        Value::Number(number) if number.as_f64() == Some(0.0) => None,
        Value::String(text) if text.is_empty() || is_default(field, text) => None,
        Value::Array(items) => {
            let items: Vec<Value> = items
                .iter()
                .filter_map(|item| app_value(field, item, level + 1))
                .collect();
            (!items.is_empty()).then_some(Value::Array(items))
        }
        Value::Object(object) => {
            let object = app_object(field, object, level);
            (!object.is_empty()).then_some(Value::Object(object))
        }
        Value::String(url) if field == REPO_CLONE_URL => Some(without_user(url).into()),
        plain => Some(plain.clone()),
    }
}

#[cfg(test)]
mod tests;
