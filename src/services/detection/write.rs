//! Writes plans, and plans again what other writers have changed meanwhile.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::parts::Parts;
use super::plan::plan_on;
use super::read::Size;
use super::{Planned, Scope, SweepCounts, apply, gather, marks};
use crate::clock::Clock;
use crate::db::Db;
use crate::domain::detection::Occasion;
use crate::error::Result;

/// Maximum number of times that a pair is planned if other writers keep changing it.
const ROUNDS: u32 = 3;

/// The result of writing plans.
#[derive(Default)]
pub(super) struct Written {
    /// The counts of all pairs.
    pub(super) counts: SweepCounts,
    /// Resources that could not be compared now and are not marked.
    pub(super) left: BTreeSet<Uuid>,
    /// Specs whose resource has an id that does not decode, of the pairs that were planned again.
    pub(super) nameless: u64,
}

/// Writes plans. Pairs that other writers changed since they were read are gathered again; those that keep changing are
/// left to the next sweep. Marks the resources that are left if `marks_left` is set.
///
/// # Errors
///
/// The database is unavailable.
pub(super) async fn write(
    db: Db,
    clock: Clock,
    mut planned: Planned,
    occasion: Occasion<'static>,
    marks_left: bool,
) -> Result<Written> {
    let mut written = Written::default();
    for round in 1.. {
        written.left.extend(&planned.left);
        let applied = apply(&db, &planned, clock.now()).await?;
        written.counts += applied.counts;
        if applied.moved.is_empty() {
            break;
        }
        if round == ROUNDS {
            written.counts.moved += applied.moved.len() as u64;
            written.left.extend(applied.moved);
            break;
        }
        planned = Planned::default();
        let mut parts = Parts::of(&Scope::Resources(applied.moved));
        while let Some(part) = parts.next(&db, Size::default()).await? {
            let again = gather::compare(&db, &part, Size::default()).await?;
            written.nameless += again.nameless;
            planned += plan_on(&again, occasion, clock.now());
            if let Some(rest) = again.rest {
                parts.put_back(rest, again.next);
            }
        }
    }
    if marks_left {
        let left: Vec<Uuid> = std::mem::take(&mut written.left).into_iter().collect();
        marks::add(&db, &left).await?;
    }
    Ok(written)
}
