//! The times of the last complete listings.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use entity::cloud_resources as resources;
use entity::inventory_kinds as kinds;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryResult, QuerySelect, QueryTrait};

use crate::db::column;
use crate::domain::detection::Pair;
use crate::error::Result;

/// Source, provider and name of a kind.
pub(crate) type ListedKind = (String, String, String);

/// Adds the time of the last complete listing to pairs with a settling resource; other pairs do not need it.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn add_listed_at<'p, C: ConnectionTrait>(
    connection: &C,
    pairs: impl Iterator<Item = &'p mut Pair>,
) -> Result<()> {
    let mut settling: Vec<&mut Pair> = pairs
        .filter(|pair| pair.resource.settling_since.is_some())
        .collect();
    if settling.is_empty() {
        return Ok(());
    }
    let kinds: Vec<ListedKind> = settling.iter().map(|pair| kind_of(&pair.resource)).collect();
    let listed = synced_at_of(connection, &kinds).await?;
    for pair in &mut settling {
        pair.listed_at = listed.get(&kind_of(&pair.resource)).copied();
    }
    Ok(())
}

/// Returns the time of the last complete listing of the kind of a settling resource.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn listed_at<C: ConnectionTrait>(
    connection: &C,
    resource: &resources::Model,
) -> Result<Option<DateTime<Utc>>> {
    if resource.settling_since.is_none() {
        return Ok(None);
    }
    let kind = kind_of(resource);
    let mut listed = synced_at_of(connection, std::slice::from_ref(&kind)).await?;
    Ok(listed.remove(&kind))
}

/// Returns the kind of a resource.
pub(crate) fn kind_of(resource: &resources::Model) -> ListedKind {
    (
        resource.source.clone(),
        resource.provider.clone(),
        resource.kind.clone(),
    )
}

/// Returns the time of the last complete listing of each kind by each source, with one statement.
pub(crate) async fn synced_at_of<C: ConnectionTrait>(
    connection: &C,
    wanted: &[ListedKind],
) -> Result<BTreeMap<ListedKind, DateTime<Utc>>> {
    let names: BTreeSet<&String> = wanted.iter().map(|(_, _, kind)| kind).collect();
    let select = kinds::Entity::find()
        .select_only()
        .columns([
            kinds::Column::Source,
            kinds::Column::Provider,
            kinds::Column::Kind,
            kinds::Column::CompletedAt,
        ])
        .filter(kinds::Column::Kind.is_in(names));
    let rows = connection
        .query_all_raw(select.build(connection.get_database_backend()))
        .await?;
    let text = |row: &QueryResult, name| column::<String>(row, "", name).ok();
    Ok(rows
        .iter()
        .filter_map(|row| {
            let kind = (text(row, "source")?, text(row, "provider")?, text(row, "kind")?);
            Some((kind, column(row, "", "completed_at").ok().flatten()?))
        })
        .collect())
}
