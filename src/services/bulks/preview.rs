//! Previews: what a bulk would do. The rows and their revisions are stored, so that the execution accepts nothing else.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};
use entity::bulk_items as items;
use entity::bulks;
use entity::cloud_drift::{self as drift, DriftStatus};
use entity::cloud_provisioned as provisioned;
use sea_orm::{
    ActiveModelTrait as _, ActiveValue::Set, ColumnTrait as _, EntityTrait as _, IntoActiveModel as _,
    QueryFilter as _,
};
use uuid::Uuid;

use super::{Action, Decider, LIFETIME, MAX_DRIFTS};
use crate::db::{DatabaseTransaction, Db, ROWS_PER_INSERT};
use crate::domain::imports::{owning_state, state_name, will_be_undone};
use crate::error::{Error, Result};
use crate::services::inbox::{self, DriftFilter, DriftTime};
use crate::services::page::PageRequest;
use crate::services::{provisioning, spec_sources};

/// The drifts that a user selects.
#[derive(Clone, Debug)]
pub enum Selected {
    /// The newest open drifts that match a filter, at most [`MAX_DRIFTS`].
    Filter(Box<DriftFilter>),
    /// The drifts with these ids.
    Drifts(Vec<Uuid>),
}

/// What a bulk would do.
#[derive(Clone, Debug)]
pub struct Preview {
    /// The stored preview. Its id is the token.
    pub bulk: bulks::Model,
    /// Number of drifts that were selected, of which the preview has at most [`MAX_DRIFTS`].
    pub matching: i64,
    /// The drifts of the preview by resource.
    pub resources: Vec<PreviewedResource>,
    /// The selected drifts that are not open any more, with their statuses.
    pub closed: Vec<(Uuid, DriftStatus)>,
}

/// The drifts of one resource in a preview.
#[derive(Clone, Debug)]
pub struct PreviewedResource {
    /// Id of the resource.
    pub resource_id: Uuid,
    /// Its drifts, by field.
    pub drifts: Vec<drift::Model>,
    /// The version of the spec in force; None if there is none.
    pub spec_version: Option<i32>,
    /// What will undo the accept, if a Terraform state owns the spec.
    pub warning: Option<String>,
}

/// Stores a preview of accepting drifts.
///
/// # Errors
///
/// The same as of [`preview`].
pub async fn preview_accept(
    db: &Db,
    decider: Decider<'_>,
    selected: &Selected,
    now: DateTime<Utc>,
) -> Result<Preview> {
    preview(db, decider, selected, &Action::Accept, now).await
}

/// Stores a preview of doing something to drifts.
///
/// # Errors
///
/// BAD_USER_INPUT if the selection or the action is not valid; NOT_FOUND if a drift does not exist.
pub async fn preview(
    db: &Db,
    decider: Decider<'_>,
    selected: &Selected,
    action: &Action,
    now: DateTime<Utc>,
) -> Result<Preview> {
    action.check(now)?;
    let (drifts, matching) = select(db, selected).await?;
    let (open, closed): (Vec<_>, Vec<_>) = drifts
        .into_iter()
        .partition(|drift| drift.status == DriftStatus::Open);
    let bulk = bulks::Model {
        id: Uuid::now_v7(),
        action: action.name().to_owned(),
        actor: decider.name.to_owned(),
        subject: decider.subject.to_owned(),
        created_at: now,
        expires_at: now + LIFETIME,
        note: None,
        started_at: None,
        finished_at: None,
        parameters: action.parameters(),
    };
    let resources = by_resource(db, open).await?;
    let (row, listed) = (&bulk, &resources);
    db.write_txn(|txn| async move { store_in_txn(&txn, row, listed).await })
        .await?;
    Ok(Preview {
        bulk,
        matching,
        resources,
        closed: closed.iter().map(|drift| (drift.id, drift.status)).collect(),
    })
}

