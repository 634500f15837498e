//! The limits of this API.

use graphql_server::limits::RequestLimits;

/// Maximum number of rows per page that can be configured.
pub(crate) const LARGEST_PAGE: u64 = 1000;

/// The limits of one request to this API. Each value is the largest accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiLimits {
    /// The limits that apply to every schema.
    pub request: RequestLimits,
    /// Rows per page.
    pub max_page: u64,
}

impl Default for ApiLimits {
    fn default() -> Self {
        Self {
            request: RequestLimits::default(),
            max_page: 200,
        }
    }
}
