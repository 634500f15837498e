//! The limits of this API.

use std::time::Duration;

use graphql_server::callers::CallerLimits;
use graphql_server::limits::RequestLimits;

/// Maximum number of rows per page that can be configured.
pub(crate) const LARGEST_PAGE: u64 = 1000;

/// The limits of one request to this API. Each value is the largest accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiLimits {
    /// The limits that apply to every schema.
    pub request: RequestLimits,
    /// The limits of one caller.
    pub callers: CallerLimits,
    /// Rows per page.
    pub max_page: u64,
    /// Plans that are received and imported at the same time. Others wait.
    pub max_uploads: usize,
    /// Time in which a plan must arrive, with the time for which it waits.
    pub upload_timeout: Duration,
}

impl Default for ApiLimits {
    fn default() -> Self {
        Self {
            request: RequestLimits::default(),
            callers: CallerLimits::default(),
            max_page: 200,
            max_uploads: 4,
            upload_timeout: Duration::from_secs(600),
        }
    }
}
