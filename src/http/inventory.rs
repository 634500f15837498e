//! `POST /api/v1/inventory/{source}`: stores inventory that is sent as JSON lines. The body is read as it arrives.

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use entity::job_runs::JobOutcome;
use serde_json::{Value, json};

use super::HttpState;
use super::rest::{Admin, query};
use super::uploads::{Broken, UploadError};
use crate::error::Error;
use crate::jobs::{LineReader, outcome_word};
use crate::services::inventory::{SyncOptions, problem_of};
use crate::services::sources::check_name;

/// Stores the lines in the body as the inventory of the source, and waits until the run ends. `?every=1h` is the expected
/// time between two listings. The status is 200 only if everything was stored. The body may be
/// compressed with gzip.
pub(super) async fn store(
    State(state): State<HttpState>,
    Admin(_): Admin,
    name: Result<Path<String>, PathRejection>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Value>), UploadError> {
    let Path(name) = name.map_err(|_| Error::NotFound("page"))?;
    check_name(&name)?;
    let (options, every) = query::sync_options(&uri)?;
    let options = SyncOptions {
        place: Some(state.app.jobs().place_of_listing().await?),
        ..options
    };
    let upload = state
        .uploads
        .receive(&headers, body, LineReader::default())
        .await?;
    // A body that ended early fails the run, so that the source is shown as failed.
    let reader = upload.body.unwrap_or_else(|broken| {
        let mut reader = LineReader::default();
        reader.fail(match broken {
            Broken::Body(why) => why.to_owned(),
            Broken::Sink(error) => error.to_string(),
        });
        reader
    });
    let run = state.app.jobs().run_lines(&name, reader, options, every).await?;
    drop(upload.permit);
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
