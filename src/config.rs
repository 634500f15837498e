//! Settings: flags and environment variables, validated before the program starts.
//!
//! An empty variable counts as unset. A secret is read from its variable or from the file that `NAME_FILE` names,
//! never from a flag, and errors never contain its value.

mod bounds;
mod retention;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;
use secrecy::{ExposeSecret as _, SecretString};

use crate::auth::TokenVerifier;
use crate::db::WaitLimits;
use crate::domain::actor::{RoleAliases, RolesClaim};
use crate::domain::freshness::MaxAge;
use crate::domain::schedule::{Schedule, Schedules};
use crate::graphql::limits::ApiLimits;
use graphql_server::transport::{origin::Origin, socket::SocketSettings};

pub use self::bounds::BoundsArgs;
pub use self::retention::RetentionArgs;
use crate::provider::digitalocean::{ApiToken, ApiUrl};

/// Default issuer of tokens, and their default audience.
const DEFAULT_ISSUER: &str = "drift-inbox";
const DEFAULT_DATABASE: &str = "sqlite://drift-inbox.db?mode=rwc";
const DEFAULT_LISTEN: &str = "127.0.0.1:8080";
const DEFAULT_SYNC_CRON: &str = "0 15 * * * *";
const DEFAULT_DETECT_CRON: &str = "0 20 * * * *";
/// Maximum length of a source's name in bytes.
const MAX_SOURCE_BYTES: usize = 200;
/// The value that disables a schedule.
const OFF: &str = "off";

/// An invalid setting, with its name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {why}")]
pub struct BadSetting {
    name: &'static str,
    why: String,
}

impl BadSetting {
    /// Creates an error about the setting `name`.
    pub fn new(name: &'static str, why: impl ToString) -> Self {
        Self {
            name,
            why: why.to_string(),
        }
    }
}

type Result<T, E = BadSetting> = std::result::Result<T, E>;

/// Database settings. The address itself is a secret: DATABASE_URL or DATABASE_URL_FILE.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Database")]
pub struct DatabaseArgs {
    /// Run missing migrations at start; off makes them an error [default: on]
    #[arg(long, env = "DRIFT_MIGRATE", hide_env_values = true, value_name = "on|off")]
    pub migrate: Option<String>,
    /// Longest wait of a request for a database lock [default: 5s]
    #[arg(long, env = "DRIFT_LOCK_TIMEOUT", hide_env_values = true, value_name = "TIME")]
    pub lock_timeout: Option<String>,
    /// Longest statement in a writing transaction of a request, on PostgreSQL [default: 15s]
    #[arg(
        long,
        env = "DRIFT_STATEMENT_TIMEOUT",
        hide_env_values = true,
        value_name = "TIME"
    )]
    pub statement_timeout: Option<String>,
}

/// The validated settings of the database.
#[derive(Clone, Debug)]
pub struct DatabaseConfig {
    /// `sqlite://...` or `postgres://...`.
    pub url: SecretString,
    /// Whether to run missing migrations first.
    pub migrate: bool,
    /// How long the transaction of a request may wait.
    pub wait_limits: WaitLimits,
}

impl DatabaseArgs {
    /// Reads and validates the settings.
    pub fn resolve(&self) -> Result<DatabaseConfig> {
        let url = secret("DATABASE_URL", "DATABASE_URL_FILE")?.unwrap_or_else(|| DEFAULT_DATABASE.into());
        let text = url.expose_secret();
        crate::db::check_address(text).map_err(|why| BadSetting::new("DATABASE_URL", why))?;
        Ok(DatabaseConfig {
            migrate: switch("DRIFT_MIGRATE", self.migrate.as_deref(), true)?,
            wait_limits: self.wait_limits()?,
            url,
        })
    }

    fn wait_limits(&self) -> Result<WaitLimits> {
        let default = WaitLimits::REQUEST;
        let or = |name, text: &Option<String>, default| match set(text.as_deref()) {
            // PostgreSQL treats zero as no limit.
            Some(text) => match duration(name, text)? {
                Duration::ZERO => Err(BadSetting::new(name, "must be more than 0s")),
                time => Ok(time),
            },
            None => Ok(default),
        };
        Ok(WaitLimits {
            lock: or("DRIFT_LOCK_TIMEOUT", &self.lock_timeout, default.lock)?,
            statement: or(
                "DRIFT_STATEMENT_TIMEOUT",
                &self.statement_timeout,
                default.statement,
            )?,
        })
    }
}

