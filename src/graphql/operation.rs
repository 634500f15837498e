//! Which operation of a document a request means.

use async_graphql::{
    Positioned,
    parser::types::{DocumentOperations, ExecutableDocument, OperationDefinition},
};

/// The operation that runs, or why none does.
///
/// A document with a single *named* operation is `Multiple` to the parser; whoever looks at
/// `Single` alone takes `mutation M { .. }` for no mutation.
///
/// # Errors
/// A text for the client: the name is unknown, or missing where there is a choice.
pub fn select<'a>(
    document: &'a ExecutableDocument,
    name: Option<&str>,
) -> Result<&'a Positioned<OperationDefinition>, String> {
    let unknown = |name: &str| format!("the document has no operation named \"{name}\"");
    match (&document.operations, name) {
        (DocumentOperations::Single(operation), None) => Ok(operation),
        (DocumentOperations::Single(_), Some(name)) => Err(unknown(name)),
        (DocumentOperations::Multiple(all), Some(name)) => all.get(name).ok_or_else(|| unknown(name)),
        (DocumentOperations::Multiple(all), None) => {
            let mut operations = all.values();
            match (operations.next(), operations.next()) {
                (Some(operation), None) => Ok(operation),
                _ => Err("operationName must say which operation of the document to run".to_owned()),
            }
        }
    }
}
