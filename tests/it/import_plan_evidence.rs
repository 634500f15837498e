//! What an import of a plan concludes from what earlier imports of the state recorded.

use serde_json::{Value, json};

use crate::import_plans::{import, open, plan};
use crate::support::TestApp;

/// Time of the plan with this number.
fn at(number: u32) -> String {
    format!("2026-12-31T{number:02}:00:00Z")
}

/// A plan of `net_thing.a` whose attribute `size` has this expression, and these values.
fn sized(number: u32, expression: &Value, applied: &Value, live: &Value) -> Value {
    let mut sized: Value = serde_json::from_slice(&plan(&at(number), &["a"])).unwrap();
    *sized
        .pointer_mut("/prior_state/values/root_module/resources/0/values/size")
        .unwrap() = live.clone();
    *sized
        .pointer_mut("/configuration/root_module/resources/0/expressions/size")
        .unwrap() = expression.clone();
    if applied != live {
        sized["resource_drift"] = json!([{ "address": "net_thing.a", "mode": "managed", "type": "net_thing", "name": "a",
            "provider_name": "registry.terraform.io/acme/net",
            "change": { "actions": ["update"], "before": { "size": applied }, "after": { "size": live },
                "before_sensitive": {}, "after_sensitive": {} } }]);
    }
    sized
}

fn bytes(plan: &Value) -> Vec<u8> {
    plan.to_string().into_bytes()
}

/// The normal plan of the same moment, which changes the attribute to this value.
fn normal(plan: &Value, after: &Value) -> Vec<u8> {
    let mut normal = plan.clone();
    let now = plan
        .pointer("/prior_state/values/root_module/resources/0/values")
        .unwrap();
    let actions = if now["size"] == *after { "no-op" } else { "update" };
    normal["resource_changes"] = json!([{ "address": "net_thing.a", "mode": "managed", "type": "net_thing", "name": "a",
        "provider_name": "registry.terraform.io/acme/net",
        "change": { "actions": [actions], "before": now, "after": { "size": after }, "after_unknown": {} } }]);
    bytes(&normal)
}

/// A plan of two instances of `net_thing.a` with `for_each` over a variable. What is not in the state is gone if
/// `deleted`.
fn keyed(number: u32, keys: &[&str], deleted: &[&str]) -> Value {
    let mut keyed: Value = serde_json::from_slice(&plan(&at(number), &["a"])).unwrap();
    let instance = |key: &&str| {
        json!({ "address": format!("net_thing.a[\"{key}\"]"), "mode": "managed", "type": "net_thing", "name": "a",
            "index": key, "provider_name": "registry.terraform.io/acme/net", "values": { "size": 1 },
            "sensitive_values": {} })
    };
    let gone = |key: &&str| {
        json!({ "address": format!("net_thing.a[\"{key}\"]"), "mode": "managed", "type": "net_thing", "name": "a",
            "provider_name": "registry.terraform.io/acme/net", "change": { "actions": ["delete"],
            "before": { "size": 1 }, "after": null, "before_sensitive": {}, "after_sensitive": false } })
    };
    keyed["prior_state"]["values"]["root_module"]["resources"] = keys.iter().map(instance).collect();
    keyed["resource_drift"] = deleted.iter().map(gone).collect();
    keyed["configuration"]["root_module"]["resources"][0]["for_each_expression"] =
        json!({ "references": ["var.keys"] });
    keyed
}

/// The normal plan of the same moment, which creates these instances.
fn creating(plan: &Value, keys: &[&str]) -> Vec<u8> {
    let mut normal = plan.clone();
    let create = |key: &&str| {
        json!({ "address": format!("net_thing.a[\"{key}\"]"), "mode": "managed", "type": "net_thing", "name": "a",
            "provider_name": "registry.terraform.io/acme/net",
            "change": { "actions": ["create"], "before": null, "after": { "size": 1 }, "after_unknown": {} } })
    };
    normal["resource_changes"] = keys.iter().map(create).collect();
    bytes(&normal)
}

