//! The command line.

mod demo;
mod serve;
mod table;

use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};
use entity::job_runs::{self, JobOutcome};
use secrecy::ExposeSecret as _;

use crate::app::{App, JobRequest, Progress};
use crate::auth::{NewToken, issue};
use crate::clock::Clock;
use crate::config::{
    BadSetting, DatabaseArgs, DatabaseConfig, HttpArgs, InventoryArgs, InventoryConfig, LogFormat,
    ScheduleArgs, TokenArgs, duration,
};
use crate::db::Db;
use crate::error::Error;
use crate::provider::InventoryProvider;
use crate::provider::digitalocean::{DigitalOcean, Limits};
use crate::provider::file::InventoryFile;
use crate::services::detection::Scope;
use crate::services::inbox::{self, DriftFilter};
use crate::services::inventory::SyncOptions;

/// Connections of a server or command to its database.
const MAX_CONNECTIONS: u32 = 16;
/// What `detect --exit-code` ends with when something differs.
const DRIFT_REMAINS: u8 = 3;

/// What --help says at its end.
const SECRETS: &str = "\
Secrets are read from the environment, or from the file that NAME_FILE names:
  DATABASE_URL        sqlite://PATH or postgres://... [default: sqlite://drift-inbox.db?mode=rwc]
  DRIFT_JWT_SECRET    shared secret that signs tokens, at least 32 bytes
  DIGITALOCEAN_TOKEN  token of the account to sync; read scopes are enough
The log goes to standard error; RUST_LOG filters it. An empty variable is an unset one.
Exit codes: 0 fine, 1 failed, 2 wrong usage, 3 drift remains (detect --exit-code).";

/// Where does a cloud differ from what its operators asked for?
#[derive(Debug, Parser)]
#[command(name = "drift-inbox", version, about, after_help = SECRETS)]
struct Cli {
    /// How the log looks: text | json [default: text]
    #[arg(
        long,
        global = true,
        env = "DRIFT_LOG_FORMAT",
        hide_env_values = true,
        value_name = "FORMAT"
    )]
    log_format: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Shows a sample account with drift in it, and serves it until Ctrl-C
    Demo(HttpArgs),
    /// Serves the inbox, and runs the jobs on their schedules
    #[command(after_help = SECRETS)]
    Serve(Box<ServeArgs>),
    /// Runs the migrations that are missing
    #[command(after_help = SECRETS)]
    Migrate,
    /// Replaces the inventory by what the cloud has
    #[command(after_help = SECRETS)]
    Sync(SyncArgs),
    /// Compares every spec with the inventory, and prints what differs
    #[command(after_help = SECRETS)]
    Detect(DetectArgs),
    /// Prints a token that is signed with DRIFT_JWT_SECRET
    #[command(after_help = SECRETS)]
    Token(NewTokenArgs),
    /// Prints the GraphQL schema
    Schema,
}

#[derive(Args, Debug)]
struct ServeArgs {
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    inventory: InventoryArgs,
    #[command(flatten)]
    http: HttpArgs,
    #[command(flatten)]
    token: TokenArgs,
    #[command(flatten)]
    schedule: ScheduleArgs,
}

#[derive(Args, Debug)]
struct SyncArgs {
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    inventory: InventoryArgs,
    /// Only these kinds
    #[arg(long, value_delimiter = ',', value_name = "KIND,...")]
    kinds: Option<Vec<String>>,
    /// Go through with a listing that lacks more than half of a kind
    #[arg(long)]
    allow_mass_gone: bool,
}

#[derive(Args, Debug)]
struct DetectArgs {
    #[command(flatten)]
    database: DatabaseArgs,
    /// End with 3 when open drift remains
    #[arg(long)]
    exit_code: bool,
}

#[derive(Args, Debug)]
struct NewTokenArgs {
    #[command(flatten)]
    token: TokenArgs,
    /// Who it is for; the subject is `operator` without
    #[arg(long)]
    email: Option<String>,
    /// Role that it carries, any text; may be given again
    #[arg(long, default_value = "platform_admin")]
    role: Vec<String>,
    /// How long it is good for
    #[arg(long, default_value = "1h")]
    ttl: String,
}

