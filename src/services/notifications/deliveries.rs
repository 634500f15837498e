//! Messages and their attempts: the delivery log.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use entity::notification_attempts as attempts;
use entity::notification_deliveries::{self as deliveries, DeliveryKind, DeliveryState};
use entity::notification_targets as targets;
use sea_orm::sea_query::{Expr, ExprTrait as _, LockBehavior, LockType};
use sea_orm::{
    ActiveEnum as _, ActiveModelTrait as _, ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait,
    DbBackend, EntityTrait, PaginatorTrait as _, QueryFilter, QueryOrder, QuerySelect, Select,
};
use uuid::Uuid;

use super::targets::find as find_target;
use crate::db::{DatabaseTransaction, Db, decodable, lists};
use crate::domain::notifications::{GIVE_UP_AFTER, retry_delay};
use crate::error::{Conflict, Error, Result};
use crate::outgoing::{Answer, TIME_LIMIT};
use crate::services::page::{self, Order, Page, PageRequest};

/// After this time without a result, an attempt counts as lost and the message is attempted again.
pub(super) fn lease() -> TimeDelta {
    TimeDelta::from_std(TIME_LIMIT * 3).unwrap_or(TimeDelta::seconds(30))
}

/// Maximum number of attempts that the log shows of one message.
pub(crate) const MAX_SHOWN_ATTEMPTS: usize = 50;
/// Why a heartbeat was given up.
const REPLACED: &str = "a newer heartbeat replaced it";

/// A message whose attempt has begun.
pub(super) struct Claimed {
    pub(super) delivery: deliveries::Model,
    pub(super) target: targets::Model,
    /// Id of the attempt.
    attempt: Uuid,
    /// When it began.
    pub(super) now: DateTime<Utc>,
}

/// Adds a message, which is attempted at once.
pub(super) async fn add_in_txn(
    txn: &DatabaseTransaction,
    target: Uuid,
    kind: DeliveryKind,
    body: String,
    now: DateTime<Utc>,
) -> Result<deliveries::Model> {
    if kind == DeliveryKind::Heartbeat {
        give_up_heartbeats_in_txn(txn, target, now).await?;
    }
    let row = deliveries::ActiveModel {
        id: Set(Uuid::now_v7()),
        target_id: Set(target),
        kind: Set(kind),
        body: Set(body),
        state: Set(DeliveryState::Pending),
        attempts: Set(0),
        created_at: Set(now),
        next_attempt_at: Set(Some(now)),
        give_up_at: Set(now + GIVE_UP_AFTER),
        ended_at: Set(None),
        status_code: Set(None),
        error: Set(None),
    };
    Ok(row.insert(txn).await?)
}

/// Gives up the undelivered heartbeats of a target: a newer one says more.
async fn give_up_heartbeats_in_txn(
    txn: &DatabaseTransaction,
    target: Uuid,
    now: DateTime<Utc>,
) -> Result<()> {
    deliveries::Entity::update_many()
        .set(deliveries::ActiveModel {
            state: Set(DeliveryState::Failed),
            next_attempt_at: Set(None),
            ended_at: Set(Some(now)),
            error: Set(Some(REPLACED.to_owned())),
            ..Default::default()
        })
        .filter(deliveries::Column::TargetId.eq(target))
        .filter(deliveries::Column::Kind.eq(DeliveryKind::Heartbeat))
        .filter(is_pending())
        .exec(txn)
        .await?;
    Ok(())
}

/// The condition that a message is pending, as a literal, so that the partial index is used.
fn is_pending() -> Expr {
    let state = Expr::col((deliveries::Entity, deliveries::Column::State));
    state.eq(Expr::Constant(DeliveryState::Pending.to_value().into()))
}

/// Returns the enabled targets with a message that is due.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn due_targets(db: &Db) -> Result<Vec<Uuid>> {
    let now = db.time(db.reader()).await?;
    let select = deliveries::Entity::find()
        .select_only()
        .column(deliveries::Column::TargetId)
        .distinct()
        .inner_join(targets::Entity)
        .filter(is_pending())
        .filter(deliveries::Column::NextAttemptAt.lte(now))
        .filter(targets::Column::Enabled.eq(true));
    Ok(select.into_tuple().all(db.reader()).await?)
}

