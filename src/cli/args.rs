//! Commands and flags.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::config::{InForce, in_force};
use super::healthcheck::HealthcheckArgs;
use super::import::ImportArgs;
use super::import_plan::ImportPlanArgs;
use super::notify::NotifyArgs;
use super::plan_revert::PlanRevertArgs;
use super::rules::RulesArgs;
use super::sources::SourcesArgs;
use crate::config::{
    BackupArgs, DatabaseArgs, HttpArgs, InventoryArgs, MaxAgeArgs, RetentionArgs, ScheduleArgs, SignInArgs,
    SyncCronArgs, TelemetryArgs, TokenArgs, secrets_help, time_of_at_least,
};

/// Minimum interval between changes of the demo's account.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

/// Returns the text at the end of each help text.
fn help_end() -> String {
    let secrets = secrets_help();
    format!(
        "\
{secrets}

Exit codes:
  0  Success
  1  Failed or incomplete
  2  Wrong usage or invalid setting
  3  Only with detect --exit-code: drift is open
  4  Only with detect --exit-code: no drift is open, but the inbox is not up to date: the inventory is missing,
     incomplete or too old, resources are settling, or no resource has a spec"
    )
}

/// Reports where a cloud account differs from its desired state
#[derive(Debug, Parser)]
#[command(name = "drift-inbox", version, about, after_help = help_end())]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) telemetry: TelemetryArgs,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Serve a sample account with drift from a temporary database, until Ctrl-C
    Demo(DemoArgs),
    /// Serve the page and the API, and run the scheduled jobs
    #[command(after_help = help_end())]
    Serve(Box<ServeArgs>),
    /// Ask the server of this machine whether it answers, for containers without a shell
    #[command(after_help = help_end())]
    Healthcheck(HealthcheckArgs),
    /// Run the missing migrations
    #[command(after_help = help_end())]
    Migrate(BackupArgs),
    /// Write a checked copy of the SQLite database to a new file, also while a server uses it
    #[command(after_help = help_end())]
    Backup {
        /// File to write; it must not exist
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Check a backup and put it in the place of the SQLite database, which no server may have open
    #[command(after_help = help_end())]
    Restore {
        /// The backup
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// List the account and store the result as the inventory
    #[command(after_help = help_end())]
    Sync(SyncArgs),
    /// Compare every spec with the inventory, and print the open drifts
    #[command(after_help = help_end())]
    Detect(DetectArgs),
    /// Record the desired state from a Terraform or OpenTofu state
    #[command(after_help = help_end())]
    ImportTerraform(ImportArgs),
    /// Import a refresh-only Terraform plan of any provider, and compare its resources
    #[command(after_help = help_end())]
    ImportPlan(ImportPlanArgs),
    /// List the registered sources, or rename or retire one
    #[command(after_help = help_end())]
    Sources(SourcesArgs),
    /// List ignore rules, or make them equal to a file
    #[command(after_help = help_end())]
    Rules(RulesArgs),
    /// Print the calls that put the live value of an open drift back, and send none of them
    #[command(after_help = help_end())]
    PlanRevert(PlanRevertArgs),
    /// Manage the targets of notifications, test them, and print the delivery log
    #[command(after_help = help_end())]
    Notify(NotifyArgs),
    /// Delete rows older than the retention settings, as the server does once a day
    #[command(after_help = help_end())]
    Purge(PurgeArgs),
    /// Print a token signed with DRIFT_JWT_SECRET
    #[command(after_help = help_end())]
    Token(NewTokenArgs),
    /// Print the settings in force for serve, and where each is set; secrets are hidden
    #[command(after_help = help_end())]
    Config(Box<ConfigArgs>),
    /// Check the settings, the database, the cloud, the issuer and the sources, and print what to do
    #[command(after_help = help_end())]
    Doctor(Box<DoctorArgs>),
    /// Print the GraphQL schema
    Schema,
    /// Print a completion script for a shell
    Completions {
        /// Shell to complete in
        shell: Shell,
    },
    /// Print the manual page of the program, or of one command
    Man {
        /// Command to print the manual page of
        #[arg(value_name = "COMMAND")]
        about: Option<String>,
    },
}

impl Command {
    /// Returns whether the command prints its own result, so that the log needs only warnings.
    pub(super) fn reports_itself(&self) -> bool {
        !matches!(self, Self::Serve(_))
    }
}

// Flags of a command come before flattened groups, because the heading of a group also applies to the flags after it.
#[derive(Args, Debug)]
pub(super) struct DemoArgs {
    /// Change something in the sample account at this interval; without a value, every 45s
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "45s")]
    #[arg(value_parser = time_of_at_least(SHORTEST_INTERVAL))]
    pub(super) live: Option<Duration>,
    /// Whether to use a free port if the default one is in use.
    #[arg(skip)]
    pub(super) any_port: bool,
    #[command(flatten)]
    pub(super) http: HttpArgs,
}

