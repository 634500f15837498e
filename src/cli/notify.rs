//! `notify`: lists, adds, changes and removes the targets of notifications, tests them, and shows the delivery log.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anstyle::Style;
use chrono::{DateTime, SecondsFormat, Utc};
use clap::{Args, Subcommand, ValueEnum};
use entity::cloud_drift::Severity;
use entity::notification_deliveries::{self as deliveries, DeliveryState};
use entity::notification_targets::{self as targets, TargetKind, TargetMethod};
use sea_orm::ActiveEnum as _;
use uuid::Uuid;

use super::grid::{Cell, Room, write_rows};
use super::{Failure, Outcome, actor, connect, print_line};
use crate::config::{DatabaseArgs, NotifyArgs as OutgoingArgs};
use crate::db::Db;
use crate::domain::notifications::{Filter, Transition, minute_of_day, time_of_day};
use crate::outgoing::SigningSecret;
use crate::services::notifications::{self as service, NewTarget, TargetChange};
use crate::services::page::PageRequest;

/// Maximum length of an address that is read, in bytes.
const MAX_INPUT: u64 = 8_192;

#[derive(Args, Debug)]
pub(super) struct NotifyArgs {
    #[command(subcommand)]
    command: NotifyCommand,
}

#[derive(Debug, Subcommand)]
enum NotifyCommand {
    /// Print the targets
    List(ListArgs),
    /// Add a target, and print the secret of a webhook once
    Add(Box<AddArgs>),
    /// Change a target: switch it on or off, or rotate its secret
    Set(SetArgs),
    /// Remove a target with its messages
    Remove(NamedArgs),
    /// Send a test message to a target now, and print the answer
    Test(TestArgs),
    /// Print the newest messages to a target, and what became of them
    Log(LogArgs),
    /// Send a message again
    Resend(ResendArgs),
}

#[derive(Args, Debug)]
struct ListArgs {
    #[command(flatten)]
    database: DatabaseArgs,
}

#[derive(Args, Debug)]
struct AddArgs {
    /// Name of the target
    #[arg(value_name = "NAME")]
    name: String,
    /// What the target is
    #[arg(long, value_enum)]
    kind: Kind,
    /// File with the address; - reads standard input. An address is a secret, so there is no flag for it
    #[arg(long, value_name = "FILE")]
    url_from: PathBuf,
    /// Call a heartbeat with GET instead of POST
    #[arg(long)]
    get: bool,
    /// Only these transitions, such as `drift-detected,source-failed` [default: all]
    #[arg(long, value_delimiter = ',', value_name = "NAME,...", value_parser = transition)]
    transitions: Vec<Transition>,
    /// Only resources of these kinds [default: all]
    #[arg(long, value_delimiter = ',', value_name = "KIND,...")]
    kinds: Vec<String>,
    /// Only these fields [default: all]
    #[arg(long, value_delimiter = ',', value_name = "FIELD,...")]
    fields: Vec<String>,
    /// Only resources in these regions [default: all]
    #[arg(long, value_delimiter = ',', value_name = "REGION,...")]
    regions: Vec<String>,
    /// Only these sources and their resources [default: all]
    #[arg(long = "of-sources", value_delimiter = ',', value_name = "NAME,...")]
    of_sources: Vec<String>,
    /// Only drifts that are at least this severe [default: all]
    #[arg(long, value_enum, value_name = "SEVERITY")]
    min_severity: Option<LeastSeverity>,
    /// Send a digest every day at this time in UTC, such as 08:00
    #[arg(long, value_name = "HH:MM", value_parser = minute)]
    digest_at: Option<i32>,
    /// Actor to record [default: USER@HOST]
    #[arg(long = "as", value_name = "EMAIL", value_parser = actor::parse)]
    actor: Option<String>,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    outgoing: OutgoingArgs,
}

#[derive(Args, Debug)]
struct SetArgs {
    /// Name of the target
    #[arg(value_name = "NAME")]
    name: String,
    /// Switch the target on or off
    #[arg(long, value_enum, value_name = "on|off")]
    enabled: Option<Switch>,
    /// Send a digest every day at this time in UTC, such as 08:00
    #[arg(long, value_name = "HH:MM", value_parser = minute)]
    digest_at: Option<i32>,
    /// Send no digest any more
    #[arg(long, conflicts_with = "digest_at")]
    no_digest: bool,
    /// File with a new address; - reads standard input
    #[arg(long, value_name = "FILE")]
    url_from: Option<PathBuf>,
    /// Make a new secret and print it once; the old one signs for 24 hours more
    #[arg(long)]
    rotate_secret: bool,
    /// Actor to record [default: USER@HOST]
    #[arg(long = "as", value_name = "EMAIL", value_parser = actor::parse)]
    actor: Option<String>,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    outgoing: OutgoingArgs,
}

