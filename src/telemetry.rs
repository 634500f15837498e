//! The log and the traces of the program.

mod traces;

use anstream::{AutoStream, ColorChoice};
use opentelemetry::trace::TracerProvider as _;
use tracing::Metadata;
use tracing_subscriber::filter::{FilterExt as _, LevelFilter, filter_fn};
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry};

pub(crate) use self::traces::{Traces, check};
use crate::config::{BadSetting, LogFormat, TelemetryArgs};
use crate::traces::TARGET;

/// The default log filter. It disables async-graphql's own spans, which would contain whole documents.
pub(crate) const DEFAULT_FILTER: &str =
    "info,async_graphql::graphql=off,sqlx=warn,sea_orm_migration=warn,tokio_cron_scheduler=warn";
/// The default log filter of commands that report to the terminal themselves.
pub(crate) const WARNINGS_FILTER: &str = "warn,async_graphql::graphql=off";

/// Starts logging to standard error, filtered by RUST_LOG or, if it is unset, by `default_filter`. Starts sending traces
/// if a collector is set. Must be called within the runtime.
///
/// # Errors
///
/// A setting of the log or of traces is not valid.
pub(crate) fn init(args: &TelemetryArgs, default_filter: &str) -> Result<Option<Traces>, BadSetting> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(text) if !text.is_empty() => {
            EnvFilter::try_new(&text).map_err(|why| BadSetting::new("RUST_LOG", why))?
        }
        _ => EnvFilter::new(default_filter),
    };
    let traces = match args.traces()? {
        Some(settings) => Some(Traces::start(&settings)?),
        None => None,
    };
    let spans = traces.as_ref().map(|traces| {
        tracing_opentelemetry::layer()
            .with_tracer(traces.provider().tracer("drift-inbox"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_filter(filter_fn(is_traced).with_max_level_hint(LevelFilter::INFO))
    });
    // Without the hint, each message below the level of the log would be looked at when it is written.
    let not_traces =
        filter_fn(|metadata| metadata.target() != TARGET).with_max_level_hint(LevelFilter::TRACE);
    let log = log(args.log_format).with_filter(filter.and(not_traces));
    tracing_subscriber::registry()
        .with(log)
        .with(spans)
        .try_init()
        .map_err(|why| BadSetting::new("RUST_LOG", why))?;
    Ok(traces)
}

/// Returns whether a span or event belongs to traces: the spans for them, and the events of this program, at the level
/// INFO or above.
fn is_traced(metadata: &Metadata<'_>) -> bool {
    let is_ours = ["drift_inbox", "graphql_server"]
        .iter()
        .any(|name| metadata.target().starts_with(name));
    let is_wanted = metadata.target() == TARGET || (metadata.is_event() && is_ours);
    is_wanted && *metadata.level() <= tracing::Level::INFO
}

/// Returns the log on standard error.
fn log(format: LogFormat) -> Box<dyn Layer<Registry> + Send + Sync> {
    // No colours in a pipe, on a dumb terminal, or if NO_COLOR is set.
    let colours = AutoStream::choice(&std::io::stderr()) != ColorChoice::Never;
    let log = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(colours);
    match format {
        LogFormat::Text => log.boxed(),
        LogFormat::Json => log.json().flatten_event(true).boxed(),
    }
}
