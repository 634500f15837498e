//! Fields that another Terraform resource declares, perhaps in another state: a project declares which resources are
//! in it, and an attachment declares what it attaches.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::domain::inventory::PROJECT_ID;
use crate::provider::traits;

/// The field of a droplet that a volume attachment declares.
const VOLUME_IDS: &str = "volume_ids";

/// The rank of a declaration. The highest rank among the declarations of a field decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strength {
    /// The `resources` of the default project. It contains all resources that are in no other project.
    Default = 0,
    /// The resource's own attribute, or the `resources` of a project. The provider fills in both if the configuration
    /// does not set them.
    Own = 1,
    /// An attachment, an assignment or `digitalocean_project_resources`, which have no other purpose.
    Declared = 2,
    /// A tainted or unreadable instance, so the value is unknown and the field is not compared.
    Open = 3,
}

impl Strength {
    /// Converts a stored number. Unknown numbers become `Open`.
    pub fn of(number: i32) -> Self {
        match number {
            0 => Self::Default,
            1 => Self::Own,
            2 => Self::Declared,
            _ => Self::Open,
        }
    }
}

/// A declaration of one instance about a field of a resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Declaration {
    /// Kind of the resource with the field.
    pub kind: String,
    /// The provider's id of that resource.
    pub provider_id: String,
    /// Name of the field.
    pub field: String,
    /// Value of the field, or one member if the field is a list.
    pub value: Value,
    /// Rank of the declaration.
    pub strength: Strength,
    /// Address of the declaring instance in the state.
    pub address: String,
}

impl Declaration {
    /// Returns the identity of the declaration. Declarations with the same key are duplicates.
    pub fn key(&self) -> (&str, &str, &str, String) {
        (&self.kind, &self.provider_id, &self.field, self.value.to_string())
    }

    /// Returns whether this declares `volume_ids` of a droplet. The same attachment also declares `droplet_ids` of the
    /// volume. A caller that must count the attachment once ignores the declaration of `volume_ids`.
    pub(crate) fn is_mirrored(&self) -> bool {
        self.field == VOLUME_IDS
    }
}

/// Removes from a spec the fields that other Terraform resources may declare, and returns them as declarations of rank
/// `Own`. An own `project_id` is dropped, because the provider reads it when it creates the resource, before a project
/// contains the resource.
pub(super) fn split_own_declarations(
    kind: &str,
    provider_id: &str,
    address: &str,
    spec: &mut Map<String, Value>,
) -> Vec<Declaration> {
    let mut declared = Vec::new();
    for field in traits::kind(kind).declared_elsewhere {
        let values = match spec.remove(*field) {
            None => continue,
            Some(_) if *field == PROJECT_ID => continue,
            Some(Value::Array(members)) => members,
            // The provider fills in these lists, so an empty list declares nothing.
            Some(Value::Null) if is_list(field) => continue,
            Some(value) => vec![value],
        };
        declared.extend(values.into_iter().map(|value| Declaration {
            kind: kind.to_owned(),
            provider_id: provider_id.to_owned(),
            field: (*field).to_owned(),
            value,
            strength: Strength::Own,
            address: address.to_owned(),
        }));
    }
    declared
}

fn is_list(field: &str) -> bool {
    field.ends_with("_ids")
}

/// Replaces the fields of a spec that other Terraform resources may declare with their declared values. A field without
/// a declaration is removed, so that it is not compared. Each declaration comes with the name of its state.
///
/// Returns a message for each field whose strongest declarations disagree. Such a field is not compared either.
pub fn apply_declarations(
    kind: &str,
    spec: &mut Map<String, Value>,
    declared: &[(&str, &Declaration)],
) -> Vec<String> {
    let mut disagreements = Vec::new();
    for field in traits::kind(kind).declared_elsewhere {
        spec.remove(*field);
        let about: Vec<&(&str, &Declaration)> = declared
            .iter()
            .filter(|(_, declared)| declared.field == *field)
            .collect();
        let Some(strongest) = about.iter().map(|(_, declared)| declared.strength).max() else {
            continue;
        };
        let decisive = about
            .into_iter()
            .filter(|(_, declared)| declared.strength == strongest);
        let decisive: Vec<&(&str, &Declaration)> = decisive.collect();
        let values: BTreeSet<String> = decisive
            .iter()
            .map(|(_, declared)| declared.value.to_string())
            .collect();
        if strongest == Strength::Open {
            continue;
        }
        if is_list(field) {
            spec.insert((*field).to_owned(), members(&decisive));
        } else if values.len() == 1 {
            let value = decisive.first().map(|(_, declared)| declared.value.clone());
            spec.insert((*field).to_owned(), value.unwrap_or_default());
        } else {
            disagreements.push(disagreement(field, &decisive));
        }
    }
    disagreements
}

