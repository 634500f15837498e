//! Settings of the source of the inventory.

use std::path::PathBuf;

use clap::Args;
use secrecy::SecretString;

use super::{BadSetting, Result, secret};
use crate::provider::digitalocean::{ApiToken, ApiUrl};

/// Maximum length of a source's name in bytes.
const MAX_SOURCE_BYTES: usize = 200;

/// Inventory settings. The token itself is a secret: DIGITALOCEAN_TOKEN or
/// DIGITALOCEAN_TOKEN_FILE.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Inventory")]
pub(crate) struct InventoryArgs {
    /// JSON file that lists the resources of an account, instead of DIGITALOCEAN_TOKEN
    #[arg(long, env = "DRIFT_INVENTORY_FILE", value_name = "FILE")]
    pub(super) inventory_file: Option<PathBuf>,
    /// Address of DigitalOcean's API; http for loopback addresses only
    #[arg(long, env = "DIGITALOCEAN_API_URL", value_name = "URL")]
    #[arg(default_value = ApiUrl::DEFAULT, value_parser = ApiUrl::parse)]
    pub(super) digitalocean_api_url: ApiUrl,
    /// Name of the source, the same on each server that syncs it; at most 200 bytes [default: digitalocean, or
    /// file:PATH]
    #[arg(long, env = "DRIFT_SOURCE", value_name = "NAME", value_parser = source)]
    pub(crate) source: Option<String>,
}

/// The source to sync.
#[derive(Clone, Debug)]
pub(crate) enum InventoryConfig {
    /// An inventory file.
    File(PathBuf),
    /// A DigitalOcean account.
    DigitalOcean(ApiUrl, ApiToken),
}

impl InventoryArgs {
    /// Reads the token and returns the source to sync; `None` if no source is configured.
    ///
    /// # Errors
    /// The token is invalid, or both a token and a file are set.
    pub(crate) fn resolve(&self) -> Result<Option<InventoryConfig>> {
        self.with_token(secret("DIGITALOCEAN_TOKEN", "DIGITALOCEAN_TOKEN_FILE")?)
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

fn source(name: &str) -> Result<String, String> {
    if name.len() > MAX_SOURCE_BYTES || name.contains(char::is_control) {
        return Err(format!(
            "must have at most {MAX_SOURCE_BYTES} bytes and no control characters"
        ));
    }
    Ok(name.to_owned())
}