/// Inventory settings. The token itself is a secret: DIGITALOCEAN_TOKEN or
/// DIGITALOCEAN_TOKEN_FILE.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Inventory")]
pub struct InventoryArgs {
    /// JSON file that lists the resources of an account, instead of DIGITALOCEAN_TOKEN
    #[arg(
        long,
        env = "DRIFT_INVENTORY_FILE",
        hide_env_values = true,
        value_name = "FILE"
    )]
    pub inventory_file: Option<String>,
    /// Address of DigitalOcean's API; http for loopback addresses only [default: `https://api.digitalocean.com`]
    #[arg(
        long,
        env = "DIGITALOCEAN_API_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub digitalocean_api_url: Option<String>,
    /// Name of the source, the same on each server that syncs it; at most 200 bytes [default: digitalocean, or
    /// file:PATH]
    #[arg(long, env = "DRIFT_SOURCE", hide_env_values = true, value_name = "NAME")]
    pub source: Option<String>,
}

/// The source to sync.
#[derive(Clone, Debug)]
pub enum InventoryConfig {
    /// An inventory file.
    File(PathBuf),
    /// A DigitalOcean account.
    DigitalOcean(ApiUrl, ApiToken),
}

impl InventoryArgs {
    /// Returns the name of the source, if it is set.
    ///
    /// # Errors
    /// The name is too long or contains control characters.
    pub fn source(&self) -> Result<Option<String>> {
        let Some(name) = set(self.source.as_deref()) else {
            return Ok(None);
        };
        if name.len() > MAX_SOURCE_BYTES || name.contains(char::is_control) {
            let why = format!("must have at most {MAX_SOURCE_BYTES} bytes and no control characters");
            return Err(BadSetting::new("DRIFT_SOURCE", why));
        }
        Ok(Some(name.to_owned()))
    }

    /// Reads and validates the settings. `None` if no source is configured.
    pub fn resolve(&self) -> Result<Option<InventoryConfig>> {
        self.with_token(secret("DIGITALOCEAN_TOKEN", "DIGITALOCEAN_TOKEN_FILE")?)
    }

    fn with_token(&self, token: Option<SecretString>) -> Result<Option<InventoryConfig>> {
        let text = set(self.digitalocean_api_url.as_deref()).unwrap_or(ApiUrl::DEFAULT);
        let api = ApiUrl::parse(text).map_err(|why| BadSetting::new("DIGITALOCEAN_API_URL", why))?;
        let file = set(self.inventory_file.as_deref()).map(PathBuf::from);
        match (file, token) {
            (Some(_), Some(_)) => Err(BadSetting::new(
                "DIGITALOCEAN_TOKEN",
                "cannot be combined with DRIFT_INVENTORY_FILE: unset one of them",
            )),
            (Some(file), None) => Ok(Some(InventoryConfig::File(file))),
            (None, Some(token)) => ApiToken::new(&token)
                .map(|token| Some(InventoryConfig::DigitalOcean(api, token)))
                .map_err(|why| BadSetting::new("DIGITALOCEAN_TOKEN", why)),
            (None, None) => Ok(None),
        }
    }
}

/// How tokens are signed. The secret itself is DRIFT_JWT_SECRET or DRIFT_JWT_SECRET_FILE.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Tokens")]
pub struct TokenArgs {
    /// Value of the claim iss [default: drift-inbox]
    #[arg(long, env = "DRIFT_JWT_ISSUER", hide_env_values = true, value_name = "NAME")]
    pub jwt_issuer: Option<String>,
    /// Value of the claim aud [default: drift-inbox]
    #[arg(long, env = "DRIFT_JWT_AUDIENCE", hide_env_values = true, value_name = "NAME")]
    pub jwt_audience: Option<String>,
    /// Claim with the list of roles, or a path such as realm_access.roles [default: roles]
    #[arg(long, env = "DRIFT_ROLES_CLAIM", hide_env_values = true, value_name = "CLAIM")]
    pub roles_claim: Option<String>,
    /// Further names of the roles, such as ops=platform_admin,staff=platform_viewer
    #[arg(
        long,
        env = "DRIFT_ROLE_ALIASES",
        hide_env_values = true,
        value_name = "ALIAS=ROLE,..."
    )]
    pub role_aliases: Option<String>,
}

/// The validated settings of tokens.
#[derive(Clone, Debug)]
pub struct TokenConfig {
    /// Shared secret, at least 32 bytes.
    pub secret: SecretString,
    /// Issuer.
    pub issuer: String,
    /// Audience.
    pub audience: String,
    /// Where the roles are.
    pub roles_claim: RolesClaim,
    /// More names for the roles.
    pub aliases: RoleAliases,
}

