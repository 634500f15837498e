//! The first step of a sweep: reads specs with their resources and open drifts, without locks, and compares them.
//!
//! A batch is one range of resource ids, read by statements whose texts never change. Most pairs are compared as the
//! texts that are stored. The few that need values, because a text is unusual or the resource is settling, are read again
//! as rows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use entity::cloud_drift;
use entity::{cloud_provisioned as provisioned, cloud_resources};
use sea_orm::{ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QueryResult, QueryTrait, Select};
use uuid::Uuid;

use super::parts::{Part, Parts};
use super::read::{self, Batch, Seen, Size};
use super::scope::Scope;
use crate::db::{Db, column, decode, lists, text_at};
use crate::domain::compare_texts::compare_texts;
use crate::domain::detection::{self, Compared, Pair};
use crate::domain::ignore_rules::IgnoreRules;
use crate::domain::validation::is_comparable;
use crate::error::Result;
use crate::provider::traits;
use crate::services::{drift_rows, ignore_rules, ignored, inventory};

/// One batch of specs, as it was read.
#[derive(Clone, Debug, Default)]
pub struct Gathered {
    /// Pairs that were compared as texts.
    pub(super) compared: Vec<ComparedPair>,
    /// Pairs that are compared as values, with what is kept of their rows.
    pub(super) pairs: Vec<(Seen, Pair)>,
    /// Resources that were left out because a row of theirs does not decode.
    pub(super) skipped: Vec<Uuid>,
    /// Number of specs that were left out because the id of their resource does not decode.
    pub(super) nameless: u64,
    /// The ignore rules that apply to the batch.
    pub(super) rules: Arc<IgnoreRules>,
    /// What of the part was not read.
    pub(super) rest: Option<Part>,
    /// Size of the next batch.
    pub(super) next: Size,
}

/// A pair that was compared as texts.
#[derive(Clone, Debug)]
pub(super) struct ComparedPair {
    pub(super) resource_id: Uuid,
    /// What is kept of its row, if a drift may have to be changed.
    pub(super) seen: Option<Seen>,
    pub(super) compared: Compared,
    pub(super) open: Vec<cloud_drift::Model>,
}

/// Reads and compares the first batch of a scope. Returns None if nothing is in scope.
///
/// # Errors
///
/// The database is unavailable.
pub async fn gather(db: &Db, scope: &Scope) -> Result<Option<Gathered>> {
    let size = Size::default();
    match Parts::of(scope).next(db, size).await? {
        Some(part) => Ok(Some(compare(db, &part, size).await?)),
        None => Ok(None),
    }
}

/// Reads and compares a part, or as much of it as fits into a batch.
///
/// # Errors
///
/// The database is unavailable.
pub(super) async fn compare(db: &Db, part: &Part, size: Size) -> Result<Gathered> {
    // The rules are read before the rows: a rule that ends later leaves marks, which another sweep reads.
    let rules = Arc::new(ignore_rules::in_force(db.reader()).await?);
    let batch = read::batch(db, part, size).await?;
    let mut gathered = Gathered {
        rest: batch.rest.clone(),
        next: batch.next,
        rules,
        ..Gathered::default()
    };
    let mut unusual = Vec::new();
    for row in &batch.rows {
        match read::resource_id(row) {
            None => gathered.nameless += 1,
            Some(id) => match compared(row, id) {
                Some(pair) if !may_be_ignored(&gathered.rules, row, &pair) => gathered.compared.push(pair),
                _ => unusual.push((id, read::seen(row, db.backend()))),
            },
        }
    }
    add_open_drifts(db, &mut gathered, batch.is_range).await?;
    let with_ignored = ids_with_ignored(db, &gathered, batch.is_range).await?;
    add_seen(db, &mut gathered.compared, &with_ignored, &batch);
    drop(batch);
    unusual.extend(take_unusual(&mut gathered.compared, &with_ignored));
    unusual.sort_unstable_by_key(|(id, _)| *id);
    for unusual in unusual.chunks(read::VALUES) {
        gather_values(db, unusual, &mut gathered).await?;
    }
    Ok(gathered)
}

fn compared(row: &QueryResult, resource_id: Uuid) -> Option<ComparedPair> {
    Some(ComparedPair {
        resource_id,
        seen: None,
        compared: compare_texts(&read::texts(row)?)?,
        open: Vec::new(),
    })
}

/// Adds what is kept of the rows of pairs of which a drift or an ignored difference may have to be changed.
fn add_seen(db: &Db, pairs: &mut [ComparedPair], with_ignored: &BTreeSet<Uuid>, batch: &Batch) {
    let mut rows = batch.rows.iter();
    let differing = |pair: &ComparedPair| !(pair.compared.findings.is_empty() && pair.open.is_empty());
    let kept = pairs
        .iter_mut()
        .filter(|pair| differing(pair) || with_ignored.contains(&pair.resource_id));
    for pair in kept {
        let row = rows.find(|row| read::resource_id(row) == Some(pair.resource_id));
        pair.seen = row.map(|row| read::seen(row, db.backend()));
    }
}

/// Returns whether a rule may cover a difference that was found. Whether it does depends on values.
fn may_be_ignored(rules: &IgnoreRules, row: &QueryResult, pair: &ComparedPair) -> bool {
    let kind = || text_at(row, read::KIND).flatten().unwrap_or_default();
    let findings = &pair.compared.findings;
    !rules.rules.is_empty() && findings.iter().any(|found| rules.may_cover(kind(), &found.field))
}

