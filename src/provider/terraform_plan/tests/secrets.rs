use serde_json::{Value, json};

use super::builder::{Builder, element, is, plan, refers};
use crate::provider::terraform_plan::{Instance, Sides};

const SECRET: &str = "h\"unter2-\u{e9}";

/// Returns everything that an instance says.
fn everything(instances: &[Instance]) -> String {
    let mut all = format!("{instances:?}");
    for instance in instances {
        let said = (
            &instance.name,
            &instance.region,
            &instance.cloud_id,
            &instance.undeclared_changes,
        );
        all.push_str(&format!("{said:?}"));
        for field in &instance.fields {
            if let Sides::Shown { desired, live } = &field.sides {
                all.push_str(&format!("{desired} {live}"));
            }
        }
    }
    all
}

fn is_redacted(plan: &Builder, name: &str) -> bool {
    let instances = plan.instances();
    let all = everything(&instances);
    assert!(!all.contains("unter2") && !all.contains("aCJ1bnRlcjIt"), "{all}");
    let mut fields = instances.iter().flat_map(|instance| &instance.fields);
    fields.find(|field| field.name == name).unwrap().redacted()
}

fn with(name: &str, value: Value) -> Builder {
    plan().has("a", json!({ name: refers() }), json!({ name: value }))
}

#[test]
fn marked_values_are_redacted_at_any_depth() {
    let value = json!([{ "users": { "a": [SECRET, "x"] } }]);
    let marks = json!({ "it": [{ "users": { "a": [true, false] } }] });
    assert!(is_redacted(
        &with("it", value.clone()).marks("net_thing.a", &marks),
        "it"
    ));
    // Empty lists and objects are no marks.
    let plain = with("it", json!("plain")).marks("net_thing.a", &json!({ "it": [{}, [], false] }));
    assert!(!is_redacted(&plain, "it"));
    let changed = with("it", json!("public")).was("net_thing.a", json!({ "it": SECRET }));
    let mut before_only = changed;
    before_only.at("/resource_drift/0/change")["before_sensitive"] = json!({ "it": true });
    assert!(is_redacted(&before_only, "it"), "marked on one side");
}

#[test]
fn twins_of_secrets_are_redacted() {
    let marked = |values: Value| {
        let expressions = json!({ "twin": refers() });
        let plan = plan().has("a", expressions, values);
        plan.reads("net_thing.b", json!({ "it": SECRET }))
            .marks("net_thing.b", &json!({ "it": true }))
    };
    assert!(is_redacted(
        &marked(json!({ "id": SECRET, "name": SECRET, "twin": SECRET })),
        "twin"
    ));
    assert!(is_redacted(&marked(json!({ "twin": [{ "a": SECRET }] })), "twin"));
    assert!(
        is_redacted(&marked(json!({ "twin": { SECRET: 1 } })), "twin"),
        "as a key"
    );
    assert!(
        is_redacted(&marked(json!({ "twin": format!("db://u:{SECRET}@h/") })), "twin"),
        "inside a text"
    );
    let text = json!({ "a": [SECRET] }).to_string();
    assert!(is_redacted(&marked(json!({ "twin": text })), "twin"), "in JSON");
    let encoded = json!({ "twin": "prefix aCJ1bnRlcjItw6k= suffix" });
    assert!(is_redacted(&marked(encoded), "twin"), "in Base64");
    assert!(!is_redacted(&marked(json!({ "twin": "other" })), "twin"));
}

#[test]
fn members_of_a_marked_json_text_are_secrets() {
    let text = json!({ "user": "app", "phrase": SECRET }).to_string();
    let plan = with("it", json!({ "x": SECRET }))
        .reads("net_thing.b", json!({ "document": text }))
        .marks("net_thing.b", &json!({ "document": true }));
    assert!(is_redacted(&plan, "it"));
}

