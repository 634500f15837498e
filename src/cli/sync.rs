//! `sync`: lists the account and stores the result as the inventory.

use std::process::ExitCode;

use entity::job_runs::{self, JobOutcome};

use super::args::SyncArgs;
use super::{Failure, Outcome, connect, counted, counts, inventory, print_line, progress, summary};
use crate::app::{App, SourceSettings};
use crate::clock::Clock;
use crate::config::BadSetting;
use crate::domain::schedule::Schedules;
use crate::jobs::JobRequest;
use crate::services::inventory::{SyncCounts, SyncOptions};

pub(super) async fn run(args: SyncArgs) -> Outcome {
    let inventory = inventory(&args.inventory)?.ok_or_else(|| {
        BadSetting::new(
            "DIGITALOCEAN_TOKEN",
            "no source is configured: set DIGITALOCEAN_TOKEN or DRIFT_INVENTORY_FILE",
        )
    })?;
    let db = connect(&args.database.resolve()?).await?;
    let options = SyncOptions {
        kinds: args.kinds.map(|kinds| kinds.into_iter().collect()),
        allow_mass_gone: args.allow_mass_gone,
        allow_other_account: args.allow_other_account,
    };
    let settings = SourceSettings {
        source: args.inventory.source,
        ..SourceSettings::default()
    };
    let app = App::with_settings(db, Clock::System, Some(inventory), Schedules::default(), settings);
    let watched = progress::of_sync();
    let run = app.jobs().run(JobRequest::Sync(options)).await;
    watched.finish_and_clear();
    let run = run?;
    let source = run.source.as_deref().unwrap_or_default();
    print_line(format_args!(
        "sync: {} [{source}]",
        summary(&run, || results(&run))?
    ))?;
    Ok(if run.outcome == Some(JobOutcome::Succeeded) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn results(run: &job_runs::Model) -> Result<String, Failure> {
    let SyncCounts {
        resources,
        discovered,
        changed,
        gone,
        superseded,
        skipped,
        kinds,
    } = counts(run)?;
    let mut text = format!(
        "{}, {discovered} new, {changed} changed, {gone} gone",
        counted(resources, "resource")
    );
    if superseded > 0 {
        text += &format!(
            "; {} not replaced, because a later listing is already stored",
            counted(superseded, "kind")
        );
    }
    if skipped > 0 {
        text += &format!("; {skipped} skipped, because their rows cannot be read");
    }
    for (kind, report) in &kinds {
        if let Some(reason) = &report.reason {
            text += &format!("\n  {kind}: {}: {reason}", report.outcome.label());
        }
        if let Some(note) = &report.note {
            text += &format!("\n  {kind}: {note}");
        }
    }
    Ok(text)
}
