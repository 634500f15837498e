//! Whether the server lives, and whether it can work.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::Edge;

/// How long the database may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// The process answers.
pub(super) async fn live() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// The database answers and has every table.
pub(super) async fn ready(State(edge): State<Edge>) -> (StatusCode, Json<Value>) {
    let (status, database) = match tokio::time::timeout(PATIENCE, edge.app.db().is_ready()).await {
        Ok(Ok(true)) => (StatusCode::OK, "ok"),
        Ok(Ok(false)) => (StatusCode::SERVICE_UNAVAILABLE, "migrations are missing"),
        Ok(Err(error)) => {
            tracing::warn!(%error, "not ready");
            (StatusCode::SERVICE_UNAVAILABLE, "does not answer")
        }
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "does not answer in time"),
    };
    (status, Json(json!({ "database": database })))
}
