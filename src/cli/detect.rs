//! `detect`: runs a sweep and prints the inbox, as a table or as JSON.

use std::io::Write;
use std::process::ExitCode;

use entity::cloud_drift::DriftKind;
use entity::job_runs::{self, Job, JobOutcome};
use serde_json::{Value, json};

use super::args::{DetectArgs, Format};
use super::{
    Failure, Outcome, connect, counted, counts, missing_database, no_database, progress, summary, table,
};
use crate::app::App;
use crate::clock::Clock;
use crate::domain::redaction::{hides, shown_sides};
use crate::domain::schedule::Schedules;
use crate::error::status_word;
use crate::jobs::JobRequest;
use crate::services::detection::{self, Scope, SweepCounts};
use crate::services::inbox::{self, DriftFilter, DriftWithResource};
use crate::services::resources::source_of;

/// Exit code of `detect --exit-code` if a drift is open.
const EXIT_DRIFT_OPEN: u8 = 3;
/// Exit code of `detect --exit-code` if no drift is open but the inbox is not up to date.
const EXIT_NOT_UP_TO_DATE: u8 = 4;

pub(super) async fn run(args: &DetectArgs) -> Outcome {
    let database = args.database.resolve()?;
    if let Some(missing) = missing_database(&database) {
        eprintln!("drift-inbox: {}", no_database(&missing));
        return Ok(not_up_to_date(args));
    }
    let db = connect(&database).await?;
    let app = App::with_sources(
        db,
        Clock::System,
        Vec::new(),
        Schedules::default(),
        args.max_age.max_age(&args.sync),
    );
    let specs = detection::count_in_force(app.db()).await?;
    let (progress, watched) = progress::of_sweep(specs);
    let request = JobRequest::Detect {
        scope: Scope::All,
        progress: Some(progress),
    };
    let run = app.jobs().run(request).await;
    watched.finish_and_clear();
    let run = run?;
    let open = inbox::count(app.db().reader(), &DriftFilter::default()).await?;
    let printed = match args.format {
        Format::Table => print_table(&app, &run, open).await,
        Format::Json => print_json(&app, &run, open).await,
    };
    match printed {
        // A closed standard output is not an error: the exit code still reports the result.
        Ok(()) | Err(Failure::OutputClosed) => {}
        Err(failure) => return Err(failure),
    }
    Ok(match run.outcome {
        Some(JobOutcome::Succeeded | JobOutcome::Partial) if args.exit_code && open > 0 => {
            ExitCode::from(EXIT_DRIFT_OPEN)
        }
        Some(JobOutcome::Succeeded) if args.exit_code && !compared_all(&run)? => not_up_to_date(args),
        Some(JobOutcome::Succeeded) => ExitCode::SUCCESS,
        Some(JobOutcome::Partial) => not_up_to_date(args),
        _ => ExitCode::FAILURE,
    })
}

fn not_up_to_date(args: &DetectArgs) -> ExitCode {
    if args.exit_code {
        ExitCode::from(EXIT_NOT_UP_TO_DATE)
    } else {
        ExitCode::FAILURE
    }
}

/// Returns whether the sweep succeeded and compared every resource with a spec, at least one.
fn compared_all(run: &job_runs::Model) -> Result<bool, Failure> {
    let succeeded = run.outcome == Some(JobOutcome::Succeeded);
    Ok(succeeded && counts::<SweepCounts>(run)?.compared_everything())
}

async fn print_table(app: &App, run: &job_runs::Model, open: i64) -> Result<(), Failure> {
    let mut out = anstream::stdout();
    writeln!(out, "detect: {}", summary(run, || results(run))?)?;
    if open == 0 {
        writeln!(out, "{}", empty_inbox_text(run)?)?;
    }
    table::print_open(&mut out, app.db(), app.clock().now()).await?;
    Ok(out.flush()?)
}

