//! The numbers about the inbox that monitoring reads.

use chrono::{DateTime, Utc};
use entity::cloud_drift::{self as drift, DriftStatus};
use entity::cloud_resources as resources;
use entity::job_runs::{self as runs, Job, JobOutcome};
use entity::{notification_deliveries as deliveries, notification_outbox as outbox};
use sea_orm::{
    ColumnTrait as _, EntityTrait as _, PaginatorTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};

use crate::db::Db;
use crate::domain::freshness::CLOCK_TOLERANCE;
use crate::error::Result;

/// The open drifts of one kind of resource in one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OpenDrifts {
    /// The name of the source; empty if the resource was never listed.
    pub(crate) source: String,
    /// The kind of the resources.
    pub(crate) kind: String,
    /// The number of open drifts, snoozed ones included.
    pub(crate) count: i64,
}

/// The numbers of one moment.
#[derive(Clone, Debug)]
pub(crate) struct Observed {
    pub(crate) open: Vec<OpenDrifts>,
    /// When the last whole sweep without a problem began; None if there was none.
    pub(crate) last_sweep: Option<DateTime<Utc>>,
    /// Changes for which no message was made yet.
    pub(crate) outbox_rows: u64,
    /// Messages that were neither confirmed nor given up.
    pub(crate) pending_deliveries: u64,
}

/// Reads the numbers. Runs four statements, one after the other, so that they take one connection.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn read(db: &Db, now: DateTime<Utc>) -> Result<Observed> {
    let reader = db.reader();
    let open = drift::Entity::find()
        .select_only()
        .column(resources::Column::Source)
        .column(resources::Column::Kind)
        .column_as(drift::Column::Id.count(), "count")
        .inner_join(resources::Entity)
        .filter(drift::Column::Status.eq(DriftStatus::Open))
        .group_by(resources::Column::Source)
        .group_by(resources::Column::Kind)
        .into_tuple::<(String, String, i64)>();
    let open = open
        .all(reader)
        .await?
        .into_iter()
        .map(|(source, kind, count)| OpenDrifts { source, kind, count })
        .collect();
    Ok(Observed {
        open,
        last_sweep: last_good_sweep(db, now).await?,
        outbox_rows: outbox::Entity::find().count(reader).await?,
        pending_deliveries: deliveries::Entity::find()
            .filter(deliveries::Column::EndedAt.is_null())
            .count(reader)
            .await?,
    })
}

/// Returns when the newest sweep of all resources began that could compare everything. One that began in the future, by a
/// clock that was wrong, is ignored.
async fn last_good_sweep(db: &Db, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>> {
    let select = runs::Entity::find()
        .select_only()
        .column(runs::Column::StartedAt)
        .filter(runs::Column::Job.eq(Job::DetectDrift))
        .filter(runs::Column::Narrowed.eq(false))
        .filter(runs::Column::Outcome.eq(JobOutcome::Succeeded))
        .filter(runs::Column::StartedAt.lte(now + CLOCK_TOLERANCE))
        .order_by_desc(runs::Column::StartedAt)
        .limit(1);
    Ok(select.into_tuple().one(db.reader()).await?)
}
