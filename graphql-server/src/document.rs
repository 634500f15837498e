//! Scans and parses the document of a request, once per request.

use std::{
    any::TypeId,
    sync::{Arc, LazyLock},
};

use async_graphql::{
    Request, ServerError, ServerResult,
    parser::types::{ExecutableDocument, OperationType},
};

use crate::{
    codes::{self, GRAPHQL_PARSE_FAILED},
    conformance::operation,
    limits::{RequestLimits, check_text},
    recent::Recent,
};

/// Maximum size in bytes of the parser's message, which quotes the line with the error.
const MAX_PARSE_MESSAGE: usize = 1_000;

/// A request whose document was scanned and parsed. The parsed document stays in the request.
pub(crate) struct Prepared {
    pub(crate) request: Request,
    /// The type of the operation to execute. `None` if the document does not have the operation that the request
    /// names: execution reports that error.
    pub(crate) operation: Option<OperationType>,
}

/// A cache of parsed documents, which depend on the text only. The limits and the variables are checked for each
/// request.
static PARSED: LazyLock<Recent<Arc<ExecutableDocument>>> = LazyLock::new(|| Recent::new(128));

/// Marks a request whose document was scanned. Only this module can create it.
struct Scanned(());

/// Scans and parses a document, and selects its operation.
///
/// # Errors
///
/// The document exceeds a limit of the scan, or is not valid GraphQL syntax.
pub(crate) fn prepare(mut request: Request, limits: &RequestLimits) -> ServerResult<Prepared> {
    parse(&mut request, limits)?;
    let name = request.operation_name.clone();
    let document = request.parsed_query().map_err(parse_error)?;
    let operation = operation::select(document, name.as_deref()).ok();
    let operation = operation.map(|operation| operation.node.ty);
    Ok(Prepared { request, operation })
}

/// Scans and parses the document of a request, unless that was done before. The text is scanned before it is parsed,
/// because the parser recurses without a limit.
///
/// # Errors
///
/// The same as those of [`prepare`].
pub(crate) fn parse(request: &mut Request, limits: &RequestLimits) -> ServerResult<()> {
    if request.data.contains_key(&TypeId::of::<Scanned>()) {
        return Ok(());
    }
    check_text(&request.query, limits)?;
    match PARSED.get(&request.query) {
        Some(document) => request.set_parsed_query(ExecutableDocument::clone(&document)),
        None => {
            request.parsed_query().map_err(parse_error)?;
        }
    }
    request.data.insert(Scanned(()));
    Ok(())
}

/// Adds the document of a request to the cache, unless it is there. Call this after the document has passed the limits:
/// a document that is refused must not take the place of another one.
pub(crate) fn remember(text: &str, document: &ExecutableDocument) {
    if !PARSED.contains(text) {
        PARSED.put(text, Arc::new(document.clone()));
    }
}

fn parse_error(mut error: ServerError) -> ServerError {
    if error.message.len() > MAX_PARSE_MESSAGE {
        error.message = match error.locations.first() {
            Some(pos) => format!("syntax error at line {}, column {}", pos.line, pos.column),
            None => "syntax error".to_owned(),
        };
    }
    codes::with_code(error, GRAPHQL_PARSE_FAILED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_scanned_and_parsed_once() {
        let limits = RequestLimits::default();
        let prepared = prepare(Request::new("mutation M { a }"), &limits);
        let Prepared {
            mut request,
            operation,
        } = prepared.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(operation, Some(OperationType::Mutation));
        // This text would be rejected by the scan and by the parser.
        request.query = "{".repeat(1_000);
        assert!(parse(&mut request, &limits).is_ok());
        assert!(parse(&mut Request::new("{".repeat(1_000)), &limits).is_err());
    }

    #[test]
    fn an_unknown_operation_is_left_to_execution() {
        let request = Request::new("query A { a } query B { b }").operation_name("C");
        let prepared = prepare(request, &RequestLimits::default());
        assert!(prepared.is_ok_and(|prepared| prepared.operation.is_none()));
    }
}