/// Begins an attempt of the message of a target that is due for the longest time. No other server attempts it until the
/// lease ends.
pub(super) async fn claim(db: &Db, target: Uuid) -> Result<Option<Claimed>> {
    db.write_txn(|txn| async move {
        let now = db.time(&*txn).await?;
        let mut select = deliveries::Entity::find()
            .filter(is_pending())
            .filter(deliveries::Column::TargetId.eq(target))
            .filter(deliveries::Column::NextAttemptAt.lte(now))
            .order_by_asc(deliveries::Column::NextAttemptAt)
            .limit(1);
        if db.backend() == DbBackend::Postgres {
            select = select.lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
        }
        let Some(delivery) = decodable(select, &*txn).await?.0.pop() else {
            return Ok(None);
        };
        let Some(target) = find_target(&*txn, target).await?.filter(|target| target.enabled) else {
            return Ok(None);
        };
        begin_in_txn(&txn, delivery, target, now).await.map(Some)
    })
    .await
}

/// Begins an attempt of a message that the transaction has locked or made.
pub(super) async fn begin_in_txn(
    txn: &DatabaseTransaction,
    delivery: deliveries::Model,
    target: targets::Model,
    now: DateTime<Utc>,
) -> Result<Claimed> {
    let number = delivery.attempts.saturating_add(1);
    let changes = deliveries::ActiveModel {
        id: Set(delivery.id),
        attempts: Set(number),
        next_attempt_at: Set(Some(now + lease())),
        ..Default::default()
    };
    let delivery = changes.update(txn).await?;
    let attempt = attempts::ActiveModel {
        id: Set(Uuid::now_v7()),
        delivery_id: Set(delivery.id),
        number: Set(number),
        started_at: Set(now),
        ended_at: Set(None),
        status_code: Set(None),
        error: Set(None),
    };
    let attempt = attempt.insert(txn).await?.id;
    Ok(Claimed {
        delivery,
        target,
        attempt,
        now,
    })
}

/// Records how an attempt ended. If the message was attempted again meanwhile, because this attempt took longer than its
/// lease, only a success counts.
pub(super) async fn record(db: &Db, claimed: &Claimed, answer: &Answer) -> Result<()> {
    let Claimed {
        delivery, attempt, ..
    } = claimed;
    db.write_txn(|txn| async move {
        let now = db.time(&*txn).await?;
        let status_code = answer.status.map(i32::from);
        let ended = attempts::ActiveModel {
            ended_at: Set(Some(now)),
            status_code: Set(status_code),
            error: Set(answer.problem.clone()),
            ..Default::default()
        };
        let update = attempts::Entity::update_many().set(ended);
        update
            .filter(attempts::Column::Id.eq(*attempt))
            .exec(&*txn)
            .await?;
        let mut row = deliveries::ActiveModel {
            status_code: Set(status_code),
            error: Set(answer.problem.clone()),
            ..Default::default()
        };
        let next = next_attempt(delivery, answer, now);
        row.next_attempt_at = Set(next);
        if next.is_none() {
            row.ended_at = Set(Some(now));
            row.state = Set(match answer.problem {
                None => DeliveryState::Delivered,
                Some(_) => DeliveryState::Failed,
            });
        }
        let update = deliveries::Entity::update_many()
            .set(row)
            .filter(deliveries::Column::Id.eq(delivery.id))
            .filter(is_pending());
        let update = match answer.problem {
            None => update,
            Some(_) => update.filter(deliveries::Column::Attempts.eq(delivery.attempts)),
        };
        update.exec(&*txn).await?;
        Ok(())
    })
    .await
}

/// Returns when a message is attempted again; None if it was delivered or is given up.
fn next_attempt(delivery: &deliveries::Model, answer: &Answer, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    answer.problem.as_ref()?;
    if answer.is_final() || delivery.kind == DeliveryKind::Test {
        return None;
    }
    let (random, ..) = Uuid::new_v4().as_fields();
    let asked = answer
        .retry_after
        .and_then(|delay| TimeDelta::from_std(delay).ok());
    let delay = retry_delay(delivery.attempts, random).max(asked.unwrap_or_default());
    Some(now + delay).filter(|next| *next <= delivery.give_up_at)
}

