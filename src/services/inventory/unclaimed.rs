//! Resources that no source has listed: whether a listing that lacks them shows that they are missing.
//!
//! An import records a spec for a resource before any source lists it. It may be of any source of the provider, so it is
//! missing only if a complete listing of each of them lacks it.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use entity::inventory_kinds::{self as kinds, ListingOutcome};
use entity::sources::{self, SourceKind};
use entity::{cloud_provisioned as provisioned, cloud_resources as resources};
use sea_orm::sea_query::{Expr, LockType};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::UNCLAIMED;
use super::apply_listing::Applying;
use super::read_stored::Missing;
use crate::db::{DatabaseTransaction, decodable, lists};
use crate::domain::freshness::CLOCK_TOLERANCE;
use crate::error::Result;

/// Number of resources that one transaction claims.
const CHUNK: u64 = 500;

/// Gives the resources that a release without sources has listed to the source, if it goes on with the listing of their
/// kind: the listing is of the same account.
pub(super) async fn claim_listed(applying: Applying<'_>, kinds: &BTreeSet<String>) -> Result<()> {
    let Applying {
        db, source, listing, ..
    } = applying;
    let provider = listing.provider.as_str();
    let rows: Vec<(String, String)> = kinds::Entity::find()
        .select_only()
        .columns([kinds::Column::Source, kinds::Column::Kind])
        .filter(kinds::Column::Provider.eq(provider))
        .filter(kinds::Column::Source.is_in([source, UNCLAIMED]))
        .into_tuple()
        .all(db.reader())
        .await?;
    let (unclaimed, own): (Vec<_>, Vec<_>) = rows.into_iter().partition(|(source, _)| source == UNCLAIMED);
    let own: BTreeSet<String> = own.into_iter().map(|(_, kind)| kind).collect();
    for (_, kind) in unclaimed {
        if kinds.contains(&kind) && !own.contains(&kind) {
            let kind = kind.as_str();
            while db
                .write_txn(|txn| async move { claim_some_in_txn(&txn, (source, provider, kind)).await })
                .await?
                > 0
            {}
        }
    }
    Ok(())
}

async fn claim_some_in_txn(
    txn: &DatabaseTransaction,
    (source, provider, kind): (&str, &str, &str),
) -> Result<u64> {
    let ids: Vec<Uuid> = resources::Entity::find()
        .select_only()
        .column(resources::Column::Id)
        .filter(resources::Column::Source.eq(UNCLAIMED))
        .filter(resources::Column::Provider.eq(provider))
        .filter(resources::Column::Kind.eq(kind))
        .filter(resources::Column::FirstSeenAt.is_not_null())
        .order_by_asc(resources::Column::Id)
        .limit(CHUNK)
        .lock(LockType::NoKeyUpdate)
        .into_tuple()
        .all(txn)
        .await?;
    let update = resources::Entity::update_many()
        .col_expr(resources::Column::Source, Expr::val(source))
        .filter(resources::Column::Id.is_in(ids));
    Ok(update.exec(txn).await?.rows_affected)
}

/// Removes the unclaimed resources that another source may have.
pub(super) async fn keep_judged(
    applying: Applying<'_>,
    kind: &str,
    missing: &mut Vec<Missing>,
) -> Result<()> {
    if missing.iter().all(|missing| missing.claimed) {
        return Ok(());
    }
    let reader = applying.db.reader();
    let judged_since = match others(reader, applying, kind).await? {
        Others::None => return Ok(()),
        Others::Complete(since) => since,
        Others::Incomplete => {
            missing.retain(|missing| missing.claimed);
            return Ok(());
        }
    };
    let unclaimed = missing.iter().filter(|missing| !missing.claimed);
    let ids: Vec<Uuid> = unclaimed.map(|missing| missing.id).collect();
    // The other sources may have been listed before the resource was created. The clocks of servers may differ.
    let later = provisioned::Entity::find()
        .select_only()
        .column(provisioned::Column::ResourceId)
        .filter(lists::among(
            reader.get_database_backend(),
            r#""cloud_provisioned"."resource_id""#,
            ids,
        ))
        .filter(provisioned::Column::RecordedAt.gte(judged_since - CLOCK_TOLERANCE));
    let later: Vec<Uuid> = later.into_tuple().all(reader).await?;
    let later: BTreeSet<Uuid> = later.into_iter().collect();
    missing.retain(|missing| !later.contains(&missing.id));
    Ok(())
}

/// The last listings of a kind by the other sources of a provider.
enum Others {
    /// There is no other source.
    None,
    /// All of them are complete. The oldest began at this time.
    Complete(DateTime<Utc>),
    /// One of them is not complete, or does not exist yet.
    Incomplete,
}

async fn others<C: ConnectionTrait>(connection: &C, applying: Applying<'_>, kind: &str) -> Result<Others> {
    let provider = &applying.listing.provider;
    let registered: Vec<(String, SourceKind)> = sources::Entity::find()
        .select_only()
        .columns([sources::Column::Name, sources::Column::Kind])
        .filter(sources::Column::Name.ne(applying.source))
        .filter(sources::Column::Kind.ne(SourceKind::TerraformPlan))
        .filter(
            Condition::any()
                .add(sources::Column::Provider.eq(provider))
                .add(sources::Column::Provider.is_null()),
        )
        .into_tuple()
        .all(connection)
        .await?;
    if registered.is_empty() {
        return Ok(Others::None);
    }
    let listed = kinds::Entity::find()
        .filter(kinds::Column::Source.is_in(registered.iter().map(|(name, _)| name)))
        .filter(kinds::Column::Provider.eq(provider));
    let (listed, _) = decodable(listed, connection).await?;
    let mut oldest: Option<DateTime<Utc>> = None;
    for (name, source_kind) in &registered {
        let of_source = || listed.iter().filter(|row| row.source == *name);
        match of_source().find(|row| row.kind == kind) {
            Some(row) if row.outcome == Some(ListingOutcome::Complete) => {
                let Some(began) = row.listing_started_at else {
                    return Ok(Others::Incomplete);
                };
                oldest = Some(oldest.map_or(began, |oldest| oldest.min(began)));
            }
            // Lines list some kinds only.
            None if *source_kind == SourceKind::Lines && of_source().next().is_some() => {}
            _ => return Ok(Others::Incomplete),
        }
    }
    Ok(oldest.map_or(Others::None, Others::Complete))
}
