//! Sources of specs: which state of Terraform recorded a spec, and from which kind of file.

use std::collections::{HashMap, HashSet};

use entity::{plan_instances, terraform_states};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, QueryTrait};
use uuid::Uuid;

use crate::db::{column, decodable, lists};
use crate::error::Result;

/// Returns which of these resources are instances of a state whose plans are imported. A key is a resource and the name
/// of the state.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn in_plans<C: ConnectionTrait>(
    connection: &C,
    wanted: &[(Uuid, String)],
) -> Result<HashSet<(Uuid, String)>> {
    let backend = connection.get_database_backend();
    let ids = wanted.iter().map(|(resource, _)| *resource);
    let select = plan_instances::Entity::find()
        .select_only()
        .columns([plan_instances::Column::ResourceId, plan_instances::Column::State])
        .filter(lists::among(backend, r#""resource_id""#, ids))
        .build(backend);
    let rows = connection.query_all_raw(select).await?;
    // A row that does not decode, which another program may have written, is no instance.
    let decoded = rows.iter().filter_map(|row| {
        Some((
            column(row, "", "resource_id").ok()?,
            column(row, "", "state").ok()?,
        ))
    });
    Ok(decoded.collect())
}

/// Returns the last imported versions of the states with these names.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn states_named<C: ConnectionTrait>(
    connection: &C,
    names: &[String],
) -> Result<HashMap<String, terraform_states::Model>> {
    let select = terraform_states::Entity::find()
        .filter(terraform_states::Column::Lineage.is_in(names.iter().map(String::as_str)));
    let states = decodable(select, connection).await?.0;
    Ok(states
        .into_iter()
        .map(|state| (state.lineage.clone(), state))
        .collect())
}
