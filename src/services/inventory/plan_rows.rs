//! Writes the rows of the instances of a Terraform plan, with the same rules and events as a listing.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use entity::cloud_resources as resources;
use entity::inventory_kinds::{self as kinds, ListingOutcome};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use super::read_stored::{of_listed, present_in_txn, read};
use super::write_changes::{Plan, values_of, write_in_txn as write_changes_in_txn};
use crate::db::DatabaseTransaction;
use crate::domain::inventory::{InventoryChange, ListedResource, plan_kind};
use crate::domain::inventory_changes::Before;
use crate::error::Result;
use crate::provider::traits;
use crate::services::page;

/// Writes the resources of a state of one kind, those in `gone` as gone, and returns the ids of their rows.
pub(in crate::services) async fn write_in_txn(
    txn: &DatabaseTransaction,
    (state, provider, kind): (&str, &str, &str),
    listed: &[ListedResource],
    gone: &BTreeSet<String>,
    now: DateTime<Utc>,
) -> Result<BTreeMap<String, Uuid>> {
    let ids = || listed.iter().map(|resource| resource.provider_id.as_str());
    let (stored, _) = read(txn, of_listed(txn, provider, kind, ids())).await?;
    let known: BTreeSet<String> = stored.iter().map(|row| row.provider_id.clone()).collect();
    // A resource that is gone keeps its stored values. If it is not stored, it is inserted first.
    let present = listed.iter().filter(|resource| {
        let id = &resource.provider_id;
        !gone.contains(id) || !known.contains(id)
    });
    let traits = traits::rules(provider, kind);
    let changes = plan_kind(&stored, present, &traits);
    let plan = Plan {
        values: values_of(&stored, &changes, &traits),
        changes,
        ..Plan::default()
    };
    let before = before_in_txn(txn, (state, provider, kind)).await?;
    write_changes_in_txn(txn, (state, provider, kind), (plan, before), now).await?;
    let select = of_listed(txn, provider, kind, ids())
        .select_only()
        .columns([resources::Column::ProviderId, resources::Column::Id]);
    let rows: Vec<(String, Uuid)> = select.into_tuple().all(txn).await?;
    let rows: BTreeMap<String, Uuid> = rows.into_iter().collect();
    let new: Vec<Uuid> = gone
        .iter()
        .filter(|id| !known.contains(*id))
        .filter_map(|id| rows.get(id).copied())
        .collect();
    end_in_txn(txn, state, &new, now).await?;
    Ok(rows)
}

/// Marks resources of a state as gone.
pub(in crate::services) async fn end_in_txn(
    txn: &DatabaseTransaction,
    state: &str,
    ids: &[Uuid],
    now: DateTime<Utc>,
) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let present = present_in_txn(txn, ids, state).await?;
    let first = resources::Entity::find()
        .select_only()
        .columns([resources::Column::Provider, resources::Column::Kind])
        .filter(resources::Column::Id.is_in(present.iter().copied()))
        .limit(1);
    let Some((provider, kind)) = first.into_tuple::<(String, String)>().one(txn).await? else {
        return Ok(());
    };
    let plan = Plan {
        changes: present.into_iter().map(InventoryChange::Gone).collect(),
        ..Plan::default()
    };
    // Neither the provider nor the kind matters for rows that end.
    let before = before_in_txn(txn, (state, &provider, &kind)).await?;
    write_changes_in_txn(txn, (state, &provider, &kind), (plan, before), now).await?;
    Ok(())
}

/// Returns what is known of the plan of the state before: the live values are those of its time.
async fn before_in_txn(
    txn: &DatabaseTransaction,
    (state, provider, kind): (&str, &str, &str),
) -> Result<Before> {
    let last = kinds::Entity::find_by_id((state.to_owned(), provider.to_owned(), kind.to_owned()))
        .select_only()
        .columns([kinds::Column::CompletedAt, kinds::Column::Outcome])
        .into_tuple::<(Option<DateTime<Utc>>, Option<ListingOutcome>)>()
        .one(txn)
        .await?;
    let any = kinds::Entity::find().filter(kinds::Column::Source.eq(state));
    let is_first = last.is_none() && page::count(txn, any, kinds::Column::Kind).await? == 0;
    let (completed_at, outcome) = last.unwrap_or_default();
    Ok(Before {
        is_first,
        listed_at: completed_at.filter(|_| outcome == Some(ListingOutcome::Complete)),
    })
}
