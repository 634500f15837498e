//! Settings of the sources of the inventory.

use std::path::PathBuf;

use chrono::TimeDelta;
use clap::Args;
use secrecy::SecretString;

use super::parsers::file;
use super::{BadSetting, Result, secrets, sources};
use crate::domain::schedule::Schedule;
use crate::provider::digitalocean::{ApiToken, ApiUrl};

/// Maximum length of a source's name in bytes.
const MAX_SOURCE_BYTES: usize = 200;

/// Inventory settings. The token itself is a secret: DIGITALOCEAN_TOKEN or
/// DIGITALOCEAN_TOKEN_FILE.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Inventory")]
pub(crate) struct InventoryArgs {
    /// JSON file that lists the resources of an account, instead of DIGITALOCEAN_TOKEN
    #[arg(long, env = "DRIFT_INVENTORY_FILE", value_name = "FILE", value_parser = file)]
    pub(super) inventory_file: Option<PathBuf>,
    /// Address of DigitalOcean's API; http for loopback addresses only
    #[arg(long, env = "DIGITALOCEAN_API_URL", value_name = "URL")]
    #[arg(default_value = ApiUrl::DEFAULT, value_parser = ApiUrl::parse)]
    pub(super) digitalocean_api_url: ApiUrl,
    /// Name of the source, the same on each server that syncs it; at most 200 bytes [default: digitalocean, or
    /// file:PATH]. With DRIFT_SOURCES, the source to sync [default: all]
    #[arg(long, env = "DRIFT_SOURCE", value_name = "NAME", value_parser = source)]
    pub(crate) source: Option<String>,
    /// TOML file that describes several sources, instead of DIGITALOCEAN_TOKEN and DRIFT_INVENTORY_FILE
    #[arg(long, env = "DRIFT_SOURCES", value_name = "FILE", value_parser = file)]
    pub(super) sources: Option<PathBuf>,
}

/// How the inventory of a source is read.
#[derive(Clone, Debug)]
pub(crate) enum InventoryConfig {
    /// From an inventory file.
    File(PathBuf),
    /// From a DigitalOcean account.
    DigitalOcean(ApiUrl, ApiToken),
    /// JSON lines are sent to the server.
    Lines,
    /// Refresh-only plans are sent to the server.
    TerraformPlan,
}

/// A configured source.
#[derive(Clone, Debug)]
pub(crate) struct SourceConfig {
    /// Name; if not set, the default name of its provider.
    pub(crate) name: Option<String>,
    /// How its inventory is read.
    pub(crate) inventory: InventoryConfig,
    /// Schedule of its own.
    pub(crate) schedule: Option<Schedule>,
    /// Expected time between two listings, if no schedule decides it.
    pub(crate) interval: Option<TimeDelta>,
    /// The account that it must list; any if not set.
    pub(crate) account: Option<String>,
}

impl InventoryArgs {
    /// Reads the token or the file of sources, and returns the configured sources.
    ///
    /// # Errors
    /// The token or the file of sources is not valid, or more than one of token, inventory file and file of sources is
    /// set.
    pub(crate) fn resolve(&self) -> Result<Vec<SourceConfig>> {
        let token = secrets::DIGITALOCEAN_TOKEN.read()?;
        let Some(sources) = &self.sources else {
            let only = self.with_token(token)?.map(|inventory| SourceConfig {
                name: self.source.clone(),
                inventory,
                schedule: None,
                interval: None,
                account: None,
            });
            return Ok(only.into_iter().collect());
        };
        if token.is_some() || self.inventory_file.is_some() {
            return Err(BadSetting::new(
                "DRIFT_SOURCES",
                "cannot be combined with DIGITALOCEAN_TOKEN or DRIFT_INVENTORY_FILE: unset one of them",
            ));
        }
        sources::read(sources)
    }

    /// Returns the files with tokens that the file of sources names.
    pub(crate) fn secret_files(&self) -> Vec<PathBuf> {
        self.sources
            .as_deref()
            .map(sources::token_files)
            .unwrap_or_default()
    }

    /// Returns whether the sources are in a file.
    pub(crate) fn is_from_file(&self) -> bool {
        self.sources.is_some()
    }

    /// Checks that no single source is selected: a server syncs all sources of its file.
    ///
    /// # Errors
    /// One is selected.
    pub(crate) fn check_all_selected(&self) -> Result<()> {
        match self.selected() {
            Some(_) => Err(BadSetting::new(
                "DRIFT_SOURCE",
                "cannot be combined with DRIFT_SOURCES: unset one of them",
            )),
            None => Ok(()),
        }
    }

    /// Returns the name of the source to sync, if the sources are in a file.
    pub(crate) fn selected(&self) -> Option<&str> {
        self.source.as_deref().filter(|_| self.sources.is_some())
    }

    pub(super) fn with_token(&self, token: Option<SecretString>) -> Result<Option<InventoryConfig>> {
        match (self.inventory_file.clone(), token) {
            (Some(_), Some(_)) => Err(BadSetting::new(
                "DIGITALOCEAN_TOKEN",
                "cannot be combined with DRIFT_INVENTORY_FILE: unset one of them",
            )),
            (Some(file), None) => Ok(Some(InventoryConfig::File(file))),
            (None, Some(token)) => ApiToken::new(&token)
                .map(|token| {
                    Some(InventoryConfig::DigitalOcean(
                        self.digitalocean_api_url.clone(),
                        token,
                    ))
                })
                .map_err(|why| BadSetting::new("DIGITALOCEAN_TOKEN", why)),
            (None, None) => Ok(None),
        }
    }
}

pub(super) fn source(name: &str) -> Result<String, String> {
    if name.len() > MAX_SOURCE_BYTES || name.contains(char::is_control) {
        return Err(format!(
            "must have at most {MAX_SOURCE_BYTES} bytes and no control characters"
        ));
    }
    Ok(name.to_owned())
}
