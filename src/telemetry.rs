//! The log.

use anstream::{AutoStream, ColorChoice};
use tracing_subscriber::EnvFilter;

use crate::config::{BadSetting, LogFormat};

/// What is logged unless RUST_LOG says otherwise. async-graphql's own spans would carry whole documents.
pub const USUAL: &str =
    "info,async_graphql::graphql=off,sqlx=warn,sea_orm_migration=warn,tokio_cron_scheduler=warn";
/// What is logged, unless RUST_LOG says otherwise, where people watch and the command itself says what it does.
pub const WARNINGS: &str = "warn,async_graphql::graphql=off";

/// Starts logging to standard error. RUST_LOG filters, `usual` where it is not set.
pub fn init(format: LogFormat, usual: &str) -> Result<(), BadSetting> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(text) if !text.is_empty() => {
            EnvFilter::try_new(&text).map_err(|why| BadSetting::new("RUST_LOG", why))?
        }
        _ => EnvFilter::new(usual),
    };
    // Not in a pipe, on a dumb terminal, or where NO_COLOR is set to anything.
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
