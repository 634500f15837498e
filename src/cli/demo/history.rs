//! Creates the history of the account before the demo starts. It uses the jobs and services of the server, with a clock
//! that is set to the past.

use std::sync::Arc;

use chrono::TimeDelta;
use entity::cloud_drift;
use entity::job_runs::{self, JobOutcome};

use super::account::{Account, PastAccept, PastChange, Target};
use crate::app::App;
use crate::cli::Failure;
use crate::clock::{Clock, ManualClock};
use crate::db::Db;
use crate::domain::freshness::MaxAge;
use crate::domain::schedule::Schedules;
use crate::error::Error;
use crate::jobs::{JobRequest, Source};
use crate::provider::InventoryProvider;
use crate::services::acceptance::{AcceptDrift, accept_drift};
use crate::services::inbox::{self, DriftFilter, DriftTime};
use crate::services::inventory::SyncOptions;
use crate::services::page::PageRequest;
use crate::services::provisioning::{RecordSpec, SOURCE_API, record_provisioned};
use crate::services::resources::{self, ResourceFilter};

/// Age of the history. At its start all live values equal the specs.
const BEGINNING: TimeDelta = TimeDelta::days(30);
/// Time between a sync and the sweep that follows it.
const SYNC_TO_SWEEP: TimeDelta = TimeDelta::seconds(2);
/// The actor of the past decisions.
const OPERATOR: &str = "mira@example.com";
/// A page size larger than the number of rows in the sample.
const ALL: u64 = 1000;

/// Creates the history of the account in an empty database.
pub(super) async fn play(
    db: &Db,
    inventory: Arc<dyn InventoryProvider>,
    account: &mut Account,
    past: &[PastChange],
) -> Result<(), Failure> {
    let today = Clock::System.now();
    let clock = ManualClock::at(today - BEGINNING);
    // Most syncs of the history list one kind only, so the other kinds must not become overdue.
    let app = App::with_sources(
        db.clone().with_time(clock.clone()),
        Clock::Manual(clock.clone()),
        vec![Source::new(inventory)],
        Schedules::default(),
        MaxAge::Fixed(BEGINNING * 2),
    );
    run(&app, JobRequest::Sync(SyncOptions::default())).await?;
    record_specs(&app, account).await?;
    clock.advance(SYNC_TO_SWEEP);
    run(&app, JobRequest::detect_all()).await?;
    for change in past {
        let then = today - TimeDelta::minutes(change.minutes_ago);
        clock.advance(then - clock.now());
        if let Some(accept) = &change.accept {
            self::accept(&app, &change.target, accept).await?;
            continue;
        }
        if let Some(fields) = &change.set {
            account.set(&change.target, fields)?;
        }
        if change.delete {
            account.delete(&change.target)?;
        }
        // Syncs only the kind that changed, so that the demo starts quickly.
        let options = SyncOptions {
            kinds: Some([change.target.kind.clone()].into()),
            ..SyncOptions::default()
        };
        run(&app, JobRequest::Sync(options)).await?;
        clock.advance(SYNC_TO_SWEEP);
        run(&app, JobRequest::detect_all()).await?;
    }
    Ok(())
}

/// Runs a job until it ends. Fails if the run does not succeed.
pub(super) async fn run(app: &App, job: JobRequest) -> Result<job_runs::Model, Failure> {
    let run = app.jobs().run(job).await?;
    match run.outcome {
        Some(JobOutcome::Succeeded) => Ok(run),
        _ => Err(Failure::Failed(run.error.unwrap_or_default())),
    }
}

async fn record_specs(app: &App, account: &Account) -> Result<(), Failure> {
    let request = PageRequest::first(ALL);
    let known = resources::list(app.db().reader(), &ResourceFilter::default(), &request).await?;
    for (_, resource) in known.rows {
        let Some(spec) = account.spec_of(&resource) else {
            continue;
        };
        let record = RecordSpec {
            resource_id: resource.id,
            spec,
            source: SOURCE_API.to_owned(),
            expected_version: None,
            take_over: false,
            reason: None,
        };
        record_provisioned(app.db(), OPERATOR, &record, app.clock().now()).await?;
    }
    Ok(())
}

async fn accept(app: &App, target: &Target, accept: &PastAccept) -> Result<(), Failure> {
    let drift = open_drift(app.db(), target, &accept.field).await?;
    let order = AcceptDrift {
        drift_id: drift.id,
        revision: Some(drift.revision),
        note: Some(accept.note.clone()),
    };
    accept_drift(app.db(), &accept.by, &order, app.clock().now()).await?;
    Ok(())
}

/// Returns the open drift of a resource's field.
pub(super) async fn open_drift(db: &Db, target: &Target, field: &str) -> Result<cloud_drift::Model, Failure> {
    let filter = DriftFilter {
        field: Some(field.to_owned()),
        resource_kind: Some(target.kind.clone()),
        search: Some(target.provider_id.clone()),
        ..DriftFilter::default()
    };
    let order = inbox::order_by(DriftTime::DetectedAt, true);
    let page = inbox::list(db.reader(), &filter, order, &PageRequest::first(1)).await?;
    let first = page.rows.into_iter().next();
    Ok(first.map(|(_, drift)| drift).ok_or(Error::NotFound("drift"))?)
}
