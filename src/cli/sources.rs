//! `sources`: lists, renames and retires sources.

use std::process::ExitCode;

use anstyle::Style;
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};

use super::grid::{Cell, Room, write_rows};
use super::{Outcome, actor, connect, counted, plain, print_line};
use crate::clock::Clock;
use crate::config::{DatabaseArgs, MaxAgeArgs, SyncCronArgs};
use crate::db::Db;
use crate::services::sources::{self, Source};

#[derive(Args, Debug)]
pub(super) struct SourcesArgs {
    #[command(subcommand)]
    command: SourcesCommand,
}

#[derive(Debug, Subcommand)]
enum SourcesCommand {
    /// Print the registered sources and their states; exits with 4 if the inventory of one is not recent
    List(Box<ListArgs>),
    /// Give a source a new name, after its setting was changed
    Rename(RenameArgs),
    /// End a source that no longer exists: retire its specs, and mark its resources as gone
    Retire(RetireArgs),
}

#[derive(Args, Debug)]
struct ListArgs {
    #[command(flatten)]
    max_age: MaxAgeArgs,
    #[command(flatten)]
    sync: SyncCronArgs,
    #[command(flatten)]
    database: DatabaseArgs,
}

#[derive(Args, Debug)]
struct RenameArgs {
    /// Name of the source
    #[arg(value_name = "OLD")]
    old: String,
    /// Its new name
    #[arg(value_name = "NEW")]
    new: String,
    /// Actor to record in the log [default: USER@HOST]
    #[arg(long = "as", value_name = "EMAIL", value_parser = actor::parse)]
    actor: Option<String>,
    #[command(flatten)]
    database: DatabaseArgs,
}

#[derive(Args, Debug)]
struct RetireArgs {
    /// Name of the source
    #[arg(value_name = "NAME")]
    name: String,
    /// Retire it; without this flag, the command only prints what it would change
    #[arg(long)]
    yes: bool,
    /// Actor to record in the history of specs [default: USER@HOST]
    #[arg(long = "as", value_name = "EMAIL", value_parser = actor::parse)]
    actor: Option<String>,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// Exit code of `sources list` if the inventory of a source is not recent.
const EXIT_NOT_RECENT: u8 = 4;

pub(super) async fn run(args: &SourcesArgs) -> Outcome {
    match &args.command {
        SourcesCommand::List(args) => list(args).await,
        SourcesCommand::Rename(args) => {
            let db = connect(&args.database.resolve()?).await?;
            let actor = args.actor.clone().unwrap_or_else(actor::user_and_host);
            let resources = sources::rename(&db, &actor, &args.old, &args.new).await?;
            db.close().await?;
            print_line(format_args!(
                "sources: {} is now {}, with {}",
                args.old,
                args.new,
                counted(resources, "resource")
            ))
        }
        SourcesCommand::Retire(args) => {
            let db = connect(&args.database.resolve()?).await?;
            if !args.yes {
                return ask(&db, &args.name).await;
            }
            let actor = args.actor.clone().unwrap_or_else(actor::user_and_host);
            let ended = sources::retire(&db, &Clock::System, &actor, &args.name).await?;
            db.close().await?;
            print_line(format_args!(
                "sources: {} is retired, with {} and {}",
                args.name,
                counted(ended.resources, "resource"),
                counted(ended.specs, "spec")
            ))
        }
    }
}

/// Prints what retiring a source would change. The command fails, so that a script notices that nothing was done.
async fn ask(db: &Db, name: &str) -> Outcome {
    let extent = sources::extent(db, name).await?;
    print_line(format_args!(
        "sources: {name} has {} and {} in force. To retire the specs and mark the resources as gone, add --yes",
        counted(extent.resources, "resource"),
        counted(extent.specs, "spec")
    ))?;
    Ok(ExitCode::FAILURE)
}

async fn list(args: &ListArgs) -> Outcome {
    let db = connect(&args.database.resolve()?).await?;
    let sources = sources::list(&db, &args.max_age.max_age(&args.sync)).await?;
    db.close().await?;
    if sources.is_empty() {
        return print_line("no source is registered: run drift-inbox sync or drift-inbox import-plan first");
    }
    let bold = Style::new().bold();
    let head = ["NAME", "KIND", "STATE", "LAST SUCCESS"].map(|name| Cell::new(name, bold));
    let rows: Vec<[Cell; 4]> = std::iter::once(head).chain(sources.iter().map(cells)).collect();
    write_rows(&mut anstream::stdout(), &rows, Room::of_stdout())?;
    for source in &sources {
        if let Some(reason) = &source.reason {
            print_line(format_args!("{}: {}", source.row.name, plain(reason)))?;
        }
    }
    if sources.iter().any(|source| !source.state.is_recent()) {
        print_line("A source that no longer exists is ended with: drift-inbox sources retire NAME --yes")?;
    }
    Ok(if sources.iter().all(|source| source.state.is_recent()) {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_NOT_RECENT)
    })
}

fn cells(source: &Source) -> [Cell; 4] {
    let time = |at: Option<DateTime<Utc>>| {
        at.map_or_else(
            || "never".to_owned(),
            |at| at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        )
    };
    [
        source.row.name.clone(),
        source.kind_word().replace('_', "-"),
        source.state.word().to_owned(),
        time(source.last_success_at),
    ]
    .map(|text| Cell::new(&text, Style::new()))
}
