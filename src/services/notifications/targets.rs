//! Targets: the receivers of notifications.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use entity::notification_targets::{self as targets, Hidden, TargetKind, TargetMethod};
use sea_orm::{
    ActiveModelTrait as _, ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait,
    IntoActiveModel as _, PaginatorTrait as _, QueryFilter, QueryOrder, SqlErr,
};
use serde_json::Value;
use uuid::Uuid;

use super::MAX_TARGETS;
use crate::db::{DatabaseTransaction, Db, decodable};
use crate::domain::notifications::{Filter, next_digest};
use crate::domain::validation::{MAX_TEXT_BYTES, check_text};
use crate::error::{Conflict, Error, Result};
use crate::outgoing::{Outgoing, SigningSecret, TargetUrl};
use crate::services::page::{self, Order, Page, PageRequest};

/// How long the previous secret signs beside the new one.
const ROTATION: TimeDelta = TimeDelta::hours(24);
/// Maximum length of a name, in bytes.
const MAX_NAME_BYTES: usize = 200;
/// Maximum number of values in one list of a filter.
const MAX_FILTER_VALUES: usize = 100;
/// Number of minutes of a day.
const MINUTES: i32 = 24 * 60;

/// A target to create.
#[derive(Clone)]
pub struct NewTarget {
    /// Name, unique.
    pub name: String,
    /// What it is.
    pub kind: TargetKind,
    /// Address. It is not shown again.
    pub url: String,
    /// Method of the requests to a heartbeat; POST if not set.
    pub method: Option<TargetMethod>,
    /// Secret of the signatures of a webhook; a new one is made if not set.
    pub secret: Option<String>,
    /// Selects the transitions.
    pub filter: Filter,
    /// Minute of the day in UTC at which the digest is sent.
    pub digest_minute: Option<i32>,
    /// Whether it receives anything.
    pub enabled: bool,
}

impl fmt::Debug for NewTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewTarget")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// Changes of a target. What is not set stays as it is.
#[derive(Clone, Default)]
pub struct TargetChange {
    /// New name.
    pub name: Option<String>,
    /// New address.
    pub url: Option<String>,
    /// New method.
    pub method: Option<TargetMethod>,
    /// New filter.
    pub filter: Option<Filter>,
    /// New minute of the digest; the inner None ends it.
    pub digest_minute: Option<Option<i32>>,
    /// Whether it receives anything.
    pub enabled: Option<bool>,
    /// Whether to make a new secret. The previous one signs for 24 hours more.
    pub rotate_secret: bool,
}

/// A target that was created or changed.
#[derive(Clone, Debug)]
pub struct Saved {
    /// The row.
    pub target: targets::Model,
    /// The new secret, if there is one. It is not shown again.
    pub secret: Option<SigningSecret>,
}

/// Creates a target.
///
/// # Errors
///
/// BAD_USER_INPUT if a value is not valid, the name is taken, the settings do not allow the address, or there are too many
/// targets.
pub(crate) async fn create(db: &Db, outgoing: &Outgoing, actor: &str, new: &NewTarget) -> Result<Saved> {
    check_new(new)?;
    let url = outgoing.check(&new.url)?;
    let secret = match (&new.secret, new.kind) {
        (Some(text), TargetKind::Webhook) => {
            Some(SigningSecret::parse(text).map_err(|why| Error::BadUserInput(why.to_owned()))?)
        }
        (Some(_), _) => return Err(bad("only a webhook has a secret")),
        (None, TargetKind::Webhook) => Some(SigningSecret::random()),
        (None, _) => None,
    };
    let (url, secret) = (&url, &secret);
    db.write_txn(|txn| async move {
        let now = db.time(&*txn).await?;
        if targets::Entity::find().count(&*txn).await? >= MAX_TARGETS {
            return Err(Conflict::LimitReached.because(format!(
                "there are {MAX_TARGETS} targets already: delete one first"
            )));
        }
        let row = targets::ActiveModel {
            id: Set(Uuid::now_v7()),
            name: Set(new.name.clone()),
            kind: Set(new.kind),
            url: Set(stored(url)),
            method: Set(new.method.unwrap_or(TargetMethod::Post)),
            secret: Set(secret.as_ref().map(|secret| Hidden(secret.exposed()))),
            previous_secret: Set(None),
            previous_until: Set(None),
            filter: Set(filter_json(&new.filter)?),
            digest_minute: Set(new.digest_minute),
            digest_due_at: Set(new.digest_minute.map(|minute| next_digest(minute, now))),
            enabled: Set(new.enabled),
            created_at: Set(now),
            created_by: Set(actor.to_owned()),
            updated_at: Set(now),
            updated_by: Set(actor.to_owned()),
        };
        let target = row.insert(&*txn).await.map_err(name_taken)?;
        Ok(Saved {
            target,
            secret: secret.clone(),
        })
    })
    .await
}