impl TokenArgs {
    /// Reads and validates the settings.
    pub fn resolve(&self) -> Result<TokenConfig> {
        let secret = secret("DRIFT_JWT_SECRET", "DRIFT_JWT_SECRET_FILE")?.ok_or_else(|| {
            BadSetting::new(
                "DRIFT_JWT_SECRET",
                "is not set; set it to a shared secret of at least 32 bytes",
            )
        })?;
        self.with_secret(secret)
    }

    /// Validates the settings and combines them with the secret.
    pub fn with_secret(&self, secret: SecretString) -> Result<TokenConfig> {
        let text = |value: &Option<String>| set(value.as_deref()).unwrap_or(DEFAULT_ISSUER).to_owned();
        let claim = set(self.roles_claim.as_deref())
            .map(RolesClaim::parse)
            .transpose();
        let aliases = set(self.role_aliases.as_deref())
            .map(RoleAliases::parse)
            .transpose();
        let config = TokenConfig {
            secret,
            issuer: text(&self.jwt_issuer),
            audience: text(&self.jwt_audience),
            roles_claim: claim
                .map_err(|why| BadSetting::new("DRIFT_ROLES_CLAIM", why))?
                .unwrap_or_default(),
            aliases: aliases
                .map_err(|why| BadSetting::new("DRIFT_ROLE_ALIASES", why))?
                .unwrap_or_default(),
        };
        config.verifier()?;
        Ok(config)
    }
}

impl TokenConfig {
    /// Returns the verifier of tokens.
    pub fn verifier(&self) -> Result<TokenVerifier> {
        let (claim, aliases) = (self.roles_claim.clone(), self.aliases.clone());
        TokenVerifier::hs256(
            &self.secret,
            self.issuer.clone(),
            self.audience.clone(),
            claim,
            aliases,
        )
        .map_err(|why| BadSetting::new("DRIFT_JWT_SECRET", why))
    }
}

/// Schedules of the jobs.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Schedules")]
pub struct ScheduleArgs {
    /// Schedule of syncs: cron expression in UTC, seconds first, or off [default: "0 15 * * * *"]
    #[arg(long, env = "DRIFT_SYNC_CRON", hide_env_values = true, value_name = "CRON")]
    pub sync_cron: Option<String>,
    /// Schedule of sweeps: cron expression in UTC, seconds first, or off [default: "0 20 * * * *"]
    #[arg(long, env = "DRIFT_DETECT_CRON", hide_env_values = true, value_name = "CRON")]
    pub detect_cron: Option<String>,
}

/// Maximum age of the inventory.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Schedules")]
pub struct MaxAgeArgs {
    /// Maximum age of the last complete listing of a kind, such as 90m; a sweep over an older one is partial
    /// [default: twice the interval of syncs]
    #[arg(long, env = "DRIFT_MAX_AGE", hide_env_values = true, value_name = "TIME")]
    pub max_age: Option<String>,
}

impl MaxAgeArgs {
    /// Reads and validates the maximum age. `sync` is the schedule of syncs.
    ///
    /// # Errors
    /// The maximum age is not a duration.
    pub fn resolve(&self, sync: Option<&Schedule>) -> Result<MaxAge> {
        let Some(text) = set(self.max_age.as_deref()) else {
            return Ok(sync.cloned().map(MaxAge::twice_the_interval).unwrap_or_default());
        };
        let age = duration("DRIFT_MAX_AGE", text)?;
        let age = TimeDelta::from_std(age).map_err(|why| BadSetting::new("DRIFT_MAX_AGE", why))?;
        Ok(MaxAge::Fixed(age))
    }
}

impl ScheduleArgs {
    /// Parses the schedule of syncs, for commands that do not run schedules themselves.
    ///
    /// # Errors
    /// The schedule is not a cron expression.
    pub fn sync_schedule(cron: Option<&str>, now: DateTime<Utc>) -> Result<Option<Schedule>> {
        schedule("DRIFT_SYNC_CRON", cron, DEFAULT_SYNC_CRON, now)
    }

    /// Reads and validates the schedules.
    pub fn resolve(&self, now: DateTime<Utc>) -> Result<Schedules> {
        Ok(Schedules {
            sync: schedule(
                "DRIFT_SYNC_CRON",
                self.sync_cron.as_deref(),
                DEFAULT_SYNC_CRON,
                now,
            )?,
            detect: schedule(
                "DRIFT_DETECT_CRON",
                self.detect_cron.as_deref(),
                DEFAULT_DETECT_CRON,
                now,
            )?,
            retention: None,
        })
    }
}

fn schedule(
    name: &'static str,
    value: Option<&str>,
    default: &str,
    now: DateTime<Utc>,
) -> Result<Option<Schedule>> {
    match set(value).unwrap_or(default) {
        OFF => Ok(None),
        cron => Schedule::parse(cron, now)
            .map(Some)
            .map_err(|why| BadSetting::new(name, why)),
    }
}

