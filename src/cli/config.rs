//! `config`: prints the settings in force and where each is set. The list is that of the parser of `serve`.

use std::io::Write as _;
use std::process::ExitCode;

use clap::ArgMatches;
use clap::parser::ValueSource;
use secrecy::ExposeSecret as _;
use serde::Serialize;

use super::args::{self, ConfigArgs};
use super::{Outcome, plain, print_line};
use crate::config::{BadSetting, SECRETS, SecretOrigin, database_url};
use crate::db::shown_address;

/// Where a setting is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Origin {
    /// A flag of this command.
    Flag,
    /// A variable of the environment.
    Environment,
    /// A file that a variable names.
    File,
    /// Nowhere: the default is in force.
    Default,
    /// Nowhere, and there is no default.
    Unset,
}

/// A setting in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct InForce {
    /// Heading in the help text.
    heading: String,
    /// Its variable.
    name: String,
    /// Its flag, if it has one.
    flag: Option<String>,
    /// Its value. That of a secret is not here.
    value: Option<String>,
    /// Where it is set.
    origin: Origin,
    /// The file, if it is set in one.
    file: Option<String>,
    /// Whether the value is a secret, or has one in it.
    secret: bool,
}

/// Returns the settings that the parser of a command found, in the order of its help text.
pub(super) fn in_force(command: &str, matches: &ArgMatches) -> Vec<InForce> {
    let mut definition = args::command();
    definition.build();
    let Some(definition) = definition.find_subcommand(command) else {
        return Vec::new();
    };
    let settings = definition.get_arguments().filter_map(|arg| {
        let id = arg.get_id().as_str();
        let values: Vec<String> = matches
            .get_raw(id)
            .into_iter()
            .flatten()
            .map(|value| value.to_string_lossy().into_owned())
            .collect();
        let value = (!values.is_empty()).then(|| values.join(","));
        let origin = match matches.value_source(id) {
            Some(ValueSource::CommandLine) => Origin::Flag,
            Some(ValueSource::EnvVariable) => Origin::Environment,
            _ if value.is_some() => Origin::Default,
            _ => Origin::Unset,
        };
        Some(InForce {
            heading: arg.get_help_heading().unwrap_or_default().to_owned(),
            name: arg.get_env()?.to_str()?.to_owned(),
            flag: arg.get_long().map(|flag| format!("--{flag}")),
            value,
            origin,
            file: None,
            secret: false,
        })
    });
    settings.collect()
}

/// Returns the secret settings, without their values. Of the address of the database, all but the password is shown.
fn secrets() -> Result<Vec<InForce>, BadSetting> {
    let secret = |secret: &&'static crate::config::Secret| {
        let (origin, file) = match secret.origin()? {
            SecretOrigin::Variable => (Origin::Environment, None),
            SecretOrigin::File(path) => (Origin::File, Some(path.display().to_string())),
            SecretOrigin::Unset if secret.default.is_some() => (Origin::Default, None),
            SecretOrigin::Unset => (Origin::Unset, None),
        };
        let value = match secret.name {
            "DATABASE_URL" => Some(shown_address(database_url()?.expose_secret())),
            _ => None,
        };
        Ok(InForce {
            heading: "Secrets".to_owned(),
            name: secret.name.to_owned(),
            flag: None,
            value,
            origin,
            file,
            secret: true,
        })
    };
    SECRETS.iter().map(secret).collect()
}

/// Returns the filter of the log, which has no flag.
fn log_filter() -> InForce {
    let value = std::env::var("RUST_LOG").ok().filter(|text| !text.is_empty());
    InForce {
        heading: "Logs and traces".to_owned(),
        name: "RUST_LOG".to_owned(),
        flag: None,
        origin: if value.is_some() {
            Origin::Environment
        } else {
            Origin::Default
        },
        value: value.or_else(|| Some(crate::telemetry::DEFAULT_FILTER.to_owned())),
        file: None,
        secret: false,
    }
}

pub(super) fn run(args: &ConfigArgs) -> Outcome {
    let mut all = secrets()?;
    all.extend(args.in_force.iter().cloned());
    all.push(log_filter());
    if args.json {
        let text = serde_json::to_string_pretty(&all).map_err(std::io::Error::from)?;
        return print_line(text);
    }
    let mut out = std::io::stdout().lock();
    let mut heading = "";
    for setting in &all {
        if setting.heading != heading {
            let blank = if heading.is_empty() { "" } else { "\n" };
            writeln!(out, "{blank}# {}", setting.heading)?;
            heading = &setting.heading;
        }
        writeln!(out, "{}", line(setting))?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn line(setting: &InForce) -> String {
    let name = &setting.name;
    let origin = match (setting.origin, &setting.flag, &setting.file) {
        (Origin::Unset, ..) => return format!("{name} is not set"),
        (Origin::Flag, Some(flag), _) => format!("flag {flag}"),
        (Origin::Flag, None, _) => "flag".to_owned(),
        (Origin::Environment, ..) => "environment".to_owned(),
        (Origin::File, _, file) => format!("file {}", plain(file.as_deref().unwrap_or_default())),
        (Origin::Default, ..) => "default".to_owned(),
    };
    let value = setting
        .value
        .as_deref()
        .map_or_else(|| "(hidden)".to_owned(), plain);
    format!("{name}={value}  ({origin})")
}