#[test]
fn secrets_from_all_parts_of_the_file_are_known() {
    let twin = || with("it", json!(SECRET));
    let root = "/configuration/root_module";
    let sensitive = json!({ "v": { "sensitive": true } });
    let variable = json!({ "v": { "value": { "deep": [SECRET] } } });
    let call = json!({
        "expressions": { "v": is(json!(SECRET)) }, "module": { "variables": { "v": { "sensitive": true } } },
    });
    let output = json!({ "o": { "sensitive": true, "value": SECRET } });
    let change = json!({ "o": {
        "before": [SECRET], "after": null, "before_sensitive": [true], "after_sensitive": false,
    } });
    let mut data = element("data.net_thing.d", json!({ "x": SECRET }));
    data["mode"] = json!("data");
    data["sensitive_values"] = json!({ "x": true });
    let write_only = json!({ "value_wo": {}, "password_wo": is(json!(SECRET)) });
    let connection = json!({ "password": is(json!(SECRET)) });
    let provisioner = json!([{ "type": "remote-exec", "expressions": { "connection": connection } }]);
    let plans = [
        twin()
            .set(root, "variables", sensitive)
            .set("", "variables", variable),
        twin().set("", "variables", json!({ "db_password": { "value": SECRET } })),
        twin().set(
            root,
            "variables",
            json!({ "v": { "sensitive": true, "default": SECRET } }),
        ),
        twin().set(&format!("{root}/module_calls"), "m", call),
        twin().set(
            root,
            "outputs",
            json!({ "o": { "sensitive": true, "expression": is(json!(SECRET)) } }),
        ),
        twin().set(
            "/configuration/provider_config/net/expressions",
            "secret_key",
            is(json!(SECRET)),
        ),
        twin().set("/planned_values", "outputs", output.clone()),
        twin().set("/prior_state/values", "outputs", output),
        twin().set("", "output_changes", change),
        twin().push("/prior_state/values/root_module/resources", data),
        twin().declares("w", write_only),
        twin().set(&format!("{root}/resources/0"), "provisioners", provisioner),
        twin().reads("net_thing.b", json!({ "auth_token": SECRET })),
    ];
    for (number, plan) in plans.iter().enumerate() {
        assert!(is_redacted(plan, "it"), "{number}");
    }
    assert!(twin().instances()[0].fields.iter().all(|field| !field.redacted()));
}

#[test]
fn environments_are_redacted_whole() {
    let now = json!([{ "variables": { "A": SECRET, "ADDED": SECRET } }]);
    let expressions = json!({ "environment": [{ "variables": refers() }] });
    let before = json!({ "environment": [{ "variables": { "A": SECRET } }] });
    let plan = plan()
        .has("a", expressions, json!({ "environment": now }))
        .was("net_thing.a", before);
    assert!(is_redacted(&plan, "environment"));
    assert_eq!(plan.rows(), ["net_thing.a: environment"]);
}

#[test]
fn secrets_are_compared_and_write_only_ones_are_not() {
    let expressions = json!({ "it": refers(), "password": is(json!(SECRET)), "key_wo": is(json!(SECRET)) });
    let now = json!({ "it": "second-value", "password": null, "key_wo": null });
    let plan = plan()
        .has("a", expressions, now)
        .was(
            "net_thing.a",
            json!({ "it": "first-value", "password": null, "key_wo": null }),
        )
        .marks("net_thing.a", &json!({ "it": true, "password": true }));
    assert_eq!(plan.rows(), ["net_thing.a: it"]);
    let instance = plan.instances().remove(0);
    let names: Vec<&str> = instance.fields.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(names, ["it"]);
    let text = format!("{instance:?} {:?} {:?}", plan.read().unwrap(), plan.spool());
    assert!(
        !text.contains("second-value") && !text.contains("first-value"),
        "{text}"
    );
}

#[test]
fn short_and_public_values_are_no_secrets() {
    let rule = json!([{ "cidr": "0.0.0.0/0", "protocol": "tcp", "port": 443, "on": true }]);
    let plan = plan()
        .has(
            "a",
            json!({ "it": refers() }),
            json!({ "it": ["tcp", "0.0.0.0/0", 443, true] }),
        )
        .reads("net_thing.b", json!({ "rules": rule }))
        .marks("net_thing.b", &json!({ "rules": true }));
    assert!(!is_redacted(&plan, "it"));
}