/// Why a command ends.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// It cannot begin.
    #[error("{0}")]
    Usage(#[from] BadSetting),
    /// It went wrong.
    #[error("{0}")]
    Failed(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

type Outcome = Result<ExitCode, Failure>;

/// Runs what the command line asks for.
pub async fn run() -> ExitCode {
    let cli = Cli::parse();
    match dispatch(cli).await {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("drift-inbox: {failure}");
            ExitCode::from(if matches!(failure, Failure::Usage(_)) {
                2
            } else {
                1
            })
        }
    }
}

async fn dispatch(cli: Cli) -> Outcome {
    crate::telemetry::init(LogFormat::parse(cli.log_format.as_deref())?)?;
    match cli.command {
        Command::Demo(args) => demo::run(&args).await,
        Command::Serve(args) => serve::run(&args).await,
        Command::Migrate => migrate().await,
        Command::Sync(args) => sync(args).await,
        Command::Detect(args) => detect(&args).await,
        Command::Token(args) => token(args),
        Command::Schema => {
            print!("{}", crate::graphql::sdl());
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn migrate() -> Outcome {
    let config = DatabaseConfig {
        migrate: true,
        ..DatabaseArgs::default().resolve()?
    };
    connect(&config).await?.close().await?;
    println!("the database has every table");
    Ok(ExitCode::SUCCESS)
}

async fn sync(args: SyncArgs) -> Outcome {
    let inventory = inventory(&args.inventory)?.ok_or_else(|| {
        BadSetting::new(
            "DIGITALOCEAN_TOKEN",
            "is not set, nor is DRIFT_INVENTORY_FILE; there is nothing to sync from",
        )
    })?;
    let db = connect(&args.database.resolve()?).await?;
    let options = SyncOptions {
        kinds: args.kinds.map(|kinds| kinds.into_iter().collect()),
        allow_mass_gone: args.allow_mass_gone,
    };
    let app = App::new(db, Clock::System, Some(inventory));
    let run = app.run(JobRequest::Sync(options)).await?;
    println!("sync: {}", summary(&run));
    Ok(if succeeded(&run) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn detect(args: &DetectArgs) -> Outcome {
    let app = App::new(connect(&args.database.resolve()?).await?, Clock::System, None);
    let run = app
        .run(JobRequest::Detect {
            scope: Scope::All,
            progress: progress(),
        })
        .await?;
    println!("detect: {}", summary(&run));
    let open = inbox::count(app.db().reader(), &DriftFilter::default()).await?;
    table::print_open(app.db(), app.clock().now()).await?;
    Ok(match run.outcome {
        Some(JobOutcome::Succeeded | JobOutcome::Partial) if args.exit_code && open > 0 => {
            ExitCode::from(DRIFT_REMAINS)
        }
        _ if succeeded(&run) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

fn token(args: NewTokenArgs) -> Outcome {
    let config = args.token.resolve()?;
    let new = NewToken {
        subject: args.email.clone().unwrap_or_else(|| "operator".to_owned()),
        email: args.email,
        roles: args.role,
        ttl: duration("--ttl", &args.ttl)?,
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
    println!("{}", token.map_err(|why| BadSetting::new("token", why))?);
    Ok(ExitCode::SUCCESS)
}

/// Connects, and migrates if that is wanted.
async fn connect(config: &DatabaseConfig) -> Result<Db, Error> {
    let db = Db::connect(config.url.expose_secret(), MAX_CONNECTIONS).await?;
    if config.migrate {
        db.migrate().await?;
    } else if !db.is_ready().await? {
        return Err(Error::BadUserInput(
            "migrations are missing, and DRIFT_MIGRATE is off: run drift-inbox migrate".to_owned(),
        ));
    }
    Ok(db)
}

fn inventory(args: &InventoryArgs) -> Result<Option<Arc<dyn InventoryProvider>>, Failure> {
    Ok(match args.resolve()? {
        Some(InventoryConfig::File(path)) => Some(Arc::new(InventoryFile::new(path))),
        Some(InventoryConfig::DigitalOcean(api, token)) => {
            let account = DigitalOcean::new(api, &token, Limits::default(), Clock::System)?;
            Some(Arc::new(account))
        }
        None => None,
    })
}

/// One line that is written over and over, where somebody watches.
fn progress() -> Option<Progress> {
    use std::io::IsTerminal as _;
    std::io::stderr().is_terminal().then(|| {
        Arc::new(|counts: &crate::services::detection::SweepCounts| {
            eprint!(
                "\rcompared {} resources, {} fields",
                counts.resources, counts.fields_compared
            );
        }) as Progress
    })
}

fn succeeded(run: &job_runs::Model) -> bool {
    run.outcome == Some(JobOutcome::Succeeded)
}

fn summary(run: &job_runs::Model) -> String {
    let outcome = match run.outcome {
        Some(JobOutcome::Succeeded) => "succeeded",
        Some(JobOutcome::Partial) => "partial",
        Some(JobOutcome::Failed) => "failed",
        Some(JobOutcome::Skipped) => "skipped",
        Some(JobOutcome::Abandoned) => "abandoned",
        None => "still runs",
    };
    match &run.error {
        Some(error) => format!("{outcome}: {error}"),
        None => format!("{outcome} {}", run.counts),
    }
}
