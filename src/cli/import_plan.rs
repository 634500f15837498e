//! `import-plan`: imports a refresh-only Terraform plan and prints the summary.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use chrono::TimeDelta;
use clap::Args;

use super::{Outcome, actor, connect, counted, print, progress};
use crate::clock::Clock;
use crate::config::{DatabaseArgs, time_of_at_least};
use crate::error::Result;
use crate::provider::terraform_plan::{Limits, Spool};
use crate::services::plans::{PlanOptions, PlanSummary, UndecidedInstance, import_plan, refuse_plan};

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
    /// Expected time between two imports; the state is overdue after twice this time [default: as before, at first 1d]
    #[arg(long, value_name = "TIME")]
    #[arg(value_parser = time_of_at_least(Duration::from_secs(60)))]
    every: Option<Duration>,
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
        interval: args
            .every
            .map(|every| TimeDelta::from_std(every).unwrap_or(TimeDelta::MAX)),
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
            "state {}, plan of {}: {}, {} recorded, {} changed, {} unchanged, {} refused",
            summary.state,
            summary.made_at.to_rfc3339(),
            counted(summary.instances, "instance"),
            counted(summary.recorded, "spec"),
            summary.changed,
            summary.unchanged,
            summary.refused.len()
        ),
        format!(
            "drift: {} open in this state; this import opened {}, changed {} and closed {}",
            summary.open, summary.opened, summary.updated, summary.closed
        ),
    ];
    lines.extend(facts(summary));
    let listed = |list: &[String], what: &str| -> Vec<String> {
        let shown = list.iter().take(MAX_SHOWN).map(|one| format!("{what}: {one}"));
        shown.chain(more(list.len(), what)).collect()
    };
    let attributes = |list: &[UndecidedInstance]| -> Vec<String> {
        let line = |one: &UndecidedInstance| format!("{}: {}", one.address, one.attributes.join(", "));
        list.iter().map(line).collect()
    };
    lines.extend(listed(&summary.refused, "not imported"));
    lines.extend(listed(
        &summary.undecided_missing,
        "missing, and not decided whether the code still has it (import with --with-plan, or accept the drift)",
    ));
    lines.extend(listed(
        &attributes(&summary.undecided),
        "not compared, because the blocks may be dynamic (import with --with-plan)",
    ));
    lines.extend(listed(
        &attributes(&summary.undeclared),
        "changed outside and not declared, so not compared (import with --with-plan)",
    ));
    let plain = |line: String| {
        line.chars()
            .filter(|letter| !letter.is_control())
            .collect::<String>()
            + "\n"
    };
    lines.into_iter().map(plain).collect()
}

/// Returns the lines of what happened at least once.
fn facts(summary: &PlanSummary) -> impl Iterator<Item = String> {
    let skipped = summary.skipped;
    let facts = [
        (summary.gone, "instance", "gone from the provider"),
        (
            summary.left,
            "instance",
            "removed from the state: specs are retired",
        ),
        (
            summary.swallowed,
            "live value",
            "written into the state without a decision, so that the plan shows no drift",
        ),
        (skipped.data as u64, "data source", "skipped"),
        (skipped.deposed as u64, "deposed object", "skipped"),
        (
            skipped.without_configuration as u64,
            "instance",
            "without configuration skipped",
        ),
        (
            skipped.unreadable as u64,
            "instance",
            "with an unknown form of address skipped",
        ),
    ];
    let facts = facts.into_iter().filter(|(count, ..)| *count > 0);
    facts.map(|(count, noun, what)| format!("{} {what}", counted(count, noun)))
}

/// Returns the line for what a list does not show.
fn more(len: usize, what: &str) -> Option<String> {
    let more = len.saturating_sub(MAX_SHOWN) as u64;
    (more > 0).then(|| format!("{what}: {} more", counted(more, "instance")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_agree_with_their_nouns() {
        let mut summary = PlanSummary {
            state: "prod".to_owned(),
            instances: 1,
            recorded: 1,
            gone: 1,
            swallowed: 1,
            ..PlanSummary::default()
        };
        let text = summary_text(&summary);
        for one in [
            "1 instance,",
            "1 spec recorded",
            "1 instance gone",
            "1 live value written",
        ] {
            assert!(text.contains(one), "{one}: {text}");
        }
        (
            summary.instances,
            summary.recorded,
            summary.gone,
            summary.swallowed,
        ) = (2, 0, 2, 2);
        let text = summary_text(&summary);
        for many in [
            "2 instances,",
            "0 specs recorded",
            "2 instances gone",
            "2 live values written",
        ] {
            assert!(text.contains(many), "{many}: {text}");
        }
    }

    #[test]
    fn no_list_is_shortened_silently() {
        let names: Vec<String> = (0..=MAX_SHOWN).map(|number| format!("a{number}")).collect();
        let undecided = |address: &String| UndecidedInstance {
            address: address.clone(),
            attributes: vec!["b".to_owned()],
        };
        let summary = PlanSummary {
            refused: names.clone(),
            undecided_missing: names.clone(),
            undecided: names.iter().map(undecided).collect(),
            undeclared: names.iter().map(undecided).collect(),
            ..PlanSummary::default()
        };
        assert_eq!(summary_text(&summary).matches(": 1 instance more\n").count(), 4);
    }
}
