//! Liveness and readiness checks.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::HttpState;

/// Maximum time of the readiness check.
const READY_TIMEOUT: Duration = Duration::from_secs(2);

/// Liveness: the process responds.
pub(super) async fn live() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// Readiness: the database responds, has every table and accepts writes.
pub(super) async fn ready(State(state): State<HttpState>) -> (StatusCode, Json<Value>) {
    let checked = tokio::time::timeout(READY_TIMEOUT, state.app.db().check_ready()).await;
    let (status, database) = match checked {
        Ok(Ok(())) => (StatusCode::OK, "ok"),
        Ok(Err(not_ready)) => {
            tracing::warn!(
                why = not_ready.detail,
                "not ready: the database {}",
                not_ready.summary
            );
            (StatusCode::SERVICE_UNAVAILABLE, not_ready.summary)
        }
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "does not respond in time"),
    };
    (status, Json(json!({ "database": database })))
}
