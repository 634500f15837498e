//! Plans that put live values back to the expected ones. A plan only reads what is stored; a person carries it out.

use std::collections::BTreeMap;

use entity::cloud_drift::{self as drift, DriftStatus};
use entity::cloud_provisioned as provisioned;
use entity::cloud_resources as resources;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};
use serde_json::Value;
use uuid::Uuid;

use super::page::find_one;
use super::{drift_rows, inbox};
use crate::db::Db;
use crate::domain::addresses::shell_word;
use crate::domain::compare::live_value;
use crate::domain::detection::WHOLE_RESOURCE;
use crate::domain::not_compared::NotCompared;
use crate::domain::redaction::{hides, shown};
use crate::domain::revert::{Call, Outcome};
use crate::error::{Error, Result};
use crate::provider::revert;
use crate::services::addresses::is_usable;
use crate::services::resources::{by_ids, source_of};

/// Maximum number of fields of a plan.
pub(crate) const MAX_FIELDS: usize = 100;
/// Maximum number of calls of a field. A list with more members that differ is put back in several plans.
pub(crate) const MAX_CALLS: usize = 200;

/// What a plan is for.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// One open drift.
    Drift(Uuid),
    /// These fields of a resource; without a list, all fields with an open drift.
    Fields(Uuid, Option<Vec<String>>),
}

/// A plan for one resource.
#[derive(Clone, Debug)]
pub struct RevertPlan {
    /// The resource, as it is stored.
    pub resource: resources::Model,
    /// The fields, by name, at most 100.
    pub fields: Vec<PlannedField>,
    /// The calls of all fields in order, each once.
    pub calls: Vec<Call>,
    /// How Terraform puts the resource back, if the spec came from its state.
    pub terraform: Option<TerraformPlan>,
    /// Name of the source that must list the resource before a sweep closes its drifts.
    pub source: Option<String>,
}

/// A field of a plan.
#[derive(Clone, Debug)]
pub struct PlannedField {
    /// Name of the field; `*` for the whole resource.
    pub field: String,
    /// The expected value as it may be shown; null if it is unset or redacted.
    pub expected: Value,
    /// The live value as it may be shown; null if it is unset or redacted.
    pub actual: Value,
    /// The open drift of the field.
    pub drift: Option<drift::Model>,
    /// How it can be put back.
    pub result: FieldResult,
}

/// How a field can be put back.
#[derive(Clone, Debug)]
pub enum FieldResult {
    /// By calls, or not.
    Planned(Outcome),
    /// The values are equal by now.
    Equal,
    /// The spec no longer names the field, so nothing is expected of it.
    NotExpected,
}

/// Commands of Terraform.
#[derive(Clone, Debug)]
pub struct TerraformPlan {
    /// Address of the resource.
    pub address: String,
    /// The command that shows what Terraform would change.
    pub plan: String,
    /// The command that changes it.
    pub apply: String,
}

/// Plans how live values are put back. Returns None if there is no such drift or resource. Only reads.
///
/// # Errors
///
/// ALREADY_RESOLVED if the drift is not open; BAD_USER_INPUT if there are too many fields; the database is unavailable.
pub async fn plan(db: &Db, wanted: &Wanted) -> Result<Option<RevertPlan>> {
    let reader = db.reader();
    let (resource_id, fields) = match wanted {
        Wanted::Drift(id) => {
            let Some(drift) = inbox::find(reader, *id).await? else {
                return Ok(None);
            };
            if drift.status != DriftStatus::Open {
                return Err(Error::AlreadyResolved(drift.status));
            }
            (drift.resource_id, Some(vec![drift.field]))
        }
        Wanted::Fields(id, fields) => (*id, fields.clone()),
    };
    if fields.as_ref().is_some_and(|fields| fields.len() > MAX_FIELDS) {
        return Err(Error::BadUserInput(format!(
            "at most {MAX_FIELDS} fields are planned together"
        )));
    }
    let Some(resource) = by_ids(reader, &[resource_id]).await?.into_iter().next() else {
        return Ok(None);
    };
    let spec = active_spec(reader, resource_id).await?;
    let open = drift_rows::open_of(reader, &[resource_id]).await?;
    Ok(Some(planned(resource, spec.as_ref(), open, fields)))
}

