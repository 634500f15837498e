//! The import of Terraform plans. The input is a refresh-only plan, and optionally a normal plan after an empty line.

use std::collections::BTreeSet;

use drift_inbox::provider::terraform_plan::{
    DigestKey, Field, Instance, Limits, NormalPlan, Options, Plan, Refusal, Sides, Spool,
};
use serde_json::Value;

use super::json::{Dice, Spelling, has_zero, meaning, parsed, spelled};

/// The shortest marked text that is looked for here. Shorter ones occur in other values by chance.
const LONG_SECRET: usize = 12;

/// A plan that is accepted is evidence, shows no marked secret, and reads the same in any notation.
pub fn check(input: &[u8]) {
    let end = input.windows(2).position(|pair| pair == b"\n\n");
    let (refresh, normal) = match end {
        Some(end) => (&input[..end], Some(&input[end + 2..])),
        None => (input, None),
    };
    let Ok(plan) = read(refresh, usize::MAX) else {
        _ = NormalPlan::read(spool(refresh, usize::MAX));
        return;
    };
    let file = parsed(refresh.strip_prefix(b"\xef\xbb\xbf").unwrap_or(refresh));
    let instances = instances(&plan);
    let found: Vec<&Instance> = instances.iter().flatten().collect();
    if instances.iter().all(Result::is_ok) {
        assert_eq!(found.len(), plan.outline().instances, "instances");
    }
    for instance in &found {
        is_well_formed(&plan, instance);
        constants_are_in_force(instance);
    }
    let mut dice = Dice::of(input);
    in_pieces(refresh, &plan, &instances, 1 + dice.throw(200));
    if let Some(file) = file {
        is_evidence(&file);
        nothing_changed_without_a_change(&file, &found);
        shows_no_secret(&file, &found);
        let again = spelled(&file, Spelling::SameValue, &mut dice);
        let other = read(again.as_bytes(), usize::MAX).unwrap_or_else(|why| panic!("{why:?}: {again}"));
        // The instances of a module come before or after those in it, as the file has them.
        let sorted = |mut all: Vec<String>| {
            all.sort();
            all
        };
        let other = shown(&self::instances(&other));
        assert_eq!(sorted(other), sorted(shown(&instances)), "{again}");
        if let Some(normal) = normal {
            with_a_normal_plan(plan, &file, normal);
        }
    }
}

fn spool(bytes: &[u8], size: usize) -> Spool {
    let limits = Limits {
        element: 64 * 1024,
        ..Limits::default()
    };
    let mut spool = Spool::new(limits);
    for piece in bytes.chunks(size.min(bytes.len().max(1))) {
        spool.push(piece).expect("inputs are small");
    }
    spool
}

fn read(bytes: &[u8], size: usize) -> Result<Plan, Refusal> {
    let digest_key = DigestKey::new(b"a key");
    Plan::read(spool(bytes, size), Options { digest_key })
}

fn instances(plan: &Plan) -> Vec<Result<Instance, Refusal>> {
    let instances: Vec<_> = plan.instances(&|_| None).collect();
    assert!(instances.len() <= plan.len());
    instances
}

/// Returns everything of instances that an import stores.
fn shown(instances: &[Result<Instance, Refusal>]) -> Vec<String> {
    let each = instances.iter().map(|instance| match instance {
        Err(why) => format!("{why:?}"),
        Ok(one) => {
            let sides = one.fields.iter().map(|field| match &field.sides {
                Sides::Shown { desired, live } => format!("{}: {desired} {live}", field.name),
                Sides::Redacted { equal, desired, live } => {
                    format!("{}: {equal} {desired} {live}", field.name)
                }
            });
            let sides: Vec<String> = sides.collect();
            format!(
                "{one:?} {:?} {:?} {:?} {:?} {:?} {:?} {} {} {sides:?}",
                one.provider,
                one.name,
                one.region,
                one.cloud_id,
                one.previous_address,
                one.undeclared_changes,
                one.tainted,
                one.decided
            )
        }
    });
    each.collect()
}

fn is_well_formed(plan: &Plan, instance: &Instance) {
    let mut addresses = plan.addresses(0..plan.len());
    assert!(
        addresses.any(|(address, _)| address == instance.address),
        "{instance:?}"
    );
    let names = instance.fields.iter().map(|field| &field.name);
    assert!(names.is_sorted_by(|a, b| a < b), "{instance:?}");
    for field in &instance.fields {
        if let Sides::Shown { desired, live } = &field.sides {
            let storable = !has_zero(desired) && !has_zero(live);
            assert!(storable, "a database cannot store {desired} or {live}");
        }
    }
}

/// A constant of the code that is the applied and the live value is in force.
fn constants_are_in_force(instance: &Instance) {
    for field in &instance.fields {
        let constant = field.constant;
        if constant.is_some_and(|constant| constant.equals_applied && constant.equals_live) {
            assert!(!differs(field), "{} of {}", field.name, instance.address);
        }
    }
}

fn differs(field: &Field) -> bool {
    match &field.sides {
        Sides::Shown { desired, live } => meaning(desired) != meaning(live),
        Sides::Redacted { equal, .. } => !equal,
    }
}

