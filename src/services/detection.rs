//! A sweep: compare every spec with its resource and write down what changed.
//!
//! Batches in the order of resource ids: [`gather`] reads, [`crate::domain::sweep::plan`] decides,
//! [`write()`](write::write) locks, reads again what the decisions rest on, and drops every pair that moved meanwhile.
//! Those are gathered again, a few times. Memory does not grow with the fleet, and nothing is held between batches,
//! so accepts, syncs, records and other sweeps go on beside it.

mod write;

use std::collections::{BTreeMap, BTreeSet};

use entity::cloud_drift::{self, DriftStatus};
use entity::job_runs::JobOutcome;
use entity::{cloud_provisioned as provisioned, cloud_resources};
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QueryResult, QuerySelect,
    QueryTrait,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::freshness::Freshness;
use super::inventory;
use crate::clock::Clock;
use crate::db::{Db, column, decode};
use crate::domain::sweep::Pair;
use crate::domain::validation::is_comparable;
use crate::error::{Error, Result};

pub(crate) use self::write::apply_in_txn;
pub use self::write::{Written, one_open_row_per_field, write};

/// Pairs that one batch holds in memory and one transaction writes.
const BATCH: u64 = 200;
/// How often a batch is looked at, if somebody changes its pairs all the while.
const ROUNDS: u32 = 3;

/// What a sweep looks at.
#[derive(Clone, Debug, Default)]
pub enum Scope {
    /// Every spec.
    #[default]
    All,
    /// The specs of these resources.
    Resources(Vec<Uuid>),
}

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SweepCounts {
    /// Resources that were compared with their specs.
    pub resources: u64,
    /// Fields that were compared.
    pub fields_compared: u64,
    /// Drift rows opened.
    pub opened: u64,
    /// Open drift rows that say something else now.
    pub changed: u64,
    /// Drift rows closed because nothing differs any more.
    pub staled: u64,
    /// Resources left out because a row of theirs does not decode.
    pub skipped: u64,
    /// Resources that no listing ever had.
    pub unsynced: u64,
    /// Resources in a passing state, whose rows are left as they are.
    pub settling: u64,
    /// Resources left to the next sweep, because somebody changed them whenever this one looked.
    pub moved: u64,
}

/// What the row of a sweep says that it did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepReport {
    /// What it did.
    #[serde(flatten)]
    pub counts: SweepCounts,
    /// What of the inventory it could not rely on.
    #[serde(flatten)]
    pub freshness: Freshness,
}

impl SweepCounts {
    /// SUCCEEDED if everything in scope was compared, else PARTIAL: a row that could not be read or did not hold
    /// still, or a resource that no listing ever had, may hide a drift.
    pub fn outcome(&self) -> JobOutcome {
        if self.skipped + self.moved + self.unsynced == 0 {
            JobOutcome::Succeeded
        } else {
            JobOutcome::Partial
        }
    }
}

impl SweepCounts {
    /// Resources with a spec in scope.
    pub fn looked_at(&self) -> u64 {
        self.resources + self.skipped + self.unsynced + self.settling + self.moved
    }

    /// Whether there was something to compare and all of it was compared: only then does an empty inbox mean that
    /// nothing differs. A sweep that left settling resources alone SUCCEEDED all the same, because that is its work.
    pub fn compared_everything(&self) -> bool {
        self.resources > 0 && self.looked_at() == self.resources
    }
}

impl std::ops::AddAssign for SweepCounts {
    fn add_assign(&mut self, more: Self) {
        self.resources += more.resources;
        self.fields_compared += more.fields_compared;
        self.opened += more.opened;
        self.changed += more.changed;
        self.staled += more.staled;
        self.skipped += more.skipped;
        self.unsynced += more.unsynced;
        self.settling += more.settling;
        self.moved += more.moved;
    }
}

/// What one batch read.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Specs with their resources and open rows.
    pub pairs: Vec<Pair>,
    /// Pairs of which some row does not decode.
    pub skipped: u64,
    /// Resource id of the last pair that was read; None if nothing follows.
    pub last: Option<Uuid>,
}

/// Compares every spec in scope. `progress` hears the counts so far after every batch.
pub async fn detect_all(
    db: &Db,
    clock: &Clock,
    scope: &Scope,
    mut progress: impl FnMut(&SweepCounts),
) -> Result<SweepCounts> {
    let mut counts = SweepCounts::default();
    let mut after = None;
    while let Some(batch) = gather(db, scope, after).await? {
        after = batch.last;
        counts += write_until_still(db, clock, batch).await?;
        progress(&counts);
        if after.is_none() {
            break;
        }
    }
    Ok(counts)
}

