//! The daily digests.

use chrono::{DateTime, Utc};
use entity::job_runs::JobOutcome;
use entity::notification_deliveries::DeliveryKind;
use entity::notification_targets as targets;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};

use super::deliveries::add_in_txn;
use super::{body, targets::list};
use crate::db::Db;
use crate::domain::freshness::MaxAge;
use crate::domain::notifications::{Digest, KindCount, link, next_digest};
use crate::error::Result;
use crate::services::detection::Scope;
use crate::services::inbox::{self, DriftFilter, DriftTime};
use crate::services::page::PageRequest;
use crate::services::{facets, freshness, job_runs, resources};

/// Makes the digests that are due. Of several servers, one makes each. A digest that was missed, because no server was
/// running, is made once.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn make_due_digests(db: &Db, max_age: &MaxAge, public_url: Option<&str>) -> Result<()> {
    let now = db.time(db.reader()).await?;
    let mut due = list(db.reader()).await?;
    due.retain(|target| target.enabled && target.digest_due_at.is_some_and(|at| at <= now));
    if due.is_empty() {
        return Ok(());
    }
    let digest = digest(db, max_age, public_url, now).await?;
    for target in &due {
        add(db, target, &digest).await?;
    }
    Ok(())
}

async fn add(db: &Db, target: &targets::Model, digest: &Digest) -> Result<()> {
    let (Some(minute), Some(due_at)) = (target.digest_minute, target.digest_due_at) else {
        return Ok(());
    };
    db.write_txn(|txn| async move {
        let now = db.time(&*txn).await?;
        let next = targets::ActiveModel {
            digest_due_at: Set(Some(next_digest(minute, now))),
            ..Default::default()
        };
        let claimed = targets::Entity::update_many()
            .set(next)
            .filter(targets::Column::Id.eq(target.id))
            .filter(targets::Column::DigestDueAt.eq(due_at))
            .exec(&*txn)
            .await?;
        if claimed.rows_affected == 1 {
            let body = body(DeliveryKind::Digest, now, digest)?;
            add_in_txn(&txn, target.id, DeliveryKind::Digest, body, now).await?;
        }
        Ok(())
    })
    .await
}

async fn digest(db: &Db, max_age: &MaxAge, public_url: Option<&str>, now: DateTime<Utc>) -> Result<Digest> {
    let (reader, open) = (db.reader(), DriftFilter::default());
    let kinds = facets::of(reader, &open).await?.resource_kinds;
    let order = inbox::order_by(DriftTime::DetectedAt, false);
    let oldest = inbox::list(reader, &open, order, &PageRequest::first(1)).await?;
    let oldest = oldest.rows.first().map(|(_, drift)| drift);
    let problem = problem(db, max_age, now).await?;
    Ok(Digest {
        open: inbox::count(reader, &open).await?,
        kinds: kinds
            .into_iter()
            .map(|facet| KindCount {
                kind: facet.value,
                count: facet.count,
            })
            .collect(),
        oldest_detected_at: oldest.map(|drift| drift.detected_at),
        oldest_link: public_url
            .zip(oldest)
            .map(|(url, drift)| link(url, drift.id, Some(drift.revision))),
        up_to_date: problem.is_none(),
        problem,
        link: public_url.map(|url| format!("{}/", url.trim_end_matches('/'))),
    })
}

/// Returns why the inbox may be out of date.
async fn problem(db: &Db, max_age: &MaxAge, now: DateTime<Utc>) -> Result<Option<String>> {
    let inventory = freshness::of_scope(db, &Scope::All, max_age).await?;
    if let Some(problem) = inventory.problem() {
        return Ok(Some(problem));
    }
    let never_listed = resources::never_listed(db.reader()).await?;
    if never_listed > 0 {
        return Ok(Some(format!(
            "no listing has contained {never_listed} resources with a spec in force"
        )));
    }
    let sweep = job_runs::last_sweep(db).await?;
    let is_overdue = |started| max_age.is_exceeded(started, now);
    Ok(match sweep {
        None => Some("no sweep has run yet".to_owned()),
        Some(sweep) if is_overdue(sweep.started_at) => Some("the newest sweep is overdue".to_owned()),
        Some(sweep) if sweep.outcome == Some(JobOutcome::Succeeded) || sweep.outcome.is_none() => None,
        Some(_) => Some("the newest sweep did not compare everything".to_owned()),
    })
}
