//! The log.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::config::{BadSetting, LogFormat};

/// What is logged unless RUST_LOG says otherwise. async-graphql's own spans would carry whole documents.
const DEFAULT_FILTER: &str = "info,async_graphql::graphql=off,sqlx=warn,sea_orm_migration=warn";

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
        .with_span_events(FmtSpan::NONE);
    match format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    }
    .map_err(|why| BadSetting::new("RUST_LOG", why))
}
