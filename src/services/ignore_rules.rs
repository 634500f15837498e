//! Ignore rules: their begin, their end, and what a rule would have ignored.

mod apply;
mod backtest;
mod replace;

use chrono::{DateTime, TimeDelta, Utc};
use entity::{cloud_drift as drift, cloud_resources as resources};
use entity::{ignore_rule_revisions as revisions, ignore_rules as rules, ignored_differences as ignored};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ActiveModelTrait as _, ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel as _,
    QueryFilter, QueryOrder, QuerySelect, QueryTrait as _, Select,
};
use uuid::Uuid;

pub use self::apply::{AppliedFile, FileAction, apply_file};
pub use self::backtest::{Backtest, backtest};
pub use self::replace::{Replaced, replace};
use super::detection::{SweepCounts, compare_with_new_rules, mark_in_txn};
use super::drift_rows::is_open;
use super::events::SYSTEM;
use super::locks::{Lock, locked};
use super::page::{self, Order, Page, PageRequest};
use crate::clock::Clock;
use crate::db::{DatabaseTransaction, Db, column, decodable};
use crate::domain::ignore_rules::{Definition, IgnoreRule, IgnoreRules};
use crate::domain::validation::{MAX_TEXT_BYTES, check_text, check_time};
use crate::error::{Conflict, Error, Result};

/// A rule with no hit after this time is listed as never hit.
const TIME_TO_HIT: TimeDelta = TimeDelta::days(30);
/// A rule that ends within this time is listed as expiring soon.
const SOON: TimeDelta = TimeDelta::days(7);
/// A rule that ignores more differences than this is listed as hiding much.
const MUCH: i64 = 50;

/// What made a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A person, through the API.
    Api,
    /// A file of rules.
    File,
    /// A preset of the program.
    Preset,
}

impl Origin {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::File => "file",
            Self::Preset => "preset",
        }
    }
}

/// A rule to begin.
#[derive(Clone, Debug)]
pub struct NewRule {
    /// Unique name among the rules in force.
    pub name: Option<String>,
    /// What it covers.
    pub definition: Definition,
    /// Why the difference is expected.
    pub reason: String,
    /// Person or team that answers for it.
    pub owner: Option<String>,
    /// When it ends by itself.
    pub expires_at: Option<DateTime<Utc>>,
    /// What made it.
    pub origin: Origin,
    /// The bulk that makes it.
    pub bulk: Option<Uuid>,
}

impl NewRule {
    fn check(&self, now: DateTime<Utc>) -> Result<()> {
        self.definition.check()?;
        check_text("reason", &self.reason, MAX_TEXT_BYTES)?;
        if self.reason.trim().is_empty() {
            return Err(Error::BadUserInput("reason must not be empty".to_owned()));
        }
        for (what, text) in [("name", &self.name), ("owner", &self.owner)] {
            let Some(text) = text else { continue };
            check_text(what, text, MAX_TEXT_BYTES)?;
            if text.trim().is_empty() {
                return Err(Error::BadUserInput(format!("{what} must not be empty")));
            }
        }
        if let Some(time) = self.expires_at {
            check_time("expiresAt", time)?;
            if time <= now {
                return Err(Error::BadUserInput("expiresAt must be in the future".to_owned()));
            }
        }
        Ok(())
    }
}

/// A rule that has begun or ended, and what became of the inbox.
#[derive(Clone, Debug)]
pub struct Changed {
    /// The rule.
    pub rule: rules::Model,
    /// Drifts that closed or opened because of it; None if the next sweep has to find out.
    pub drifts: Option<u64>,
}

/// Returns the rules in force. A rule that does not decode covers nothing.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn in_force<C: ConnectionTrait>(connection: &C) -> Result<IgnoreRules> {
    // The revision is read first: if a rule begins before the rules are read, the revision is outdated, and what is
    // planned with the rules is planned again.
    let revision = revision(connection, None).await?;
    if revision == 0 {
        return Ok(IgnoreRules::default());
    }
    let select = rules::Entity::find()
        .filter(rules::Column::EndedAt.is_null())
        .order_by_asc(rules::Column::Id);
    let (rows, damaged) = decodable(select, connection).await?;
    if damaged > 0 {
        tracing::warn!(damaged, "ignore rules that cannot be read cover nothing");
    }
    let rules = rows
        .into_iter()
        .filter_map(|row| match serde_json::from_value(row.definition) {
            Ok(definition) => Some(IgnoreRule {
                id: row.id,
                definition,
            }),
            Err(error) => {
                tracing::warn!(rule = %row.id, %error, "an ignore rule that cannot be read covers nothing");
                None
            }
        });
    Ok(IgnoreRules {
        revision,
        rules: rules.collect(),
    })
}

