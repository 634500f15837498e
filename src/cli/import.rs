//! `import-terraform`: imports a Terraform state and prints the summary.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::{Failure, Outcome, actor, connect, missing_database, print, print_line, progress};
use crate::clock::Clock;
use crate::config::{DatabaseArgs, DatabaseConfig};
use crate::provider::terraform::{MAX_STATE_BYTES, State, parse};
use crate::services::freshness::was_ever_synced;
use crate::services::imports::{ImportOptions, ImportSummary, import_state};

#[derive(Args, Debug)]
pub(super) struct ImportArgs {
    /// Terraform state of version 4, or output of `terraform show -json`; - reads standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Name of the state in this database, the same for each import. Required for output of `show -json`, and if two
    /// states have the same lineage [default: lineage in the file]
    #[arg(long, value_name = "NAME")]
    lineage: Option<String>,
    /// Accept a state that lacks more than half of the resources of the last import
    #[arg(long)]
    allow_mass_retire: bool,
    /// Take over specs of the API and of baselines; specs of other states are never taken over
    #[arg(long)]
    take_over: bool,
    /// Print what would change, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Actor to record in the history of specs [default: USER@HOST]
    #[arg(long = "as", value_name = "EMAIL", value_parser = actor::parse)]
    actor: Option<String>,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// Imports a Terraform state and prints the summary. If instances are refused, the command fails after all others have
/// been recorded.
pub(super) async fn run(args: &ImportArgs) -> Outcome {
    let actor = args.actor.clone().unwrap_or_else(actor::user_and_host);
    let state = read(&args.file)?;
    let database = args.database.resolve()?;
    let (db, scratch) = match missing_database(&database) {
        // A dry run must not create the database, so it uses a temporary empty database.
        Some(_) if args.dry_run => {
            let folder = tempfile::tempdir()?;
            let url = format!("sqlite://{}?mode=rwc", folder.path().join("empty.db").display());
            (
                connect(&DatabaseConfig::migrated(url.into())).await?,
                Some(folder),
            )
        }
        _ => (connect(&database).await?, None),
    };
    let options = ImportOptions {
        lineage: args.lineage.clone(),
        allow_mass_retire: args.allow_mass_retire,
        take_over: args.take_over,
        dry_run: args.dry_run,
    };
    let (progress, watched) = progress::of_import();
    let summary = import_state(&db, &actor, &state, &options, Clock::System.now(), progress).await;
    watched.finish_and_clear();
    let summary = summary?;
    print(summary_text(&summary, args.dry_run).as_bytes())?;
    if !was_ever_synced(&db).await? {
        print_line("no sync has completed yet: run drift-inbox sync before drift-inbox detect")?;
    }
    db.close().await?;
    drop(scratch);
    Ok(if summary.refused.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn read(file: &Path) -> Result<State, Failure> {
    let shown = if file == Path::new("-") {
        "standard input".to_owned()
    } else {
        file.display().to_string()
    };
    let failed = |why: String| Failure::Failed(format!("{shown}: {why}"));
    let mut text = Vec::new();
    let bounded = MAX_STATE_BYTES + 1;
    if file == Path::new("-") {
        std::io::stdin().lock().take(bounded).read_to_end(&mut text)
    } else {
        std::fs::File::open(file).and_then(|file| file.take(bounded).read_to_end(&mut text))
    }
    .map_err(|error| failed(error.to_string()))?;
    if text.len() as u64 > MAX_STATE_BYTES {
        return Err(failed(format!(
            "the state is larger than {MAX_STATE_BYTES} bytes"
        )));
    }
    parse(&text).map_err(|why| failed(why.to_string()))
}

/// Formats the summary of an import.
fn summary_text(summary: &ImportSummary, dry_run: bool) -> String {
    let mut lines = vec![format!(
        "{}state {}{}{}: {} recorded, {} changed, {} taken over, {} unchanged, {} retired, {} refused",
        if dry_run {
            "dry run, nothing was written: "
        } else {
            ""
        },
        plain(&summary.lineage),
        summary
            .own_lineage
            .as_ref()
            .map_or_else(String::new, |own| format!(
                " (lineage in the file: {})",
                plain(own)
            )),
        summary
            .serial
            .map_or_else(String::new, |serial| format!(" serial {serial}")),
        summary.recorded,
        summary.changed,
        summary.taken_over.len(),
        summary.unchanged,
        summary.retired,
        summary.refused.len(),
    )];
    if summary.unsynced > 0 {
        lines.push(format!(
            "not synced yet: {} (compared after the next sync lists them)",
            summary.unsynced
        ));
    }
    if summary.changed_elsewhere > 0 {
        lines.push(format!(
            "changed in other states: {} (this state declares their project or their attachments)",
            summary.changed_elsewhere
        ));
    }
    lines.extend(skipped(summary));
    lines.extend(not_compared(summary));
    for taken in &summary.taken_over {
        lines.push(format!(
            "taken over from {}: {} ({} {})",
            plain(&taken.from),
            plain(&taken.address),
            taken.kind,
            plain(&taken.provider_id)
        ));
    }
    for refusal in &summary.refused {
        lines.push(format!(
            "refused: {} ({} {}): {}",
            plain(&refusal.address),
            refusal.kind,
            plain(&refusal.provider_id),
            plain(&refusal.reason)
        ));
    }
    for closing in &summary.closes {
        lines.push(format!(
            "closes with the next sweep: {} {} {}",
            closing.kind,
            plain(&closing.name),
            plain(&closing.field)
        ));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn skipped(summary: &ImportSummary) -> Option<String> {
    let skipped = &summary.skipped;
    let mut parts: Vec<String> = [
        (skipped.data, "data sources"),
        (skipped.tainted, "tainted"),
        (skipped.deposed, "deposed"),
        (skipped.foreign, "from other providers"),
        (skipped.without_id, "without an id"),
        (
            skipped.unattached,
            "declared only by attachments or projects, and in no imported state",
        ),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{count} {what}"))
    .collect();
    parts.extend(
        skipped
            .unsupported
            .iter()
            .map(|(type_name, count)| format!("{count} of type {}", plain(type_name))),
    );
    (!parts.is_empty()).then(|| format!("skipped: {}", parts.join(", ")))
}

fn not_compared(summary: &ImportSummary) -> Option<String> {
    let counts = summary.not_compared.iter();
    let parts: Vec<String> = counts
        .map(|(attribute, count)| format!("{attribute} ({count})"))
        .collect();
    (!parts.is_empty()).then(|| {
        format!(
            "not compared, because the state does not say whether the configuration or the cloud chose \
             the value: {}",
            parts.join(", ")
        )
    })
}

/// Removes control characters, which could move the terminal's cursor.
fn plain(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).collect()
}
