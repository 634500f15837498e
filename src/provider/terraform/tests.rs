mod formats;
mod mappings;
mod not_compared;
mod table;

use serde_json::json;

use super::*;

/// Parses a state of version 4 with these instances. Their names are `r` and their position.
fn state<const N: usize>(instances: [(&str, Value); N]) -> State {
    let resources: Vec<Value> = instances
        .into_iter()
        .enumerate()
        .map(|(place, (type_name, attributes))| resource(type_name, &format!("r{place}"), attributes))
        .collect();
    parse_value(file(resources)).unwrap()
}

fn resource(type_name: &str, name: &str, attributes: Value) -> Value {
    json!({
        "mode": "managed", "type": type_name, "name": name,
        "provider": "provider[\"registry.terraform.io/digitalocean/digitalocean\"]",
        "instances": [{"schema_version": 1, "attributes": attributes, "sensitive_attributes": []}],
    })
}

fn file(resources: Vec<Value>) -> Value {
    json!({
        "version": 4, "terraform_version": "1.11.4", "serial": 3, "lineage": "l-1",
        "outputs": {"password": {"value": "s3cret", "type": "string", "sensitive": true}},
        "resources": resources,
    })
}

/// Returns kind, id and spec of the only desired resource of an instance.
fn one(type_name: &str, attributes: Value) -> (&'static str, String, Value) {
    let state = state([(type_name, attributes)]);
    assert_eq!(state.desired.len(), 1, "{state:?}");
    let desired = state.desired.into_iter().next().unwrap();
    (desired.kind, desired.provider_id, Value::Object(desired.spec))
}

fn why(text: &str) -> String {
    let why = parse(text.as_bytes()).unwrap_err().to_string();
    assert!(!why.contains('\n'), "{why}");
    why
}
