//! The open drifts that close because of an import.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::{cloud_drift as drift, cloud_provisioned as provisioned, cloud_resources as resources};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::Closing;
use crate::db::DatabaseTransaction;
use crate::domain::detection::{Change, Pair, plan};
use crate::error::Result;
use crate::provider::traits;
use crate::services::drift_rows;

/// A spec in force, with the content that the import gives it.
pub(super) struct PlannedSpec<'a> {
    pub(super) row: &'a resources::Model,
    pub(super) spec: &'a Map<String, Value>,
    /// The parts that are not compared, as stored with the version of `before`.
    pub(super) not_compared: Option<Value>,
    pub(super) before: &'a provisioned::Model,
}

/// Returns the open drifts that the next sweep closes if the specs have this content.
pub(super) async fn closed_by(
    txn: &DatabaseTransaction,
    now: DateTime<Utc>,
    wanted: Vec<PlannedSpec<'_>>,
) -> Result<Vec<Closing>> {
    let ids: Vec<Uuid> = wanted.iter().map(|wanted| wanted.row.id).collect();
    let mut open: BTreeMap<Uuid, Vec<drift::Model>> = BTreeMap::new();
    for row in drift_rows::open_of(txn, &ids).await? {
        open.entry(row.resource_id).or_default().push(row);
    }
    let mut closes = Vec::new();
    for wanted in wanted {
        let Some(open) = open.remove(&wanted.row.id) else {
            continue;
        };
        let pair = Pair {
            traits: traits::rules(&wanted.row.provider, &wanted.row.kind),
            spec: provisioned::Model {
                spec: Value::Object(wanted.spec.clone()),
                retired_at: None,
                not_compared: wanted.not_compared.clone(),
                ..wanted.before.clone()
            },
            resource: wanted.row.clone(),
            open,
            // Without the time of a listing, drifts of a settling resource never count as closed here. Whether they
            // close is decided by the next sweep.
            listed_at: None,
            rules: Arc::default(),
            ignored: Vec::new(),
        };
        for change in plan(&pair, now).changes {
            if let Change::Close { drift, field, .. } = change {
                closes.push(closing(wanted.row, drift, field));
            }
        }
    }
    Ok(closes)
}

/// Returns the open drifts of resources that leave the state, which the next sweep closes.
pub(super) async fn closed_by_leaving(txn: &DatabaseTransaction, leaving: &[Uuid]) -> Result<Vec<Closing>> {
    let rows = crate::services::resources::by_ids(txn, leaving).await?;
    let rows: BTreeMap<Uuid, resources::Model> = rows.into_iter().map(|row| (row.id, row)).collect();
    let open = drift_rows::open_of(txn, leaving).await?;
    Ok(open
        .into_iter()
        .filter_map(|open| Some(closing(rows.get(&open.resource_id)?, open.id, open.field)))
        .collect())
}

fn closing(row: &resources::Model, drift_id: Uuid, field: String) -> Closing {
    Closing {
        drift_id,
        kind: row.kind.clone(),
        name: row.name.clone(),
        field,
    }
}
