//! The command line: the commands and their exit codes.

mod actor;
mod args;
mod backup;
mod config;
mod demo;
mod detect;
mod doctor;
mod grid;
mod healthcheck;
mod import;
mod import_plan;
mod notify;
mod plan_revert;
mod progress;
mod purge;
mod rules;
mod serve;
mod sources;
mod sync;
mod table;
mod values;

use std::fmt::Display;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use entity::job_runs::{self, JobOutcome};
use entity::sources::SourceKind;
use secrecy::ExposeSecret as _;
use serde::de::DeserializeOwned;

use self::args::{Cli, Command, NewTokenArgs};
use crate::auth::{NewToken, issue};
use crate::clock::Clock;
use crate::config::{
    BackupArgs, BadSetting, DatabaseConfig, InventoryArgs, InventoryConfig, SourceConfig, database_url,
};
use crate::db::{Db, WaitLimits, sqlite_file};
use crate::domain::validation::is_hidden;
use crate::error::Error;
use crate::jobs::Source;
use crate::provider::InventoryProvider;
use crate::provider::digitalocean::{DigitalOcean, Limits};
use crate::provider::file::InventoryFile;
use crate::services::sources::Registration;
use crate::telemetry;

/// Maximum number of connections to the database.
const MAX_CONNECTIONS: u32 = 16;

/// The error of a command.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// The arguments or settings are invalid.
    #[error("{0}")]
    Usage(#[from] BadSetting),
    /// The command failed while running.
    #[error("{0}")]
    Failed(String),
    /// The reader of standard output closed it, as `head` does.
    #[error("the reader of standard output has closed it")]
    OutputClosed,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Failed(error.to_string()),
        }
    }
}

type Outcome = Result<ExitCode, Failure>;

/// Parses the command line and runs the command.
pub async fn run() -> ExitCode {
    let failure = match traced(args::parse()).await {
        Ok(code) => return code,
        Err(failure) => failure,
    };
    match failure {
        Failure::OutputClosed => return ExitCode::SUCCESS,
        Failure::Usage(_) | Failure::Failed(_) => eprintln!("drift-inbox: {failure}"),
    }
    ExitCode::from(if matches!(failure, Failure::Usage(_)) {
        2
    } else {
        1
    })
}

/// Runs the command, and sends the last spans of its trace.
async fn traced(cli: Cli) -> Outcome {
    let default_filter = if cli.command.reports_itself() {
        telemetry::WARNINGS_FILTER
    } else {
        telemetry::DEFAULT_FILTER
    };
    let traces = telemetry::init(&cli.telemetry, default_filter)?;
    let outcome = dispatch(cli, traces.is_some()).await;
    if let Some(traces) = traces {
        traces.finish().await;
    }
    outcome
}

async fn dispatch(cli: Cli, is_traced: bool) -> Outcome {
    match cli.command {
        Command::Demo(args) => demo::run(&args).await,
        Command::Serve(args) => serve::run(&args, is_traced).await,
        Command::Healthcheck(args) => healthcheck::run(&args).await,
        Command::Migrate(args) => migrate(&args).await,
        Command::Backup { file } => backup::back_up(&file).await,
        Command::Restore { file } => backup::restore(&file).await,
        Command::Sync(args) => sync::run(args).await,
        Command::Detect(args) => detect::run(&args).await,
        Command::ImportTerraform(args) => import::run(&args).await,
        Command::ImportPlan(args) => import_plan::run(&args).await,
        Command::Purge(args) => purge::run(&args).await,
        Command::Sources(args) => sources::run(&args).await,
        Command::Rules(args) => rules::run(&args).await,
        Command::PlanRevert(args) => plan_revert::run(&args).await,
        Command::Notify(args) => notify::run(&args).await,
        Command::Token(args) => token(args),
        Command::Config(args) => config::run(&args),
        Command::Doctor(args) => doctor::run(&args, &cli.telemetry).await,
        Command::Schema => print(crate::graphql::sdl().as_bytes()),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut args::command(), "drift-inbox", &mut script);
            print(&script)
        }
        Command::Man { about } => man(about.as_deref()),
    }
}

