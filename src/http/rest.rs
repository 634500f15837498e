//! The two REST routes for scripts. They use the same services as GraphQL.

pub(super) mod query;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use entity::cloud_drift::DriftStatus;
use futures_util::{StreamExt as _, stream};
use graphql_server::transport::extract::Known;
use serde_json::{Value, json};
use uuid::Uuid;

use super::HttpState;
use super::admission::KnownCaller;
use crate::auth::Session;
use crate::domain::actor::{Actor, Role};
use crate::domain::redaction::{hides, shown, shown_sides};
use crate::error::{Error, Result, status_word};
use crate::services::acceptance::{self, AcceptDrift};
use crate::services::inbox::{DriftPages, DriftWithResource};
use crate::services::resources::source_of;

/// Number of drifts that are read at a time.
const BATCH: u64 = 500;
/// Value of the header `Retry-After` of responses with status 503, in seconds.
const RETRY_AFTER: &str = "5";

/// An error in the response format of these routes.
pub(super) struct RestError(Error);

impl<E: Into<Error>> From<E> for RestError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for RestError {
    fn into_response(self) -> Response {
        let (status, body) = match &self.0 {
            Error::Unauthenticated => (StatusCode::UNAUTHORIZED, json!({ "error": "unauthenticated" })),
            Error::Forbidden { .. } => (
                StatusCode::FORBIDDEN,
                json!({ "error": "platform_admin_required" }),
            ),
            Error::NotFound(_) => (StatusCode::NOT_FOUND, json!({ "error": "not_found" })),
            Error::AlreadyResolved(status) => {
                let body = json!({ "error": "already_resolved", "current_status": status_word(*status) });
                (StatusCode::CONFLICT, body)
            }
            Error::LiveValueMoved { actual, .. } => (
                StatusCode::CONFLICT,
                json!({ "error": "live_value_moved", "actual": shown(actual) }),
            ),
            Error::JobAlreadyRunning { since } => (
                StatusCode::CONFLICT,
                json!({ "error": "job_already_running", "since": since }),
            ),
            Error::SpecMoved => (StatusCode::CONFLICT, json!({ "error": "spec_moved" })),
            busy @ (Error::Busy(_) | Error::Unavailable(_)) => {
                tracing::debug!(why = %busy, "a request failed because the database is busy");
                (
                    StatusCode::SERVICE_UNAVAILABLE,
                    json!({ "error": "database_busy" }),
                )
            }
            Error::ReadOnly(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                json!({ "error": "database_read_only" }),
            ),
            Error::TimedOut => {
                tracing::warn!("a request timed out");
                (StatusCode::GATEWAY_TIMEOUT, json!({ "error": "request_timeout" }))
            }
            Error::PlanRefused { code, sentence } => (
                StatusCode::UNPROCESSABLE_ENTITY,
                json!({ "error": "plan_refused", "reason": code, "message": sentence }),
            ),
            Error::BadUserInput(why) | Error::Conflict { sentence: why, .. } => (
                StatusCode::BAD_REQUEST,
                json!({ "error": "bad_request", "message": why }),
            ),
            other => {
                tracing::error!(error = %other, "a request failed");
                (
                    StatusCode::INTERNAL_SERVER_ERROR,
                    json!({ "error": "internal_error" }),
                )
            }
        };
        let mut response = (status, Json(body)).into_response();
        if status == StatusCode::UNAUTHORIZED {
            response
                .headers_mut()
                .insert(WWW_AUTHENTICATE, axum::http::HeaderValue::from_static("Bearer"));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            let soon = axum::http::HeaderValue::from_static(RETRY_AFTER);
            response
                .headers_mut()
                .insert(axum::http::header::RETRY_AFTER, soon);
        }
        response
    }
}

/// Runs `work` with the request timeout.
pub(super) async fn in_time<T>(state: &HttpState, work: impl Future<Output = Result<T>>) -> Result<T> {
    let limited = tokio::time::timeout(state.limits.request_timeout, work).await;
    limited.unwrap_or(Err(Error::TimedOut))
}

/// The authenticated caller, with the role platform_admin.
pub(super) struct Admin(pub(super) Actor);

impl FromRequestParts<HttpState> for Admin {
    type Rejection = RestError;