/// Returns the selected drifts, and their number before the limit.
async fn select(db: &Db, selected: &Selected) -> Result<(Vec<drift::Model>, i64)> {
    match selected {
        Selected::Filter(filter) => {
            if filter.status.iter().any(|status| *status != DriftStatus::Open) {
                return Err(Error::BadUserInput(
                    "a bulk is about open drifts: omit status from the filter".to_owned(),
                ));
            }
            let order = inbox::order_by(DriftTime::DetectedAt, true);
            let request = PageRequest::first(MAX_DRIFTS as u64);
            let page = inbox::list(db.reader(), filter, order, &request).await?;
            let drifts: Vec<drift::Model> = page.rows.into_iter().map(|(_, drift)| drift).collect();
            let matching = match page.has_next {
                true => inbox::count(db.reader(), filter).await?,
                false => drifts.len() as i64,
            };
            Ok((drifts, matching))
        }
        Selected::Drifts(ids) => {
            if ids.len() > MAX_DRIFTS {
                return Err(Error::BadUserInput(format!(
                    "driftIds has more than {MAX_DRIFTS} ids"
                )));
            }
            let different: HashSet<Uuid> = ids.iter().copied().collect();
            if different.len() < ids.len() {
                return Err(Error::BadUserInput("driftIds has an id twice".to_owned()));
            }
            let drifts = inbox::by_ids(db.reader(), different).await?;
            if drifts.len() < ids.len() {
                return Err(Error::NotFound("drift"));
            }
            let matching = drifts.len() as i64;
            Ok((drifts, matching))
        }
    }
}

/// Returns the drifts by resource, with what their acceptance would change.
async fn by_resource(db: &Db, drifts: Vec<drift::Model>) -> Result<Vec<PreviewedResource>> {
    let mut of: BTreeMap<Uuid, Vec<drift::Model>> = BTreeMap::new();
    for drift in drifts {
        of.entry(drift.resource_id).or_default().push(drift);
    }
    let ids: Vec<Uuid> = of.keys().copied().collect();
    let specs: HashMap<Uuid, provisioned::Model> = provisioning::active_specs_of(db.reader(), &ids)
        .await?
        .into_iter()
        .map(|spec| (spec.resource_id, spec))
        .collect();
    let owned: Vec<(Uuid, String)> = specs
        .values()
        .filter(|spec| owning_state(spec).is_some())
        .map(|spec| {
            (
                spec.resource_id,
                state_name(&spec.source).unwrap_or_default().to_owned(),
            )
        })
        .collect();
    let in_plans = spec_sources::in_plans(db.reader(), &owned).await?;
    let owned: HashMap<Uuid, &(Uuid, String)> = owned.iter().map(|owned| (owned.0, owned)).collect();
    let previewed = of.into_iter().map(|(resource_id, mut drifts)| {
        drifts.sort_by(|a, b| a.field.cmp(&b.field));
        let warning = owned
            .get(&resource_id)
            .zip(drifts.first())
            .map(|(owned, first)| will_be_undone(&owned.1, first.kind, in_plans.contains(*owned)));
        PreviewedResource {
            resource_id,
            drifts,
            spec_version: specs.get(&resource_id).map(|spec| spec.spec_version),
            warning,
        }
    });
    Ok(previewed.collect())
}

/// Stores a preview, and deletes those that expired and were never executed.
async fn store_in_txn(
    txn: &DatabaseTransaction,
    bulk: &bulks::Model,
    resources: &[PreviewedResource],
) -> Result<()> {
    bulks::Entity::delete_many()
        .filter(bulks::Column::StartedAt.is_null())
        .filter(bulks::Column::ExpiresAt.lt(bulk.created_at))
        .exec(txn)
        .await?;
    bulks::Entity::insert(bulk.clone().into_active_model().reset_all())
        .exec_without_returning(txn)
        .await?;
    let rows: Vec<items::ActiveModel> = resources
        .iter()
        .flat_map(|resource| &resource.drifts)
        .map(|drift| items::ActiveModel {
            bulk_id: Set(bulk.id),
            drift_id: Set(drift.id),
            resource_id: Set(drift.resource_id),
            field: Set(drift.field.clone()),
            revision: Set(drift.revision),
            outcome: Set(None),
            code: Set(None),
            message: Set(None),
            spec_version: Set(None),
            before: Set(None),
        })
        .collect();
    for chunk in rows.chunks(ROWS_PER_INSERT) {
        items::Entity::insert_many(chunk.to_vec())
            .exec_without_returning(txn)
            .await?;
    }
    Ok(())
}