/// Changes a target.
///
/// # Errors
///
/// NOT_FOUND if it does not exist; the errors of [`create`].
pub(crate) async fn update(
    db: &Db,
    outgoing: &Outgoing,
    actor: &str,
    id: Uuid,
    change: &TargetChange,
) -> Result<Saved> {
    check_change(change)?;
    let url = change.url.as_deref().map(|url| outgoing.check(url)).transpose()?;
    let secret = change.rotate_secret.then(SigningSecret::random);
    let (url, secret) = (&url, &secret);
    db.write_txn(|txn| async move {
        let now = db.time(&*txn).await?;
        let old = find_in_txn(&txn, id).await?;
        check_method(old.kind, change.method)?;
        check_digest(old.kind, change.digest_minute.flatten())?;
        if old.kind != TargetKind::Webhook && secret.is_some() {
            return Err(bad("only a webhook has a secret"));
        }
        let mut row = old.clone().into_active_model();
        if let Some(name) = &change.name {
            row.name = Set(name.clone());
        }
        if let Some(url) = url {
            row.url = Set(stored(url));
        }
        if let Some(method) = change.method {
            row.method = Set(method);
        }
        if let Some(filter) = &change.filter {
            row.filter = Set(filter_json(filter)?);
        }
        if let Some(minute) = change.digest_minute {
            row.digest_minute = Set(minute);
            row.digest_due_at = Set(minute.map(|minute| next_digest(minute, now)));
        }
        if let Some(enabled) = change.enabled {
            row.enabled = Set(enabled);
        }
        if let Some(secret) = secret {
            row.previous_secret = Set(old.secret);
            row.previous_until = Set(Some(now + ROTATION));
            row.secret = Set(Some(Hidden(secret.exposed())));
        }
        row.updated_at = Set(now);
        row.updated_by = Set(actor.to_owned());
        let target = row.update(&*txn).await.map_err(name_taken)?;
        Ok(Saved {
            target,
            secret: secret.clone(),
        })
    })
    .await
}

/// Deletes a target with its messages, the undelivered ones included.
///
/// # Errors
///
/// NOT_FOUND if it does not exist.
pub(crate) async fn delete(db: &Db, id: Uuid) -> Result<()> {
    db.write_txn(|txn| async move {
        let deleted = targets::Entity::delete_by_id(id).exec(&*txn).await?;
        match deleted.rows_affected {
            0 => Err(Error::NotFound("notification target")),
            _ => Ok(()),
        }
    })
    .await
}

/// Returns all targets, by name.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn list<C: ConnectionTrait>(connection: &C) -> Result<Vec<targets::Model>> {
    let select = targets::Entity::find().order_by_asc(targets::Column::Name);
    Ok(decodable(select, connection).await?.0)
}

/// Returns one page of the targets, in the order of their creation.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn page<C: ConnectionTrait>(
    connection: &C,
    request: &PageRequest,
) -> Result<Page<targets::Model>> {
    let order = Order {
        time: Some(targets::Column::CreatedAt),
        id: targets::Column::Id,
        descending: false,
    };
    page::fetch(connection, targets::Entity::find(), order, request).await
}

/// Returns the number of targets.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn count<C: ConnectionTrait>(connection: &C) -> Result<i64> {
    let count = targets::Entity::find().count(connection).await?;
    Ok(i64::try_from(count).unwrap_or(i64::MAX))
}

/// Returns the target with this id.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn find<C: ConnectionTrait>(connection: &C, id: Uuid) -> Result<Option<targets::Model>> {
    Ok(decodable(targets::Entity::find_by_id(id), connection)
        .await?
        .0
        .pop())
}

/// Returns the target with this name.
///
/// # Errors
///
/// NOT_FOUND if there is none.
pub(crate) async fn find_by_name<C: ConnectionTrait>(connection: &C, name: &str) -> Result<targets::Model> {
    let select = targets::Entity::find().filter(targets::Column::Name.eq(name));
    let found = decodable(select, connection).await?.0.pop();
    found.ok_or(Error::NotFound("notification target"))
}

