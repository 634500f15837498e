//! Retires specs, so that their resources are no longer compared.

use chrono::{DateTime, Utc};
use entity::cloud_resource_events::EventType;
use entity::{cloud_provisioned as provisioned, cloud_resources as resources};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};
use serde_json::json;
use std::sync::Arc;
use uuid::Uuid;

use super::drift_rows;
use super::events::{self, NewEvent};
use super::ignored;
use super::locks::{self, Lock};
use super::spec_history::give_reason_in_txn;
use super::stored_specs::{StoredSpec, stored_specs_in_txn, version_in_force};
use crate::db::{DatabaseTransaction, Db};
use crate::domain::detection::{Pair, plan};
use crate::error::{Error, Result};
use crate::provider::traits;

/// A request to retire a spec.
#[derive(Clone, Copy, Debug)]
pub struct RetireSpec {
    /// Id of the resource whose spec is retired.
    pub resource_id: Uuid,
    /// The version that the caller saw.
    pub expected_version: i32,
}

/// The result of a retirement.
#[derive(Clone, Debug)]
pub struct Retired {
    /// The resource, which no longer has a spec in force.
    pub resource: resources::Model,
    /// The version of the retired spec.
    pub version: i32,
}

/// Retires the spec of a resource as a decision of `actor`, regardless of its source. Its open drifts become stale.
///
/// # Errors
///
/// NOT_FOUND for an unknown resource; SPEC_VERSION_CONFLICT if `expected_version` is not in force; BAD_USER_INPUT if
/// it is less than 1 or the row of the spec does not decode.
pub async fn retire_spec(db: &Db, actor: &str, retire: RetireSpec, now: DateTime<Utc>) -> Result<Retired> {
    if retire.expected_version < 1 {
        return Err(Error::BadUserInput(
            "expectedSpecVersion must be 1 or more".to_owned(),
        ));
    }
    db.write_txn(|txn| async move {
        let resource = locks::resource_in_txn(&txn, retire.resource_id, Lock::Share).await?;
        let stored = stored_specs_in_txn(&txn, [resource.id], Some(Lock::Update)).await?;
        let stored = stored.get(&resource.id);
        let current = version_in_force(stored);
        if current != retire.expected_version {
            return Err(Error::SpecVersionConflict { current });
        }
        let spec = stored.and_then(StoredSpec::whole).cloned().ok_or_else(|| {
            Error::BadUserInput("the row of this spec cannot be read: record the spec again first".to_owned())
        })?;
        let version = spec.spec_version + 1;
        retire_in_txn(&txn, std::slice::from_ref(&spec), actor, now).await?;
        close_in_txn(&txn, spec, resource.clone(), now).await?;
        Ok(Retired { resource, version })
    })
    .await
}

/// Closes the open drifts of a resource whose spec has just been retired.
async fn close_in_txn(
    txn: &DatabaseTransaction,
    spec: provisioned::Model,
    resource: resources::Model,
    now: DateTime<Utc>,
) -> Result<()> {
    let open = drift_rows::lock_open_of_in_txn(txn, resource.id).await?;
    let id = resource.id;
    let retired = provisioned::Model {
        retired_at: Some(now),
        ..spec
    };
    let pair = Pair {
        traits: traits::rules(&resource.provider, &resource.kind),
        spec: retired,
        resource,
        open,
        listed_at: None,
        rules: Arc::default(),
        ignored: Vec::new(),
    };
    let plan = plan(&pair, now);
    let changes: Vec<_> = plan.changes.iter().map(|change| (id, change)).collect();
    drift_rows::write_in_txn(txn, &changes, now).await?;
    Ok(())
}

/// Retires locked specs in bulk and increments their versions. A later spec of the resource continues from there.
pub async fn retire_in_txn(
    txn: &DatabaseTransaction,
    specs: &[provisioned::Model],
    actor: &str,
    now: DateTime<Utc>,
) -> Result<()> {
    retire_for_in_txn(txn, specs, None, actor, now).await
}

/// Retires a locked spec, with the reason for it. Returns the version of the retired spec.
pub(super) async fn retire_one_in_txn(
    txn: &DatabaseTransaction,
    spec: provisioned::Model,
    (actor, reason): (&str, Option<&str>),
    now: DateTime<Utc>,
) -> Result<i32> {
    retire_in_txn(txn, std::slice::from_ref(&spec), actor, now).await?;
    let retired = provisioned::Model {
        spec_version: spec.spec_version + 1,
        recorded_at: now,
        ..spec
    };
    give_reason_in_txn(txn, &retired, reason).await?;
    Ok(retired.spec_version)
}

/// Retires locked specs. Their differences are no longer ignored, and no longer wait. `state` is the Terraform state that
/// the resources left, if an import retires them. The events name it as the source, because such a retirement is not a
/// person's decision.
pub(super) async fn retire_for_in_txn(
    txn: &DatabaseTransaction,
    specs: &[provisioned::Model],
    state: Option<&str>,
    actor: &str,
    now: DateTime<Utc>,
) -> Result<()> {
    if specs.is_empty() {
        return Ok(());
    }
    let row = provisioned::ActiveModel {
        recorded_by: Set(actor.to_owned()),
        recorded_at: Set(now),
        retired_at: Set(Some(now)),
        ..Default::default()
    };
    let risen = Expr::col(provisioned::Column::SpecVersion).add(1);
    provisioned::Entity::update_many()
        .set(row)
        .col_expr(provisioned::Column::SpecVersion, risen)
        .filter(provisioned::Column::ResourceId.is_in(specs.iter().map(|spec| spec.resource_id)))
        .exec(txn)
        .await?;
    ignored::delete_of_in_txn(txn, specs.iter().map(|spec| spec.resource_id)).await?;
    let happened = specs.iter().map(|spec| {
        let version = spec.spec_version + 1;
        NewEvent {
            resource_id: spec.resource_id,
            event_type: EventType::SpecRetired,
            data: match state {
                Some(state) => json!({ "specVersion": version, "source": state }),
                None => json!({ "specVersion": version }),
            },
        }
    });
    events::append_in_txn(txn, happened.collect(), actor, now).await
}
