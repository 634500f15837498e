use serde_json::json;

use super::*;

/// Returns the only desired resource of an instance.
fn only(type_name: &str, attributes: Value) -> Desired {
    let mut desired = state([(type_name, attributes)]).desired;
    assert_eq!(desired.len(), 1, "{desired:?}");
    desired.remove(0)
}

fn app(spec: Value) -> Desired {
    only("digitalocean_app", json!({"id": "a", "spec": [spec]}))
}

fn is_not_compared(desired: &Desired, part: &str) -> bool {
    desired.not_compared.texts().iter().any(|text| text == part)
}

#[test]
fn domain_names_are_compared_unless_a_block_declares_domains() {
    let domains = |spec: Value| app(spec).spec["spec"]["domains"].clone();
    assert_eq!(
        domains(json!({"name": "shop", "domains": ["shop.example"]})),
        json!([{"domain": "shop.example"}])
    );
    assert_eq!(
        domains(json!({"name": "shop", "domains": ["shop.example"], "domain": []})),
        json!([{"domain": "shop.example"}])
    );
    let block = json!([{"name": "www.shop.example", "type": "PRIMARY"}]);
    assert_eq!(
        domains(json!({"name": "shop", "domains": ["shop.example"], "domain": block})),
        json!([{"domain": "www.shop.example", "type": "PRIMARY"}])
    );
    for spec in [
        json!({"name": "shop", "domains": ["shop.example"]}),
        json!({"name": "shop", "domains": ["shop.example"], "domain": block}),
    ] {
        let app = app(spec);
        assert!(
            !is_not_compared(&app, "spec.domains"),
            "{:?}",
            app.not_compared.texts()
        );
        assert!(
            !app.not_compared_attributes
                .contains(&"digitalocean_app.spec.domains".to_owned()),
            "{:?}",
            app.not_compared_attributes
        );
    }
    let none = app(json!({"name": "shop", "domains": []}));
    assert_eq!(none.spec["spec"], json!({"name": "shop"}));
    assert!(
        is_not_compared(&none, "spec.domains"),
        "{:?}",
        none.not_compared.texts()
    );
}

#[test]
fn undeclared_parts_of_an_app_are_not_compared() {
    let app = app(json!({"name": "shop",
        "service": [{"name": "web", "env": [{"key": "A", "scope": "RUN_TIME"}]},
                    {"name": "api", "http_port": 9000}]}));
    for part in [
        "spec.services[name=web].http_port",
        "spec.services[name=web].envs[key=A].type",
        "spec.ingress",
    ] {
        assert!(
            is_not_compared(&app, part),
            "{part}: {:?}",
            app.not_compared.texts()
        );
    }
    assert!(!is_not_compared(&app, "spec.services[name=api].http_port"));
    let attribute = "digitalocean_app.spec.service.http_port".to_owned();
    assert!(
        app.not_compared_attributes.contains(&attribute),
        "{:?}",
        app.not_compared_attributes
    );
}

#[test]
fn a_rule_of_an_app_is_identified_by_its_fields_except_lists() {
    let app = app(json!({"name": "shop", "ingress": [{"rule": [{
        "match": [{"path": [{"prefix": "/api"}]}], "component": [{"name": "web"}],
        "cors": [{"allow_methods": ["GET"]}]}]}]}));
    let texts = app.not_compared.texts();
    let open: Vec<&String> = texts
        .iter()
        .filter(|text| text.starts_with("spec.ingress.rules["))
        .collect();
    assert!(!open.is_empty(), "{texts:?}");
    for text in open {
        assert!(
            text.contains("web") && text.contains("/api") && !text.contains("GET"),
            "{text}"
        );
    }
}

#[test]
fn a_block_with_only_empty_values_is_not_compared() {
    let policy = |policy: Value| {
        only(
            "digitalocean_kubernetes_cluster",
            json!({"id": "k", "name": "prod", "maintenance_policy": [policy]}),
        )
    };
    let empty = policy(json!({"day": "", "start_time": ""}));
    assert_eq!(empty.spec.get("maintenance_policy"), None);
    let partial = policy(json!({"day": "Sunday", "start_time": ""}));
    assert_eq!(partial.spec["maintenance_policy"], json!({"day": "sunday"}));
    assert!(is_not_compared(&partial, "maintenance_policy.start_time"));
    let complete = policy(json!({"day": "Sunday", "start_time": "04:00"}));
    assert!(!is_not_compared(&complete, "maintenance_policy.start_time"));
}

#[test]
fn an_uncompared_part_of_a_rule_is_identified_by_the_rest_of_it() {
    let balancer = only(
        "digitalocean_loadbalancer",
        json!({"id": "lb", "name": "lb", "forwarding_rule": [{"entry_protocol": "http", "entry_port": 80,
            "target_protocol": "http", "target_port": 8080, "certificate_name": ""}]}),
    );
    let part = "forwarding_rules[entry_port=80,entry_protocol=http,target_port=8080,target_protocol=http,\
                tls_passthrough=false].certificate_name";
    assert!(
        is_not_compared(&balancer, part),
        "{:?}",
        balancer.not_compared.texts()
    );
    assert_eq!(
        balancer.spec["forwarding_rules"][0]["tls_passthrough"],
        json!(false),
        "in a block, what is not there is the default"
    );
}

#[test]
fn an_absent_attribute_is_not_compared_and_a_null_one_is_unset() {
    let pool = |more: Value| {
        let mut pool = json!({"id": "p", "name": "default", "size": "s-2"});
        pool.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let cluster = json!({"id": "k", "name": "prod", "node_pool": [pool]});
        let state = state([("digitalocean_kubernetes_cluster", cluster)]);
        let pool = state
            .desired
            .into_iter()
            .find(|one| one.kind == "kubernetes_node_pool");
        pool.unwrap().spec
    };
    assert_eq!(pool(json!({})).get("labels"), None);
    assert_eq!(pool(json!({"labels": null})).get("labels"), Some(&Value::Null));
}

#[test]
fn a_disk_size_is_declared_unless_autoscaling_is_on() {
    let disk = |size: &str, autoscales: bool| {
        only(
            "digitalocean_database_cluster",
            json!({"id": "db", "name": "main", "engine": "pg", "storage_size_mib": size,
                "storage_autoscale": [{"enabled": autoscales}]}),
        )
    };
    assert_eq!(disk("61440", false).spec["storage_size_mib"], json!(61440));
    assert_eq!(disk("61440", true).spec.get("storage_size_mib"), None);
    let unknown = disk("0", false);
    assert_eq!(unknown.spec.get("storage_size_mib"), None);
    let attribute = "digitalocean_database_cluster.storage_size_mib".to_owned();
    assert!(
        unknown.not_compared_attributes.contains(&attribute),
        "{:?}",
        unknown.not_compared_attributes
    );
}