/// Keeps the set of rules unchanged until the end of the transaction, and returns its revision. Call it before other rows
/// are locked.
///
/// # Errors
///
/// The database is unavailable.
pub(super) async fn keep_revision_in_txn(txn: &DatabaseTransaction) -> Result<i64> {
    revision(txn, Some(Lock::Share)).await
}

async fn revision<C: ConnectionTrait>(connection: &C, lock: Option<Lock>) -> Result<i64> {
    let select = revisions::Entity::find_by_id(1);
    let select = match lock {
        Some(lock) => locked(select, lock),
        None => select,
    };
    let select = select.build(connection.get_database_backend());
    let row = connection.query_one_raw(select).await?;
    let revision = row.map(|row| column(&row, "", "revision")).transpose()?;
    Ok(revision.unwrap_or_default())
}

/// Raises the revision of the set of rules, so that no sweep writes what it planned with the rules before.
pub(super) async fn raise_revision_in_txn(txn: &DatabaseTransaction) -> Result<()> {
    revisions::Entity::update_many()
        .col_expr(
            revisions::Column::Revision,
            Expr::col(revisions::Column::Revision).add(1),
        )
        .filter(revisions::Column::Id.eq(1))
        .exec(txn)
        .await?;
    Ok(())
}

/// Begins a rule as a decision of `actor`, and compares the resources whose open drifts it may cover.
///
/// # Errors
///
/// BAD_USER_INPUT if the rule is not valid; a conflict if a rule in force has its name.
pub async fn create(db: &Db, clock: &Clock, actor: &str, new: &NewRule) -> Result<Changed> {
    let now = clock.now();
    new.check(now)?;
    let (rule, affected) = db
        .write_txn(|txn| async move { create_in_txn(&txn, actor, new, now).await })
        .await?;
    let counts = compare(db, clock, affected).await;
    Ok(Changed {
        rule,
        drifts: counts.map(|counts| counts.staled),
    })
}

/// Inserts a rule and marks the resources whose open drifts it may cover, so that a crash does not lose them.
pub(super) async fn create_in_txn(
    txn: &DatabaseTransaction,
    actor: &str,
    new: &NewRule,
    now: DateTime<Utc>,
) -> Result<(rules::Model, Vec<Uuid>)> {
    raise_revision_in_txn(txn).await?;
    if let Some(name) = &new.name {
        let same = rules::Entity::find()
            .filter(rules::Column::EndedAt.is_null())
            .filter(rules::Column::Name.eq(name));
        if page::count(txn, same, rules::Column::Id).await? > 0 {
            return Err(Conflict::NameInUse.because(format!("a rule with the name {name:?} is in force")));
        }
    }
    let definition = serde_json::to_value(&new.definition)
        .map_err(|error| Error::Internal(format!("a rule cannot be written: {error}")))?;
    let row = rules::ActiveModel {
        id: Set(Uuid::now_v7()),
        name: Set(new.name.clone()),
        definition: Set(definition),
        field: Set(new.definition.field.clone()),
        reason: Set(new.reason.clone()),
        owner: Set(new.owner.clone()),
        origin: Set(new.origin.as_str().to_owned()),
        created_by: Set(actor.to_owned()),
        created_at: Set(now),
        expires_at: Set(new.expires_at),
        ended_at: Set(None),
        ended_by: Set(None),
        end_reason: Set(None),
        hits: Set(0),
        last_hit_at: Set(None),
        bulk_id: Set(new.bulk),
    };
    let row = row.insert(txn).await?;
    let mut affected = drift::Entity::find()
        .select_only()
        .column(drift::Column::ResourceId)
        .filter(is_open())
        .filter(drift::Column::Field.eq(new.definition.field.as_str()));
    if let Some(kind) = &new.definition.kind {
        affected = affected
            .inner_join(resources::Entity)
            .filter(resources::Column::Kind.eq(kind.as_str()));
    }
    let mut affected = ids_in_txn(txn, affected).await?;
    let named = &new.definition.resource_ids;
    affected.retain(|id| named.is_empty() || named.contains(id));
    mark_in_txn(txn, &affected).await?;
    Ok((row, affected))
}