#[derive(Args, Debug)]
struct NamedArgs {
    /// Name of the target
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    database: DatabaseArgs,
}

#[derive(Args, Debug)]
struct TestArgs {
    /// Name of the target
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    outgoing: OutgoingArgs,
}

#[derive(Args, Debug)]
struct LogArgs {
    /// Name of the target [default: all]
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Number of messages
    #[arg(long, value_name = "N", default_value_t = 20)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1_000))]
    last: u16,
    /// Only messages that were given up
    #[arg(long)]
    failed: bool,
    #[command(flatten)]
    database: DatabaseArgs,
}

#[derive(Args, Debug)]
struct ResendArgs {
    /// Id of the message, as `log` prints it
    #[arg(value_name = "ID")]
    id: Uuid,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// What a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Receives signed JSON, as Standard Webhooks defines it.
    Webhook,
    /// An incoming webhook of Slack, or of a program with the same format.
    Slack,
    /// An address that is called after each good detection.
    Heartbeat,
}

impl From<Kind> for TargetKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Webhook => Self::Webhook,
            Kind::Slack => Self::Slack,
            Kind::Heartbeat => Self::Heartbeat,
        }
    }
}

/// The least severity of a drift.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LeastSeverity {
    /// All drifts.
    Low,
    /// All but the least urgent drifts.
    Normal,
    /// Urgent drifts.
    High,
    /// The most urgent drifts.
    Critical,
}

impl From<LeastSeverity> for Severity {
    fn from(least: LeastSeverity) -> Self {
        match least {
            LeastSeverity::Low => Self::Low,
            LeastSeverity::Normal => Self::Normal,
            LeastSeverity::High => Self::High,
            LeastSeverity::Critical => Self::Critical,
        }
    }
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}

fn transition(text: &str) -> Result<Transition, String> {
    Transition::of_word(&text.trim().replace('-', "_")).ok_or_else(|| {
        let names: Vec<String> = Transition::ALL
            .iter()
            .map(|known| known.word().replace('_', "-"))
            .collect();
        format!("must be one of {}", names.join(", "))
    })
}

fn minute(text: &str) -> Result<i32, &'static str> {
    minute_of_day(text).ok_or("not a time such as 08:00")
}

pub(super) async fn run(args: &NotifyArgs) -> Outcome {
    match &args.command {
        NotifyCommand::List(args) => list(args).await,
        NotifyCommand::Add(args) => add(args).await,
        NotifyCommand::Set(args) => set(args).await,
        NotifyCommand::Remove(args) => {
            let db = connect(&args.database.resolve()?).await?;
            let target = service::find_by_name(db.reader(), &args.name).await?;
            service::delete(&db, target.id).await?;
            db.close().await?;
            print_line(format_args!("notify: {} is removed", args.name))
        }
        NotifyCommand::Test(args) => test(args).await,
        NotifyCommand::Log(args) => log(args).await,
        NotifyCommand::Resend(args) => {
            let db = connect(&args.database.resolve()?).await?;
            service::resend(&db, args.id).await?;
            db.close().await?;
            print_line(format_args!(
                "notify: {} is pending again: a running server sends it",
                args.id
            ))
        }
    }
}

async fn list(args: &ListArgs) -> Outcome {
    let db = connect(&args.database.resolve()?).await?;
    let targets = service::list(db.reader()).await?;
    db.close().await?;
    if targets.is_empty() {
        return print_line("no target is configured: add one with drift-inbox notify add");
    }
    let bold = Style::new().bold();
    let head = ["NAME", "KIND", "HOST", "STATE", "DIGEST"].map(|name| Cell::new(name, bold));
    let rows: Vec<[Cell; 5]> = std::iter::once(head).chain(targets.iter().map(cells)).collect();
    write_rows(&mut anstream::stdout(), &rows, Room::of_stdout())?;
    Ok(ExitCode::SUCCESS)
}

fn cells(target: &targets::Model) -> [Cell; 5] {
    [
        target.name.clone(),
        target.kind.to_value(),
        service::host_of(target),
        if target.enabled { "on" } else { "off" }.to_owned(),
        target
            .digest_minute
            .map_or_else(|| "none".to_owned(), time_of_day),
    ]
    .map(|text| Cell::new(&text, Style::new()))
}

