//! The limits of one request, and the checks of a document that run before the library walks it.

pub(crate) mod cost;
mod fragments;
pub(crate) mod scan;
mod sizes;

use std::time::Duration;

use async_graphql::ServerResult;

/// The limits of one request. Each value is the largest that is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestLimits {
    /// Size of an HTTP body in bytes.
    pub max_body_bytes: usize,
    /// Size of a document in bytes, without variables.
    pub max_query_bytes: usize,
    /// Nesting of braces, brackets and parentheses in a document.
    pub max_query_nesting: usize,
    /// Number of `@` signs in a document, outside strings and comments.
    pub max_query_directives: usize,
    /// Depth of fields. The standard introspection query of graphql-js 16 has exactly 15.
    pub max_depth: usize,
    /// Directives at one location: a field, a spread, a definition.
    pub max_directives: usize,
    /// Complexity, as the fields of the schema declare it.
    pub max_complexity: usize,
    /// Fields of one definition with its fragments expanded.
    pub max_fields: usize,
    /// Aliased fields of one definition with its fragments expanded.
    pub max_aliases: usize,
    /// Root fields of one operation with its fragments expanded.
    pub max_root_fields: usize,
    /// Fragment definitions in one document, whether used or not.
    pub max_fragments: usize,
    /// Length of a chain of fragments that spread each other.
    pub max_fragment_chain: usize,
    /// Depth of nested introspection lists (`fields`, `interfaces`, ...): each level multiplies the size of the
    /// response by the size of the schema.
    pub max_introspection_lists: usize,
    /// Size of an answer in bytes, about: the texts and the JSON in it, and a few bytes for each other value.
    pub max_answer_bytes: usize,
    /// Time from the request's head to the end of its execution.
    pub request_timeout: Duration,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self {
            max_body_bytes: 1024 * 1024,
            max_query_bytes: 64 * 1024,
            max_query_nesting: 40,
            max_query_directives: 400,
            max_depth: 15,
            max_directives: 3,
            max_complexity: 20_000,
            max_fields: 400,
            max_aliases: 30,
            max_root_fields: 20,
            max_fragments: 100,
            max_fragment_chain: 20,
            max_introspection_lists: 2,
            max_answer_bytes: 16 * 1024 * 1024,
            request_timeout: Duration::from_secs(30),
        }
    }
}

/// Checks the text of a document before it is parsed: the parser recurses once per bracket, without a limit.
///
/// # Errors
///
/// The text exceeds a limit, or has an unterminated string.
pub fn check_text(text: &str, limits: &RequestLimits) -> ServerResult<()> {
    scan::scan(text, limits).map_err(|error| error.into_server_error(limits))
}