fn print(text: &[u8]) -> Outcome {
    let mut out = std::io::stdout().lock();
    out.write_all(text)?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Prints a line and flushes it.
fn print_line(line: impl Display) -> Outcome {
    print(format!("{line}\n").as_bytes())
}

fn man(about: Option<&str>) -> Outcome {
    let mut command = args::command();
    command.build();
    if let Some(name) = about {
        let found = command.find_subcommand(name).cloned();
        let found = found.ok_or_else(|| {
            BadSetting::new(
                "man",
                format!("unknown command {name:?}: run drift-inbox --help for the list"),
            )
        })?;
        command = found;
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    print(&page)
}

async fn migrate(backups: &BackupArgs) -> Outcome {
    let config = DatabaseConfig {
        backups: backups.policy(),
        ..DatabaseConfig::migrated(database_url()?)
    };
    connect(&config).await?.close().await?;
    print_line("the database schema is up to date")
}

fn token(args: NewTokenArgs) -> Outcome {
    let config = args.token.resolve()?;
    for role in args.role.iter().filter(|role| config.aliases.get(role).is_none()) {
        // Other servers may have other aliases, so the token is issued anyway.
        eprintln!(
            "drift-inbox: warning: unknown role {role:?}: the server accepts platform_admin, \
             platform_viewer and the aliases in DRIFT_ROLE_ALIASES"
        );
    }
    let new = NewToken {
        subject: args.email.clone().unwrap_or_else(|| "operator".to_owned()),
        email: args.email,
        roles: args.role,
        ttl: args.ttl,
    };
    let now = Clock::System.now();
    let token = issue(
        &config.secret,
        &config.issuer,
        &config.audience,
        &config.roles_claim,
        new,
        now,
    );
    print_line(token.map_err(|why| BadSetting::new("token", why))?)
}

/// Connects to the database. Runs missing migrations; with DRIFT_MIGRATE=off, they are an error.
async fn connect(config: &DatabaseConfig) -> Result<Db, Error> {
    let db = Db::connect(config.url.expose_secret(), MAX_CONNECTIONS).await?;
    let db = db.with_wait_limits(WaitLimits::JOB);
    if config.migrate {
        if let Some(policy) = &config.backups {
            db.back_up_before_migration(policy).await?;
        }
        db.migrate().await?;
    } else if !db.is_ready().await? {
        return Err(Error::BadUserInput(
            "migrations are missing and DRIFT_MIGRATE is off: run drift-inbox migrate".to_owned(),
        ));
    }
    Ok(db)
}

/// Returns the path of an SQLite database if it does not exist. Read-only commands must not create it.
fn missing_database(config: &DatabaseConfig) -> Option<PathBuf> {
    sqlite_file(config.url.expose_secret()).filter(|path| !path.exists())
}

fn no_database(path: &Path) -> String {
    format!(
        "database {} not found: run drift-inbox sync or drift-inbox import-plan first, or set DATABASE_URL",
        path.display()
    )
}

/// The configured sources.
#[derive(Default)]
struct Sources {
    /// Those that this process can list.
    listed: Vec<Source>,
    /// Those whose listings are sent to the server.
    sent: Vec<Registration>,
}

/// Returns the configured sources.
fn configured(args: &InventoryArgs) -> Result<Sources, Failure> {
    let mut sources = Sources::default();
    for config in args.resolve()? {
        let SourceConfig {
            name,
            inventory,
            schedule,
            interval,
            account,
        } = config;
        let sent = |kind| Registration {
            name: name.clone().unwrap_or_default(),
            kind,
            schedule: None,
            interval,
        };
        let provider: Arc<dyn InventoryProvider> = match inventory {
            InventoryConfig::File(path) => Arc::new(InventoryFile::new(path)),
            InventoryConfig::DigitalOcean(api, token) => {
                Arc::new(DigitalOcean::new(api, &token, Limits::default(), Clock::System)?)
            }
            InventoryConfig::Lines => {
                sources.sent.push(sent(SourceKind::Lines));
                continue;
            }
            InventoryConfig::TerraformPlan => {
                sources.sent.push(sent(SourceKind::TerraformPlan));
                continue;
            }
        };
        let source = Source::new(provider);
        sources.listed.push(Source {
            name: name.unwrap_or(source.name),
            schedule,
            interval,
            account,
            provider: source.provider,
        });
    }
    Ok(sources)
}

/// Decodes the counts of a run.
///
/// # Errors
/// The stored counts do not have this type, for example because another release wrote them.
fn counts<T: DeserializeOwned>(run: &job_runs::Model) -> Result<T, Failure> {
    T::deserialize(&run.counts)
        .map_err(|why| Failure::Failed(format!("the counts of run {} are unreadable: {why}", run.id)))
}

/// Describes the outcome of a run, with its results or the reason why it failed. `results` returns the results.
fn summary(
    run: &job_runs::Model,
    results: impl FnOnce() -> Result<String, Failure>,
) -> Result<String, Failure> {
    let outcome = match run.outcome {
        Some(JobOutcome::Succeeded) => "succeeded",
        Some(JobOutcome::Partial) => "partial",
        Some(JobOutcome::Failed) => "failed",
        Some(JobOutcome::Skipped) => "skipped",
        Some(JobOutcome::Abandoned) => "abandoned",
        None => "running",
    };
    Ok(match (&run.error, run.outcome) {
        (Some(error), Some(JobOutcome::Partial)) => format!("{outcome}: {}\n{error}", results()?),
        (Some(error), _) => format!("{outcome}: {error}"),
        (None, _) => format!("{outcome}: {}", results()?),
    })
}

/// Returns a number with its noun: `1 resource`, `2 resources`.
fn counted(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Removes control characters and other hidden ones, which another program may have stored.
fn plain(text: &str) -> String {
    text.chars().filter(|letter| !is_hidden(*letter)).collect()
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use entity::job_runs::Job;
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::*;
    use crate::services::detection::SweepCounts;
    use crate::services::inventory::SyncCounts;

    fn run_with(counts: Value) -> job_runs::Model {
        job_runs::Model {
            id: Uuid::nil(),
            job: Job::DetectDrift,
            narrowed: false,
            source: None,
            trigger: None,
            scheduled_for: None,
            started_at: DateTime::UNIX_EPOCH,
            heartbeat_at: DateTime::UNIX_EPOCH,
            finished_at: None,
            outcome: Some(JobOutcome::Succeeded),
            counts,
            error: None,
        }
    }

    #[test]
    fn unreadable_counts_are_an_error() {
        let sweep = |counts| super::counts::<SweepCounts>(&run_with(counts));
        assert_eq!(sweep(json!({ "opened": 2 })).unwrap().opened, 2);
        assert_eq!(sweep(json!({})).unwrap(), SweepCounts::default());
        for unreadable in [json!(null), json!("2"), json!({ "opened": "2" })] {
            let failure = sweep(unreadable).unwrap_err().to_string();
            assert!(failure.contains("are unreadable"), "{failure}");
        }
        let sync = super::counts::<SyncCounts>(&run_with(json!({ "kinds": 1 })));
        assert!(matches!(sync, Err(Failure::Failed(_))));
    }
}