/// Ends the rules that a bulk made, as a decision of `actor`, and compares the resources whose differences they covered.
///
/// # Errors
///
/// The database is unavailable.
pub(super) async fn end_of_bulk(
    db: &Db,
    clock: &Clock,
    (actor, reason): (&str, Option<&str>),
    bulk: Uuid,
) -> Result<()> {
    let now = clock.now();
    let affected = db
        .write_txn(|txn| async move {
            raise_revision_in_txn(&txn).await?;
            let made = rules::Entity::find()
                .filter(rules::Column::BulkId.eq(bulk))
                .filter(rules::Column::EndedAt.is_null())
                .order_by_asc(rules::Column::Id);
            let (made, _) = decodable(made, &*txn).await?;
            let mut affected = Vec::new();
            for rule in made {
                affected.extend(end_in_txn(&txn, actor, rule.id, reason, now).await?.1);
            }
            affected.sort_unstable();
            affected.dedup();
            Ok(affected)
        })
        .await?;
    compare(db, clock, affected).await;
    Ok(())
}

/// Ends a rule as a decision of `actor`, and compares the resources whose differences it covered. A rule that has ended
/// stays as it is.
///
/// # Errors
///
/// NOT_FOUND if there is no rule with this id; BAD_USER_INPUT if the reason is too long.
pub async fn end(db: &Db, clock: &Clock, actor: &str, id: Uuid, reason: Option<&str>) -> Result<Changed> {
    check_text("reason", reason.unwrap_or_default(), MAX_TEXT_BYTES)?;
    let now = clock.now();
    let (rule, affected) = db
        .write_txn(|txn| async move { end_in_txn(&txn, actor, id, reason, now).await })
        .await?;
    let counts = compare(db, clock, affected).await;
    Ok(Changed {
        rule,
        drifts: counts.map(|counts| counts.opened),
    })
}

async fn end_in_txn(
    txn: &DatabaseTransaction,
    actor: &str,
    id: Uuid,
    reason: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(rules::Model, Vec<Uuid>)> {
    raise_revision_in_txn(txn).await?;
    let select = locked(rules::Entity::find_by_id(id), Lock::Update);
    let (rows, _) = decodable(select, txn).await?;
    let row = rows.into_iter().next().ok_or(Error::NotFound("ignore rule"))?;
    if row.ended_at.is_some() {
        return Ok((row, Vec::new()));
    }
    // Not only those of this rule: several rules may cover parts of one difference.
    let affected = ignored::Entity::find()
        .select_only()
        .column(ignored::Column::ResourceId)
        .filter(ignored::Column::Field.eq(row.field.as_str()));
    let affected = ids_in_txn(txn, affected).await?;
    mark_in_txn(txn, &affected).await?;
    let mut row = row.into_active_model();
    row.ended_at = Set(Some(now));
    row.ended_by = Set(Some(actor.to_owned()));
    row.end_reason = Set(reason.map(str::to_owned));
    Ok((row.update(txn).await?, affected))
}

/// Ends the rules whose time has come. Their differences come back with the sweep that follows.
///
/// # Errors
///
/// The database is unavailable.
pub(super) async fn end_expired(db: &Db, now: DateTime<Utc>) -> Result<()> {
    let expired = rules::Entity::find()
        .select_only()
        .column(rules::Column::Id)
        .filter(rules::Column::EndedAt.is_null())
        .filter(rules::Column::ExpiresAt.lte(now))
        .build(db.backend());
    for row in db.reader().query_all_raw(expired).await? {
        let id: Uuid = column(&row, "", "id")?;
        db.write_txn(|txn| async move { end_in_txn(&txn, SYSTEM, id, Some("expired"), now).await })
            .await?;
    }
    Ok(())
}

/// Compares resources with the changed rules. If that fails, the next sweep does it, because they are marked.
pub(super) async fn compare(db: &Db, clock: &Clock, resources: Vec<Uuid>) -> Option<SweepCounts> {
    if resources.is_empty() {
        return Some(SweepCounts::default());
    }
    match compare_with_new_rules(db, clock, resources).await {
        Ok(counts) => Some(counts),
        Err(error) => {
            tracing::warn!(%error, "an ignore rule has changed: its drifts change with the next sweep");
            None
        }
    }
}

async fn ids_in_txn<E: EntityTrait>(txn: &DatabaseTransaction, select: Select<E>) -> Result<Vec<Uuid>> {
    let rows = txn
        .query_all_raw(select.distinct().build(txn.get_database_backend()))
        .await?;
    Ok(rows
        .iter()
        .filter_map(|row| column(row, "", "resource_id").ok())
        .collect())
}

/// Why a rule deserves a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attention {
    /// It has not ignored anything for 30 days since it began.
    NeverHit,
    /// It ignores more than 50 differences.
    HidesMuch,
    /// It ends within 7 days.
    ExpiresSoon,
}