#[tokio::test]
async fn a_missing_instance_of_an_unknown_key_stays_until_a_normal_plan_says_that_the_code_lacks_it() {
    let t = TestApp::new().await;
    import(&t, "prod", &bytes(&keyed(1, &["x", "y", "z"], &[])), None)
        .await
        .unwrap();
    let gone = import(&t, "prod", &bytes(&keyed(2, &["x", "y"], &["z"])), None)
        .await
        .unwrap();
    assert_eq!((gone.open, gone.undecided_missing.len()), (1, 0));
    // `apply -refresh-only` has removed it from the state, or it was removed from the code.
    let later = keyed(3, &["x", "y"], &[]);
    let undecided = import(&t, "prod", &bytes(&later), None).await.unwrap();
    assert_eq!((undecided.open, undecided.left), (1, 0));
    assert_eq!(undecided.undecided_missing, ["net_thing.a[\"z\"]"]);
    let declared = import(&t, "prod", &bytes(&later), Some(&creating(&later, &["z"])))
        .await
        .unwrap();
    assert_eq!(
        (declared.open, declared.left, declared.undecided_missing.len()),
        (1, 0, 0)
    );
    let removed = import(&t, "prod", &bytes(&later), Some(&creating(&later, &[])))
        .await
        .unwrap();
    assert_eq!((removed.open, removed.left, removed.closed), (0, 1, 1));
    assert_eq!(removed.undecided_missing, [""; 0]);
}

#[tokio::test]
async fn a_drift_back_to_the_replaced_value_is_seen_after_the_code_has_followed() {
    let t = TestApp::new().await;
    let (one, two) = (json!(1), json!(2));
    let is = |value: &Value| json!({ "constant_value": value });
    import(&t, "prod", &bytes(&sized(1, &is(&one), &one, &two)), None)
        .await
        .unwrap();
    let drift = t.inbox().await.remove(0);
    t.accept(&drift).await.unwrap();
    // The code follows and is applied. Then a user changes the value back, and `apply -refresh-only` takes it over.
    let followed = import(&t, "prod", &bytes(&sized(2, &is(&two), &one, &two)), None)
        .await
        .unwrap();
    assert_eq!(followed.open, 0);
    let back = import(&t, "prod", &bytes(&sized(3, &is(&two), &one, &one)), None)
        .await
        .unwrap();
    assert_eq!((back.open, back.swallowed), (1, 1));
}

#[tokio::test]
async fn imports_with_and_without_a_normal_plan_do_not_open_and_close_the_same_drift() {
    let t = TestApp::new().await;
    let (one, two) = (json!(1), json!(2));
    // The code ignores changes.
    let ignored = |number| sized(number, &json!({ "constant_value": 1 }), &one, &two);
    // The attribute is not declared, and the next apply changes it back.
    let undeclared = |number| {
        let mut plan = sized(number, &json!({ "constant_value": 1 }), &one, &two);
        plan["configuration"]["root_module"]["resources"][0]["expressions"] = json!({});
        plan
    };
    for number in 1..5 {
        let with_normal = number % 2 == 1;
        let plan = ignored(number);
        let decides = with_normal.then(|| normal(&plan, &two));
        let done = import(&t, "ignored", &bytes(&plan), decides.as_deref())
            .await
            .unwrap();
        assert_eq!((done.open, done.opened, done.closed), (0, 0, 0), "{number}");
        let plan = undeclared(number);
        let decides = with_normal.then(|| normal(&plan, &one));
        let done = import(&t, "undeclared", &bytes(&plan), decides.as_deref())
            .await
            .unwrap();
        let opened = u64::from(number == 1);
        assert_eq!((done.open, done.opened, done.closed), (1, opened, 0), "{number}");
    }
    // A normal plan that decides otherwise is evidence.
    let plan = undeclared(6);
    let done = import(&t, "undeclared", &bytes(&plan), Some(&normal(&plan, &two)))
        .await
        .unwrap();
    assert_eq!((done.open, done.closed), (0, 1));
}

