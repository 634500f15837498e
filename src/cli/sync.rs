//! `sync`: lists the sources and stores the results as the inventory.

use std::path::PathBuf;
use std::process::ExitCode;

use chrono::TimeDelta;
use entity::job_runs::{self, JobOutcome};

use super::args::SyncArgs;
use super::{Failure, Outcome, Sources, configured, connect, counted, counts, print_line, progress, summary};
use crate::app::App;
use crate::clock::Clock;
use crate::config::BadSetting;
use crate::domain::freshness::MaxAge;
use crate::domain::schedule::Schedules;
use crate::jobs::{JobRequest, LineReader, Source};
use crate::services::inventory::{SyncCounts, SyncOptions, draw};

pub(super) async fn run(args: SyncArgs) -> Outcome {
    if let (Some(file), Some(name)) = (args.from.clone(), args.inventory.source.clone()) {
        return store_lines(&args, file, &name).await;
    }
    let Sources { mut listed, sent } = configured(&args.inventory)?;
    if let Some(name) = args.inventory.selected() {
        listed.retain(|source| source.name == name);
        if listed.is_empty() {
            let why = format!(
                "no account or file {name:?} is in the file of DRIFT_SOURCES; the lines of a source are stored with \
                 --source {name:?} --from FILE"
            );
            return Err(BadSetting::new("--source", why).into());
        }
    }
    if listed.is_empty() {
        let why = "no source is configured: set DIGITALOCEAN_TOKEN, DRIFT_INVENTORY_FILE or DRIFT_SOURCES";
        return Err(BadSetting::new("DIGITALOCEAN_TOKEN", why).into());
    }
    let db = connect(&args.database.resolve()?).await?;
    let options = SyncOptions {
        kinds: args.kinds.map(|kinds| kinds.into_iter().collect()),
        allow_mass_gone: args.allow_mass_gone,
        allow_other_account: args.allow_other_account,
        ..SyncOptions::default()
    };
    let schedules = Schedules::default();
    let app = App::with_sources(db, Clock::System, listed.clone(), schedules, MaxAge::default());
    if args.inventory.is_from_file() {
        app.register_sources(&sent).await?;
    }
    let mut all_succeeded = true;
    for source in listed {
        let name = source.name.clone();
        match sync(&app, source, options.clone()).await {
            Ok(succeeded) => all_succeeded &= succeeded,
            Err(Failure::Failed(why)) => {
                // The other sources are synced all the same.
                eprintln!("drift-inbox: {name}: {why}");
                all_succeeded = false;
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(if all_succeeded {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Stores JSON lines as the inventory of a source.
async fn store_lines(args: &SyncArgs, file: PathBuf, name: &str) -> Outcome {
    let db = connect(&args.database.resolve()?).await?;
    let shown = file.display().to_string();
    let place = Some(draw(&db).await?);
    let watched = progress::of_sync();
    let read = tokio::task::spawn_blocking(move || -> std::io::Result<LineReader> {
        Ok(if file.as_os_str() == "-" {
            LineReader::read(std::io::stdin().lock())
        } else {
            LineReader::read(std::fs::File::open(&file)?)
        })
    });
    let lines = read
        .await
        .map_err(|error| Failure::Failed(format!("{shown}: {error}")))?
        .map_err(|error| Failure::Failed(format!("{shown}: {error}")))?;
    let options = SyncOptions {
        allow_mass_gone: args.allow_mass_gone,
        allow_other_account: args.allow_other_account,
        place,
        ..SyncOptions::default()
    };
    let every = args
        .every
        .map(|every| TimeDelta::from_std(every).unwrap_or(TimeDelta::MAX));
    let schedules = Schedules::default();
    let app = App::with_sources(db, Clock::System, Vec::new(), schedules, MaxAge::default());
    if args.inventory.is_from_file() {
        app.register_sources(&configured(&args.inventory)?.sent).await?;
    }
    let run = app.jobs().run_lines(name, lines, options, every).await;
    watched.finish_and_clear();
    Ok(if print_run(&run?)? {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Syncs a source and prints the result. Returns whether everything was stored.
async fn sync(app: &App, source: Source, options: SyncOptions) -> Result<bool, Failure> {
    let watched = progress::of_sync();
    let run = app
        .jobs()
        .run(JobRequest::SyncOf(Box::new(source), options))
        .await;
    watched.finish_and_clear();
    print_run(&run?)
}

/// Prints the result of a sync. Returns whether everything was stored.
fn print_run(run: &job_runs::Model) -> Result<bool, Failure> {
    let source = run.source.as_deref().unwrap_or_default();
    print_line(format_args!(
        "sync: {} [{source}]",
        summary(run, || results(run))?
    ))?;
    Ok(run.outcome == Some(JobOutcome::Succeeded))
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
        actions,
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
    let actions = actions.unwrap_or_default();
    if let Some(why) = &actions.not_readable {
        text += &format!("\n  actions: not readable: {why}");
    }
    if actions.truncated {
        text += "\n  actions: there were more than a sync reads, so older ones are missing";
    }
    Ok(text)
}