/// Returns targets by their ids.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn by_ids<C: ConnectionTrait>(connection: &C) -> Result<BTreeMap<Uuid, targets::Model>> {
    let all = list(connection).await?;
    Ok(all.into_iter().map(|target| (target.id, target)).collect())
}

/// Returns the host of a target, which is the only part of its address that is shown.
pub(crate) fn host_of(target: &targets::Model) -> String {
    TargetUrl::parse(&target.url.0).map_or_else(|_| String::new(), |url| url.host().to_owned())
}

/// Returns the filter of a target. One that does not decode selects everything, so that nothing is lost.
pub(crate) fn filter_of(target: &targets::Model) -> Filter {
    serde_json::from_value(target.filter.clone()).unwrap_or_default()
}

/// Returns the secrets that sign at this time, the newest first.
pub(super) fn secrets_of(target: &targets::Model, now: DateTime<Utc>) -> Vec<SigningSecret> {
    let previous = target.previous_secret.as_ref();
    let previous = previous.filter(|_| target.previous_until.is_some_and(|until| now < until));
    let secrets = target.secret.iter().chain(previous);
    secrets
        .filter_map(|secret| SigningSecret::parse(&secret.0).ok())
        .collect()
}

/// Returns what prevents messages to a target that is switched on, as the end of a sentence about it.
pub(crate) fn problem_of(target: &targets::Model) -> Option<&'static str> {
    let signs = target.kind == TargetKind::Webhook;
    match &target.secret {
        _ if !target.enabled => None,
        _ if TargetUrl::parse(&target.url.0).is_err() => Some("has an address that cannot be read"),
        None if signs => Some("has no secret, so that its messages are not signed"),
        Some(secret) if signs && SigningSecret::parse(&secret.0).is_err() => {
            Some("has a secret that cannot be read, so that its messages are not signed")
        }
        _ => None,
    }
}

async fn find_in_txn(txn: &DatabaseTransaction, id: Uuid) -> Result<targets::Model> {
    find(txn, id).await?.ok_or(Error::NotFound("notification target"))
}

fn stored(url: &TargetUrl) -> Hidden {
    Hidden(url.exposed().to_string())
}

fn filter_json(filter: &Filter) -> Result<Value> {
    serde_json::to_value(filter).map_err(|error| Error::Internal(error.to_string()))
}

fn name_taken(error: DbErr) -> Error {
    match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => {
            Conflict::NameInUse.because("another target has this name")
        }
        _ => error.into(),
    }
}

fn bad(why: &str) -> Error {
    Error::BadUserInput(why.to_owned())
}

fn check_new(new: &NewTarget) -> Result<()> {
    check_name(&new.name)?;
    check_filter(&new.filter)?;
    check_method(new.kind, new.method)?;
    check_digest(new.kind, new.digest_minute)
}

fn check_change(change: &TargetChange) -> Result<()> {
    change.name.as_deref().map_or(Ok(()), check_name)?;
    change.filter.as_ref().map_or(Ok(()), check_filter)
}

fn check_name(name: &str) -> Result<()> {
    check_text("the name of a target", name, MAX_NAME_BYTES)?;
    if name.trim().is_empty() || name.chars().any(char::is_control) {
        return Err(bad(
            "the name of a target must not be empty or contain control characters",
        ));
    }
    Ok(())
}

fn check_method(kind: TargetKind, method: Option<TargetMethod>) -> Result<()> {
    if method == Some(TargetMethod::Get) && kind != TargetKind::Heartbeat {
        return Err(bad("only a heartbeat can be called with GET"));
    }
    Ok(())
}

fn check_digest(kind: TargetKind, minute: Option<i32>) -> Result<()> {
    match minute {
        Some(_) if kind == TargetKind::Heartbeat => Err(bad("a heartbeat has no digest")),
        Some(minute) if !(0..MINUTES).contains(&minute) => {
            Err(bad("the time of the digest must be from 00:00 to 23:59"))
        }
        _ => Ok(()),
    }
}

fn check_filter(filter: &Filter) -> Result<()> {
    let lists = [
        &filter.resource_kinds,
        &filter.fields,
        &filter.regions,
        &filter.sources,
    ];
    for list in lists {
        if list.len() > MAX_FILTER_VALUES {
            return Err(bad(&format!(
                "a list of the filter has more than {MAX_FILTER_VALUES} values"
            )));
        }
        for value in list {
            check_text("a value of the filter", value, MAX_TEXT_BYTES)?;
        }
    }
    Ok(())
}
