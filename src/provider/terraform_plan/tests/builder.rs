//! Builds the JSON of a plan.

use serde_json::{Value, json};

use crate::domain::equality::canonical;
use crate::provider::terraform_plan::{
    DigestKey, Instance, Limits, NormalPlan, Options, Plan, Previous, Refusal, Sides, Spool,
};

pub(super) const PROVIDER: &str = "registry.terraform.io/acme/net";

/// The JSON of a plan.
#[derive(Clone)]
pub(super) struct Builder(pub(super) Value);

pub(super) fn plan() -> Builder {
    Builder(json!({
        "format_version": "1.2",
        "terraform_version": "1.11.4",
        "variables": {},
        "planned_values": { "root_module": {} },
        "resource_drift": [],
        "prior_state": { "values": { "root_module": { "resources": [], "child_modules": [] } } },
        "configuration": {
            "provider_config": {
                "net": { "name": "net", "expressions": { "region": { "constant_value": "north-1" } } }
            },
            "root_module": { "resources": [], "module_calls": {}, "variables": {} },
        },
        "timestamp": "2026-11-25T20:18:06Z",
        "applyable": true,
        "complete": true,
        "errored": false,
    }))
}

/// Returns the expression of a constant.
pub(super) fn is(value: Value) -> Value {
    json!({ "constant_value": value })
}

/// Returns the expression of a reference.
pub(super) fn refers() -> Value {
    json!({ "references": ["var.x"] })
}

impl Builder {
    pub(super) fn at(&mut self, pointer: &str) -> &mut Value {
        self.0.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}"))
    }

    pub(super) fn set(mut self, pointer: &str, key: &str, value: Value) -> Self {
        self.at(pointer)[key] = value;
        self
    }

    pub(super) fn push(mut self, pointer: &str, value: Value) -> Self {
        self.at(pointer).as_array_mut().unwrap().push(value);
        self
    }

    /// Declares a resource of the type `net_thing` in the root module.
    pub(super) fn declares(self, name: &str, expressions: Value) -> Self {
        let resource = json!({
            "mode": "managed", "type": "net_thing", "name": name, "provider_config_key": "net",
            "expressions": expressions,
        });
        self.push("/configuration/root_module/resources", resource)
    }

    /// Adds an instance to the state.
    pub(super) fn reads(self, address: &str, values: Value) -> Self {
        self.push(
            "/prior_state/values/root_module/resources",
            element(address, values),
        )
    }

    /// Declares a resource that has these values.
    pub(super) fn has(self, name: &str, expressions: Value, values: Value) -> Self {
        self.declares(name, expressions)
            .reads(&format!("net_thing.{name}"), values)
    }

    /// Adds a change from these values to those of the state.
    pub(super) fn was(mut self, address: &str, before: Value) -> Self {
        let resources = self
            .at("/prior_state/values/root_module/resources")
            .as_array()
            .unwrap();
        let now = resources
            .iter()
            .find(|resource| resource["address"] == address)
            .unwrap();
        let mut change = element(address, Value::Null);
        change["change"] = json!({
            "actions": ["update"], "before": before, "after": now["values"],
            "before_sensitive": {}, "after_sensitive": {},
        });
        self.push("/resource_drift", change)
    }

    /// Adds an instance that no longer exists.
    pub(super) fn lost(self, address: &str, before: Value) -> Self {
        let mut change = element(address, Value::Null);
        change["change"] = json!({
            "actions": ["delete"], "before": before, "after": null, "before_sensitive": {}, "after_sensitive": false,
        });
        self.push("/resource_drift", change)
    }

    /// Marks values of an instance of the state, and of its changes.
    pub(super) fn marks(mut self, address: &str, marks: &Value) -> Self {
        let places = ["/prior_state/values/root_module/resources", "/resource_drift"];
        for place in places {
            for resource in self.at(place).as_array_mut().unwrap() {
                if resource["address"] == address && place == "/resource_drift" {
                    resource["change"]["before_sensitive"] = marks.clone();
                    resource["change"]["after_sensitive"] = marks.clone();
                } else if resource["address"] == address {
                    resource["sensitive_values"] = marks.clone();
                }
            }
        }
        self
    }

    /// Makes it a normal plan with these changes: address, actions, before, after.
    pub(super) fn changes(mut self, changes: &[(&str, &[&str], Value, Value)]) -> Self {
        self.0["resource_changes"] = json!([]);
        changes
            .iter()
            .fold(self, |plan, (address, actions, before, after)| {
                let mut change = element(address, Value::Null);
                change["change"] =
                    json!({ "actions": actions, "before": before, "after": after, "after_unknown": {} });
                plan.push("/resource_changes", change)
            })
    }

    pub(super) fn spool(&self) -> Spool {
        spool(self.0.to_string().as_bytes())
    }

    pub(super) fn read(&self) -> Result<Plan, Refusal> {
        Plan::read(self.spool(), options())
    }

    pub(super) fn refusal(&self) -> Option<Refusal> {
        self.read().err()
    }

    pub(super) fn instances(&self) -> Vec<Instance> {
        instances(&self.read().unwrap(), None)
    }

    pub(super) fn instances_after(&self, previous: &Previous) -> Vec<Instance> {
        instances(&self.read().unwrap(), Some(previous))
    }

    pub(super) fn instances_with(&self, normal: &Self) -> Vec<Instance> {
        let normal = NormalPlan::read(normal.spool()).unwrap();
        instances(&self.read().unwrap().with_normal_plan(normal).unwrap(), None)
    }

    /// Returns the fields that differ, such as `net_thing.a: size`.
    pub(super) fn rows(&self) -> Vec<String> {
        rows(&self.instances())
    }
}

pub(super) fn options() -> Options {
    Options {
        digest_key: DigestKey::new(b"a key"),
    }
}

pub(super) fn spool(bytes: &[u8]) -> Spool {
    let mut spool = Spool::new(Limits::default());
    for chunk in bytes.chunks(100) {
        spool.push(chunk).unwrap();
    }
    spool
}

pub(super) fn element(address: &str, values: Value) -> Value {
    json!({
        "address": address, "mode": "managed", "type": "net_thing", "name": "x", "provider_name": PROVIDER,
        "values": values, "sensitive_values": {},
    })
}

fn instances(plan: &Plan, previous: Option<&Previous>) -> Vec<Instance> {
    plan.instances(&|_| previous.cloned())
        .map(Result::unwrap)
        .collect()
}

pub(super) fn differs(sides: &Sides) -> bool {
    match sides {
        Sides::Shown { desired, live } => canonical(desired) != canonical(live),
        Sides::Redacted { equal, .. } => !equal,
    }
}

pub(super) fn rows(instances: &[Instance]) -> Vec<String> {
    let fields = instances.iter().flat_map(|instance| {
        let fields = instance.fields.iter().filter(|field| differs(&field.sides));
        fields.map(|field| format!("{}: {}", instance.address, field.name))
    });
    fields.collect()
}
