//! Fields that another resource than their own declares, perhaps in another state: the project of a resource is
//! declared by the project, and what is attached to it by the attachment.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::domain::inventory::PROJECT_ID;
use crate::provider::traits;

/// The field of a droplet that a volume attachment declares.
const VOLUME_IDS: &str = "volume_ids";

/// How much a declaration counts: of those about one field, the strongest decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strength {
    /// The default project has what no other project took: its list is rarely one that people wrote.
    Default = 0,
    /// The resource's own attribute, or the list of a project: the provider fills in both where the configuration
    /// is silent.
    Own = 1,
    /// A resource that exists for nothing else: an attachment, an assignment, `digitalocean_project_resources`.
    Declared = 2,
    /// An instance that is tainted or cannot be read declares it, so that the value is not known.
    Open = 3,
}

impl Strength {
    /// Of its number.
    pub fn of(number: i32) -> Self {
        match number {
            0 => Self::Default,
            1 => Self::Own,
            2 => Self::Declared,
            _ => Self::Open,
        }
    }
}

/// What one instance declares about a field of a resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Declaration {
    /// Kind of the resource that it is about.
    pub kind: String,
    /// Id of that resource at the cloud.
    pub provider_id: String,
    /// The field.
    pub field: String,
    /// Its value, or one member if the field is a list.
    pub value: Value,
    /// How much it counts.
    pub strength: Strength,
    /// Where the state has the instance.
    pub address: String,
}

impl Declaration {
    /// Declarations that are equal in this are one.
    pub fn key(&self) -> (&str, &str, &str, String) {
        (&self.kind, &self.provider_id, &self.field, self.value.to_string())
    }

    /// Whether the same attachment declares the same about its other side, which is the one that counts: of a droplet
    /// and a volume, the volume.
    pub(crate) fn is_mirrored(&self) -> bool {
        self.field == VOLUME_IDS
    }
}

/// Takes out of a spec what its own resource cannot declare, and returns what it declares all the same: its own
/// attachments, which hold where no attachment is declared. The project in its own attribute is never one: the
/// provider reads it when it creates the resource, before any project takes it in.
pub(super) fn own(
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
            // An attribute that the provider fills in by itself declares nothing where it is empty.
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

/// Puts into a spec what is declared about its resource, in the place of what it says of these fields. Where nothing
/// declares a field, it is not in the spec, and so not compared.
///
/// Returns each field about which equally strong declarations disagree, as a sentence; it is not compared either.
/// Each declaration comes with the name of its state.
pub fn put_into(kind: &str, spec: &mut Map<String, Value>, declared: &[(&str, &Declaration)]) -> Vec<String> {
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

    fn put(kind: &str, spec: Value, declared: &[Declaration]) -> (Value, Vec<String>) {
        let mut spec = spec.as_object().unwrap().clone();
        let named: Vec<(&str, &Declaration)> = declared.iter().map(|declared| ("l-1", declared)).collect();
        let disagreements = put_into(kind, &mut spec, &named);
        (spec.into(), disagreements)
    }

    #[test]
    fn a_strength_is_read_as_it_was_written_and_an_unknown_one_leaves_the_field_open() {
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
    fn the_strongest_declaration_decides_and_none_leaves_the_field_out() {
        let (spec, none) = put("database", json!({"project_id": "old", "name": "a"}), &[]);
        assert_eq!((spec, none.len()), (json!({"name": "a"}), 0));
        let (weak, strong) = (
            project(json!("p-0"), Strength::Default),
            project(json!("p-1"), Strength::Declared),
        );
        let (spec, none) = put("database", json!({}), &[strong.clone(), weak]);
        assert_eq!((spec, none.len()), (json!({"project_id": "p-1"}), 0));
        let other = project(json!("p-2"), Strength::Declared);
        let (spec, both) = put("database", json!({}), &[strong.clone(), other]);
        assert_eq!(spec, json!({}));
        assert!(both[0].contains("\"p-1\"") && both[0].contains("\"p-2\"") && both[0].contains("l-1"));
        let open = project(json!("p-1"), Strength::Open);
        assert_eq!(put("database", json!({}), &[strong, open]).0, json!({}));
    }

    #[test]
    fn an_attachment_outranks_the_list_of_the_droplet_and_an_empty_list_declares_nothing() {
        let mut spec = json!({"volume_ids": ["v-1"], "project_id": "p", "name": "a"});
        let own_list = own(
            "droplet",
            "1",
            "digitalocean_droplet.a",
            spec.as_object_mut().unwrap(),
        );
        assert_eq!(spec, json!({"name": "a"}));
        assert_eq!(
            put("droplet", spec.clone(), &own_list).0,
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
            put("droplet", spec, &all).0,
            json!({"name": "a", "volume_ids": ["v-2", "v-3"]})
        );
        let mut empty = json!({"volume_ids": []});
        assert!(own("droplet", "1", "a", empty.as_object_mut().unwrap()).is_empty());
    }
}