fn members(declared: &[&(&str, &Declaration)]) -> Value {
    let mut members: Vec<&Value> = declared.iter().map(|(_, declared)| &declared.value).collect();
    members.sort_by_key(|member| (member.as_i64(), member.as_str()));
    members.dedup();
    members.into_iter().cloned().collect::<Vec<_>>().into()
}

fn disagreement(field: &str, declared: &[&(&str, &Declaration)]) -> String {
    let each: Vec<String> = declared
        .iter()
        .map(|(state, declared)| format!("{} in {} ({})", declared.value, declared.address, state))
        .collect();
    format!(
        "{field} has conflicting declarations and is not compared: {}",
        each.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn project(value: Value, strength: Strength) -> Declaration {
        Declaration {
            kind: "database".to_owned(),
            provider_id: "db".to_owned(),
            field: PROJECT_ID.to_owned(),
            value,
            strength,
            address: "digitalocean_project.shop".to_owned(),
        }
    }

    fn applied(kind: &str, spec: Value, declared: &[Declaration]) -> (Value, Vec<String>) {
        let mut spec = spec.as_object().unwrap().clone();
        let named: Vec<(&str, &Declaration)> = declared.iter().map(|declared| ("l-1", declared)).collect();
        let disagreements = apply_declarations(kind, &mut spec, &named);
        (spec.into(), disagreements)
    }

    #[test]
    fn an_unknown_strength_is_read_as_open() {
        for strength in [
            Strength::Default,
            Strength::Own,
            Strength::Declared,
            Strength::Open,
        ] {
            assert_eq!(Strength::of(strength as i32), strength);
        }
        assert_eq!(Strength::of(4), Strength::Open, "of a later release");
    }

    #[test]
    fn the_strongest_declaration_sets_the_field_and_without_one_it_is_removed() {
        let (spec, none) = applied("database", json!({"project_id": "old", "name": "a"}), &[]);
        assert_eq!((spec, none.len()), (json!({"name": "a"}), 0));
        let (weak, strong) = (
            project(json!("p-0"), Strength::Default),
            project(json!("p-1"), Strength::Declared),
        );
        let (spec, none) = applied("database", json!({}), &[strong.clone(), weak]);
        assert_eq!((spec, none.len()), (json!({"project_id": "p-1"}), 0));
        let other = project(json!("p-2"), Strength::Declared);
        let (spec, both) = applied("database", json!({}), &[strong.clone(), other]);
        assert_eq!(spec, json!({}));
        assert!(both[0].contains("\"p-1\"") && both[0].contains("\"p-2\"") && both[0].contains("l-1"));
        let open = project(json!("p-1"), Strength::Open);
        assert_eq!(applied("database", json!({}), &[strong, open]).0, json!({}));
    }

    #[test]
    fn an_attachment_outranks_the_list_of_the_droplet_and_an_empty_list_declares_nothing() {
        let mut spec = json!({"volume_ids": ["v-1"], "project_id": "p", "name": "a"});
        let own_list = split_own_declarations(
            "droplet",
            "1",
            "digitalocean_droplet.a",
            spec.as_object_mut().unwrap(),
        );
        assert_eq!(spec, json!({"name": "a"}));
        assert_eq!(
            applied("droplet", spec.clone(), &own_list).0,
            json!({"name": "a", "volume_ids": ["v-1"]})
        );
        let attached = |volume: &str| Declaration {
            value: volume.into(),
            strength: Strength::Declared,
            ..own_list[0].clone()
        };
        let all = [
            own_list[0].clone(),
            attached("v-3"),
            attached("v-2"),
            attached("v-2"),
        ];
        assert_eq!(
            applied("droplet", spec, &all).0,
            json!({"name": "a", "volume_ids": ["v-2", "v-3"]})
        );
        let mut empty = json!({"volume_ids": []});
        assert!(split_own_declarations("droplet", "1", "a", empty.as_object_mut().unwrap()).is_empty());
    }
}
