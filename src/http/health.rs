//! Liveness and readiness checks.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use serde_json::{Value, json};

use super::HttpState;
use crate::auth::IssuerState;

/// Maximum time of the readiness check.
const READY_TIMEOUT: Duration = Duration::from_secs(2);

/// Liveness: the process responds.
pub(super) async fn live() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// Readiness: the database responds, has every table and accepts writes. With `?sources`, also the inventory of each source
/// is recent. With an issuer, its keys are known. The names and states need no token; the reasons do.
pub(super) async fn ready(State(state): State<HttpState>, uri: Uri) -> (StatusCode, Json<Value>) {
    let (status, mut answer) = database(&state).await;
    let with_sources = uri.query().is_some_and(|query| {
        query
            .split('&')
            .any(|pair| pair.split('=').next() == Some("sources"))
    });
    let status = status.max(issuer(&state, &mut answer));
    if !with_sources || status != StatusCode::OK {
        return (status, Json(answer));
    }
    let (status, sources) = sources(&state).await;
    answer["sources"] = sources;
    (status, Json(answer))
}

/// Adds the state of the issuer, if one is configured. The server is not ready only if no user can sign in: without any
/// key of the issuer, and without another way.
fn issuer(state: &HttpState, answer: &mut Value) -> StatusCode {
    let Some(issuer) = state.authenticator.issuer() else {
        return StatusCode::OK;
    };
    let known = issuer.state();
    answer["issuer"] = json!(known.text());
    if known == IssuerState::NoKeys && !state.authenticator.has_other_than_issuer() {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::OK
    }
}

async fn sources(state: &HttpState) -> (StatusCode, Value) {
    let why = match tokio::time::timeout(READY_TIMEOUT, state.app.sources()).await {
        Ok(Ok(sources)) => {
            let all_recent = sources.iter().all(|source| source.state.is_recent());
            let listed = sources.iter().map(|source| {
                json!({
                    "name": source.row.name,
                    "state": source.state,
                    "last_success_at": source.last_success_at,
                })
            });
            let status = if all_recent {
                StatusCode::OK
            } else {
                StatusCode::SERVICE_UNAVAILABLE
            };
            return (status, listed.collect());
        }
        Ok(Err(error)) => {
            tracing::warn!(%error, "not ready: the sources cannot be read");
            "cannot be read"
        }
        Err(_) => "cannot be read in time",
    };
    (StatusCode::SERVICE_UNAVAILABLE, json!(why))
}

async fn database(state: &HttpState) -> (StatusCode, Value) {
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
    (status, json!({ "database": database }))
}
