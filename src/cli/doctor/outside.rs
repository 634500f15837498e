//! Checks of the accounts of the sources, of the issuer and of the collector of traces.

use super::report::Check;
use super::{LIMIT, bounded};
use crate::auth::{Authenticator, CheckedIssuer};
use crate::cli::Sources;
use crate::clock::Clock;
use crate::config::TelemetryArgs;
use crate::jobs::Source;

/// Checks that each source can be read, and which kinds of it cannot.
pub(super) async fn sources(sources: Option<&Sources>) -> Vec<Check> {
    let Some(sources) = sources else {
        return vec![Check::skipped(
            "cloud",
            "the settings of the sources are not valid",
        )];
    };
    if sources.listed.is_empty() {
        let text = "no account or file is configured, so this server lists nothing";
        return vec![if sources.sent.is_empty() {
            let advice = "Set DIGITALOCEAN_TOKEN, DRIFT_INVENTORY_FILE or DRIFT_SOURCES, or send plans";
            Check::warning("cloud", text, advice)
        } else {
            Check::ok("cloud", text)
        }];
    }
    futures_util::future::join_all(sources.listed.iter().map(|source| async {
        let name = format!("cloud {}", source.name);
        // The requests end by themselves a little earlier, and then say why.
        bounded(&name, access(&name, source)).await
    }))
    .await
}

async fn access(name: &str, source: &Source) -> Check {
    let limit = LIMIT.mul_f32(0.9);
    match source.provider.check_access(Clock::System.now(), limit).await {
        Ok(refused) if refused.is_empty() => Check::ok(name, "every kind can be read"),
        Ok(refused) => {
            let kinds: Vec<String> = refused
                .iter()
                .map(|(kind, why)| format!("{kind} ({why})"))
                .collect();
            let text = format!(
                "these kinds cannot be read, so their drift is not seen: {}",
                kinds.join(", ")
            );
            Check::warning(
                name,
                text,
                "Give the token the read scopes of these kinds: docs/digitalocean.md",
            )
        }
        Err(error) => Check::failed(
            name,
            error.public_message(),
            "Check the token or the file, and that this machine reaches the address",
        ),
    }
}

/// Checks that the keys of the issuer can be read and, if the page signs users in, that the issuer offers what the page
/// needs.
pub(super) async fn issuer(sign_in: Option<&Authenticator>, on_the_page: bool) -> Option<Check> {
    let Some(sign_in) = sign_in else {
        return Some(Check::skipped("issuer", "the settings of sign-in are not valid"));
    };
    let issuer = sign_in.issuer()?;
    let checked = async {
        match issuer.check().await {
            Ok(CheckedIssuer {
                endpoints: Err(why), ..
            }) if on_the_page => Check::failed(
                "issuer",
                format!("the page cannot sign users in at {}: {why}", issuer.url()),
                "Use an issuer that offers the authorization code flow with PKCE, or unset DRIFT_OIDC_CLIENT_ID",
            ),
            Ok(state) => Check::ok(
                "issuer",
                format!("usable keys of {}: {}", issuer.url(), state.keys),
            ),
            Err(why) => Check::failed(
                "issuer",
                format!("the keys of {} cannot be read: {why}", issuer.url()),
                "Check DRIFT_OIDC_ISSUER, and that this machine reaches it; until then, no user can sign in by it",
            ),
        }
    };
    Some(bounded("issuer", checked).await)
}

/// Checks that the collector takes traces.
pub(super) async fn traces(telemetry: &TelemetryArgs) -> Option<Check> {
    // The program has refused invalid settings at its start.
    let settings = telemetry.traces().ok()??;
    let checked = async {
        match crate::telemetry::check(&settings).await {
            Ok(()) => Check::ok("traces", format!("{} takes traces", settings.address)),
            Err(why) => Check::failed(
                "traces",
                format!("{} takes no traces: {why}", settings.address),
                "Check DRIFT_OTLP_ENDPOINT and DRIFT_OTLP_HEADERS; the server works without the collector",
            ),
        }
    };
    Some(bounded("traces", checked).await)
}