/// The pieces in which a plan arrives do not matter.
fn in_pieces(bytes: &[u8], plan: &Plan, instances: &[Result<Instance, Refusal>], size: usize) {
    let pieces = read(bytes, size).expect("the same plan in pieces");
    assert_eq!(pieces.outline(), plan.outline());
    assert_eq!(
        shown(&self::instances(&pieces)),
        shown(instances),
        "in pieces of {size}"
    );
}

/// Only a refresh-only plan of a whole state is evidence.
fn is_evidence(file: &Value) {
    assert_eq!(file["errored"], false);
    assert_eq!(file["complete"], true);
    assert!(
        file["format_version"]
            .as_str()
            .is_some_and(|version| version.starts_with("1."))
    );
    assert!(file.get("resource_changes").is_none(), "a plan with changes");
    for part in [
        "/planned_values/root_module/resources",
        "/planned_values/root_module/child_modules",
    ] {
        assert!(file.pointer(part).is_none(), "a plan with planned values");
    }
    let has_drift = file["resource_drift"]
        .as_array()
        .is_some_and(|drift| !drift.is_empty());
    assert!(
        file.get("prior_state").is_some() || has_drift,
        "a plan of nothing"
    );
}

/// What no change of the plan names, does not differ.
fn nothing_changed_without_a_change(file: &Value, found: &[&Instance]) {
    let drift = file["resource_drift"].as_array().into_iter().flatten();
    let changed: BTreeSet<&str> = drift.filter_map(|change| change["address"].as_str()).collect();
    for instance in found.iter().filter(|one| !changed.contains(one.address.as_str())) {
        assert!(
            !instance.gone && instance.undeclared_changes.is_empty(),
            "{instance:?}"
        );
        for field in &instance.fields {
            assert!(!differs(field), "{} of {}", field.name, instance.address);
        }
    }
}

/// A text that the plan marks as sensitive is shown nowhere.
fn shows_no_secret(file: &Value, found: &[&Instance]) {
    let mut secrets = BTreeSet::new();
    if let Some(root) = file.pointer("/prior_state/values/root_module") {
        marked_in_module(root, &mut secrets);
    }
    for change in file["resource_drift"].as_array().into_iter().flatten() {
        for side in ["before", "after"] {
            let marks = &change["change"][format!("{side}_sensitive")];
            marked(&change["change"][side], marks, &mut secrets);
        }
    }
    for secret in secrets.iter().filter(|secret| secret.len() >= LONG_SECRET) {
        for instance in found {
            let texts = [&instance.cloud_id, &instance.region].into_iter().flatten();
            for text in texts.chain([&instance.name]) {
                // Without a name, an instance is shown by its address.
                assert!(
                    *text == instance.address || !text.contains(secret),
                    "{secret} in {text}"
                );
            }
            for field in &instance.fields {
                if let Sides::Shown { desired, live } = &field.sides {
                    let is_in = contains(desired, secret) || contains(live, secret);
                    assert!(!is_in, "{secret} in {} of {}", field.name, instance.address);
                }
            }
        }
    }
}

fn marked_in_module(module: &Value, secrets: &mut BTreeSet<String>) {
    for resource in module["resources"].as_array().into_iter().flatten() {
        marked(&resource["values"], &resource["sensitive_values"], secrets);
    }
    for child in module["child_modules"].as_array().into_iter().flatten() {
        marked_in_module(child, secrets);
    }
}

fn marked(value: &Value, marks: &Value, secrets: &mut BTreeSet<String>) {
    match (value, marks) {
        (Value::String(text), Value::Bool(true)) => _ = secrets.insert(text.clone()),
        (Value::Array(items), Value::Array(marks)) => {
            items
                .iter()
                .zip(marks)
                .for_each(|(item, marks)| marked(item, marks, secrets));
        }
        (Value::Object(map), Value::Object(marks)) => {
            for (key, marks) in marks {
                map.get(key)
                    .into_iter()
                    .for_each(|member| marked(member, marks, secrets));
            }
        }
        _ => {}
    }
}

fn contains(value: &Value, secret: &str) -> bool {
    match value {
        Value::String(text) => text.contains(secret),
        Value::Array(items) => items.iter().any(|item| contains(item, secret)),
        Value::Object(map) => map
            .iter()
            .any(|(key, member)| key.contains(secret) || contains(member, secret)),
        _ => false,
    }
}

/// A normal plan decides about fields, and adds no instances.
fn with_a_normal_plan(plan: Plan, file: &Value, normal: &[u8]) {
    let Ok(normal) = NormalPlan::read(spool(normal, usize::MAX)) else {
        return;
    };
    let before = plan.outline().instances;
    let Ok(plan) = plan.with_normal_plan(normal) else {
        return;
    };
    let instances = instances(&plan);
    let found: Vec<&Instance> = instances.iter().flatten().collect();
    assert!(found.len() <= plan.outline().instances && plan.outline().instances <= before);
    found.iter().for_each(|instance| is_well_formed(&plan, instance));
    shows_no_secret(file, &found);
}