    async fn from_request_parts(parts: &mut Parts, _: &HttpState) -> Result<Self, RestError> {
        let known = parts.extensions.get::<KnownCaller>();
        let Some(Known(Ok(Some(Session { actor: caller, .. })))) = known.cloned() else {
            return Err(RestError(Error::Unauthenticated));
        };
        if caller.may_write() {
            Ok(Self(caller))
        } else {
            Err(RestError(Error::Forbidden {
                needed: Role::PlatformAdmin.as_str(),
            }))
        }
    }
}

/// `GET /api/v1/drift`: streams the drifts that match the filter in batches, newest first.
pub(super) async fn list_drift(
    State(state): State<HttpState>,
    _: Admin,
    uri: Uri,
) -> Result<Response, RestError> {
    let mut pages = DriftPages::new(query::drift_filter(&uri)?, BATCH);
    // The first page is read before the status is sent, so that an unavailable database results in status 500.
    let first = in_time(&state, pages.next(state.app.db().reader())).await?;
    let rows = stream::try_unfold(Some((pages, first, 0_usize)), move |next| {
        let state = state.clone();
        async move {
            let Some((mut pages, ready, count)) = next else {
                return Ok::<_, Error>(None);
            };
            let page = match ready {
                Some(first) => Some(first),
                None => in_time(&state, pages.next(state.app.db().reader())).await?,
            };
            let Some(page) = page else {
                let tail = format!(r#"],"count":{count}}}"#);
                return Ok(Some((Bytes::from(tail), None)));
            };
            let text = joined(&page, count == 0);
            Ok(Some((Bytes::from(text), Some((pages, None, count + page.len())))))
        }
    });
    let head = stream::iter([Ok(Bytes::from_static(br#"{"drift":["#))]);
    Ok((
        [(CONTENT_TYPE, "application/json")],
        Body::from_stream(head.chain(rows)),
    )
        .into_response())
}

fn joined(page: &[DriftWithResource], is_first: bool) -> String {
    let mut text = String::new();
    for (number, row) in page.iter().enumerate() {
        if number > 0 || !is_first {
            text.push(',');
        }
        text.push_str(&to_json(row).to_string());
    }
    text
}

fn to_json(row: &DriftWithResource) -> Value {
    let DriftWithResource {
        drift,
        resource,
        address,
        ..
    } = row;
    let (expected, actual) = shown_sides(drift);
    json!({
        "id": drift.id,
        "resource_id": drift.resource_id,
        "resource_name": resource.as_ref().map(|resource| &resource.name),
        "resource_kind": resource.as_ref().map(|resource| &resource.kind),
        "source": resource.as_ref().and_then(source_of),
        "address": address,
        "field": drift.field,
        "expected": expected,
        "actual": actual,
        "redacted": hides(drift.expected.as_ref(), drift.actual.as_ref()),
        "status": status_word(drift.status),
        "revision": drift.revision,
        "detected_at": drift.detected_at,
    })
}

/// `POST /api/v1/drift/{id}/accept`: accepts a drift. `?revision=` is the revision that the caller has seen.
pub(super) async fn accept_drift(
    State(state): State<HttpState>,
    Admin(actor): Admin,
    id: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Json<Value>, RestError> {
    // An id that is not UTF-8 is rejected like any other malformed id.
    let drift_id = id.ok().and_then(|Path(id)| Uuid::try_parse(&id).ok());
    let drift_id = drift_id.ok_or(Error::NotFound("drift"))?;
    let revision = query::revision(&uri)?;
    let accept = AcceptDrift {
        drift_id,
        revision,
        note: None,
    };
    let now = state.app.clock().now();
    let accepting = acceptance::accept_drift(state.app.db(), actor.name(), &accept, now);
    let accepted = in_time(&state, accepting).await?;
    let mut answer = json!({ "status": status_word(DriftStatus::Accepted), "drift_id": drift_id });
    if let (Some(warning), Value::Object(answer)) = (accepted.warning, &mut answer) {
        answer.insert("warning".to_owned(), json!(warning));
    }
    Ok(Json(answer))
}

/// Responds to unknown paths with status 404.
pub(super) async fn not_found() -> RestError {
    RestError(Error::NotFound("page"))
}

/// Responds to methods that a path does not support with status 405.
pub(super) async fn method_not_allowed() -> (StatusCode, Json<Value>) {
    (
        StatusCode::METHOD_NOT_ALLOWED,
        Json(json!({ "error": "method_not_allowed" })),
    )
}