async fn active_spec<C: ConnectionTrait>(
    connection: &C,
    resource: Uuid,
) -> Result<Option<provisioned::Model>> {
    let select = provisioned::Entity::find()
        .filter(provisioned::Column::ResourceId.eq(resource))
        .filter(provisioned::Column::RetiredAt.is_null());
    find_one(connection, select).await
}

fn planned(
    resource: resources::Model,
    spec: Option<&provisioned::Model>,
    open: Vec<drift::Model>,
    fields: Option<Vec<String>>,
) -> RevertPlan {
    let mut names = fields.unwrap_or_else(|| open.iter().map(|drift| drift.field.clone()).collect());
    names.sort_unstable();
    names.dedup();
    names.truncate(MAX_FIELDS);
    let uncompared = spec.map(NotCompared::of).unwrap_or_default();
    let live = |field: &str| live_value(&resource, field).map_or(Value::Null, |value| value.into_owned());
    let is_missing = resource.gone_at.is_some();
    let expected_of = |field: &str| match field {
        WHOLE_RESOURCE => spec.filter(|_| is_missing).map(|spec| spec.spec.clone()),
        field => spec?.spec.get(field).cloned(),
    };
    let mut wanted: BTreeMap<String, Value> = BTreeMap::new();
    let mut settled: BTreeMap<String, FieldResult> = BTreeMap::new();
    for field in &names {
        let actual = live(field);
        match expected_of(field) {
            None => _ = settled.insert(field.clone(), FieldResult::NotExpected),
            Some(expected) if !is_missing && uncompared.are_equal(field, &expected, &actual) => {
                settled.insert(field.clone(), FieldResult::Equal);
            }
            Some(expected) => {
                let completed = uncompared.completed(field, &expected, &actual);
                wanted.insert(field.clone(), completed);
            }
        }
    }
    let mut outcomes = revert::outcomes(&resource, &wanted);
    let mut fields = Vec::with_capacity(names.len());
    let mut calls: Vec<Call> = Vec::new();
    for field in names {
        let result = settled
            .remove(&field)
            .or_else(|| outcomes.remove(&field).map(FieldResult::Planned))
            .unwrap_or(FieldResult::NotExpected);
        if let FieldResult::Planned(Outcome::Calls(of_field)) = &result {
            for call in of_field.iter().take(MAX_CALLS) {
                if !calls.contains(call) {
                    calls.push(call.clone());
                }
            }
        }
        let (expected, actual) = sides(expected_of(&field), live(&field));
        fields.push(PlannedField {
            drift: open.iter().find(|drift| drift.field == field).cloned(),
            expected,
            actual,
            result,
            field,
        });
    }
    RevertPlan {
        terraform: spec.and_then(terraform),
        source: source_of(&resource).map(str::to_owned),
        resource,
        fields,
        calls,
    }
}

/// Returns both values as they may be shown.
fn sides(expected: Option<Value>, actual: Value) -> (Value, Value) {
    let expected = expected.unwrap_or(Value::Null);
    if hides(Some(&expected), Some(&actual)) {
        return (Value::Null, Value::Null);
    }
    (shown(&expected).into_owned(), shown(&actual).into_owned())
}

fn terraform(spec: &provisioned::Model) -> Option<TerraformPlan> {
    let address = spec.address.as_deref().filter(|address| is_usable(address))?;
    let word = shell_word(address);
    Some(TerraformPlan {
        plan: format!("terraform plan -target={word}"),
        apply: format!("terraform apply -target={word}"),
        address: address.to_owned(),
    })
}
