//! The check that finds leftovers.
//!
//! It runs after a sync, if a resource or what is known about the listings has changed since the last check. It deletes the
//! marks of changes before it reads the resources, so a change during the check makes the next one due. Each check has a
//! number: of two checks at the same time, the later one decides, and the earlier one stops.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use entity::leftovers::{self as leftovers, LeftoverState};
use entity::{cloud_resources as resources, inventory_kinds as kinds};
use entity::{leftover_checks as checks, leftover_marks as marks};
use sea_orm::sea_query::{Expr, ExprTrait as _, OnConflict, Query};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};
use serde_json::json;
use uuid::Uuid;

use super::facts;
use crate::db::{Db, decodable};
use crate::domain::leftovers::{KindListing, LeftoverRule, is_leftover, since, unknown_because};
use crate::error::Result;
use crate::provider::leftovers::{PROVIDERS, rules};
use crate::services::locks::{Lock, locked};

/// Why the leftovers of a check are unknown that ran beside a listing.
const LISTED_MEANWHILE: &str = "A listing was applied during the check. The next check decides.";

/// Finds the leftovers of all providers with rules, if a resource or the outcome of a listing has changed since the last
/// check. Returns whether a check ran.
///
/// # Errors
///
/// The database is unavailable.
pub async fn check_if_due(db: &Db) -> Result<bool> {
    let has_marks = decodable(marks::Entity::find().limit(1), db.reader()).await?.0;
    let mut ran = false;
    for provider in PROVIDERS {
        let listings = listings_of(db.reader(), provider).await?;
        let stored = decodable(checks::Entity::find_by_id(provider.to_owned()), db.reader())
            .await?
            .0;
        let is_done = stored
            .first()
            .is_some_and(|check| check.finished && check.listings == verdicts(provider, &listings));
        if !has_marks.is_empty() || !is_done {
            check(db, provider, &listings).await?;
            ran = true;
        }
    }
    Ok(ran)
}

/// Returns what is known about the listings of a provider.
async fn listings_of<C: ConnectionTrait>(connection: &C, provider: &str) -> Result<Vec<KindListing>> {
    let select = kinds::Entity::find()
        .filter(kinds::Column::Provider.eq(provider))
        .order_by_asc(kinds::Column::Source)
        .order_by_asc(kinds::Column::Kind);
    let listed = decodable(select, connection).await?.0.into_iter();
    Ok(listed
        .map(|row| KindListing {
            unread_fields: row
                .unread_fields
                .and_then(|names| serde_json::from_value(names).ok())
                .unwrap_or_else(Vec::new),
            source: row.source,
            kind: row.kind,
            outcome: row.outcome,
            number: row.listing_number,
        })
        .collect())
}

/// Returns what each rule can know for each source, as a text that changes when that changes.
fn verdicts(provider: &str, listings: &[KindListing]) -> String {
    let sources: BTreeSet<&str> = listings.iter().map(|listing| listing.source.as_str()).collect();
    let all: Vec<_> = sources
        .iter()
        .flat_map(|source| {
            rules(provider)
                .iter()
                .map(move |rule| json!([source, rule.name, unknown_because(rule, source, listings)]))
        })
        .collect();
    json!(all).to_string()
}

async fn check(db: &Db, provider: &str, listings: &[KindListing]) -> Result<()> {
    let number = begin(db, provider).await?;
    for rule in rules(provider) {
        let mut after: Option<String> = None;
        loop {
            let batch = facts::next_batch(db.reader(), (provider, rule.kind), after.as_deref()).await?;
            let Some(last) = batch.last() else { break };
            after = Some(last.provider_id.clone());
            if !check_batch(db, provider, (rule, number), listings, batch).await? {
                return Ok(());
            }
        }
    }
    end(db, provider, number, listings).await
}

/// Draws the number of the check, and deletes the marks of the changes that it will see.
async fn begin(db: &Db, provider: &str) -> Result<i64> {
    db.write_txn(|txn| async move {
        let insert = checks::ActiveModel {
            provider: Set(provider.to_owned()),
            number: Set(0),
            finished: Set(false),
            checked_at: Set(None),
            listings: Set(String::new()),
        };
        checks::Entity::insert(insert)
            .on_conflict(OnConflict::new().do_nothing().to_owned())
            .exec_without_returning(&*txn)
            .await?;
        checks::Entity::update_many()
            .col_expr(checks::Column::Number, Expr::col(checks::Column::Number).add(1))
            .col_expr(checks::Column::Finished, Expr::val(false))
            .filter(checks::Column::Provider.eq(provider))
            .exec(&*txn)
            .await?;
        marks::Entity::delete_many().exec(&*txn).await?;
        let row = decodable(checks::Entity::find_by_id(provider.to_owned()), &*txn)
            .await?
            .0;
        Ok(row.first().map_or(0, |row| row.number))
    })
    .await
}

