//! The results of checks, and how they are printed.

use std::io::Write as _;

use anstyle::{AnsiColor, Style};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;

use crate::cli::{Failure, plain};
use crate::config::{SECRETS, secret_values};

/// Replaces a secret.
const HIDDEN: &str = "(hidden)";
/// Shortest text that is replaced: a shorter one occurs by chance.
const SHORTEST: usize = 4;

/// The result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    /// As it should be.
    Ok,
    /// The server works, and something should be changed.
    Warning,
    /// The server does not work, or not as configured.
    Failed,
    /// Not checked, because another check failed or nothing is configured.
    Skipped,
}

/// A check and its result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    name: String,
    state: State,
    text: String,
    /// What to do.
    advice: Option<String>,
}

impl Check {
    fn new(name: &str, state: State, text: impl ToString, advice: Option<&str>) -> Self {
        Self {
            name: name.to_owned(),
            state,
            text: text.to_string(),
            advice: advice.map(str::to_owned),
        }
    }

    pub(super) fn ok(name: &str, text: impl ToString) -> Self {
        Self::new(name, State::Ok, text, None)
    }

    pub(super) fn warning(name: &str, text: impl ToString, advice: &str) -> Self {
        Self::new(name, State::Warning, text, Some(advice))
    }

    pub(super) fn failed(name: &str, text: impl ToString, advice: &str) -> Self {
        Self::new(name, State::Failed, text, Some(advice))
    }

    pub(super) fn skipped(name: &str, text: impl ToString) -> Self {
        Self::new(name, State::Skipped, text, None)
    }

    pub(super) fn has_failed(&self) -> bool {
        self.state == State::Failed
    }
}

/// Removes secrets from texts of other programs, such as errors of a database. Our own texts have none.
pub(super) struct Redactor {
    secrets: Vec<SecretString>,
}

impl Redactor {
    /// Creates a redactor of the secrets that the settings have. Secrets that cannot be read are in no text.
    pub(super) fn of_settings() -> Self {
        let secrets = SECRETS.iter().filter_map(|secret| secret.read().ok().flatten());
        Self {
            secrets: secrets.flat_map(|secret| secret_values(&secret)).collect(),
        }
    }

    pub(super) fn clean(&self, mut check: Check) -> Check {
        check.text = self.cleaned(&check.text);
        check.advice = check.advice.map(|advice| self.cleaned(&advice));
        check
    }

    fn cleaned(&self, text: &str) -> String {
        let secrets = self.secrets.iter().map(|secret| secret.expose_secret());
        secrets
            .filter(|secret| secret.len() >= SHORTEST)
            .fold(plain(text), |text, secret| text.replace(secret, HIDDEN))
    }
}

/// Prints the results, as lines or as JSON.
pub(super) fn print(checks: &[Check], json: bool) -> Result<(), Failure> {
    if json {
        let all_good = !checks.iter().any(Check::has_failed);
        let report = serde_json::json!({ "ok": all_good, "checks": checks });
        let text = serde_json::to_string_pretty(&report).map_err(std::io::Error::from)?;
        super::super::print_line(text)?;
        return Ok(());
    }
    let mut out = anstream::stdout();
    for check in checks {
        let (word, style) = match check.state {
            State::Ok => ("ok", AnsiColor::Green.on_default()),
            State::Warning => ("warning", AnsiColor::Yellow.on_default()),
            State::Failed => ("failed", AnsiColor::Red.on_default()),
            State::Skipped => ("skipped", Style::new().dimmed()),
        };
        writeln!(out, "{style}{word:8}{style:#} {}: {}", check.name, check.text)?;
        if let Some(advice) = &check.advice {
            writeln!(out, "         {advice}")?;
        }
    }
    Ok(out.flush()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_the_texts_of_other_programs_are_hidden() {
        let redactor = Redactor {
            secrets: vec!["hunter2".into(), "a".into(), "".into()],
        };
        let check = Check::failed("database", "a user \"hunter2\"\u{1b} is unknown", "not hunter2");
        let clean = redactor.clean(check);
        assert_eq!(clean.text, "a user \"(hidden)\" is unknown");
        assert_eq!(clean.advice.as_deref(), Some("not (hidden)"));
    }
}
