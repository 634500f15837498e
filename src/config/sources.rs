//! The file that DRIFT_SOURCES names: several sources, each with its own schedule.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::SecretString;
use serde::Deserialize;

use super::inventory::{InventoryConfig, SourceConfig, source};
use super::parsers::time_of_at_least;
use super::{BadSetting, Result, secret_in_file, variable};
use crate::clock::Clock;
use crate::domain::schedule::Schedule;
use crate::provider::digitalocean::{ApiToken, ApiUrl};

/// Name of the setting.
const SETTING: &str = "DRIFT_SOURCES";
/// Shortest expected interval: a shorter one would be overdue before the next listing ends.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(60);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    source: Vec<Entry>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Digitalocean,
    File,
    Lines,
    TerraformPlan,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    kind: Kind,
    token_env: Option<String>,
    token_file: Option<PathBuf>,
    api_url: Option<String>,
    account: Option<String>,
    path: Option<PathBuf>,
    schedule: Option<String>,
    every: Option<String>,
}

/// Reads the file.
///
/// # Errors
/// The file cannot be read, is not valid TOML, or describes a source that is not valid. The message names the source.
pub(super) fn read(path: &Path) -> Result<Vec<SourceConfig>> {
    let bad = |why: String| BadSetting::new(SETTING, format!("{}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|why| bad(why.to_string()))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    parse(&text, folder, Clock::System.now()).map_err(bad)
}

/// Returns the files with tokens that a file of sources names. Returns none if the file is not valid.
pub(super) fn token_files(path: &Path) -> Vec<PathBuf> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let folder = path.parent().unwrap_or(Path::new("."));
    let entries = toml::from_str::<Document>(&text).map(|document| document.source);
    let files = entries.into_iter().flatten().filter_map(|entry| entry.token_file);
    files.map(|file| folder.join(file)).collect()
}

fn parse(text: &str, folder: &Path, now: DateTime<Utc>) -> Result<Vec<SourceConfig>, String> {
    // The text of the error would quote the line, which may have a token in the wrong place.
    let document: Document = toml::from_str(text).map_err(|why| {
        let before = why.span().and_then(|span| text.get(..span.start));
        let line = before.map_or(1, |before| before.matches('\n').count() + 1);
        format!("line {line}: {}", why.message())
    })?;
    let mut names = BTreeSet::new();
    let mut sources = Vec::new();
    for entry in document.source {
        let name = entry.name.clone();
        let config = entry
            .resolve(folder, now)
            .map_err(|why| format!("source {name:?}: {why}"))?;
        if !names.insert(name.clone()) {
            return Err(format!("source {name:?}: the name is used twice"));
        }
        sources.push(config);
    }
    Ok(sources)
}

impl Entry {
    fn resolve(self, folder: &Path, now: DateTime<Utc>) -> Result<SourceConfig, String> {
        self.check_keys()?;
        let name = source(&self.name)?;
        let schedule = self.schedule.as_deref().map(|cron| Schedule::parse(cron, now));
        let every = self.every.as_deref().map(time_of_at_least(SHORTEST_INTERVAL));
        let interval = every
            .transpose()?
            .map(|every| TimeDelta::from_std(every).unwrap_or(TimeDelta::MAX));
        let inventory = match self.kind {
            Kind::Digitalocean => self.account_of_token(folder)?,
            Kind::File => InventoryConfig::File(folder.join(self.path.ok_or("path is missing")?)),
            Kind::Lines => InventoryConfig::Lines,
            Kind::TerraformPlan => InventoryConfig::TerraformPlan,
        };
        Ok(SourceConfig {
            name: Some(name),
            inventory,
            schedule: schedule.transpose()?,
            interval,
            account: self.account,
        })
    }

    /// Checks that the source has the keys that its kind needs, and no others.
    fn check_keys(&self) -> Result<(), String> {
        let of_account = self.kind == Kind::Digitalocean;
        let is_listed = matches!(self.kind, Kind::Digitalocean | Kind::File);
        let keys = [
            ("token_env", self.token_env.is_some(), of_account),
            ("token_file", self.token_file.is_some(), of_account),
            ("api_url", self.api_url.is_some(), of_account),
            ("account", self.account.is_some(), of_account),
            ("path", self.path.is_some(), self.kind == Kind::File),
            ("schedule", self.schedule.is_some(), is_listed),
        ];
        if let Some((key, ..)) = keys.iter().find(|(_, is_set, is_known)| *is_set && !is_known) {
            return Err(format!("{key} has no meaning for this kind"));
        }
        match (&self.schedule, &self.every) {
            (Some(_), Some(_)) => Err("schedule and every cannot be combined".to_owned()),
            (None, None) if !is_listed => {
                Err("every is missing: the expected time between two listings".to_owned())
            }
            _ => Ok(()),
        }
    }

    fn account_of_token(&self, folder: &Path) -> Result<InventoryConfig, String> {
        let token: Option<SecretString> = match (&self.token_env, &self.token_file) {
            (Some(_), Some(_)) => return Err("token_env and token_file cannot be combined".to_owned()),
            (Some(variable_name), None) => variable(variable_name)?.map(Into::into),
            (None, Some(path)) => Some(secret_in_file(&folder.join(path))?),
            (None, None) => return Err("token_env or token_file is missing".to_owned()),
        };
        let token = token.ok_or_else(|| {
            format!(
                "the variable {} is not set",
                self.token_env.as_deref().unwrap_or_default()
            )
        })?;
        let api = ApiUrl::parse(self.api_url.as_deref().unwrap_or(ApiUrl::DEFAULT))?;
        let token = ApiToken::new(&token).map_err(|why| why.to_string())?;
        Ok(InventoryConfig::DigitalOcean(api, token))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Vec<SourceConfig>, String> {
        parse(text, Path::new("/etc/drift-inbox"), DateTime::UNIX_EPOCH)
    }

    #[test]
    fn a_file_has_sources_of_several_kinds() {
        let sources = parsed(
            r#"
            [[source]]
            name = "lab"
            kind = "file"
            path = "lab.json"
            schedule = "*/10 * * * *"
            [[source]]
            name = "hetzner"
            kind = "lines"
            every = "1h"
            [[source]]
            name = "prod"
            kind = "terraform-plan"
            every = "1d"
            "#,
        )
        .unwrap();
        let [lab, hetzner, prod] = sources.as_slice() else {
            panic!("{sources:?}");
        };
        let InventoryConfig::File(path) = &lab.inventory else {
            panic!("{lab:?}");
        };
        assert_eq!(path, Path::new("/etc/drift-inbox/lab.json"));
        assert_eq!(lab.schedule.as_ref().unwrap().text(), "0 */10 * * * *");
        assert_eq!(hetzner.interval, Some(TimeDelta::hours(1)));
        assert!(matches!(prod.inventory, InventoryConfig::TerraformPlan));
    }

    #[test]
    fn a_wrong_source_is_refused_with_its_name() {
        let source = |keys: &str| format!("[[source]]\nname = \"a\"\n{keys}\n");
        for (keys, expected) in [
            ("kind = \"file\"", "path is missing"),
            ("kind = \"lines\"", "every is missing"),
            ("kind = \"lines\"\nevery = \"1s\"", "minimum of 1m"),
            (
                "kind = \"lines\"\nevery = \"1h\"\npath = \"x\"",
                "path has no meaning",
            ),
            ("kind = \"digitalocean\"", "token_env or token_file is missing"),
            (
                "kind = \"digitalocean\"\ntoken_env = \"NOT_SET_ANYWHERE\"",
                "NOT_SET_ANYWHERE is not set",
            ),
            (
                "kind = \"file\"\npath = \"x\"\nschedule = \"0 * * * *\"\nevery = \"1h\"",
                "cannot be combined",
            ),
            (
                "kind = \"file\"\npath = \"x\"\nschedule = \"hourly\"",
                "not a cron expression",
            ),
        ] {
            let refused = parsed(&source(keys)).unwrap_err();
            assert!(
                refused.contains("source \"a\"") && refused.contains(expected),
                "{refused}"
            );
        }
        let misplaced =
            parsed("[[source]]\nname = \"a\"\nkind = \"digitalocean\"\ntoken = \"dop_v1_secret\"")
                .unwrap_err();
        assert!(
            misplaced.starts_with("line 4: unknown field `token`"),
            "{misplaced}"
        );
        assert!(!misplaced.contains("dop_v1_secret"), "{misplaced}");
        let twice = source("kind = \"file\"\npath = \"x\"").repeat(2);
        assert!(parsed(&twice).unwrap_err().contains("used twice"));
        assert!(
            parsed(&source("kind = \"file\"\ntokken = \"x\""))
                .unwrap_err()
                .contains("tokken")
        );
    }
}
