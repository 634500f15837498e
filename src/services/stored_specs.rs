//! Specs as they are stored. Other programs may write to the table too: a row that does not decode must not prevent
//! the recording of a new version.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use entity::cloud_provisioned as provisioned;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder, QueryResult,
    QueryTrait,
};
use uuid::Uuid;

use super::locks::{Lock, locked};
use crate::db::{column, decode};
use crate::error::Result;

/// A row of a spec.
#[derive(Clone, Debug)]
pub(crate) enum StoredSpec {
    /// It decodes.
    Whole(Box<provisioned::Model>),
    /// Only these values decode.
    Broken {
        /// Its version, 0 if not even that can be read.
        version: i32,
        /// Whether it is in force.
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

    /// The version that another one follows.
    pub(crate) fn version(&self) -> i32 {
        match self {
            Self::Whole(spec) => spec.spec_version,
            Self::Broken { version, .. } => *version,
        }
    }

    /// Whether it is in force.
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

/// The version that is in force, 0 for none.
pub(crate) fn version_in_force(stored: Option<&StoredSpec>) -> i32 {
    let active = stored.filter(|spec| spec.is_active());
    active.map_or(0, StoredSpec::version)
}

/// The specs of these resources, in force or retired, by resource; locked in the order of ids, if they shall be.
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
