//! Maps the errors of services to GraphQL errors. No other module sets the codes of this API.

use std::sync::Arc;

use async_graphql::{ErrorExtensionValues, InputType as _, Value};

use super::refusal::Facts;
use crate::error::Error;

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
        let facts = Facts::of(&error);
        set(
            &mut extensions,
            "currentStatus",
            facts.status.map(|status| status.to_value()),
        );
        set(&mut extensions, "actual", facts.actual.map(json));
        set(&mut extensions, "revision", facts.revision.map(Value::from));
        set(
            &mut extensions,
            "since",
            facts.since.map(|since| since.to_rfc3339().into()),
        );
        set(
            &mut extensions,
            "specVersion",
            facts.spec_version.map(Value::from),
        );
        set(
            &mut extensions,
            "retiredAt",
            facts.retired_at.map(|at| at.to_rfc3339().into()),
        );
        set(&mut extensions, "source", facts.source.map(Value::from));
        set(&mut extensions, "field", facts.field.map(Value::from));
        set(&mut extensions, "expected", facts.expected.map(json));
        set(&mut extensions, "recordedBy", facts.recorded_by.map(Value::from));
        set(&mut extensions, "reason", facts.reason.map(Value::from));
        response_error.extensions = Some(extensions);
        response_error
    }
}

fn set(extensions: &mut ErrorExtensionValues, name: &str, value: Option<Value>) {
    if let Some(value) = value {
        extensions.set(name, value);
    }
}

fn json(value: serde_json::Value) -> Value {
    Value::from_json(value).unwrap_or_default()
}
