//! One form for what DigitalOcean writes in several, the same for what is asked for and for what is there:
//! only then can the two be compared exactly.

use serde_json::{Map, Value};

/// Lower case, sorted, each once: the cloud does not tell tags apart by case.
pub fn tags<'t>(tags: impl IntoIterator<Item = &'t str>) -> Vec<String> {
    let mut tags: Vec<String> = tags.into_iter().map(slug).collect();
    tags.sort_unstable();
    tags.dedup();
    tags
}

/// The tags of a cluster or a node pool that somebody chose: Kubernetes and Terraform add their own.
pub fn kubernetes_tags<'t>(all: impl IntoIterator<Item = &'t str>) -> Vec<String> {
    let mut chosen = tags(all);
    chosen.retain(|tag| tag != "k8s" && !tag.starts_with("k8s:") && !tag.starts_with("terraform:"));
    chosen
}

/// A slug in lower case.
pub fn slug(text: &str) -> String {
    text.to_lowercase()
}

/// Ports of a firewall rule: `all` has three spellings, and ICMP has no ports.
pub fn ports(protocol: &str, ports: &str) -> Option<String> {
    match (protocol, ports) {
        ("icmp", _) => None,
        (_, "" | "0" | "all") => Some("all".to_owned()),
        (_, range) => Some(range.to_owned()),
    }
}

/// The name of a DNS record, relative to its domain: `@` for the domain itself.
pub fn record_name(name: &str, domain: &str) -> String {
    let name = name.trim_end_matches('.').to_lowercase();
    let domain = domain.trim_end_matches('.').to_lowercase();
    if name.is_empty() || name == "@" || name == domain {
        return "@".to_owned();
    }
    match name.strip_suffix(&domain).and_then(|rest| rest.strip_suffix('.')) {
        Some(relative) if !domain.is_empty() => relative.to_owned(),
        _ => name,
    }
}

/// The data of a DNS record: names without the dot at their end and in lower case, addresses in their short
/// form, and `@` written out.
pub fn record_data(record_type: &str, data: &str, domain: &str) -> String {
    match record_type {
        "CNAME" | "MX" | "NS" | "SRV" | "CAA" => {
            let name = data.trim_end_matches('.').to_lowercase();
            if name == "@" || (name.is_empty() && record_type != "SRV") {
                domain.trim_end_matches('.').to_lowercase()
            } else {
                name
            }
        }
        "AAAA" => data
            .parse::<std::net::Ipv6Addr>()
            .map_or_else(|_| data.to_owned(), |address| address.to_string()),
        _ => data.to_owned(),
    }
}

/// An hour of the day with its seconds: `13:00` is `13:00:00`.
pub fn hour(text: &str) -> String {
    match text.matches(':').count() {
        1 => format!("{text}:00"),
        _ => text.to_owned(),
    }
}

/// The engine of a database: Redis is sold as Valkey.
pub fn engine(text: &str) -> String {
    match text {
        "redis" => "valkey".to_owned(),
        engine => slug(engine),
    }
}

/// The size of a load balancer: the number of its nodes, also where an old slug stands for it.
pub fn load_balancer_size(size_unit: Option<i64>, size: Option<&str>) -> Option<String> {
    match (size_unit.filter(|unit| *unit > 0), size) {
        (Some(unit), _) => Some(unit.to_string()),
        (None, Some("lb-small")) => Some("1".to_owned()),
        (None, Some("lb-medium")) => Some("3".to_owned()),
        (None, Some("lb-large")) => Some("6".to_owned()),
        (None, size) => size.filter(|size| !size.is_empty()).map(slug),
    }
}

/// What an app's spec may keep, at whatever depth. Values of variables, credentials of registries, tokens of
/// log destinations and hooks of alerts are not among it.
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
/// More of it; all of these are plain too.
const MORE_APP_FIELDS: [&str; 10] = [
    "timeout_seconds",
    "uri",
    "value",
    "version",
    "vpc",
    "wildcard",
    "window",
    "workers",
    "zone",
    "offline_page_url",
];
/// Deepest level of an app's spec; the format itself has nine.
const APP_LEVELS: usize = 16;

/// The spec of an app in the API's own shape, cut to what may be kept. What is off, zero or empty is left out:
/// the API leaves it out too, and Terraform writes it down.
pub fn app_spec(spec: &Map<String, Value>) -> Value {
    Value::Object(app_object("", spec, 0))
}

