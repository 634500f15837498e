//! Custom scalars.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};

use crate::domain::redaction::shown;

/// Any JSON value. Numbers keep all their digits.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::graphql) struct Json(pub(in crate::graphql) serde_json::Value);

/// Any JSON value. Numbers keep all their digits.
#[Scalar(name = "JSON", specified_by_url = "https://www.rfc-editor.org/rfc/rfc8259")]
impl ScalarType for Json {
    fn parse(value: Value) -> InputValueResult<Self> {
        value
            .into_json()
            .map(Self)
            .map_err(|error| InputValueError::custom(error.to_string()))
    }

    fn to_value(&self) -> Value {
        Value::from_json(shown(&self.0).into_owned()).unwrap_or_default()
    }
}
