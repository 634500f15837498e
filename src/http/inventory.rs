//! `POST /api/v1/inventory/{source}`: stores inventory that is sent as JSON lines. The body is read as it arrives.

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use entity::job_runs::JobOutcome;
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use super::HttpState;
use super::rest::{Admin, RestError, query};
use crate::error::Error;
use crate::jobs::{LineReader, outcome_word};
use crate::services::inventory::problem_of;
use crate::services::sources::check_name;

/// Stores the lines in the body as the inventory of the source, and waits until the run ends. `?every=1h` is the expected
/// time between two listings. The status is 200 only if everything was stored.
pub(super) async fn store(
    State(state): State<HttpState>,
    Admin(_): Admin,
    name: Result<Path<String>, PathRejection>,
    uri: Uri,
    body: Body,
) -> Result<(StatusCode, Json<Value>), RestError> {
    let Path(name) = name.map_err(|_| Error::NotFound("page"))?;
    check_name(&name)?;
    let (options, every) = query::sync_options(&uri)?;
    let mut reader = LineReader::default();
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        match piece {
            Ok(piece) => reader.push(&piece),
            Err(_) => reader.fail("the body ended early".to_owned()),
        }
    }
    let run = state.app.jobs().run_lines(&name, reader, options, every).await?;
    let status = if run.outcome == Some(JobOutcome::Succeeded) {
        StatusCode::OK
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    let answer = json!({
        "source": run.source,
        "run_id": run.id,
        "outcome": run.outcome.map(outcome_word),
        "error": problem_of(&run),
        "counts": run.counts,
    });
    Ok((status, Json(answer)))
}