/// Returns why a rule deserves a look. `ignored` is the number of differences that it ignores.
pub(crate) fn attention(rule: &rules::Model, ignored: i64, now: DateTime<Utc>) -> Vec<Attention> {
    if rule.ended_at.is_some() {
        return Vec::new();
    }
    let is_unused = rule.hits == 0 && now - rule.created_at >= TIME_TO_HIT;
    let expires_soon = rule.expires_at.is_some_and(|time| time - now <= SOON);
    [
        is_unused.then_some(Attention::NeverHit),
        (ignored > MUCH).then_some(Attention::HidesMuch),
        expires_soon.then_some(Attention::ExpiresSoon),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Newest first.
pub(crate) const NEWEST_FIRST: Order<rules::Column> = Order {
    time: Some(rules::Column::CreatedAt),
    id: rules::Column::Id,
    descending: true,
};

fn select(in_force: Option<bool>) -> Select<rules::Entity> {
    let select = rules::Entity::find();
    match in_force {
        Some(true) => select.filter(rules::Column::EndedAt.is_null()),
        Some(false) => select.filter(rules::Column::EndedAt.is_not_null()),
        None => select,
    }
}

/// Returns one page of the rules, newest first: those in force, those that ended, or all.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn list<C: ConnectionTrait>(
    connection: &C,
    in_force: Option<bool>,
    request: &PageRequest,
) -> Result<Page<rules::Model>> {
    page::fetch(connection, select(in_force), NEWEST_FIRST, request).await
}

/// Returns the number of rules: those in force, those that ended, or all.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn count<C: ConnectionTrait>(connection: &C, in_force: Option<bool>) -> Result<i64> {
    page::count(connection, select(in_force), rules::Column::Id).await
}

/// Returns the rules in force, oldest first, each with the number of differences that it ignores.
///
/// # Errors
///
/// The database is unavailable.
pub async fn in_force_with_counts(db: &Db) -> Result<Vec<(rules::Model, i64)>> {
    let select = select(Some(true)).order_by_asc(rules::Column::Id);
    let (rows, _) = decodable(select, db.reader()).await?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let counts = super::ignored::counts_of(db.reader(), &ids).await?;
    let count = |id: Uuid| {
        counts
            .iter()
            .find(|(rule, _)| *rule == id)
            .map_or(0, |(_, count)| *count)
    };
    Ok(rows.into_iter().map(|row| (row.clone(), count(row.id))).collect())
}

/// Returns the rules in force that have one of these names.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn in_force_named<C: ConnectionTrait>(
    connection: &C,
    names: &[&str],
) -> Result<Vec<rules::Model>> {
    let rows = select(Some(true)).filter(rules::Column::Name.is_in(names.iter().copied()));
    Ok(decodable(rows, connection).await?.0)
}

/// Returns the rules with these ids.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn by_ids<C: ConnectionTrait>(connection: &C, ids: &[Uuid]) -> Result<Vec<rules::Model>> {
    let select = rules::Entity::find().filter(rules::Column::Id.is_in(ids.iter().copied()));
    Ok(decodable(select, connection).await?.0)
}