#[derive(Args, Debug)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    pub(super) database: DatabaseArgs,
    #[command(flatten)]
    pub(super) inventory: InventoryArgs,
    #[command(flatten)]
    pub(super) http: HttpArgs,
    #[command(flatten)]
    pub(super) sign_in: SignInArgs,
    #[command(flatten)]
    pub(super) schedule: ScheduleArgs,
    #[command(flatten)]
    pub(super) max_age: MaxAgeArgs,
    #[command(flatten)]
    pub(super) retention: RetentionArgs,
    #[command(flatten)]
    pub(super) notify: crate::config::NotifyArgs,
}

#[derive(Args, Debug)]
pub(super) struct ConfigArgs {
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
    /// The settings that the parser found.
    #[arg(skip)]
    pub(super) in_force: Vec<InForce>,
    #[command(flatten)]
    pub(super) serve: ServeArgs,
}

#[derive(Args, Debug)]
pub(super) struct DoctorArgs {
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) serve: ServeArgs,
}

impl ServeArgs {
    /// Returns whether a setting says that a proxy is in front of the server.
    pub(super) fn is_behind_a_proxy(&self) -> bool {
        self.sign_in.is_by_proxy() || self.notify.is_public_by_https()
    }
}

#[derive(Args, Debug)]
pub(super) struct SyncArgs {
    /// Sync only these kinds, such as droplet,volume
    #[arg(long, value_delimiter = ',', value_name = "KIND,...")]
    pub(super) kinds: Option<Vec<String>>,
    /// Accept a listing that lacks more than half of the resources of a kind
    #[arg(long)]
    pub(super) allow_mass_gone: bool,
    /// Replace the inventory even if the listing is of another account, or of a file instead of an account
    #[arg(long)]
    pub(super) allow_other_account: bool,
    /// Store the JSON lines of this file as the inventory of the source that --source names; - reads standard input
    #[arg(long, value_name = "FILE", requires = "source", conflicts_with_all = ["inventory_file", "kinds"])]
    pub(super) from: Option<PathBuf>,
    /// Expected time between two such listings; the source is overdue after twice this time [default: as before, at
    /// first 1d]
    #[arg(long, value_name = "TIME", requires = "from", value_parser = time_of_at_least(Duration::from_secs(60)))]
    pub(super) every: Option<Duration>,
    #[command(flatten)]
    pub(super) database: DatabaseArgs,
    #[command(flatten)]
    pub(super) inventory: InventoryArgs,
}

#[derive(Args, Debug)]
pub(super) struct DetectArgs {
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(super) format: Format,
    /// Exit with 3 if drift is open, and otherwise with 4 if the inbox is not up to date
    #[arg(long)]
    pub(super) exit_code: bool,
    #[command(flatten)]
    pub(super) max_age: MaxAgeArgs,
    #[command(flatten)]
    pub(super) sync: SyncCronArgs,
    #[command(flatten)]
    pub(super) database: DatabaseArgs,
}

#[derive(Args, Debug)]
pub(super) struct PurgeArgs {
    #[command(flatten)]
    pub(super) database: DatabaseArgs,
    #[command(flatten)]
    pub(super) retention: RetentionArgs,
}

#[derive(Args, Debug)]
pub(super) struct NewTokenArgs {
    /// Subject of the token [default: operator]
    #[arg(long)]
    pub(super) email: Option<String>,
    /// Role: platform_admin, platform_viewer or an alias; may be repeated
    #[arg(long, required = true)]
    pub(super) role: Vec<String>,
    /// Lifetime of the token, such as 30m or 8h
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = time_of_at_least(Duration::ZERO))]
    pub(super) ttl: Duration,
    #[command(flatten)]
    pub(super) token: TokenArgs,
}

/// Output format of `detect`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Table as wide as the terminal.
    Table,
    /// One JSON document with the names of the GraphQL schema.
    Json,
}

/// Returns the definition of the command line. Help texts contain the names of variables, never their values.
pub(super) fn command() -> clap::Command {
    map_args(Cli::command(), |arg| arg.hide_env_values(true))
}

