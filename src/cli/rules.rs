//! `rules`: lists ignore rules, and makes them equal to a file.

use std::io::Read as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anstyle::Style;
use clap::{Args, Subcommand};
use entity::ignore_rules;
use uuid::Uuid;

use super::grid::{Cell, Room, write_rows};
use super::{Failure, Outcome, actor, connect, counted, print, print_line};
use crate::clock::Clock;
use crate::config::{BadSetting, DatabaseArgs};
use crate::domain::ignore_rules::parse_file;
use crate::provider::presets::IGNORE_RULES;
use crate::services::ignore_rules::{self as service, FileAction};

/// Maximum size of a file of rules in bytes.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

#[derive(Args, Debug)]
pub(super) struct RulesArgs {
    #[command(subcommand)]
    command: RulesCommand,
}

#[derive(Debug, Subcommand)]
enum RulesCommand {
    /// Print the ignore rules in force, with the number of differences that each ignores
    List(ListArgs),
    /// Make the rules that came from a file equal to those of this file
    Apply(ApplyArgs),
    /// End a rule, so that its differences come back
    End(EndArgs),
    /// Print rules for what DigitalOcean itself changes, to copy into a file
    Presets,
}

#[derive(Args, Debug)]
struct ListArgs {
    #[command(flatten)]
    database: DatabaseArgs,
}

#[derive(Args, Debug)]
struct ApplyArgs {
    /// File of rules in TOML; - reads standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Actor to record with the rules [default: USER@HOST]
    #[arg(long = "as", value_name = "EMAIL", value_parser = actor::parse)]
    actor: Option<String>,
    #[command(flatten)]
    database: DatabaseArgs,
}

#[derive(Args, Debug)]
struct EndArgs {
    /// Id of the rule
    #[arg(value_name = "ID")]
    id: Uuid,
    /// Why it ends
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Actor to record with the rule [default: USER@HOST]
    #[arg(long = "as", value_name = "EMAIL", value_parser = actor::parse)]
    actor: Option<String>,
    #[command(flatten)]
    database: DatabaseArgs,
}

pub(super) async fn run(args: &RulesArgs) -> Outcome {
    match &args.command {
        RulesCommand::List(args) => list(args).await,
        RulesCommand::Apply(args) => apply(args).await,
        RulesCommand::End(args) => end(args).await,
        RulesCommand::Presets => print(IGNORE_RULES.as_bytes()),
    }
}

async fn list(args: &ListArgs) -> Outcome {
    let db = connect(&args.database.resolve()?).await?;
    let rules = service::in_force_with_counts(&db).await?;
    db.close().await?;
    if rules.is_empty() {
        return print_line("no ignore rule is in force");
    }
    let bold = Style::new().bold();
    let head = ["ID", "NAME", "FIELD", "IGNORED", "HITS", "REASON"].map(|name| Cell::new(name, bold));
    let cells = |(rule, ignored): &(ignore_rules::Model, i64)| {
        [
            rule.id.to_string(),
            rule.name.clone().unwrap_or_default(),
            rule.field.clone(),
            ignored.to_string(),
            rule.hits.to_string(),
            rule.reason.clone(),
        ]
        .map(|text| Cell::new(&text, Style::new()))
    };
    let rows: Vec<[Cell; 6]> = std::iter::once(head).chain(rules.iter().map(cells)).collect();
    write_rows(&mut anstream::stdout(), &rows, Room::of_stdout())?;
    Ok(ExitCode::SUCCESS)
}

async fn apply(args: &ApplyArgs) -> Outcome {
    let rules = parse_file(&read(&args.file)?).map_err(|why| {
        Failure::Usage(BadSetting::new(
            "rules apply",
            format!("{}: {why}", args.file.display()),
        ))
    })?;
    let db = connect(&args.database.resolve()?).await?;
    let actor = args.actor.clone().unwrap_or_else(actor::user_and_host);
    let applied = service::apply_file(&db, &Clock::System, &actor, &rules, args.dry_run).await?;
    db.close().await?;
    for (title, action) in &applied.rules {
        let sign = match action {
            FileAction::Begin => "+",
            FileAction::Replace => "~",
            FileAction::End => "-",
            FileAction::Keep => "=",
            FileAction::Expired => "x",
        };
        print_line(format_args!("{sign} {}", super::plain(title)))?;
    }
    let changed = applied
        .rules
        .iter()
        .filter(|(_, action)| !matches!(action, FileAction::Keep | FileAction::Expired));
    let changed = counted(changed.count() as u64, "rule");
    match applied.drifts {
        _ if args.dry_run => print_line(format_args!("rules: {changed} would change")),
        Some((closed, opened)) => print_line(format_args!(
            "rules: {changed} changed; {} closed, {} opened",
            counted(closed, "drift"),
            counted(opened, "drift")
        )),
        None => print_line(format_args!(
            "rules: {changed} changed; the next detection changes the drifts"
        )),
    }
}

fn read(file: &std::path::Path) -> Result<String, Failure> {
    let failed = |error: std::io::Error| Failure::Failed(format!("cannot read {}: {error}", file.display()));
    let mut text = String::new();
    let input: Box<dyn std::io::Read> = if file.as_os_str() == "-" {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(file).map_err(failed)?)
    };
    input
        .take(MAX_FILE_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(failed)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(Failure::Failed(format!(
            "{} is larger than 1 MiB",
            file.display()
        )));
    }
    Ok(text)
}

async fn end(args: &EndArgs) -> Outcome {
    let db = connect(&args.database.resolve()?).await?;
    let actor = args.actor.clone().unwrap_or_else(actor::user_and_host);
    let ended = service::end(&db, &Clock::System, &actor, args.id, args.reason.as_deref()).await?;
    db.close().await?;
    match ended.drifts {
        Some(opened) => print_line(format_args!(
            "rules: the rule has ended; {} opened",
            counted(opened, "drift")
        )),
        None => print_line("rules: the rule has ended; the next detection opens its drifts"),
    }
}
