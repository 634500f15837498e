//! The codes that the edge itself puts into `extensions.code`, and the last look at every answer:
//! no error leaves without a code, and none that nobody foresaw leaves with its text.

use async_graphql::{ErrorExtensionValues, Pos, Response, ServerError, Value};

/// The transport refused the request: method, media type, size or shape.
pub const BAD_REQUEST: &str = "BAD_REQUEST";
/// A value that the client sent cannot be used.
pub const BAD_USER_INPUT: &str = "BAD_USER_INPUT";
/// The document is not GraphQL.
pub const GRAPHQL_PARSE_FAILED: &str = "GRAPHQL_PARSE_FAILED";
/// The document does not fit the schema.
pub const GRAPHQL_VALIDATION_FAILED: &str = "GRAPHQL_VALIDATION_FAILED";
/// Something went wrong that is not the client's doing.
pub const INTERNAL_SERVER_ERROR: &str = "INTERNAL_SERVER_ERROR";
/// The schema may not be read.
pub const INTROSPECTION_DISABLED: &str = "INTROSPECTION_DISABLED";
/// The document does not say which of its operations to run, or names one it has not.
pub const OPERATION_RESOLUTION_FAILURE: &str = "OPERATION_RESOLUTION_FAILURE";
/// The request has only the hash of a document, and this server keeps none.
pub const PERSISTED_QUERY_NOT_SUPPORTED: &str = "PERSISTED_QUERY_NOT_SUPPORTED";
/// The document is beyond a bound.
pub const QUERY_TOO_COSTLY: &str = "QUERY_TOO_COSTLY";
/// The client asks for too much at a time.
pub const RATE_LIMITED: &str = "RATE_LIMITED";
/// The request took longer than it may.
pub const REQUEST_TIMEOUT: &str = "REQUEST_TIMEOUT";
/// The caller's credentials are missing or bad.
pub const UNAUTHENTICATED: &str = "UNAUTHENTICATED";

/// What a client reads in the place of a text that is not meant for it.
pub const INTERNAL_TEXT: &str = "internal error";

/// An error of the request itself, with its code.
pub(crate) fn error(code: &str, message: impl Into<String>, pos: Option<Pos>) -> ServerError {
    with_code(ServerError::new(message, pos), code)
}

/// The same error, with `code` unless it has one already.
pub(crate) fn with_code(mut error: ServerError, code: &str) -> ServerError {
    if code_of(&error).is_none() {
        let values = error.extensions.get_or_insert_with(ErrorExtensionValues::default);
        values.set("code", code);
    }
    error
}

/// The `extensions.code` of an error.
pub fn code_of(error: &ServerError) -> Option<&str> {
    match error.extensions.as_ref()?.get("code")? {
        Value::String(code) => Some(code),
        _ => None,
    }
}

/// Gives a code to every error of an answer that has none.
///
/// Documents and variables were judged before execution, so what is left is an argument that did
/// not parse or a failure nobody gave a code. The library puts the place of the argument's value
/// on the first kind and the place of the field on the second, hence `arguments`: the places of
/// all argument values in the document.
pub(crate) fn fill(response: &mut Response, arguments: &[Pos]) {
    for error in &mut response.errors {
        if code_of(error).is_some() {
            continue;
        }
        let of_argument = matches!(error.locations[..], [pos] if arguments.contains(&pos));
        if of_argument && error.source.is_none() {
            *error = with_code(
                std::mem::replace(error, ServerError::new("", None)),
                BAD_USER_INPUT,
            );
        } else {
            hide(error);
        }
    }
}

/// Logs an unforeseen error and takes its text away.
fn hide(error: &mut ServerError) {
    let path = format!("{:?}", error.path);
    tracing::error!(error = %error.message, path, "resolver failed");
    INTERNAL_TEXT.clone_into(&mut error.message);
    let mut values = ErrorExtensionValues::default();
    values.set("code", INTERNAL_SERVER_ERROR);
    error.extensions = Some(values);
    error.source = None;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_that_is_there_stays() {
        let foreseen = error("NOT_FOUND", "no such drift", None);
        let mut response = Response::from_errors(vec![foreseen.clone()]);
        fill(&mut response, &[]);
        assert_eq!(response.errors, [foreseen]);
    }

    #[test]
    fn only_the_place_of_an_argument_makes_an_error_the_clients() {
        let at = |column| Some(Pos { line: 1, column });
        let mut response = Response::from_errors(vec![
            ServerError::new("not a number", at(7)),
            ServerError::new("password=hunter2", at(1)),
            ServerError::new("password=hunter2", None),
        ]);
        fill(&mut response, &[Pos { line: 1, column: 7 }]);
        let seen: Vec<_> = response
            .errors
            .iter()
            .map(|e| (code_of(e), e.message.as_str()))
            .collect();
        let internal = (Some(INTERNAL_SERVER_ERROR), INTERNAL_TEXT);
        assert_eq!(seen, [(Some(BAD_USER_INPUT), "not a number"), internal, internal]);
    }
}
