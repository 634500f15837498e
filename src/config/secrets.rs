//! Secrets, which are read from variables and files only.

use std::env::VarError;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};

use super::{BadSetting, DEFAULT_DATABASE, Result};

/// A secret setting.
#[derive(Debug)]
pub(crate) struct Secret {
    /// The variable with its value.
    pub(crate) name: &'static str,
    /// The variable with the path of a file that has its value.
    pub(crate) file_name: &'static str,
    /// What it is, for the help text.
    help: &'static str,
    /// Its default, which is no secret.
    pub(crate) default: Option<&'static str>,
}

/// The address of the database.
pub(super) const DATABASE_URL: Secret = Secret {
    name: "DATABASE_URL",
    file_name: "DATABASE_URL_FILE",
    help: "sqlite://PATH or postgres://...",
    default: Some(DEFAULT_DATABASE),
};
/// The token of a cloud account.
pub(super) const DIGITALOCEAN_TOKEN: Secret = Secret {
    name: "DIGITALOCEAN_TOKEN",
    file_name: "DIGITALOCEAN_TOKEN_FILE",
    help: "Token of the DigitalOcean account to sync; read scopes are enough",
    default: None,
};
/// The key of tokens.
pub(super) const DRIFT_JWT_SECRET: Secret = Secret {
    name: "DRIFT_JWT_SECRET",
    file_name: "DRIFT_JWT_SECRET_FILE",
    help: "HS256 secret that signs tokens, at least 32 bytes",
    default: None,
};
/// What a proxy sends to prove that it is the proxy.
pub(super) const DRIFT_PROXY_SECRET: Secret = Secret {
    name: "DRIFT_PROXY_SECRET",
    file_name: "DRIFT_PROXY_SECRET_FILE",
    help: "Secret that the proxy of DRIFT_PROXY_SIGN_IN sends, at least 32 bytes",
    default: None,
};
/// Headers of requests to the collector of traces, which often have a token.
pub(super) const DRIFT_OTLP_HEADERS: Secret = Secret {
    name: "DRIFT_OTLP_HEADERS",
    file_name: "DRIFT_OTLP_HEADERS_FILE",
    help: "Headers for the collector of DRIFT_OTLP_ENDPOINT: NAME=VALUE,...",
    default: None,
};
/// All secret settings.
pub(crate) const SECRETS: [&Secret; 5] = [
    &DATABASE_URL,
    &DIGITALOCEAN_TOKEN,
    &DRIFT_JWT_SECRET,
    &DRIFT_PROXY_SECRET,
    &DRIFT_OTLP_HEADERS,
];

/// Returns the part of a help text that lists the secrets.
pub(crate) fn secrets_help() -> String {
    let lines = SECRETS.map(|secret| {
        let default = secret.default.map(|default| format!(" [default: {default}]"));
        format!(
            "  {:18}  {}{}\n",
            secret.name,
            secret.help,
            default.unwrap_or_default()
        )
    });
    format!(
        "\
Secrets are read from the environment, or from the file that NAME_FILE names:
{}An empty variable counts as unset. The log goes to standard error; RUST_LOG filters it.",
        lines.concat()
    )
}

/// Where a secret is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SecretOrigin {
    /// In its variable.
    Variable,
    /// In this file.
    File(PathBuf),
    /// Nowhere.
    Unset,
}

impl Secret {
    /// Returns where it is set. Does not read the file.
    ///
    /// # Errors
    /// Both variables are set, or one is not UTF-8.
    pub(crate) fn origin(&self) -> Result<SecretOrigin> {
        let read = |name| variable(name).map_err(|_| BadSetting::new(name, "is not UTF-8"));
        match (read(self.name)?, read(self.file_name)?) {
            (Some(_), Some(_)) => {
                let why = format!("cannot be combined with {}: unset one of them", self.file_name);
                Err(BadSetting::new(self.name, why))
            }
            (Some(_), None) => Ok(SecretOrigin::Variable),
            (None, Some(path)) => Ok(SecretOrigin::File(path.into())),
            (None, None) => Ok(SecretOrigin::Unset),
        }
    }

    /// Reads the secret from its variable, or from the file that another variable names.
    ///
    /// # Errors
    /// Both variables are set, one is not UTF-8, or the file is empty or cannot be read.
    pub(crate) fn read(&self) -> Result<Option<SecretString>> {
        let value = match self.origin()? {
            SecretOrigin::Variable => variable(self.name).map(|text| text.map(Into::into)),
            SecretOrigin::File(path) => {
                let secret = secret_in_file(&path).map(Some);
                return secret.map_err(|why| BadSetting::new(self.file_name, why));
            }
            SecretOrigin::Unset => Ok(None),
        };
        value.map_err(|why| BadSetting::new(self.name, why))
    }
}

/// Returns a secret and, if it is an address, its password: as written, and decoded. Errors of other programs may repeat
/// them.
pub(crate) fn secret_values(secret: &SecretString) -> Vec<SecretString> {
    let text = secret.expose_secret();
    let url = reqwest::Url::parse(text).ok();
    let Some(url) = url.filter(|url| url.has_authority()) else {
        return vec![secret.clone()];
    };
    let mut values: Vec<SecretString> = url.password().map(Into::into).into_iter().collect();
    let sent = url.query_pairs().filter(|(name, _)| name == "password");
    values.extend(sent.map(|(_, value)| value.into_owned().into()));
    let written = text.split_once("://").and_then(|(_, rest)| {
        let (user, _) = rest.rsplit_once('@')?;
        Some(user.split_once(':')?.1)
    });
    values.extend(written.map(Into::into));
    // The decoded password, as libraries of databases send it.
    let decoded: Vec<SecretString> = values
        .iter()
        .filter_map(|value| decoded(value.expose_secret()))
        .collect();
    values.extend(decoded);
    values
}

/// Decodes the escapes of an address, such as %40.
fn decoded(text: &str) -> Option<SecretString> {
    let form = format!("p={}", text.replace('+', "%2B"));
    let url = reqwest::Url::parse(&format!("http://host/?{form}")).ok()?;
    let (_, value) = url.query_pairs().next()?;
    Some(value.into_owned().into())
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
