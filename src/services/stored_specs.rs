//! Stored specs, including rows that do not decode. Other programs may write to the table too, and such a row must not
//! prevent the recording of a new version.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use entity::cloud_provisioned as provisioned;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QueryResult, QueryTrait};
use uuid::Uuid;

use super::locks::{Lock, locked};
use crate::db::{DatabaseTransaction, column, decode};
use crate::error::Result;

/// A row of a spec.
#[derive(Clone, Debug)]
pub(crate) enum StoredSpec {
    /// The row decodes.
    Whole(Box<provisioned::Model>),
    /// The row does not decode.
    Broken {
        /// Its version, 0 if the column does not decode.
        version: i32,
        /// Whether the spec is in force.
        active: bool,
    },
}

impl StoredSpec {
    fn of(row: &QueryResult) -> Self {
        match decode(row, "") {
            Some(spec) => Self::Whole(Box::new(spec)),
            None => Self::broken(row),
        }
    }

    fn broken(row: &QueryResult) -> Self {
        let retired_at = column::<Option<DateTime<Utc>>>(row, "", "retired_at");
        Self::Broken {
            version: column(row, "", "spec_version").unwrap_or_default(),
            active: matches!(retired_at, Ok(None)),
        }
    }

    /// Returns the version of the spec, 0 if it does not decode.
    pub(crate) fn version(&self) -> i32 {
        match self {
            Self::Whole(spec) => spec.spec_version,
            Self::Broken { version, .. } => *version,
        }
    }

    /// Returns whether the spec is in force.
    pub(crate) fn is_active(&self) -> bool {
        match self {
            Self::Whole(spec) => spec.retired_at.is_none(),
            Self::Broken { active, .. } => *active,
        }
    }

    /// Returns the whole spec, if it decodes.
    pub(crate) fn whole(&self) -> Option<&provisioned::Model> {
        match self {
            Self::Whole(spec) => Some(spec),
            Self::Broken { .. } => None,
        }
    }
}

/// Returns the version in force, 0 if no spec is in force.
pub(crate) fn version_in_force(stored: Option<&StoredSpec>) -> i32 {
    let active = stored.filter(|spec| spec.is_active());
    active.map_or(0, StoredSpec::version)
}

/// Returns the specs of these resources, in force or retired. If `lock` is set, locks them in the order of ids.
pub(crate) async fn stored_specs_in_txn(
    txn: &DatabaseTransaction,
    resources: impl IntoIterator<Item = Uuid>,
    lock: Option<Lock>,
) -> Result<BTreeMap<Uuid, StoredSpec>> {
    let mut select = provisioned::Entity::find()
        .filter(provisioned::Column::ResourceId.is_in(resources))
        .order_by_asc(provisioned::Column::ResourceId);
    if let Some(lock) = lock {
        select = locked(select, lock);
    }
    let rows = txn
        .query_all_raw(select.build(txn.get_database_backend()))
        .await?;
    rows.iter()
        .map(|row| Ok((column(row, "", "resource_id")?, StoredSpec::of(row))))
        .collect()
}