/// Checks a batch. Returns false, and writes nothing, if a later check has begun: it decides, and may already have decided
/// against what this one has read.
async fn check_batch(
    db: &Db,
    provider: &str,
    (rule, number): (&LeftoverRule, i64),
    listings: &[KindListing],
    mut batch: Vec<resources::Model>,
) -> Result<bool> {
    let reader = db.reader();
    batch.retain(|resource| {
        let is_listed = resource.first_seen_at.is_some() && resource.gone_at.is_none();
        is_listed && !resource.owned && (rule.is_candidate)(resource)
    });
    if batch.is_empty() {
        return Ok(true);
    }
    let owners = facts::of_owners(reader, provider, rule, &batch).await?;
    let owners_of = |resource: &resources::Model| owners.get(&resource.id).copied().unwrap_or_default();
    batch.retain(|resource| is_leftover(rule, owners_of(resource)));
    let ids: Vec<Uuid> = batch.iter().map(|resource| resource.id).collect();
    let changed = facts::changed_at(reader, &ids, rule.fields).await?;
    let now = db.time(reader).await?;
    let rows: Vec<_> = batch
        .iter()
        .map(|resource| {
            let since = since(
                resource,
                rule,
                owners_of(resource),
                changed.get(&resource.id).copied(),
                now,
            );
            row_of(resource, (rule, number), listings, since)
        })
        .collect();
    if rows.is_empty() {
        return Ok(true);
    }
    let rows = &rows;
    db.write_txn(|txn| async move {
        // With the lock, a later check begins when these rows are there, and deletes those that it does not find.
        let current = checks::Entity::find_by_id(provider.to_owned());
        let current = decodable(locked(current, Lock::Share), &*txn).await?.0;
        if current.first().is_none_or(|check| check.number != number) {
            return Ok(false);
        }
        // A row that a later check has written stays, and one that stays a leftover keeps its time.
        let update = OnConflict::column(leftovers::Column::ResourceId)
            .update_columns([
                leftovers::Column::Rule,
                leftovers::Column::State,
                leftovers::Column::UnknownBecause,
                leftovers::Column::MonthlyMicros,
                leftovers::Column::CheckedBy,
            ])
            .action_and_where(
                Expr::col((leftovers::Entity, leftovers::Column::CheckedBy))
                    .lte(Expr::col(("excluded", leftovers::Column::CheckedBy))),
            )
            .to_owned();
        leftovers::Entity::insert_many(rows.clone())
            .on_conflict(update)
            .exec_without_returning(&*txn)
            .await?;
        Ok(true)
    })
    .await
}

fn row_of(
    resource: &resources::Model,
    (rule, number): (&LeftoverRule, i64),
    listings: &[KindListing],
    since: DateTime<Utc>,
) -> leftovers::ActiveModel {
    let unknown = unknown_because(rule, &resource.source, listings);
    leftovers::ActiveModel {
        id: Set(Uuid::now_v7()),
        resource_id: Set(resource.id),
        rule: Set(rule.name.to_owned()),
        state: Set(match unknown {
            None => LeftoverState::Leftover,
            Some(_) => LeftoverState::Unknown,
        }),
        unknown_because: Set(unknown),
        since: Set(since),
        monthly_micros: Set((rule.monthly_micros)(resource)),
        checked_by: Set(number),
    }
}

/// Deletes the rows of earlier checks, and records the end. If a listing was applied meanwhile, what this check found may mix
/// two of them, so it is unknown until the next check.
async fn end(db: &Db, provider: &str, number: i64, listings: &[KindListing]) -> Result<()> {
    db.write_txn(|txn| async move {
        let now = db.time(&*txn).await?;
        let is_same = listings_of(&*txn, provider).await? == listings;
        let of_provider = resources::Column::Provider.eq(provider);
        let ids = Query::select()
            .column(resources::Column::Id)
            .from(resources::Entity)
            .and_where(of_provider)
            .to_owned();
        leftovers::Entity::delete_many()
            .filter(leftovers::Column::CheckedBy.lt(number))
            .filter(leftovers::Column::ResourceId.in_subquery(ids))
            .exec(&*txn)
            .await?;
        if !is_same {
            leftovers::Entity::update_many()
                .col_expr(leftovers::Column::State, Expr::val(LeftoverState::Unknown))
                .col_expr(leftovers::Column::UnknownBecause, Expr::val(LISTED_MEANWHILE))
                .filter(leftovers::Column::CheckedBy.eq(number))
                .exec(&*txn)
                .await?;
        }
        checks::Entity::update_many()
            .col_expr(checks::Column::Finished, Expr::val(is_same))
            .col_expr(checks::Column::CheckedAt, Expr::val(now))
            .col_expr(checks::Column::Listings, Expr::val(verdicts(provider, listings)))
            .filter(checks::Column::Provider.eq(provider))
            .filter(checks::Column::Number.eq(number))
            .exec(&*txn)
            .await?;
        Ok(())
    })
    .await
}