#[tokio::test]
async fn an_instance_that_a_normal_plan_deletes_is_not_recorded_again_without_one() {
    let t = TestApp::new().await;
    let drifted = |number| {
        let mut plan = keyed(number, &["x", "y", "z"], &[]);
        let resource = plan
            .pointer_mut("/prior_state/values/root_module/resources/2")
            .unwrap();
        resource["values"]["size"] = json!(2);
        plan["resource_drift"] = json!([{ "address": "net_thing.a[\"z\"]", "mode": "managed", "type": "net_thing",
            "name": "a", "provider_name": "registry.terraform.io/acme/net", "change": { "actions": ["update"],
            "before": { "size": 1 }, "after": { "size": 2 }, "before_sensitive": {}, "after_sensitive": {} } }]);
        plan
    };
    let deleting = |plan: &Value| {
        let mut normal = plan.clone();
        normal["resource_changes"] = json!([{ "address": "net_thing.a[\"z\"]", "mode": "managed", "type": "net_thing",
            "name": "a", "provider_name": "registry.terraform.io/acme/net",
            "action_reason": "delete_because_each_key",
            "change": { "actions": ["delete"], "before": { "size": 2 }, "after": null, "after_unknown": {} } }]);
        bytes(&normal)
    };
    let first = import(&t, "prod", &bytes(&drifted(1)), None).await.unwrap();
    assert_eq!((first.instances, first.open), (3, 1));
    for number in 2..6 {
        let plan = drifted(number);
        let normal = number.is_multiple_of(2).then(|| deleting(&plan));
        let done = import(&t, "prod", &bytes(&plan), normal.as_deref())
            .await
            .unwrap();
        assert_eq!(
            (done.instances, done.skipped.without_configuration, done.open),
            (2, 1, 0),
            "{number}"
        );
        assert_eq!(done.left, u64::from(number == 2), "{number}");
    }
    // A normal plan that does not delete it says that the code has it again.
    let plan = drifted(6);
    let back = import(&t, "prod", &bytes(&plan), Some(&creating(&plan, &[])))
        .await
        .unwrap();
    assert_eq!((back.instances, back.recorded, back.open), (3, 1, 1));
}

#[tokio::test]
async fn an_accepted_drift_of_an_undeclared_attribute_stays_accepted() {
    let t = TestApp::new().await;
    let (one, two) = (json!(1), json!(2));
    let mut plan = sized(1, &json!({ "constant_value": 1 }), &one, &two);
    plan["configuration"]["root_module"]["resources"][0]["expressions"] = json!({});
    let normal = normal(&plan, &one);
    import(&t, "prod", &bytes(&plan), Some(&normal)).await.unwrap();
    let drift = t.inbox().await.remove(0);
    t.accept(&drift).await.unwrap();
    for decides in [Some(&normal), None] {
        let again = import(&t, "prod", &bytes(&plan), decides.map(Vec::as_slice))
            .await
            .unwrap();
        assert_eq!((again.open, again.opened), (0, 0), "{decides:?}");
    }
}

#[tokio::test]
async fn a_text_with_a_nul_is_not_taken_for_an_accepted_value() {
    let t = TestApp::new().await;
    let (one, two) = (json!("a\u{0}1"), json!("a\u{0}2"));
    let refers = json!({ "references": ["var.x"] });
    let first = import(&t, "prod", &bytes(&sized(1, &refers, &one, &one)), None)
        .await
        .unwrap();
    assert_eq!((first.instances, first.open), (1, 0));
    // Another value was applied. If the first one counted as accepted, this would be swallowed drift.
    let second = import(&t, "prod", &bytes(&sized(2, &refers, &two, &two)), None)
        .await
        .unwrap();
    assert_eq!((second.open, second.swallowed, second.changed), (0, 0, 1));
    assert_eq!(open(&t, "prod").await.len(), 0);
}
