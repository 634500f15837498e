use serde_json::json;

use super::*;

#[test]
fn an_app_spec_keeps_no_secrets_and_no_disabled_features() {
    let spec = json!({
        "name": "shop", "disable_edge_cache": false, "novel": {"token": "s3cret"},
        "envs": [{"key": "A", "value": "s3cret", "type": "GENERAL", "scope": "RUN_TIME"}],
        "services": [{"name": "web", "instance_count": 2, "http_port": 0,
            "git": {"repo_clone_url": "https://ci:s3cret@git.example.com/a.git", "branch": "main"},
            "image": {"registry_type": "GHCR", "registry_credentials": "s3cret", "repository": "r"},
            "log_destinations": [{"name": "logs", "logtail": {"token": "s3cret"}}],
            "alerts": [{"rule": "CPU", "value": 80, "destinations": {"slack_webhooks": [{"url": "s3cret"}]}}]}],
        "ingress": {"secure_header": {"key": "k", "value": "s3cret"}},
    });
    let kept = app_spec(spec.as_object().unwrap());
    let expected = json!({
        "name": "shop", "envs": [{"key": "A", "scope": "RUN_TIME"}],
        "services": [{"name": "web", "instance_count": 2,
            "git": {"repo_clone_url": "https://git.example.com/a.git", "branch": "main"},
            "image": {"registry_type": "GHCR", "repository": "r", "tag": "latest"},
            "log_destinations": [{"name": "logs"}], "alerts": [{"rule": "CPU", "value": 80}]}],
    });
    assert_eq!(kept, expected);
}

/// Returns the part of a `spec` that is stored.
fn kept(spec: Value) -> Value {
    app_spec(spec.as_object().unwrap())
}

#[test]
fn a_component_without_a_count_has_one_instance() {
    for place in ["services", "workers", "jobs"] {
        assert_eq!(
            kept(json!({ place: [{"name": "web"}, {"name": "api", "instance_count": 3}] })),
            json!({ place: [{"name": "web", "instance_count": 1}, {"name": "api", "instance_count": 3}] })
        );
    }
    assert_eq!(
        kept(json!({ "static_sites": [{"name": "docs"}] })),
        json!({ "static_sites": [{"name": "docs"}] })
    );
}

#[test]
fn the_instance_count_is_omitted_if_autoscaling_is_on() {
    let autoscaling = json!({"min_instance_count": 1, "max_instance_count": 4});
    let service = json!({"name": "web", "instance_count": 3, "autoscaling": autoscaling});
    assert_eq!(
        kept(json!({ "services": [service] })),
        json!({ "services": [{"name": "web", "autoscaling": autoscaling}] })
    );
}

#[test]
fn an_image_has_a_digest_or_a_tag() {
    let image =
        |image: Value| kept(json!({ "services": [{ "image": image }] }))["services"][0]["image"].clone();
    assert_eq!(
        image(json!({"repository": "r"})),
        json!({"repository": "r", "tag": "latest"})
    );
    assert_eq!(
        image(json!({"repository": "r", "tag": "v2"})),
        json!({"repository": "r", "tag": "v2"})
    );
    assert_eq!(
        image(json!({"repository": "r", "digest": "sha256:ab"})),
        json!({"repository": "r", "digest": "sha256:ab"})
    );
}

#[test]
fn a_variable_is_for_build_and_run_time_by_default() {
    assert_eq!(
        kept(json!({ "envs": [{"key": "A", "value": "s3cret", "type": "SECRET"}] })),
        json!({ "envs": [{"key": "A", "type": "SECRET", "scope": "RUN_AND_BUILD_TIME"}] })
    );
}

#[test]
fn empty_parts_are_omitted_and_get_no_defaults() {
    let spec = json!({
        "name": "shop", "region": "", "features": [], "maintenance": {"archive": false, "enabled": null},
        "services": [{}], "envs": [{"value": "s3cret"}],
        "jobs": [{"name": "GENERAL", "kind": "UNSPECIFIED"}, {"name": "migrate", "kind": "PRE_DEPLOY"}],
    });
    assert_eq!(
        kept(spec),
        json!({
            "name": "shop",
            "jobs": [
                {"name": "GENERAL", "instance_count": 1},
                {"name": "migrate", "kind": "PRE_DEPLOY", "instance_count": 1},
            ],
        })
    );
}

#[test]
fn an_alert_keeps_its_condition_and_not_its_recipients() {
    let alert = json!({"rule": "CPU", "operator": "GREATER_THAN", "value": 80, "window": "FIVE_MINUTES", "disabled": true});
    let mut spec = json!({ "alerts": [alert] });
    spec["alerts"][0]["slack_webhooks"] = json!([{"url": "s3cret"}]);
    spec["alerts"][0]["name"] = json!("s3cret");
    assert_eq!(kept(spec), json!({ "alerts": [alert] }));
}

#[test]
fn passwords_are_removed_from_source_addresses_only() {
    let command = "pg_dump postgres://app@db.internal/shop";
    assert_eq!(
        kept(json!({ "static_sites": [{"run_command": command}] })),
        json!({ "static_sites": [{"run_command": command}] })
    );
}

#[test]
fn a_spec_is_kept_down_to_the_sixteenth_level() {
    let name = || json!({"name": "deep"});
    let in_objects = |depth| (0..depth).fold(name(), |inner, _| json!({ "rule": inner }));
    assert_eq!(kept(in_objects(15)), in_objects(15));
    assert_eq!(kept(in_objects(16)), json!({}));
    // A list counts as one level and its items as the next.
    let in_lists = |depth| (0..depth).fold(name(), |inner, _| json!({ "rules": [inner] }));
    assert_eq!(kept(in_lists(7)), in_lists(7));
    assert_eq!(kept(in_lists(8)), json!({}));
}

#[test]
fn an_alert_keeps_its_rule_and_a_log_destination_its_name_only() {
    let alert =
        json!({"rule": "CPU", "disabled": true, "operator": "LESS_THAN", "value": 5, "window": "ONE_HOUR"});
    assert_eq!(kept(json!({ "alerts": [alert] })), json!({ "alerts": [alert] }));
    // These fields are kept in other objects.
    for place in ["alerts", "log_destinations"] {
        assert_eq!(
            kept(json!({ place: [{"id": "x", "repo": "y"}] })),
            json!({}),
            "{place}"
        );
    }
    assert_eq!(kept(json!({"envs": [{"name": "x", "value": "y"}]})), json!({}));
}