/// Describes the result of this sweep if no drift is open.
fn empty_inbox_text(run: &job_runs::Model) -> Result<String, Failure> {
    let counts: SweepCounts = counts(run)?;
    Ok(match (run.outcome, counts.settling) {
        (Some(JobOutcome::Succeeded | JobOutcome::Partial), _) if counts.looked_at() == 0 => {
            "no resource has a spec: nothing was compared".to_owned()
        }
        (Some(JobOutcome::Succeeded), 0) => "no drift".to_owned(),
        (Some(JobOutcome::Succeeded), 1) => {
            "no open drift, but 1 resource is settling and was not compared".to_owned()
        }
        (Some(JobOutcome::Succeeded), settling) => {
            format!("no open drift, but {settling} resources are settling and were not compared")
        }
        _ => "no open drift, but not everything could be compared".to_owned(),
    })
}

fn results(run: &job_runs::Model) -> Result<String, Failure> {
    let counts: SweepCounts = counts(run)?;
    let (changed, closed) = (counts.changed, counts.staled);
    let mut text = format!(
        "{} up to date, {} compared, {} opened, {changed} changed, {closed} closed",
        counted(counts.resources, "resource"),
        counted(counts.fields_compared, "field"),
        counted(counts.opened, "drift"),
    );
    let left_out = [
        (counts.skipped, "skipped, because their rows cannot be read"),
        (counts.settling, "settling and not compared"),
        (
            counts.unsynced,
            "not compared, because no sync has listed them yet",
        ),
        (
            counts.moved,
            "left to the next sweep, because they changed during this one",
        ),
    ];
    for (number, why) in left_out.into_iter().filter(|(number, _)| *number > 0) {
        text += &format!("; {number} {why}");
    }
    Ok(text)
}

/// Prints one JSON document. Reads drifts in batches, so that memory use does not grow with the inbox.
async fn print_json(app: &App, run: &job_runs::Model, open: i64) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let (about, counts, vouched) = (json_run(run), &run.counts, compared_all(run)?);
    write!(
        out,
        "{{\"run\":{about},\n\"counts\":{counts},\n\"vouched\":{vouched},\n\"drifts\":{{\"totalCount\":{open},\"nodes\":["
    )?;
    let mut between = "\n";
    let mut pages = table::open_drifts();
    while let Some(page) = pages.next(app.db().reader()).await? {
        for row in &page {
            write!(out, "{between}{}", json_drift(row))?;
            between = ",\n";
        }
    }
    out.write_all(b"\n]}}\n")?;
    Ok(out.flush()?)
}

fn json_run(run: &job_runs::Model) -> Value {
    let outcome = run.outcome.map(|outcome| match outcome {
        JobOutcome::Succeeded => "SUCCEEDED",
        JobOutcome::Partial => "PARTIAL",
        JobOutcome::Failed => "FAILED",
        JobOutcome::Skipped => "SKIPPED",
        JobOutcome::Abandoned => "ABANDONED",
    });
    let job = match run.job {
        Job::SyncInventory => "SYNC_INVENTORY",
        Job::DetectDrift => "DETECT_DRIFT",
    };
    json!({
        "id": run.id,
        "job": job,
        "startedAt": run.started_at,
        "finishedAt": run.finished_at,
        "outcome": outcome,
        "error": run.error,
    })
}

fn json_drift(row: &DriftWithResource) -> Value {
    let DriftWithResource {
        drift,
        resource,
        address,
        ..
    } = row;
    let kind = match drift.kind {
        DriftKind::Changed => "CHANGED",
        DriftKind::Missing => "MISSING",
    };
    let resource = resource.as_ref().map(|resource| {
        json!({
            "id": resource.id,
            "provider": resource.provider,
            "kind": resource.kind,
            "providerId": resource.provider_id,
            "urn": resource.urn,
            "name": resource.name,
            "region": resource.region,
            "source": source_of(resource),
        })
    });
    let (expected, actual) = shown_sides(drift);
    json!({
        "id": drift.id,
        "kind": kind,
        "field": drift.field,
        "expected": expected,
        "actual": actual,
        "redacted": hides(drift.expected.as_ref(), drift.actual.as_ref()),
        "status": status_word(drift.status).to_uppercase(),
        "revision": drift.revision,
        "detectedAt": drift.detected_at,
        "address": address,
        "resource": resource,
    })
}