async fn add(args: &AddArgs) -> Outcome {
    let new = NewTarget {
        name: args.name.clone(),
        kind: args.kind.into(),
        url: address_in(&args.url_from)?,
        method: args.get.then_some(TargetMethod::Get),
        secret: None,
        filter: Filter {
            transitions: args.transitions.clone(),
            resource_kinds: args.kinds.clone(),
            fields: args.fields.clone(),
            regions: args.regions.clone(),
            sources: args.of_sources.clone(),
            min_severity: args.min_severity.map(Into::into),
        },
        digest_minute: args.digest_at,
        enabled: true,
    };
    let db = connect(&args.database.resolve()?).await?;
    let actor = args.actor.clone().unwrap_or_else(actor::user_and_host);
    let saved = service::create(&db, &args.outgoing.outgoing(), &actor, &new).await?;
    db.close().await?;
    print_line(format_args!("notify: {} is added", args.name))?;
    print_secret(saved.secret.as_ref())
}

fn print_secret(secret: Option<&SigningSecret>) -> Outcome {
    match secret {
        Some(secret) => print_line(format_args!(
            "Its secret, which is not shown again: {}",
            secret.exposed()
        )),
        None => Ok(ExitCode::SUCCESS),
    }
}

async fn set(args: &SetArgs) -> Outcome {
    let change = TargetChange {
        url: args.url_from.as_deref().map(address_in).transpose()?,
        digest_minute: args.digest_at.map(Some).or(args.no_digest.then_some(None)),
        enabled: args.enabled.map(|switch| switch == Switch::On),
        rotate_secret: args.rotate_secret,
        ..TargetChange::default()
    };
    let db = connect(&args.database.resolve()?).await?;
    let target = service::find_by_name(db.reader(), &args.name).await?;
    let actor = args.actor.clone().unwrap_or_else(actor::user_and_host);
    let saved = service::update(&db, &args.outgoing.outgoing(), &actor, target.id, &change).await?;
    db.close().await?;
    print_line(format_args!("notify: {} is changed", args.name))?;
    print_secret(saved.secret.as_ref())
}

async fn test(args: &TestArgs) -> Outcome {
    let db = connect(&args.database.resolve()?).await?;
    let target = service::find_by_name(db.reader(), &args.name).await?;
    let actor = actor::user_and_host();
    let delivery = service::send_test(&db, &args.outgoing.outgoing(), &actor, target.id).await?;
    db.close().await?;
    let status = delivery.status_code.map(|code| format!(" with status {code}"));
    match &delivery.error {
        None => print_line(format_args!(
            "notify: {} answered{}",
            args.name,
            status.unwrap_or_default()
        )),
        Some(error) => Err(Failure::Failed(format!("{}: {error}", args.name))),
    }
}

async fn log(args: &LogArgs) -> Outcome {
    let db = connect(&args.database.resolve()?).await?;
    let target = match &args.name {
        Some(name) => Some(service::find_by_name(db.reader(), name).await?.id),
        None => None,
    };
    let state = args.failed.then_some(DeliveryState::Failed);
    let request = PageRequest::first(u64::from(args.last));
    let page = service::list_deliveries(db.reader(), target, state, &request).await?;
    let rows = log_rows(&db, page.rows.into_iter().map(|(_, row)| row)).await?;
    db.close().await?;
    write_rows(&mut anstream::stdout(), &rows, Room::of_stdout())?;
    Ok(ExitCode::SUCCESS)
}

async fn log_rows(
    db: &Db,
    messages: impl Iterator<Item = deliveries::Model>,
) -> Result<Vec<[Cell; 7]>, Failure> {
    let targets = service::by_ids(db.reader()).await?;
    let bold = Style::new().bold();
    let head =
        ["ID", "TARGET", "KIND", "MADE", "STATE", "ATTEMPTS", "ERROR"].map(|name| Cell::new(name, bold));
    let rows = messages.map(|row| {
        let target = targets.get(&row.target_id).map(|target| target.name.clone());
        [
            row.id.to_string(),
            target.unwrap_or_default(),
            row.kind.to_value(),
            time(row.created_at),
            row.state.to_value(),
            row.attempts.to_string(),
            row.error.unwrap_or_default(),
        ]
        .map(|text| Cell::new(&text, Style::new()))
    });
    Ok(std::iter::once(head).chain(rows).collect())
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Reads an address. Errors do not contain it.
fn address_in(path: &Path) -> Result<String, Failure> {
    let failed = |why: std::io::Error| Failure::Failed(format!("{}: {why}", path.display()));
    let mut text = String::new();
    if path == Path::new("-") {
        std::io::stdin().lock().take(MAX_INPUT).read_to_string(&mut text)
    } else {
        std::fs::File::open(path)
            .map_err(failed)?
            .take(MAX_INPUT)
            .read_to_string(&mut text)
    }
    .map_err(failed)?;
    match text.trim() {
        "" => Err(Failure::Failed(format!("{} has no address", path.display()))),
        text => Ok(text.to_owned()),
    }
}
