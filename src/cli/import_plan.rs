//! `import-plan`: imports a refresh-only Terraform plan and prints the summary.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use chrono::TimeDelta;
use clap::Args;

use super::{Outcome, actor, connect, print, progress};
use crate::clock::Clock;
use crate::config::{DatabaseArgs, time_of_at_least};
use crate::error::Result;
use crate::provider::terraform_plan::{Limits, Spool};
use crate::services::plans::{PlanOptions, PlanSummary, import_plan, refuse_plan};

/// Bytes that are read at a time.
const BUFFER: usize = 64 * 1024;
/// Maximum number of addresses in one list of the summary.
const MAX_SHOWN: usize = 20;

#[derive(Args, Debug)]
pub(super) struct ImportPlanArgs {
    /// Output of `terraform show -json` for a plan of `terraform plan -refresh-only`; - reads standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Name of the state in this database, the same for each import
    #[arg(long, value_name = "NAME")]
    state: String,
    /// Output of `terraform show -json` for a normal plan of the same moment, which decides dynamic blocks, defaults and
    /// ignored changes
    #[arg(long, value_name = "FILE")]
    with_plan: Option<PathBuf>,
    /// Expected time between two imports; the state is overdue after twice this time
    #[arg(long, value_name = "TIME", default_value = "1d")]
    #[arg(value_parser = time_of_at_least(Duration::from_secs(60)))]
    every: Duration,
    /// Accept a plan that lacks more than half of the instances of the last import
    #[arg(long)]
    allow_mass_retire: bool,
    /// Actor to record in the history of specs [default: USER@HOST]
    #[arg(long = "as", value_name = "EMAIL", value_parser = actor::parse)]
    actor: Option<String>,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// Imports a plan, compares its resources and prints the summary. A refused plan fails the command.
pub(super) async fn run(args: &ImportPlanArgs) -> Outcome {
    if args.file == Path::new("-") && args.with_plan.as_deref() == Some(Path::new("-")) {
        let why = "FILE and --with-plan cannot both be standard input";
        return Err(super::Failure::Failed(why.to_owned()));
    }
    let actor = args.actor.clone().unwrap_or_else(actor::user_and_host);
    let db = connect(&args.database.resolve()?).await?;
    let clock = Clock::System;
    let spools =
        read(&args.file).and_then(|plan| Ok((plan, args.with_plan.as_deref().map(read).transpose()?)));
    let (plan, normal) = match spools {
        Ok(spools) => spools,
        Err(ReadError::Refused(refusal)) => {
            return Err(refuse_plan(&db, &clock, &args.state, refusal).await.into());
        }
        Err(ReadError::Io(why)) => return Err(super::Failure::Failed(why)),
    };
    let options = PlanOptions {
        state: args.state.clone(),
        allow_mass_retire: args.allow_mass_retire,
        interval: TimeDelta::from_std(args.every).unwrap_or(TimeDelta::MAX),
    };
    let (progress, watched) = progress::of_import();
    let summary = import_plan(&db, &clock, &actor, plan, normal, &options, progress).await;
    watched.finish_and_clear();
    let summary = summary?;
    print(summary_text(&summary).as_bytes())?;
    db.close().await?;
    Ok(if summary.refused.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Why a file was not read.
enum ReadError {
    /// It exceeds a limit.
    Refused(crate::provider::terraform_plan::Refusal),
    /// The file system failed.
    Io(String),
}

/// Reads a file in pieces.
fn read(file: &Path) -> Result<Spool, ReadError> {
    if file == Path::new("-") {
        return spooled(std::io::stdin().lock(), "standard input");
    }
    let shown = file.display().to_string();
    let opened = std::fs::File::open(file).map_err(|error| ReadError::Io(format!("{shown}: {error}")))?;
    spooled(opened, &shown)
}

fn spooled(mut from: impl Read, shown: &str) -> Result<Spool, ReadError> {
    let mut spool = Spool::new(Limits::default());
    let mut buffer = vec![0; BUFFER];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(spool),
            Ok(read) => spool.push(&buffer[..read]).map_err(ReadError::Refused)?,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(ReadError::Io(format!("{shown}: {error}"))),
        }
    }
}

fn summary_text(summary: &PlanSummary) -> String {
    let mut lines = vec![
        format!(
            "state {}, plan of {}: {} instances, {} specs recorded, {} changed, {} unchanged, {} refused",
            summary.state,
            summary.made_at.to_rfc3339(),
            summary.instances,
            summary.recorded,
            summary.changed,
            summary.unchanged,
            summary.refused.len()
        ),
        format!(
            "drift: {} open in this state; this import opened {}, changed {} and closed {}",
            summary.open, summary.opened, summary.updated, summary.closed
        ),
    ];
    let counted = [
        (summary.gone, "gone from the provider"),
        (summary.left, "left the state, so their specs are retired"),
        (
            summary.swallowed,
            "fields whose live value was taken over into the state without a decision",
        ),
        (summary.skipped.data as u64, "data sources skipped"),
        (summary.skipped.deposed as u64, "deposed objects skipped"),
        (
            summary.skipped.without_configuration as u64,
            "instances without configuration skipped",
        ),
        (
            summary.skipped.unreadable as u64,
            "instances with an unknown form of address skipped",
        ),
    ];
    let counted = counted.into_iter().filter(|(count, _)| *count > 0);
    lines.extend(counted.map(|(count, what)| format!("{count} {what}")));
    let refused = summary.refused.iter().take(MAX_SHOWN);
    lines.extend(refused.map(|address| format!("not imported: {address}")));
    for undecided in summary.undecided.iter().take(MAX_SHOWN) {
        lines.push(format!(
            "not compared, because the blocks may be dynamic (import with --with-plan): {}: {}",
            undecided.address,
            undecided.attributes.join(", ")
        ));
    }
    for undeclared in summary.undeclared.iter().take(MAX_SHOWN) {
        lines.push(format!(
            "changed outside and not declared, so not compared (import with --with-plan): {}: {}",
            undeclared.address,
            undeclared.attributes.join(", ")
        ));
    }
    let more = summary.undecided.len().saturating_sub(MAX_SHOWN);
    if more > 0 {
        lines.push(format!("not compared: {more} more instances"));
    }
    let plain = |line: String| {
        line.chars()
            .filter(|letter| !letter.is_control())
            .collect::<String>()
            + "\n"
    };
    lines.into_iter().map(plain).collect()
}