/// Writes a batch, and looks again at what somebody changed between the reading and the writing. What never holds
/// still is left to the next sweep.
async fn write_until_still(db: &Db, clock: &Clock, mut batch: Batch) -> Result<SweepCounts> {
    let mut counts = SweepCounts::default();
    for round in 1.. {
        let written = write(db, &batch, clock.now()).await?;
        counts += written.counts;
        if written.moved.is_empty() {
            break;
        }
        if round == ROUNDS {
            counts.moved = written.moved.len() as u64;
            break;
        }
        match gather(db, &Scope::Resources(written.moved), None).await? {
            Some(again) => batch = again,
            None => break,
        }
    }
    Ok(counts)
}

/// Whether every resource in scope exists. NOT_FOUND if one does not.
pub async fn check_known(db: &Db, scope: &Scope) -> Result<()> {
    let Scope::Resources(ids) = scope else {
        return Ok(());
    };
    let known =
        cloud_resources::Entity::find().filter(cloud_resources::Column::Id.is_in(ids.iter().copied()));
    let known = super::page::count(db.reader(), known, cloud_resources::Column::Id).await?;
    let asked: BTreeSet<&Uuid> = ids.iter().collect();
    if usize::try_from(known).ok() == Some(asked.len()) {
        Ok(())
    } else {
        Err(Error::NotFound("resource"))
    }
}

/// Reads the next batch behind the resource `after`; None at the end.
pub async fn gather(db: &Db, scope: &Scope, after: Option<Uuid>) -> Result<Option<Batch>> {
    let reader = db.reader();
    let (rows, last) = read_batch(db, scope, after).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let mut skipped = 0;
    let mut pairs: BTreeMap<Uuid, Pair> = BTreeMap::new();
    for row in &rows {
        let spec = decode::<provisioned::Model>(row, "A_").filter(|spec| is_comparable(&spec.spec));
        let resource =
            decode::<cloud_resources::Model>(row, "B_").filter(|resource| is_comparable(&resource.attrs));
        match (spec, resource) {
            (Some(spec), Some(resource)) => {
                pairs.insert(
                    resource.id,
                    Pair {
                        spec,
                        resource,
                        open: Vec::new(),
                        listed_at: None,
                    },
                );
            }
            _ => skipped += 1,
        }
    }
    let open = cloud_drift::Entity::find()
        .filter(cloud_drift::Column::Status.eq(DriftStatus::Open))
        .filter(cloud_drift::Column::ResourceId.is_in(pairs.keys().copied()));
    for row in reader.query_all_raw(open.build(db.backend())).await? {
        let resource: Uuid = row.try_get("", "resource_id")?;
        match decode::<cloud_drift::Model>(&row, "") {
            Some(drift) => {
                if let Some(pair) = pairs.get_mut(&resource) {
                    pair.open.push(drift);
                }
            }
            None => skipped += u64::from(pairs.remove(&resource).is_some()),
        }
    }
    inventory::add_listed_at(reader, pairs.values_mut()).await?;
    Ok(Some(Batch {
        pairs: pairs.into_values().collect(),
        skipped,
        last,
    }))
}

/// The rows of a batch, and where the next one begins. A row whose id does not decode has no place to go on
/// from: those at the end are left to the next batch, and if there is nothing else the batch grows.
async fn read_batch(db: &Db, scope: &Scope, after: Option<Uuid>) -> Result<(Vec<QueryResult>, Option<Uuid>)> {
    let mut limit = BATCH;
    loop {
        let select = batch_select(scope, after).limit(limit);
        let mut rows = db.reader().query_all_raw(select.build(db.backend())).await?;
        let place = |row: &QueryResult| column::<Uuid>(row, "A_", "resource_id").ok();
        if let Some(last) = rows.iter().rposition(|row| place(row).is_some()) {
            let id = place(&rows[last]);
            rows.truncate(last + 1);
            return Ok((rows, id));
        }
        if (rows.len() as u64) < limit {
            return Ok((rows, None));
        }
        limit *= 2;
    }
}

/// Specs in force with their resources, and retired ones that still have an open row.
fn batch_select(
    scope: &Scope,
    after: Option<Uuid>,
) -> sea_orm::SelectTwo<provisioned::Entity, cloud_resources::Entity> {
    let has_open_row = Expr::exists(
        Query::select()
            .expr(Expr::cust("1"))
            .from(cloud_drift::Entity)
            .and_where(
                Expr::col((cloud_drift::Entity, cloud_drift::Column::ResourceId))
                    .equals((provisioned::Entity, provisioned::Column::ResourceId)),
            )
            .and_where(cloud_drift::Column::Status.eq(DriftStatus::Open))
            .take(),
    );
    let mut select = provisioned::Entity::find()
        .find_also_related(cloud_resources::Entity)
        .filter(
            Condition::any()
                .add(provisioned::Column::RetiredAt.is_null())
                .add(has_open_row),
        )
        .order_by_asc(provisioned::Column::ResourceId);
    if let Some(after) = after {
        select = select.filter(provisioned::Column::ResourceId.gt(after));
    }
    if let Scope::Resources(ids) = scope {
        select = select.filter(provisioned::Column::ResourceId.is_in(ids.iter().copied()));
    }
    select
}