/// Removes the pairs of which a drift closes or a difference is ignored, and returns their resources. What to write about
/// them depends on values.
fn take_unusual(pairs: &mut Vec<ComparedPair>, with_ignored: &BTreeSet<Uuid>) -> Vec<(Uuid, Seen)> {
    let is_unusual = |pair: &mut ComparedPair| {
        with_ignored.contains(&pair.resource_id) || detection::closes_any(&pair.compared, &pair.open)
    };
    let unusual = pairs.extract_if(.., is_unusual);
    unusual
        .filter_map(|pair| Some((pair.resource_id, pair.seen?)))
        .collect()
}

/// Returns those resources of the batch of which a difference is ignored.
async fn ids_with_ignored(db: &Db, gathered: &Gathered, is_range: bool) -> Result<BTreeSet<Uuid>> {
    let pairs = &gathered.compared;
    let (Some(first), Some(last)) = (pairs.first(), pairs.last()) else {
        return Ok(BTreeSet::new());
    };
    let of = if is_range {
        ignored::between(first.resource_id, last.resource_id)
    } else {
        ignored::among(db.backend(), pairs.iter().map(|pair| pair.resource_id))
    };
    ignored::resources(db.reader(), &gathered.rules, of).await
}

/// Adds the open drifts of each pair that was compared as texts. A pair with a drift that does not decode is removed and
/// counted as skipped.
async fn add_open_drifts(db: &Db, gathered: &mut Gathered, is_range: bool) -> Result<()> {
    let pairs = &mut gathered.compared;
    let (Some(first), Some(last)) = (pairs.first(), pairs.last()) else {
        return Ok(());
    };
    let open = if is_range {
        drift_rows::select_open_between(first.resource_id, last.resource_id)
    } else {
        drift_rows::select_open_of(db.backend(), pairs.iter().map(|pair| pair.resource_id))
    };
    let mut undecodable = BTreeSet::new();
    for row in db.reader().query_all_raw(open.build(db.backend())).await? {
        let Ok(id) = column::<Uuid>(&row, "", "resource_id") else {
            continue;
        };
        let Ok(place) = pairs.binary_search_by_key(&id, |pair| pair.resource_id) else {
            continue;
        };
        match decode(&row, "") {
            Some(drift) => pairs[place].open.push(drift),
            None => _ = undecodable.insert(id),
        }
    }
    pairs.retain(|pair| !undecodable.contains(&pair.resource_id));
    gathered.skipped.extend(undecodable);
    Ok(())
}

/// Reads pairs as rows. Those that do not decode are counted as skipped. The versions are those of an earlier read: if a
/// row has changed since, the pair is compared again.
async fn gather_values(db: &Db, unusual: &[(Uuid, Seen)], gathered: &mut Gathered) -> Result<()> {
    let reader = db.reader();
    let ids = unusual.iter().map(|(id, _)| *id);
    let select = select_values(db.backend(), ids).build(db.backend());
    let rows = reader.query_all_raw(select).await?;
    let mut pairs = decode_pairs(&rows, gathered);
    let open = drift_rows::select_open_of(db.backend(), pairs.keys().copied());
    for row in reader.query_all_raw(open.build(db.backend())).await? {
        let resource: Uuid = row.try_get("", "resource_id")?;
        match decode::<cloud_drift::Model>(&row, "") {
            Some(drift) => {
                if let Some(pair) = pairs.get_mut(&resource) {
                    pair.open.push(drift);
                }
            }
            None => gathered.skipped.extend(pairs.remove(&resource).map(|_| resource)),
        }
    }
    ignored::add(reader, &gathered.rules, &mut pairs).await?;
    inventory::add_listed_at(reader, pairs.values_mut()).await?;
    let with_seen = |(id, seen): &(Uuid, Seen)| Some((*seen, pairs.remove(id)?));
    gathered.pairs.extend(unusual.iter().filter_map(with_seen));
    Ok(())
}

fn select_values(
    backend: DbBackend,
    ids: impl IntoIterator<Item = Uuid>,
) -> sea_orm::SelectTwo<provisioned::Entity, cloud_resources::Entity> {
    let of_ids = lists::among(backend, r#""cloud_provisioned"."resource_id""#, ids);
    let select: Select<provisioned::Entity> = provisioned::Entity::find();
    select.find_also_related(cloud_resources::Entity).filter(of_ids)
}

/// Decodes specs with their resources. Returns the pairs by resource, and counts the rows that do not decode as skipped.
fn decode_pairs(rows: &[QueryResult], gathered: &mut Gathered) -> BTreeMap<Uuid, Pair> {
    let mut pairs = BTreeMap::new();
    for row in rows {
        let spec = decode::<provisioned::Model>(row, "A_").filter(|spec| is_comparable(&spec.spec));
        let resource =
            decode::<cloud_resources::Model>(row, "B_").filter(|resource| is_comparable(&resource.attrs));
        match (spec, resource) {
            (Some(spec), Some(resource)) => {
                pairs.insert(
                    resource.id,
                    Pair {
                        traits: traits::rules(&resource.provider, &resource.kind),
                        spec,
                        resource,
                        open: Vec::new(),
                        listed_at: None,
                        rules: Arc::clone(&gathered.rules),
                        ignored: Vec::new(),
                    },
                );
            }
            _ => match column(row, "A_", "resource_id") {
                Ok(id) => gathered.skipped.push(id),
                Err(_) => gathered.nameless += 1,
            },
        }
    }
    pairs
}
