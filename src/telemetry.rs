//! The log of the program.

use anstream::{AutoStream, ColorChoice};
use tracing_subscriber::EnvFilter;

use crate::config::{BadSetting, LogFormat};

/// The default log filter. It disables async-graphql's own spans, which would contain whole documents.
pub(crate) const DEFAULT_FILTER: &str =
    "info,async_graphql::graphql=off,sqlx=warn,sea_orm_migration=warn,tokio_cron_scheduler=warn";
/// The default log filter of commands that report to the terminal themselves.
pub(crate) const WARNINGS_FILTER: &str = "warn,async_graphql::graphql=off";

/// Starts logging to standard error, filtered by RUST_LOG or, if it is unset, by `default_filter`.
pub(crate) fn init(format: LogFormat, default_filter: &str) -> Result<(), BadSetting> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(text) if !text.is_empty() => {
            EnvFilter::try_new(&text).map_err(|why| BadSetting::new("RUST_LOG", why))?
        }
        _ => EnvFilter::new(default_filter),
    };
    // No colours in a pipe, on a dumb terminal, or if NO_COLOR is set.
    let colours = AutoStream::choice(&std::io::stderr()) != ColorChoice::Never;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colours);
    match format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    }
    .map_err(|why| BadSetting::new("RUST_LOG", why))
}
