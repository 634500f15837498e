//! `doctor`: checks everything that the server needs, and says what to do. It changes nothing in the cloud.

mod database;
mod files;
mod outside;
mod report;

use std::process::ExitCode;
use std::time::Duration;

use self::report::{Check, Redactor, print};
use super::args::{DoctorArgs, ServeArgs};
use super::serve::EXPOSED;
use super::{Outcome, Sources, configured};
use crate::auth::Authenticator;
use crate::config::{DatabaseConfig, SECRETS, TelemetryArgs};

/// Maximum time of one check.
const LIMIT: Duration = Duration::from_secs(10);

/// What the settings say, as far as they are valid.
struct Settings {
    database: Option<DatabaseConfig>,
    sign_in: Option<Authenticator>,
    signs_in_on_the_page: bool,
    sources: Option<Sources>,
    checks: Vec<Check>,
}

pub(super) async fn run(args: &DoctorArgs, telemetry: &TelemetryArgs) -> Outcome {
    let serve = &args.serve;
    let settings = settings(serve);
    let redactor = Redactor::of_settings();
    let mut checks = settings.checks;
    checks.push(files::check(settings.database.as_ref(), serve));
    let (database, sources, issuer, traces) = tokio::join!(
        database::check(settings.database.as_ref(), serve),
        outside::sources(settings.sources.as_ref()),
        outside::issuer(settings.sign_in.as_ref(), settings.signs_in_on_the_page),
        outside::traces(telemetry),
    );
    checks.extend(database.into_iter().chain(sources).chain(issuer).chain(traces));
    let checks: Vec<Check> = checks.into_iter().map(|check| redactor.clean(check)).collect();
    print(&checks, args.json)?;
    Ok(if checks.iter().any(Check::has_failed) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Reads the settings. The parser has already refused values of a wrong form.
fn settings(serve: &ServeArgs) -> Settings {
    let mut checks = Vec::new();
    let (database, sign_in) = (serve.database.resolve(), serve.sign_in.resolve());
    let sources = configured(&serve.inventory);
    let errors = [
        database.as_ref().err().map(ToString::to_string),
        sign_in.as_ref().err().map(ToString::to_string),
        sources.as_ref().err().map(ToString::to_string),
        serve
            .inventory
            .check_all_selected()
            .err()
            .map(|error| error.to_string()),
    ];
    for error in errors.into_iter().flatten() {
        checks.push(Check::failed("settings", error, "Correct the setting"));
    }
    if checks.is_empty() {
        let set = SECRETS.iter().filter(|secret| {
            let origin = secret.origin();
            origin.is_ok_and(|origin| origin != crate::config::SecretOrigin::Unset)
        });
        let text = format!("valid; {} of {} secrets are set", set.count(), SECRETS.len());
        checks.push(Check::ok("settings", text));
    }
    if !serve.http.is_local() && !serve.is_behind_a_proxy() {
        let advice = "Put a proxy with TLS in front, and set DRIFT_PUBLIC_URL to its https address";
        let text = EXPOSED.split(": ").next().unwrap_or(EXPOSED);
        checks.push(Check::warning("listen", text, advice));
    }
    Settings {
        database: database.ok(),
        sign_in: sign_in.ok(),
        signs_in_on_the_page: matches!(serve.sign_in.page_client(), Ok(Some(_))),
        sources: sources.ok(),
        checks,
    }
}

/// Runs a check within the time limit.
async fn bounded(name: &str, check: impl Future<Output = Check>) -> Check {
    tokio::time::timeout(LIMIT, check).await.unwrap_or_else(|_| {
        let text = format!("no answer within {} s", LIMIT.as_secs());
        Check::failed(name, text, "Check that the network lets this machine reach it")
    })
}
