//! Explains the comparison of one field of a resource, also if there is no drift.

use std::sync::Arc;

use entity::cloud_drift as drift;
use entity::cloud_provisioned as provisioned;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::json;
use uuid::Uuid;

use super::detection::Scope;
use super::freshness::{self, StaleKind};
use super::page::find_one;
use super::{drift_rows, ignore_rules, inventory, resources};
use crate::db::Db;
use crate::domain::detection::Pair;
use crate::domain::explanation::{Explanation, explain};
use crate::domain::freshness::MaxAge;
use crate::error::Result;
use crate::provider::traits;

/// The comparison of one field, and what is stored about it.
#[derive(Clone, Debug)]
pub(crate) struct Explained {
    /// The comparison of the stored values.
    pub(crate) explanation: Explanation,
    /// The spec, in force or retired.
    pub(crate) spec: Option<provisioned::Model>,
    /// The open drift of the field.
    pub(crate) open: Option<drift::Model>,
    /// Why the inventory of the kind may be out of date.
    pub(crate) stale: Option<StaleKind>,
}

/// Explains the comparison of a field of a resource; None if the resource does not exist. Only reads.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn of(db: &Db, resource: Uuid, field: &str, max_age: &MaxAge) -> Result<Option<Explained>> {
    let reader = db.reader();
    let now = db.time(reader).await?;
    let Some(resource) = resources::by_ids(reader, &[resource]).await?.into_iter().next() else {
        return Ok(None);
    };
    let of_resource = provisioned::Entity::find().filter(provisioned::Column::ResourceId.eq(resource.id));
    let spec = find_one(reader, of_resource).await?;
    let open = drift_rows::open_of(reader, &[resource.id]).await?;
    let scope = Scope::Resources(vec![resource.id]);
    let stale = freshness::of_scope(db, &scope, max_age).await?.stale;
    let pair = Pair {
        traits: traits::rules(&resource.provider, &resource.kind),
        listed_at: inventory::listed_at(reader, &resource).await?,
        spec: spec.clone().unwrap_or_else(|| no_spec(resource.id)),
        open: open.clone(),
        rules: Arc::new(ignore_rules::in_force(reader).await?),
        ignored: Vec::new(),
        resource,
    };
    Ok(Some(Explained {
        explanation: explain(&pair, spec.is_some(), field, now),
        spec,
        open: open.into_iter().find(|drift| drift.field == field),
        stale: stale.into_iter().next(),
    }))
}

/// Returns a spec without fields, for a resource that has none.
fn no_spec(resource_id: Uuid) -> provisioned::Model {
    provisioned::Model {
        id: Uuid::nil(),
        resource_id,
        spec: json!({}),
        spec_version: 0,
        source: String::new(),
        recorded_by: String::new(),
        recorded_at: chrono::DateTime::UNIX_EPOCH,
        retired_at: None,
        created_at: chrono::DateTime::UNIX_EPOCH,
        not_compared: None,
        address: None,
    }
}
