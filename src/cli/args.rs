//! Commands and flags.

use super::import::ImportArgs;
use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::config::{
    DatabaseArgs, HttpArgs, InventoryArgs, MaxAgeArgs, RetentionArgs, ScheduleArgs, TokenArgs,
};

/// The end of each help text.
const SECRETS: &str = "\
Secrets are read from the environment, or from the file that NAME_FILE names:
  DATABASE_URL        sqlite://PATH or postgres://... [default: sqlite://drift-inbox.db?mode=rwc]
  DIGITALOCEAN_TOKEN  Token of the DigitalOcean account to sync; read scopes are enough
  DRIFT_JWT_SECRET    HS256 secret that signs tokens, at least 32 bytes
An empty variable counts as unset. The log goes to standard error; RUST_LOG filters it.

Exit codes:
  0  Success
  1  Failed or incomplete
  2  Wrong usage or invalid setting
  3  Only with detect --exit-code: drift is open
  4  Only with detect --exit-code: no drift is open, but the inbox is not up to date: the inventory is missing,
     incomplete or too old, resources are settling, or no resource has a spec";

/// Reports where a cloud account differs from its desired state
#[derive(Debug, Parser)]
#[command(name = "drift-inbox", version, about, after_help = SECRETS)]
pub(super) struct Cli {
    /// Format of the log: text or json [default: text]
    #[arg(
        long,
        global = true,
        env = "DRIFT_LOG_FORMAT",
        hide_env_values = true,
        value_name = "FORMAT"
    )]
    pub(super) log_format: Option<String>,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Serve a sample account with drift from a temporary database, until Ctrl-C
    Demo(DemoArgs),
    /// Serve the page and the API, and run the scheduled jobs
    #[command(after_help = SECRETS)]
    Serve(Box<ServeArgs>),
    /// Run the missing migrations
    #[command(after_help = SECRETS)]
    Migrate,
    /// List the account and store the result as the inventory
    #[command(after_help = SECRETS)]
    Sync(SyncArgs),
    /// Compare every spec with the inventory, and print the open drifts
    #[command(after_help = SECRETS)]
    Detect(DetectArgs),
    /// Record the desired state from a Terraform or OpenTofu state
    #[command(after_help = SECRETS)]
    ImportTerraform(ImportArgs),
    /// Delete rows older than the retention settings, as the server does once a day
    #[command(after_help = SECRETS)]
    Purge(PurgeArgs),
    /// Print a token signed with DRIFT_JWT_SECRET
    #[command(after_help = SECRETS)]
    Token(NewTokenArgs),
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
    /// Whether the command prints its own result, so that log lines about each run would only repeat it.
    pub(super) fn reports_itself(&self) -> bool {
        !matches!(self, Self::Serve(_))
    }
}

// Own flags come before flattened ones: the heading of a flattened group also covers the flags after it.
#[derive(Args, Debug)]
pub(super) struct DemoArgs {
    /// Change something in the sample account at this interval; without a value, every 45s
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "45s")]
    pub(super) live: Option<String>,
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
    pub(super) token: TokenArgs,
    #[command(flatten)]
    pub(super) schedule: ScheduleArgs,
    #[command(flatten)]
    pub(super) max_age: MaxAgeArgs,
    #[command(flatten)]
    pub(super) retention: RetentionArgs,
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
    /// Schedule of syncs; --max-age defaults to twice its interval [default: "0 15 * * * *"]
    #[arg(long, env = "DRIFT_SYNC_CRON", hide_env_values = true, value_name = "CRON")]
    pub(super) sync_cron: Option<String>,
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
    #[arg(long, default_value = "1h")]
    pub(super) ttl: String,
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

/// The command line, for completions and manual pages.
pub(super) fn command() -> clap::Command {
    Cli::command()
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
    fn each_flag_stands_under_its_own_heading() {
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