/// Attempts a message again from the start, whatever its state is. It keeps its id.
///
/// # Errors
///
/// NOT_FOUND if it does not exist; a conflict if its target is switched off.
pub(crate) async fn resend(db: &Db, id: Uuid) -> Result<deliveries::Model> {
    db.write_txn(|txn| async move {
        let now = db.time(&*txn).await?;
        let missing = || Error::NotFound("notification delivery");
        let delivery = find(&*txn, id).await?.ok_or_else(missing)?;
        let target = find_target(&*txn, delivery.target_id)
            .await?
            .ok_or_else(missing)?;
        if !target.enabled {
            return Err(Conflict::TargetOff.because("the target is switched off: enable it first"));
        }
        let row = deliveries::ActiveModel {
            id: Set(id),
            state: Set(DeliveryState::Pending),
            next_attempt_at: Set(Some(now)),
            give_up_at: Set(now + GIVE_UP_AFTER),
            ended_at: Set(None),
            ..Default::default()
        };
        Ok(row.update(&*txn).await?)
    })
    .await
}

/// Returns the message with this id.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn find<C: ConnectionTrait>(connection: &C, id: Uuid) -> Result<Option<deliveries::Model>> {
    page::find_one(connection, deliveries::Entity::find_by_id(id)).await
}

const NEWEST_FIRST: Order<deliveries::Column> = Order {
    time: Some(deliveries::Column::CreatedAt),
    id: deliveries::Column::Id,
    descending: true,
};

fn of_target(target: Option<Uuid>, state: Option<DeliveryState>) -> Select<deliveries::Entity> {
    let condition = Condition::all()
        .add_option(target.map(|target| deliveries::Column::TargetId.eq(target)))
        .add_option(state.map(|state| deliveries::Column::State.eq(state)));
    deliveries::Entity::find().filter(condition)
}

/// Returns one page of the messages, newest first.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn list<C: ConnectionTrait>(
    connection: &C,
    target: Option<Uuid>,
    state: Option<DeliveryState>,
    request: &PageRequest,
) -> Result<Page<deliveries::Model>> {
    page::fetch(connection, of_target(target, state), NEWEST_FIRST, request).await
}

/// Returns the number of messages.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn count<C: ConnectionTrait>(
    connection: &C,
    target: Option<Uuid>,
    state: Option<DeliveryState>,
) -> Result<i64> {
    let count = of_target(target, state).count(connection).await?;
    Ok(i64::try_from(count).unwrap_or(i64::MAX))
}

/// Returns the newest attempts of each of these messages, at most 50 of each, newest first.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn attempts_of<C: ConnectionTrait>(
    connection: &C,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, Vec<attempts::Model>>> {
    let among = lists::among(
        connection.get_database_backend(),
        r#""notification_attempts"."delivery_id""#,
        ids.iter().copied(),
    );
    let select = attempts::Entity::find()
        .filter(among)
        .order_by_desc(attempts::Column::StartedAt)
        .order_by_desc(attempts::Column::Id);
    let mut found: HashMap<Uuid, Vec<attempts::Model>> = ids.iter().map(|id| (*id, Vec::new())).collect();
    for attempt in decodable(select, connection).await?.0 {
        let of_message = found.entry(attempt.delivery_id).or_default();
        if of_message.len() < MAX_SHOWN_ATTEMPTS {
            of_message.push(attempt);
        }
    }
    Ok(found)
}

/// Selects the messages that were confirmed or given up before this time, oldest first.
pub(crate) fn purge_before(before: DateTime<Utc>) -> Select<deliveries::Entity> {
    deliveries::Entity::find()
        .filter(deliveries::Column::State.ne(DeliveryState::Pending))
        .filter(deliveries::Column::CreatedAt.lt(before))
        .filter(deliveries::Column::EndedAt.lt(before))
        .order_by_asc(deliveries::Column::CreatedAt)
}
