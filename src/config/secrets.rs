//! Secrets, which are read from variables and files only.

use std::env::VarError;

use secrecy::SecretString;

use super::{BadSetting, DEFAULT_DATABASE, Result};

/// Returns the part of a help text that lists the secrets.
pub(crate) fn secrets_help() -> String {
    format!(
        "\
Secrets are read from the environment, or from the file that NAME_FILE names:
  DATABASE_URL        sqlite://PATH or postgres://... [default: {DEFAULT_DATABASE}]
  DIGITALOCEAN_TOKEN  Token of the DigitalOcean account to sync; read scopes are enough
  DRIFT_JWT_SECRET    HS256 secret that signs tokens, at least 32 bytes
An empty variable counts as unset. The log goes to standard error; RUST_LOG filters it."
    )
}

/// Reads a secret from its variable, or from the file that another variable names.
///
/// # Errors
/// Both variables are set, one is not UTF-8, or the file is empty or cannot be read.
pub(super) fn secret(name: &'static str, file_name: &'static str) -> Result<Option<SecretString>> {
    let path = match (variable(name)?, variable(file_name)?) {
        (Some(_), Some(_)) => {
            let why = format!("cannot be combined with {file_name}: unset one of them");
            return Err(BadSetting::new(name, why));
        }
        (Some(text), None) => return Ok(Some(text.into())),
        (None, None) => return Ok(None),
        (None, Some(path)) => path,
    };
    let text =
        std::fs::read_to_string(&path).map_err(|why| BadSetting::new(file_name, format!("{path}: {why}")))?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(BadSetting::new(file_name, format!("{path} is empty"))),
        text => Ok(Some(text.into())),
    }
}

/// Reads a variable. An empty one counts as unset.
fn variable(name: &'static str) -> Result<Option<String>> {
    match std::env::var(name) {
        Ok(text) => Ok(Some(text).filter(|text| !text.is_empty())),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(BadSetting::new(name, "is not UTF-8")),
    }
}
