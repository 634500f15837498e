//! Maps the errors of services to GraphQL errors. No other module sets the codes of this API.

use std::sync::Arc;

use async_graphql::ErrorExtensionValues;

use crate::domain::redaction::shown;
use crate::domain::retention::ForgetRefusal;
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
            Error::SpecOwnedByState { source_name } => extensions.set("source", source_name.as_str()),
            _ => {}
        }
        response_error.extensions = Some(extensions);
        response_error
    }
}

fn reason(why: &ForgetRefusal) -> &'static str {
    match why {
        ForgetRefusal::NotGone => "STILL_THERE",
        ForgetRefusal::SpecInForce => "SPEC_IN_FORCE",
        ForgetRefusal::Decisions(_) => "HAS_DECISIONS",
    }
}