/// Parses the command line and the environment variables. Ends the process after a help text, or with code 2 if an
/// argument is invalid.
pub(super) fn parse() -> Cli {
    // An empty variable counts as unset.
    let is_empty = |name: &OsStr| std::env::var_os(name).is_some_and(|value| value.is_empty());
    let without_empty = map_args(command(), |arg| {
        if arg.get_env().is_some_and(is_empty) {
            arg.env(Resettable::Reset)
        } else {
            arg
        }
    });
    let matches = without_empty
        .try_get_matches()
        .unwrap_or_else(|error| match error.kind() {
            // The help text must also contain the names of variables that are empty.
            ErrorKind::DisplayHelp => command().get_matches(),
            _ => with_variable(error).exit(),
        });
    let mut cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    if let (Command::Config(config), Some((name, matches))) = (&mut cli.command, matches.subcommand()) {
        config.in_force = in_force(name, matches);
    }
    if let (Command::Demo(demo), Some((_, matches))) = (&mut cli.command, matches.subcommand()) {
        demo.any_port = matches.value_source("listen") == Some(ValueSource::DefaultValue);
    }
    cli
}

fn map_args(command: clap::Command, map: impl Fn(Arg) -> Arg + Copy) -> clap::Command {
    command
        .mut_args(map)
        .mut_subcommands(|subcommand| map_args(subcommand, map))
}

/// Adds the name of the environment variable to an error about a flag. Hides a value that may contain a password.
fn with_variable(mut error: clap::Error) -> clap::Error {
    let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg).cloned() else {
        return error;
    };
    let mut command = command();
    command.build();
    if let Some(variable) = variable_of(&command, &flag) {
        let names = format!("{flag} or {variable}");
        error.insert(ContextKind::InvalidArg, ContextValue::String(names));
    }
    let value = error.get(ContextKind::InvalidValue).cloned();
    match value {
        Some(ContextValue::String(value)) if value.contains('@') || value.contains("://") => {
            without_value(&error, &value)
        }
        _ => error,
    }
}

/// Hides a value wherever the text of an error has it: the reason may quote the value, too.
fn without_value(error: &clap::Error, value: &str) -> clap::Error {
    let text = error.render().to_string().replace(value.trim(), "(hidden)");
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    clap::Error::raw(error.kind(), text)
}

/// Returns the environment variable of a flag. `flag` is in the form of clap's errors, such as `--listen <ADDR:PORT>`.
fn variable_of(command: &clap::Command, flag: &str) -> Option<String> {
    let mut args = command.get_arguments().filter(|arg| arg.to_string() == flag);
    let variable = args.find_map(|arg| arg.get_env()?.to_str().map(str::to_owned));
    variable.or_else(|| command.get_subcommands().find_map(|sub| variable_of(sub, flag)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heading_of(arg: &clap::Arg) -> Option<&'static str> {
        let env = arg.get_env()?.to_str()?;
        let has = |prefix: &str| env.starts_with(prefix);
        Some(match env {
            "DRIFT_REQUEST_TIMEOUT" => "Limits of one request",
            _ if has("DRIFT_MAX_BODY") || has("DRIFT_MAX_QUERY") => "Limits of one request",
            _ if has("DRIFT_JWT") || has("DRIFT_ROLE") => "Tokens",
            _ if env.ends_with("_CRON") => "Schedules",
            "DRIFT_LISTEN" | "DRIFT_INTROSPECTION" | "DRIFT_ALLOWED_ORIGINS" => "HTTP server",
            "DRIFT_INVENTORY_FILE" | "DIGITALOCEAN_API_URL" => "Inventory",
            "DRIFT_MIGRATE" => "Database",
            _ => return None,
        })
    }

    #[test]
    fn each_flag_is_listed_under_its_heading() {
        let mut command = command();
        command.build();
        let mut checked = 0;
        for subcommand in command.get_subcommands() {
            for arg in subcommand.get_arguments().filter(|arg| !arg.is_global_set()) {
                let place = format!("{} {}", subcommand.get_name(), arg.get_id());
                match (arg.get_env(), heading_of(arg)) {
                    (None, _) => assert_eq!(arg.get_help_heading(), None, "{place}"),
                    (Some(_), Some(heading)) => {
                        assert_eq!(arg.get_help_heading(), Some(heading), "{place}");
                        checked += 1;
                    }
                    (Some(_), None) => assert!(arg.get_help_heading().is_some(), "{place}"),
                }
                assert!(arg.get_help().is_some(), "{place} has no help text");
            }
        }
        assert!(checked > 20, "{checked}");
    }
}
