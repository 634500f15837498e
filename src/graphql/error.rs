//! Maps the errors of services to GraphQL errors. No other module sets the codes of this API.

use std::sync::Arc;

use async_graphql::ErrorExtensionValues;

use crate::domain::redaction::shown;
use crate::domain::retention::ForgetRefusal;
use crate::domain::undo::UndoRefusal;
use crate::error::{Error, status_word};

/// An error that is returned to a client.
///
/// It does not implement `Display`, because async-graphql converts every type that does into an error without a code.
#[derive(Clone, Debug)]
pub(crate) struct ApiError(Arc<Error>);

/// The result of a resolver.
pub(super) type ApiResult<T> = Result<T, ApiError>;

impl<E: Into<Error>> From<E> for ApiError {
    fn from(error: E) -> Self {
        Self(Arc::new(error.into()))
    }
}

impl From<ApiError> for async_graphql::Error {
    fn from(ApiError(error): ApiError) -> Self {
        if error.is_internal() {
            tracing::error!(%error, "request failed");
        }
        let mut response_error = async_graphql::Error::new(error.public_message());
        let mut extensions = ErrorExtensionValues::default();
        extensions.set("code", error.code());
        match &*error {
            Error::AlreadyResolved(status) => {
                extensions.set("currentStatus", status_word(*status).to_uppercase())
            }
            Error::LiveValueMoved {
                actual,
                revision,
                status,
            } => {
                let actual = async_graphql::Value::from_json(shown(actual).into_owned()).unwrap_or_default();
                extensions.set("actual", actual);
                extensions.set("revision", *revision);
                extensions.set("currentStatus", status_word(*status).to_uppercase());
            }
            Error::JobAlreadyRunning { since } => extensions.set("since", since.to_rfc3339()),
            Error::SpecVersionConflict { current } => extensions.set("specVersion", *current),
            Error::PlanRefused { code, .. } => extensions.set("reason", *code),
            Error::NotForgettable(why) => extensions.set("reason", reason(why)),
            Error::NotUndoable(why) => set_undo_refusal(&mut extensions, why),
            Error::SpecOwnedByState { source_name } => extensions.set("source", source_name.as_str()),
            _ => {}
        }
        response_error.extensions = Some(extensions);
        response_error
    }
}

fn set_undo_refusal(extensions: &mut ErrorExtensionValues, why: &UndoRefusal) {
    let reason = match why {
        UndoRefusal::NotAccepted(status) => {
            extensions.set("currentStatus", status_word(*status).to_uppercase());
            "NOT_ACCEPTED"
        }
        UndoRefusal::NotKept => "VERSION_NOT_KEPT",
        UndoRefusal::Retired { at } => {
            extensions.set("retiredAt", at.to_rfc3339());
            "RETIRED"
        }
        UndoRefusal::TakenOver { source } => {
            extensions.set("source", source.as_str());
            "TAKEN_OVER"
        }
        UndoRefusal::ValueChanged { field, current } => {
            let current = current.as_ref().map(|current| shown(current).into_owned());
            let current = async_graphql::Value::from_json(current.unwrap_or_default());
            extensions.set("field", field.as_str());
            extensions.set("expected", current.unwrap_or_default());
            "VALUE_CHANGED"
        }
        UndoRefusal::RecordedAgain => "RECORDED_AGAIN",
        UndoRefusal::Superseded {
            field,
            version,
            recorded_by,
        } => {
            extensions.set("field", field.as_str());
            extensions.set("specVersion", *version);
            extensions.set("recordedBy", recorded_by.as_str());
            "SUPERSEDED"
        }
        UndoRefusal::TooManySince => "TOO_MANY_VERSIONS",
        UndoRefusal::DecidedAgain => "DECIDED_AGAIN",
    };
    extensions.set("reason", reason);
}

fn reason(why: &ForgetRefusal) -> &'static str {
    match why {
        ForgetRefusal::NotGone => "STILL_THERE",
        ForgetRefusal::SpecInForce => "SPEC_IN_FORCE",
        ForgetRefusal::Decisions(_) => "HAS_DECISIONS",
    }
}