/// Where to listen, and what to serve.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "HTTP server")]
pub struct HttpArgs {
    /// Address and port to listen on; port 0 selects a free one [default: 127.0.0.1:8080]
    #[arg(long, env = "DRIFT_LISTEN", hide_env_values = true, value_name = "ADDR:PORT")]
    pub listen: Option<String>,
    /// Allow introspection of the GraphQL schema [default: on]
    #[arg(
        long,
        env = "DRIFT_INTROSPECTION",
        hide_env_values = true,
        value_name = "on|off"
    )]
    pub introspection: Option<String>,
    /// Other origins whose pages may open a WebSocket, such as `https://ops.example.com`
    #[arg(
        long,
        env = "DRIFT_ALLOWED_ORIGINS",
        hide_env_values = true,
        value_name = "ORIGIN,..."
    )]
    pub allowed_origins: Option<String>,
    #[command(flatten)]
    bounds: BoundsArgs,
}

impl HttpArgs {
    /// Returns the address to listen on.
    pub fn listen(&self) -> Result<SocketAddr> {
        let text = set(self.listen.as_deref()).unwrap_or(DEFAULT_LISTEN);
        text.parse().map_err(|_| {
            BadSetting::new(
                "DRIFT_LISTEN",
                format!("{text:?} is not an address with a port, such as {DEFAULT_LISTEN}"),
            )
        })
    }

    /// Returns the limits of one request.
    pub fn bounds(&self) -> Result<ApiLimits> {
        self.bounds.resolve()
    }

    /// Returns the settings of sockets.
    pub fn sockets(&self) -> Result<SocketSettings> {
        let origins = set(self.allowed_origins.as_deref()).map(|text| text.split(','));
        let origins = origins.into_iter().flatten().map(str::trim).map(Origin::parse);
        Ok(SocketSettings {
            allowed_origins: origins
                .collect::<Result<_, _>>()
                .map_err(|why| BadSetting::new("DRIFT_ALLOWED_ORIGINS", why))?,
            allowed_origins_setting: "DRIFT_ALLOWED_ORIGINS",
            ..SocketSettings::default()
        })
    }

    /// Returns whether introspection is enabled.
    pub fn introspection(&self) -> Result<bool> {
        switch("DRIFT_INTROSPECTION", self.introspection.as_deref(), true)
    }
}

/// Format of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// Parses the format. The default applies if `value` is not set.
    pub fn parse(value: Option<&str>) -> Result<Self> {
        match set(value) {
            None | Some("text") => Ok(Self::Text),
            Some("json") => Ok(Self::Json),
            Some(other) => Err(BadSetting::new(
                "DRIFT_LOG_FORMAT",
                format!("{other:?} is not text or json"),
            )),
        }
    }
}

/// Parses a duration such as `1h` or `30m`.
pub fn duration(name: &'static str, text: &str) -> Result<Duration> {
    humantime::parse_duration(text).map_err(|why| BadSetting::new(name, format!("{text:?}: {why}")))
}

fn set(value: Option<&str>) -> Option<&str> {
    value.filter(|text| !text.is_empty())
}

fn switch(name: &'static str, value: Option<&str>, default: bool) -> Result<bool> {
    match set(value) {
        None => Ok(default),
        Some("on") => Ok(true),
        Some("off") => Ok(false),
        Some(other) => Err(BadSetting::new(name, format!("{other:?} is not on or off"))),
    }
}

/// Reads a secret from its variable, or from the file that another variable names.
fn secret(name: &'static str, file_name: &'static str) -> Result<Option<SecretString>> {
    let read = |name| match std::env::var(name) {
        Ok(text) if !text.is_empty() => Ok(Some(text)),
        Ok(_) | Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(BadSetting::new(name, "is not UTF-8")),
    };
    match (read(name)?, read(file_name)?) {
        (Some(_), Some(_)) => Err(BadSetting::new(
            name,
            format!("cannot be combined with {file_name}: unset one of them"),
        )),
        (Some(text), None) => Ok(Some(text.into())),
        (None, None) => Ok(None),
        (None, Some(path)) => {
            let text = std::fs::read_to_string(&path)
                .map_err(|why| BadSetting::new(file_name, format!("{path}: {why}")))?;
            let text = text.trim_end_matches(['\r', '\n']);
            if text.is_empty() {
                return Err(BadSetting::new(file_name, format!("{path} is empty")));
            }
            Ok(Some(text.into()))
        }
    }
}

#[cfg(test)]
mod tests;
