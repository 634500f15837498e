//! Secrets, which are read from variables and files only.

use std::env::VarError;
use std::path::Path;

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
  DRIFT_PROXY_SECRET  Secret that the proxy of DRIFT_PROXY_SIGN_IN sends, at least 32 bytes
An empty variable counts as unset. The log goes to standard error; RUST_LOG filters it."
    )
}

/// Reads a secret from its variable, or from the file that another variable names.
///
/// # Errors
/// Both variables are set, one is not UTF-8, or the file is empty or cannot be read.
pub(super) fn secret(name: &'static str, file_name: &'static str) -> Result<Option<SecretString>> {
    let read = |name| variable(name).map_err(|_| BadSetting::new(name, "is not UTF-8"));
    let path = match (read(name)?, read(file_name)?) {
        (Some(_), Some(_)) => {
            let why = format!("cannot be combined with {file_name}: unset one of them");
            return Err(BadSetting::new(name, why));
        }
        (Some(text), None) => return Ok(Some(text.into())),
        (None, None) => return Ok(None),
        (None, Some(path)) => path,
    };
    secret_in_file(Path::new(&path))
        .map(Some)
        .map_err(|why| BadSetting::new(file_name, why))
}

/// Reads a secret from a file, without the end of its line.
///
/// # Errors
/// The file is empty or cannot be read.
pub(super) fn secret_in_file(path: &Path) -> Result<SecretString, String> {
    let text = std::fs::read_to_string(path).map_err(|why| format!("{}: {why}", path.display()))?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(format!("{} is empty", path.display())),
        text => Ok(text.into()),
    }
}

/// Reads a variable. An empty one counts as unset.
///
/// # Errors
/// The value is not UTF-8.
pub(super) fn variable(name: &str) -> Result<Option<String>, String> {
    match std::env::var(name) {
        Ok(text) => Ok(Some(text).filter(|text| !text.is_empty())),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(format!("{name} is not UTF-8")),
    }
}
