//! The metrics of Prometheus, on a listener of their own: they need no token, so they must not be reachable by users.

use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use tokio::time::Instant;

use super::HttpState;
use crate::app::App;
use crate::error::Result;
use crate::metrics::GaugeFamily;
use crate::services::observed;

/// Maximum time to read the numbers from the database. Prometheus waits 10 s by default.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// The text format that the answer has.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Returns the route `/metrics`.
pub fn router(state: HttpState) -> Router {
    Router::new().route("/metrics", get(metrics)).with_state(state)
}

/// Counts the responses of all routes.
pub(super) async fn count(State(state): State<HttpState>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or("none", MatchedPath::as_str).to_owned();
    let method = match request.method().as_str() {
        known @ ("GET" | "HEAD" | "POST" | "OPTIONS") => known,
        _ => "other",
    }
    .to_owned();
    let response = next.run(request).await;
    // The answers of GraphQL are noted with their codes, and the checks of health say why they fail.
    if route.starts_with("/api/") || route.starts_with("/export/") {
        match response.status() {
            StatusCode::SERVICE_UNAVAILABLE => state.outage.failed("status 503", Instant::now()),
            _ => state.outage.worked(Instant::now()),
        }
    }
    let status = response.status().as_u16();
    state
        .app
        .metrics()
        .answered(&route, &method, status, began.elapsed());
    response
}

async fn metrics(State(state): State<HttpState>) -> Response {
    let mut families = of_the_process(&state);
    let read = tokio::time::timeout(READ_TIMEOUT, of_the_database(&state.app)).await;
    let is_up = match read {
        Ok(Ok(read)) => {
            families.extend(read);
            1.0
        }
        Ok(Err(error)) => {
            tracing::warn!(%error, "the metrics of the database cannot be read");
            0.0
        }
        Err(_) => {
            tracing::warn!("the metrics of the database cannot be read in time");
            0.0
        }
    };
    let help = "1 if the metrics of the database could be read";
    families.push(GaugeFamily::one("database_up", help, is_up));
    match state.app.metrics().text(families) {
        Ok(text) => ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn of_the_process(state: &HttpState) -> Vec<GaugeFamily> {
    let pools = state.app.db().usage();
    let connections = pools.iter().flat_map(|pool| {
        let labels = |is: &str| vec![("pool", pool.name.to_owned()), ("state", is.to_owned())];
        [
            (labels("used"), f64::from(pool.used)),
            (labels("idle"), f64::from(pool.idle)),
        ]
    });
    vec![
        GaugeFamily::one(
            "streams",
            "Open WebSockets and event streams",
            state.callers.open_streams() as f64,
        ),
        GaugeFamily::one(
            "body_bytes",
            "Memory that request bodies and messages of WebSockets take",
            state.bodies.used() as f64,
        ),
        GaugeFamily {
            name: "database_connections",
            help: "Open connections to the database by pool",
            values: connections.collect(),
        },
    ]
}

async fn of_the_database(app: &App) -> Result<Vec<GaugeFamily>> {
    let now = app.db().time(app.db().reader()).await?;
    let age = |at| {
        let age: chrono::TimeDelta = now - at;
        age.as_seconds_f64().max(0.0)
    };
    let (sources, observed) = (app.sources().await?, observed::read(app.db(), now).await?);
    let source = |name: &str| vec![("source", name.to_owned())];
    let ages = sources.iter().filter_map(|listed| {
        let age = age(listed.last_success_at?);
        Some((source(&listed.row.name), age))
    });
    let recent = sources.iter().map(|listed| {
        let is_recent = if listed.state.is_recent() { 1.0 } else { 0.0 };
        (source(&listed.row.name), is_recent)
    });
    let open = observed.open.into_iter().map(|open| {
        let labels = vec![("source", open.source), ("kind", open.kind)];
        (labels, open.count as f64)
    });
    let mut families = vec![
        GaugeFamily {
            name: "last_good_sync_age_seconds",
            help: "Seconds since the last good sync of a source began; absent if there was none",
            values: ages.collect(),
        },
        GaugeFamily {
            name: "source_recent",
            help: "1 if the inventory of the source is recent enough to trust the inbox",
            values: recent.collect(),
        },
        GaugeFamily {
            name: "open_drifts",
            help: "Open drifts by source and kind of resource, snoozed ones included",
            values: open.collect(),
        },
        GaugeFamily::one(
            "outbox_rows",
            "Changes for which no notification was made yet",
            observed.outbox_rows as f64,
        ),
        GaugeFamily::one(
            "pending_deliveries",
            "Notifications that were neither confirmed nor given up",
            observed.pending_deliveries as f64,
        ),
    ];
    if let Some(at) = observed.last_sweep {
        families.push(GaugeFamily::one(
            "last_good_sweep_age_seconds",
            "Seconds since the last good sweep of all resources began; absent if there was none",
            age(at),
        ));
    }
    Ok(families)
}
