//! The import of Terraform states. The input is a state file or the output of `terraform show -json`.

use std::collections::{BTreeMap, BTreeSet};

use drift_inbox::domain::equality::canonical;
use drift_inbox::provider::terraform::{State, parse, parse_value};
use serde_json::Value;

use super::json::{Dice, Meaning, Spelling, meaning, parsed, spelled, utf16};

/// A resource: its kind and its id.
type Id = (&'static str, String);

/// The encoding and the notation of a state do not matter, nor does the order of its resources.
pub fn check(input: &[u8]) {
    let state = match parse(input) {
        Ok(state) => state,
        Err(error) => {
            let why = error.to_string();
            assert!(!why.is_empty() && why.len() < 400 && !why.contains('\n'), "{why}");
            return;
        }
    };
    one_entry_per_resource(&state);
    if let Ok(text) = std::str::from_utf8(input)
        && !text.starts_with('\u{feff}')
        && !text.starts_with('\0')
    {
        assert_eq!(parse(&utf16(text)).as_ref(), Ok(&state), "in UTF-16");
    }
    let Some(file) = parsed(input) else {
        return;
    };
    let again = spelled(&file, Spelling::SameValue, &mut Dice::of(input));
    assert_eq!(parse(again.as_bytes()).as_ref(), Ok(&state), "{again}");
    assert_eq!(parse_value(file.clone()).as_ref(), Ok(&state));
    in_another_order(file, &state);
}

fn one_entry_per_resource(state: &State) {
    let ids: Vec<Id> = state
        .desired
        .iter()
        .map(|one| (one.kind, one.provider_id.clone()))
        .collect();
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
    let held = held(state);
    for desired in &state.desired {
        let id = (desired.kind, desired.provider_id.clone());
        assert!(!desired.provider_id.is_empty() && !held.contains(&id), "{id:?}");
        assert!(!desired.urn.is_empty(), "{id:?}");
        // A spec is compared, so it must have a form.
        _ = canonical(&Value::Object(desired.spec.clone()));
        for path in desired.not_compared.texts() {
            let field = path.split(['.', '[']).next().unwrap_or_default();
            assert!(desired.spec.contains_key(field), "{path} of {id:?}");
        }
    }
    let declared: BTreeSet<_> = state.declared.iter().map(|one| one.key()).collect();
    assert_eq!(declared.len(), state.declared.len(), "declarations are distinct");
    assert!(state.serial.is_none_or(|serial| serial >= 0));
}

fn held(state: &State) -> BTreeSet<Id> {
    let held = state.held.iter();
    held.map(|one| (one.kind, one.provider_id.clone())).collect()
}

fn specs(state: &State) -> BTreeMap<Id, (Meaning, Vec<String>)> {
    let each = state.desired.iter().map(|one| {
        let mut open = one.not_compared.texts();
        open.sort();
        let id = (one.kind, one.provider_id.clone());
        (id, (meaning(&Value::Object(one.spec.clone())), open))
    });
    each.collect()
}

/// A state with its resources in reverse order has the same desired state.
fn in_another_order(mut file: Value, state: &State) {
    reverse(&mut file);
    let other = parse_value(file).expect("the same resources");
    assert_eq!(specs(&other), specs(state));
    assert_eq!(held(&other), held(state));
    assert_eq!(other.skipped, state.skipped);
    assert_eq!(other.refused.len(), state.refused.len());
}

fn reverse(module: &mut Value) {
    for list in ["resources", "child_modules"] {
        let modules = module
            .get_mut(list)
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten();
        modules.filter(|_| list == "child_modules").for_each(reverse);
        if let Some(list) = module.get_mut(list).and_then(Value::as_array_mut) {
            list.reverse();
        }
    }
    if let Some(root) = module.pointer_mut("/values/root_module") {
        reverse(root);
    }
}
