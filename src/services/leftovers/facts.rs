//! What is stored about the owners of candidates. Each statement is about one batch of candidates.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use entity::cloud_resource_events::{self as events, EventType};
use entity::cloud_resources::{self as resources, Model};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde_json::Value;
use uuid::Uuid;

use crate::db::decodable;
use crate::domain::leftovers::{LeftoverRule, Owner, OwnerFacts};
use crate::error::Result;

/// Number of resources that one statement reads.
pub(super) const BATCH: u64 = 500;
/// Maximum number of events that are read to find when the fields of a batch changed.
const MAX_EVENTS: u64 = 5_000;

/// Returns the resources of a kind that exist, after this id of the provider, at most [`BATCH`].
pub(super) async fn next_batch<C: ConnectionTrait>(
    connection: &C,
    (provider, kind): (&str, &str),
    after: Option<&str>,
) -> Result<Vec<Model>> {
    let mut select = resources::Entity::find()
        .filter(resources::Column::Provider.eq(provider))
        .filter(resources::Column::Kind.eq(kind))
        .order_by_asc(resources::Column::ProviderId)
        .limit(BATCH);
    if let Some(after) = after {
        select = select.filter(resources::Column::ProviderId.gt(after));
    }
    Ok(decodable(select, connection).await?.0)
}

/// Returns what is stored about the owners of each candidate, by the id of the candidate.
pub(super) async fn of_owners<C: ConnectionTrait>(
    connection: &C,
    provider: &str,
    rule: &LeftoverRule,
    candidates: &[Model],
) -> Result<BTreeMap<Uuid, OwnerFacts>> {
    match rule.owner {
        Owner::Itself => Ok(BTreeMap::new()),
        Owner::Named(owner) => named(connection, provider, candidates, owner).await,
        Owner::Holder { address, held } => {
            holders(connection, provider, rule, candidates, (address, held)).await
        }
        Owner::Users { key, refers } => users(connection, provider, rule, candidates, (key, refers)).await,
    }
}

async fn named<C: ConnectionTrait>(
    connection: &C,
    provider: &str,
    candidates: &[Model],
    owner: fn(&Model) -> Option<(&'static str, String)>,
) -> Result<BTreeMap<Uuid, OwnerFacts>> {
    let mut wanted: BTreeMap<&'static str, BTreeSet<String>> = BTreeMap::new();
    for (kind, id) in candidates.iter().filter_map(owner) {
        wanted.entry(kind).or_default().insert(id);
    }
    let mut stored: BTreeMap<(&str, String), OwnerFacts> = BTreeMap::new();
    for (kind, ids) in wanted {
        let select = resources::Entity::find()
            .filter(resources::Column::Provider.eq(provider))
            .filter(resources::Column::Kind.eq(kind))
            .filter(resources::Column::ProviderId.is_in(ids));
        for row in decodable(select, connection).await?.0 {
            stored.insert(
                (kind, row.provider_id),
                OwnerFacts {
                    // A resource that is known from an import only may exist.
                    exists: row.gone_at.is_none(),
                    existed: true,
                    gone_at: row.gone_at,
                },
            );
        }
    }
    let facts = candidates.iter().filter_map(|candidate| {
        let facts = stored.get(&owner(candidate)?).copied().unwrap_or_default();
        Some((candidate.id, facts))
    });
    Ok(facts.collect())
}

type Address = fn(&Model) -> Option<String>;
type Texts = fn(&Model) -> Vec<String>;

async fn holders<C: ConnectionTrait>(
    connection: &C,
    provider: &str,
    rule: &LeftoverRule,
    candidates: &[Model],
    (address, held): (Address, Texts),
) -> Result<BTreeMap<Uuid, OwnerFacts>> {
    let wanted: BTreeSet<String> = candidates.iter().filter_map(address).collect();
    let select = resources::Entity::find()
        .filter(resources::Column::Ip.is_in(wanted))
        .filter(resources::Column::Provider.eq(provider))
        .filter(resources::Column::Kind.is_in(rule.owner_kinds.iter().copied()));
    let mut stored: BTreeMap<String, OwnerFacts> = BTreeMap::new();
    for row in decodable(select, connection).await?.0 {
        for address in row.ip.iter() {
            let facts = stored.entry(address.clone()).or_default();
            facts.exists |= row.gone_at.is_none();
            facts.existed = true;
            facts.gone_at = facts.gone_at.max(row.gone_at);
        }
    }
    // A resource may have an address that is not its primary one. Only those that seem lost are looked for.
    let lost: BTreeSet<String> = stored
        .iter()
        .filter(|(_, facts)| !facts.exists)
        .map(|(address, _)| address.clone())
        .collect();
    for address in in_use(connection, provider, rule, &lost, held).await? {
        stored.entry(address).or_default().exists = true;
    }
    let facts = candidates.iter().filter_map(|candidate| {
        let facts = stored.get(&address(candidate)?).copied().unwrap_or_default();
        Some((candidate.id, facts))
    });
    Ok(facts.collect())
}

async fn users<C: ConnectionTrait>(
    connection: &C,
    provider: &str,
    rule: &LeftoverRule,
    candidates: &[Model],
    (key, refers): (fn(&Model) -> String, Texts),
) -> Result<BTreeMap<Uuid, OwnerFacts>> {
    let wanted: BTreeSet<String> = candidates.iter().map(key).collect();
    let used = in_use(connection, provider, rule, &wanted, refers).await?;
    let facts = candidates.iter().map(|candidate| {
        let facts = OwnerFacts {
            exists: used.contains(&key(candidate)),
            ..OwnerFacts::default()
        };
        (candidate.id, facts)
    });
    Ok(facts.collect())
}

/// Returns those of the wanted texts to which a resource of the owner kinds refers. Reads these kinds, batch by batch, and
/// only if something is wanted.
async fn in_use<C: ConnectionTrait>(
    connection: &C,
    provider: &str,
    rule: &LeftoverRule,
    wanted: &BTreeSet<String>,
    refers: Texts,
) -> Result<BTreeSet<String>> {
    let mut used = BTreeSet::new();
    if wanted.is_empty() {
        return Ok(used);
    }
    for kind in rule.owner_kinds {
        let mut after: Option<String> = None;
        loop {
            let batch = next_batch(connection, (provider, kind), after.as_deref()).await?;
            let Some(last) = batch.last() else { break };
            after = Some(last.provider_id.clone());
            for row in batch.iter().filter(|row| row.gone_at.is_none()) {
                used.extend(refers(row).into_iter().filter(|text| wanted.contains(text)));
            }
        }
    }
    Ok(used)
}

/// Returns when a listing last found one of these fields changed, for each resource of which that is stored.
pub(super) async fn changed_at<C: ConnectionTrait>(
    connection: &C,
    ids: &[Uuid],
    fields: &[&str],
) -> Result<BTreeMap<Uuid, DateTime<Utc>>> {
    let mut changed = BTreeMap::new();
    if ids.is_empty() || fields.is_empty() {
        return Ok(changed);
    }
    let select = events::Entity::find()
        .filter(events::Column::ResourceId.is_in(ids.iter().copied()))
        .filter(events::Column::EventType.eq(EventType::ResourceChanged))
        .order_by_desc(events::Column::OccurredAt)
        .limit(MAX_EVENTS);
    for event in decodable(select, connection).await?.0 {
        let names = event.data.get("fields").and_then(Value::as_array);
        let mut names = names.into_iter().flatten().filter_map(Value::as_str);
        if names.any(|name| fields.contains(&name)) {
            changed.entry(event.resource_id).or_insert(event.occurred_at);
        }
    }
    Ok(changed)
}
