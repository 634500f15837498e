//! The values of `extensions.code` that this crate sets itself, and the final check of each response: every error
//! gets a code, and the messages of unexpected errors are replaced.

use async_graphql::{ErrorExtensionValues, Pos, Response, ServerError, Value};

/// The transport rejected the request: method, media type, size or shape.
pub const BAD_REQUEST: &str = "BAD_REQUEST";
/// A value sent by the client is invalid.
pub const BAD_USER_INPUT: &str = "BAD_USER_INPUT";
/// The document is not valid GraphQL syntax.
pub const GRAPHQL_PARSE_FAILED: &str = "GRAPHQL_PARSE_FAILED";
/// The document does not match the schema.
pub const GRAPHQL_VALIDATION_FAILED: &str = "GRAPHQL_VALIDATION_FAILED";
/// An error that the client did not cause.
pub const INTERNAL_SERVER_ERROR: &str = "INTERNAL_SERVER_ERROR";
/// Introspection is disabled.
pub const INTROSPECTION_DISABLED: &str = "INTROSPECTION_DISABLED";
/// The document has several operations and the request names none of them, or names an unknown one.
pub const OPERATION_RESOLUTION_FAILURE: &str = "OPERATION_RESOLUTION_FAILURE";
/// The request has only the hash of a document, and this server does not store documents.
pub const PERSISTED_QUERY_NOT_SUPPORTED: &str = "PERSISTED_QUERY_NOT_SUPPORTED";
/// The document exceeds a limit.
pub const QUERY_TOO_COSTLY: &str = "QUERY_TOO_COSTLY";
/// The client has too many active operations, or other clients have too many large ones.
pub const RATE_LIMITED: &str = "RATE_LIMITED";
/// The request exceeded the timeout.
pub const REQUEST_TIMEOUT: &str = "REQUEST_TIMEOUT";
/// The caller has reached a limit of their own: requests in a minute, requests at the same time, or open streams.
pub const TOO_MANY_REQUESTS: &str = "TOO_MANY_REQUESTS";
/// The credentials are missing or invalid.
pub const UNAUTHENTICATED: &str = "UNAUTHENTICATED";

/// The message that clients receive for every internal error.
pub const INTERNAL_TEXT: &str = "internal error";

/// Creates a request error with its code.
pub(crate) fn error(code: &str, message: impl Into<String>, pos: Option<Pos>) -> ServerError {
    with_code(ServerError::new(message, pos), code)
}

/// Creates the error for a document that exceeds a limit.
pub(crate) fn too_costly(what: &str, count: usize, most: usize, pos: Option<Pos>) -> ServerError {
    let message = format!("the document has {count} {what}; at most {most} are allowed");
    error(QUERY_TOO_COSTLY, message, pos)
}

/// Creates the error for a document that does not match the schema.
pub(crate) fn invalid(message: String, pos: Pos) -> ServerError {
    error(GRAPHQL_VALIDATION_FAILED, message, Some(pos))
}

/// Adds `code` to an error that has none.
pub(crate) fn with_code(mut error: ServerError, code: &str) -> ServerError {
    if code_of(&error).is_none() {
        let values = error.extensions.get_or_insert_with(ErrorExtensionValues::default);
        values.set("code", code);
    }
    error
}

/// Returns the `extensions.code` of an error.
pub fn code_of(error: &ServerError) -> Option<&str> {
    match error.extensions.as_ref()?.get("code")? {
        Value::String(code) => Some(code),
        _ => None,
    }
}

/// Adds a code to each error that has none.
///
/// Documents and variables were validated before execution, so the remaining errors are arguments that could not be
/// parsed, and failures without a code. The library reports the first kind at the position of the argument's value
/// and the second at the position of the field. `arguments` has the positions of all argument values in the document,
/// to distinguish the two.
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

/// Logs an unexpected error and replaces its message.
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
    fn fill_keeps_existing_codes() {
        let foreseen = error("NOT_FOUND", "no such drift", None);
        let mut response = Response::from_errors(vec![foreseen.clone()]);
        fill(&mut response, &[]);
        assert_eq!(response.errors, [foreseen]);
    }

    #[test]
    fn only_errors_at_the_position_of_an_argument_are_bad_user_input() {
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
