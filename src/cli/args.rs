//! What may be written on the command line.

use super::import::ImportArgs;
use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::config::{
    DatabaseArgs, HttpArgs, InventoryArgs, MaxAgeArgs, RetentionArgs, ScheduleArgs, TokenArgs,
};

/// What --help says at its end.
const SECRETS: &str = "\
Secrets are read from the environment, or from the file that NAME_FILE names:
  DATABASE_URL        sqlite://PATH or postgres://... [default: sqlite://drift-inbox.db?mode=rwc]
  DIGITALOCEAN_TOKEN  token of the account to sync; read scopes are enough
  DRIFT_JWT_SECRET    shared secret that signs tokens, at least 32 bytes
The log goes to standard error; RUST_LOG filters it. An empty variable is an unset one.
Exit codes: 0 fine, 1 failed or incomplete, 2 wrong usage; with detect --exit-code also 3 drift remains,
4 no drift is known, but that nothing differs cannot be said: the inventory is missing, incomplete or too old,
resources are settling, or no resource has a spec.";

/// Where does a cloud differ from what its operators asked for?
#[derive(Debug, Parser)]
#[command(name = "drift-inbox", version, about, after_help = SECRETS)]
pub(super) struct Cli {
    /// How the log looks: text | json [default: text]
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
    /// Shows a sample account with drift in it, and serves it until Ctrl-C
    Demo(DemoArgs),
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
    /// Records what a Terraform or OpenTofu state asks for
    #[command(after_help = SECRETS)]
    ImportTerraform(ImportArgs),
    /// Deletes rows that are older than the settings say, as serve does once a day
    #[command(after_help = SECRETS)]
    Purge(PurgeArgs),
    /// Prints a token that is signed with DRIFT_JWT_SECRET
    #[command(after_help = SECRETS)]
    Token(NewTokenArgs),
    /// Prints the GraphQL schema
    Schema,
    /// Prints what makes a shell complete commands and flags
    Completions {
        /// Shell that it is for
        shell: Shell,
    },
    /// Prints a manual page, of the program or of one command
    Man {
        /// Command that it is about
        #[arg(value_name = "COMMAND")]
        about: Option<String>,
    },
}

impl Command {
    /// Whether it prints by itself what it did, so that a log of every run would be in the way.
    pub(super) fn reports_itself(&self) -> bool {
        !matches!(self, Self::Serve(_))
    }
}

// Own flags come before flattened ones: the heading of a flattened group also covers the flags after it.
#[derive(Args, Debug)]
pub(super) struct DemoArgs {
    /// Change something in the sample account every so often, every 45s unless told otherwise
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
    /// Only these kinds
    #[arg(long, value_delimiter = ',', value_name = "KIND,...")]
    pub(super) kinds: Option<Vec<String>>,
    /// Go through with a listing that lacks more than half of a kind
    #[arg(long)]
    pub(super) allow_mass_gone: bool,
    /// Go through with a listing of another account, or of a file in the place of an account
    #[arg(long)]
    pub(super) allow_other_account: bool,
    #[command(flatten)]
    pub(super) database: DatabaseArgs,
    #[command(flatten)]
    pub(super) inventory: InventoryArgs,
}

#[derive(Args, Debug)]
pub(super) struct DetectArgs {
    /// How to print what differs
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(super) format: Format,
    /// End with 3 when open drift remains, and else with 4 when that nothing differs cannot be vouched for
    #[arg(long)]
    pub(super) exit_code: bool,
    #[command(flatten)]
    pub(super) max_age: MaxAgeArgs,
    /// When syncs run, of which twice the interval is the default of --max-age [default: "0 15 * * * *"]
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
    /// Who it is for; the subject is `operator` without
    #[arg(long)]
    pub(super) email: Option<String>,
    /// Role that it carries: platform_admin, platform_viewer or an alias; may be given again
    #[arg(long, required = true)]
    pub(super) role: Vec<String>,
    /// How long it is good for
    #[arg(long, default_value = "1h")]
    pub(super) ttl: String,
    #[command(flatten)]
    pub(super) token: TokenArgs,
}

/// How `detect` prints what differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people: as wide as the terminal.
    Table,
    /// For programs: one JSON document, its names those of the GraphQL schema.
    Json,
}

/// The whole command line, for those who describe it.
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
            "DRIFT_REQUEST_TIMEOUT" => "Bounds of one request",
            _ if has("DRIFT_MAX_BODY") || has("DRIFT_MAX_QUERY") => "Bounds of one request",
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
