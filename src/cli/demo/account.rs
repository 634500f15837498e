//! The account of the demo: its initial state, and the changes that are made to it.

use std::path::{Path, PathBuf};

use entity::cloud_resources;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

use crate::cli::Failure;
use crate::domain::compare::live_value;

/// The resources and specs of a sample company.
const ACCOUNT: &str = include_str!("../sample/account.json");
/// The changes that are made to the account.
const CHANGES: &str = include_str!("../sample/changes.json");

/// The account in its initial state.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Sample {
    provider: String,
    /// The fields that the specs of each kind contain.
    watched: BTreeMap<String, BTreeSet<String>>,
    /// Provider ids of unmanaged resources.
    unmanaged: BTreeSet<String>,
    /// The resources in the format of an inventory file.
    resources: Vec<Map<String, Value>>,
}

/// A resource, identified by its kind and provider id.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Target {
    pub(super) kind: String,
    pub(super) provider_id: String,
}

/// A drift, identified by the resource and its field.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Suggested {
    pub(super) target: Target,
    pub(super) field: String,
}

/// A change in the history of the demo.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct PastChange {
    pub(super) minutes_ago: i64,
    pub(super) target: Target,
    /// Changed fields in the format of an inventory file. `attrs` contains only the attributes that change.
    pub(super) set: Option<Map<String, Value>>,
    /// Whether the resource was deleted.
    #[serde(default)]
    pub(super) delete: bool,
    /// An accept of a drift, instead of a change of the resource.
    pub(super) accept: Option<PastAccept>,
}

/// An accept in the history of the demo.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PastAccept {
    pub(super) field: String,
    pub(super) by: String,
    pub(super) note: String,
}

/// A change made while the demo runs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LiveChange {
    pub(super) description: String,
    pub(super) target: Target,
    pub(super) set: Map<String, Value>,
}

/// All changes to the account.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Changes {
    /// Past changes, oldest first.
    pub(super) history: Vec<PastChange>,
    /// Changes that are made while the demo runs, repeated in order. The last changes undo the first ones.
    pub(super) live: Vec<LiveChange>,
    /// The drift in the printed example of an accept.
    pub(super) suggested: Suggested,
}

impl Changes {
    /// Reads the changes of the sample.
    pub(super) fn read() -> Result<Self, Failure> {
        serde_json::from_str(CHANGES).map_err(|why| Failure::Failed(format!("sample changes: {why}")))
    }
}

/// The account and its inventory file.
pub(super) struct Account {
    sample: Sample,
    file: PathBuf,
}

impl Account {
    /// Creates the account in its desired state, with its inventory file in `folder`.
    pub(super) fn create(folder: &Path) -> Result<Self, Failure> {
        let sample = serde_json::from_str(ACCOUNT);
        let account = Self {
            sample: sample.map_err(|why| Failure::Failed(format!("sample account: {why}")))?,
            file: folder.join("inventory.json"),
        };
        account.save()?;
        Ok(account)
    }

    /// Returns the path of the inventory file.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// Returns the spec of a resource, if it has one.
    pub(super) fn spec_of(&self, resource: &cloud_resources::Model) -> Option<Value> {
        if self.sample.unmanaged.contains(&resource.provider_id) {
            return None;
        }
        let fields = self.sample.watched.get(&resource.kind)?;
        let spec: Map<String, Value> = fields
            .iter()
            .filter_map(|field| Some((field.clone(), live_value(resource, field)?.into_owned())))
            .collect();
        Some(Value::Object(spec))
    }

    /// Changes fields of a resource.
    pub(super) fn set(&mut self, target: &Target, fields: &Map<String, Value>) -> Result<(), Failure> {
        let found = self.sample.resources.iter_mut().find(|entry| is(entry, target));
        let entry = found.ok_or_else(|| unknown(target))?;
        for (field, value) in fields {
            match (entry.get_mut(field), value) {
                (Some(Value::Object(old)), Value::Object(new)) => old.extend(new.clone()),
                _ => _ = entry.insert(field.clone(), value.clone()),
            }
        }
        self.save()
    }

    /// Deletes a resource.
    pub(super) fn delete(&mut self, target: &Target) -> Result<(), Failure> {
        let before = self.sample.resources.len();
        self.sample.resources.retain(|entry| !is(entry, target));
        if self.sample.resources.len() == before {
            return Err(unknown(target));
        }
        self.save()
    }

    /// Writes the inventory file atomically: a concurrent reader sees either the old or the new contents.
    fn save(&self) -> Result<(), Failure> {
        let (provider, resources) = (&self.sample.provider, &self.sample.resources);
        let text = json!({ "provider": provider, "resources": resources }).to_string();
        let unfinished = self.file.with_extension("new");
        std::fs::write(&unfinished, text)?;
        Ok(std::fs::rename(unfinished, &self.file)?)
    }
}

fn is(entry: &Map<String, Value>, target: &Target) -> bool {
    entry.get("kind").and_then(Value::as_str) == Some(&target.kind)
        && entry.get("providerId").and_then(Value::as_str) == Some(&target.provider_id)
}

fn unknown(target: &Target) -> Failure {
    Failure::Failed(format!(
        "sample changes: unknown {} {:?}",
        target.kind, target.provider_id
    ))
}
