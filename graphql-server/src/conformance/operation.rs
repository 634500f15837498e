//! Selects the operation of a document to execute.

use async_graphql::{
    Positioned, ServerResult,
    parser::types::{DocumentOperations, ExecutableDocument, OperationDefinition, OperationType, Selection},
};

use crate::codes::{self, GRAPHQL_VALIDATION_FAILED};

/// Returns the operation to execute.
///
/// The parser represents a document with a single *named* operation as `Multiple`, so code that handles only `Single`
/// would miss `mutation M { .. }`.
///
/// # Errors
///
/// A message for the client: the name is unknown, or missing although there are several operations.
pub(crate) fn select<'a>(
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
                _ => Err("the document has several operations: set operationName".to_owned()),
            }
        }
    }
}

/// Rejects a subscription that does not have exactly one root field, as the specification requires. The library would
/// subscribe to several fields at once, and ignore fields in a fragment.
pub(crate) fn check_subscription(operation: &Positioned<OperationDefinition>) -> ServerResult<()> {
    if operation.node.ty != OperationType::Subscription {
        return Ok(());
    }
    let conditional = |name: &str| ["skip", "include"].contains(&name);
    match &operation.node.selection_set.node.items[..] {
        [item] => match &item.node {
            Selection::Field(field)
                if !field.node.name.node.starts_with("__")
                    && !field
                        .node
                        .directives
                        .iter()
                        .any(|d| conditional(&d.node.name.node)) =>
            {
                Ok(())
            }
            _ => Err(one_field(item.pos)),
        },
        _ => Err(one_field(operation.node.selection_set.pos)),
    }
}

fn one_field(pos: async_graphql::Pos) -> async_graphql::ServerError {
    let message = "a subscription must select exactly one field, without fragments, @skip or @include";
    codes::error(GRAPHQL_VALIDATION_FAILED, message, Some(pos))
}