fn app_object(place: &str, object: &Map<String, Value>, level: usize) -> Map<String, Value> {
    object
        .iter()
        .filter(|(field, _)| may_keep(place, field))
        .filter_map(|(field, value)| Some((field.clone(), app_value(field, value, level + 1)?)))
        .collect()
}

fn may_keep(place: &str, field: &str) -> bool {
    match place {
        "envs" => matches!(field, "key" | "scope" | "type"),
        "log_destinations" => field == "name",
        "alerts" => matches!(field, "rule" | "disabled" | "operator" | "value" | "window"),
        _ => field != "value" && (APP_FIELDS.contains(&field) || MORE_APP_FIELDS.contains(&field)),
    }
}

fn app_value(field: &str, value: &Value, level: usize) -> Option<Value> {
    if level > APP_LEVELS {
        return None;
    }
    match value {
        Value::Null | Value::Bool(false) => None,
        Value::Number(number) if number.as_f64() == Some(0.0) => None,
        Value::String(text) if text.is_empty() || (field == "type" && text == "GENERAL") => None,
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
        plain => Some(plain.clone()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn spellings_of_one_thing_become_one() {
        assert_eq!(tags(["Web", "env:PROD", "web"]), ["env:prod", "web"]);
        assert_eq!(
            kubernetes_tags(["k8s", "K8S:abc", "terraform:default-node-pool", "a"]),
            ["a"]
        );
        for all in ["0", "all", ""] {
            assert_eq!(ports("tcp", all).as_deref(), Some("all"));
            assert_eq!(ports("icmp", all), None);
        }
        assert_eq!(ports("udp", "8000-9000").as_deref(), Some("8000-9000"));
        for apex in ["@", "", "example.com", "example.com.", "EXAMPLE.com"] {
            assert_eq!(record_name(apex, "example.com"), "@");
        }
        assert_eq!(record_name("www.example.com.", "example.com"), "www");
        assert_eq!(record_name("www", "example.com"), "www");
        assert_eq!(record_name("notexample.com", "example.com"), "notexample.com");
        assert_eq!(record_data("CNAME", "@", "example.com"), "example.com");
        assert_eq!(
            record_data("NS", "ns1.DigitalOcean.com.", "example.com"),
            "ns1.digitalocean.com"
        );
        assert_eq!(record_data("SRV", ".", "example.com"), "");
        assert_eq!(record_data("TXT", "Ends with.", "example.com"), "Ends with.");
        assert_eq!(
            record_data("AAAA", "2604:A880:0:0::1", "example.com"),
            "2604:a880::1"
        );
        assert_eq!(
            (hour("13:00").as_str(), hour("08:45:12").as_str()),
            ("13:00:00", "08:45:12")
        );
        assert_eq!(engine("redis"), engine("valkey"));
        assert_eq!(load_balancer_size(None, Some("lb-medium")).as_deref(), Some("3"));
        assert_eq!(
            load_balancer_size(Some(2), Some("lb-small")).as_deref(),
            Some("2")
        );
        assert_eq!(load_balancer_size(Some(0), Some("")), None);
    }

    #[test]
    fn an_apps_spec_keeps_no_secret_and_nothing_that_is_off() {
        let spec = json!({
            "name": "shop", "disable_edge_cache": false, "novel": {"token": "s3cret"},
            "envs": [{"key": "A", "value": "s3cret", "type": "GENERAL", "scope": "RUN_TIME"}],
            "services": [{"name": "web", "instance_count": 2, "http_port": 0,
                "image": {"registry_type": "GHCR", "registry_credentials": "s3cret", "repository": "r"},
                "log_destinations": [{"name": "logs", "logtail": {"token": "s3cret"}}],
                "alerts": [{"rule": "CPU", "value": 80, "destinations": {"slack_webhooks": [{"url": "s3cret"}]}}]}],
            "ingress": {"secure_header": {"key": "k", "value": "s3cret"}},
        });
        let kept = app_spec(spec.as_object().unwrap());
        let expected = json!({
            "name": "shop", "envs": [{"key": "A", "scope": "RUN_TIME"}],
            "services": [{"name": "web", "instance_count": 2,
                "image": {"registry_type": "GHCR", "repository": "r"},
                "log_destinations": [{"name": "logs"}], "alerts": [{"rule": "CPU", "value": 80}]}],
        });
        assert_eq!(kept, expected);
    }
}
