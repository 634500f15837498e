//! How much one request may ask for.

use std::time::Duration;

/// No page has more rows than this, whatever the settings say.
pub const LARGEST_PAGE: u64 = 1000;

/// The bounds of one request. Every number is the largest value that is still served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of an HTTP body.
    pub max_body_bytes: usize,
    /// Bytes of the text of a document, variables not included.
    pub max_query_bytes: usize,
    /// Levels of braces, brackets and parentheses in the text of a document.
    pub max_query_nesting: usize,
    /// `@` signs in the text of a document, counted outside strings and comments.
    pub max_query_directives: usize,
    /// Levels of fields. The standard introspection query of graphql-js 16 has exactly 15.
    pub max_depth: usize,
    /// Directives in one place: a field, a spread, a definition.
    pub max_directives: usize,
    /// Points of complexity, as the schema's fields count them.
    pub max_complexity: usize,
    /// Fields of one definition once its fragments are written out.
    pub max_fields: usize,
    /// Aliased fields of one definition once its fragments are written out.
    pub max_aliases: usize,
    /// Fields at the top of one operation once its fragments are written out.
    pub max_root_fields: usize,
    /// Fragment definitions in one document, used or not.
    pub max_fragments: usize,
    /// Fragments that spread each other in a chain.
    pub max_fragment_chain: usize,
    /// Introspection lists (`fields`, `interfaces`, ...) inside each other: each level
    /// multiplies the answer by the size of the schema.
    pub max_introspection_lists: usize,
    /// Rows of one page.
    pub max_page: u64,
    /// Time from the request's head to the end of its execution.
    pub request_timeout: Duration,
}

impl Default for Bounds {
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
            max_page: 200,
            request_timeout: Duration::from_secs(30),
        }
    }
}
