//! The log.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::{BadSetting, LogFormat};

/// What is logged unless RUST_LOG says otherwise. async-graphql's own spans would carry whole documents.
const DEFAULT_FILTER: &str =
    "info,async_graphql::graphql=off,sqlx=warn,sea_orm_migration=warn,tokio_cron_scheduler=warn";

/// On a terminal, unless NO_COLOR is set to anything.
fn wants_colours() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Starts logging to standard error. RUST_LOG filters.
pub fn init(format: LogFormat) -> Result<(), BadSetting> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(text) if !text.is_empty() => {
            EnvFilter::try_new(&text).map_err(|why| BadSetting::new("RUST_LOG", why))?
        }
        _ => EnvFilter::new(DEFAULT_FILTER),
    };
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(wants_colours());
    match format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    }
    .map_err(|why| BadSetting::new("RUST_LOG", why))
}
