//! Settings of the limits of one request.

use std::num::NonZeroU32;
use std::time::Duration;

use clap::Args;
use clap::builder::RangedU64ValueParser;
use graphql_server::callers::CallerLimits;
use graphql_server::limits::RequestLimits;

use super::parsers::{shown, time_of_at_least};
use crate::graphql::api_limits::{ApiLimits, LARGEST_PAGE};

/// Minimum time for one request.
const SHORTEST: Duration = Duration::from_millis(1);

/// Limits of one request.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Limits of one request")]
pub(crate) struct LimitArgs {
    /// Bytes of an HTTP body, and of a message on a WebSocket
    #[arg(long, env = "DRIFT_MAX_BODY_BYTES", value_name = "N", value_parser = number())]
    #[arg(default_value_t = RequestLimits::default().max_body_bytes)]
    max_body_bytes: usize,
    /// Bytes of the text of a document, without variables
    #[arg(long, env = "DRIFT_MAX_QUERY_BYTES", value_name = "N", value_parser = number())]
    #[arg(default_value_t = RequestLimits::default().max_query_bytes)]
    max_query_bytes: usize,
    /// Nesting of brackets in the text of a document
    #[arg(long, env = "DRIFT_MAX_QUERY_NESTING", value_name = "N", value_parser = number())]
    #[arg(default_value_t = RequestLimits::default().max_query_nesting)]
    max_query_nesting: usize,
    /// Nesting of fields; the introspection query needs 15
    #[arg(long, env = "DRIFT_MAX_DEPTH", value_name = "N", value_parser = number())]
    #[arg(default_value_t = RequestLimits::default().max_depth)]
    max_depth: usize,
    /// Directives in one place
    #[arg(long, env = "DRIFT_MAX_DIRECTIVES", value_name = "N", value_parser = number())]
    #[arg(default_value_t = RequestLimits::default().max_directives)]
    max_directives: usize,
    /// Complexity: about 1 for each field, multiplied by the rows of the pages around it. Queries of more than an eighth
    /// of it share four times this complexity, and wait for each other
    #[arg(long, env = "DRIFT_MAX_COMPLEXITY", value_name = "N", value_parser = number())]
    #[arg(default_value_t = RequestLimits::default().max_complexity)]
    max_complexity: usize,
    /// Fields of a document after fragments are expanded
    #[arg(long, env = "DRIFT_MAX_FIELDS", value_name = "N", value_parser = number())]
    #[arg(default_value_t = RequestLimits::default().max_fields)]
    max_fields: usize,
    /// Aliased fields of a document after fragments are expanded
    #[arg(long, env = "DRIFT_MAX_ALIASES", value_name = "N", value_parser = number())]
    #[arg(default_value_t = RequestLimits::default().max_aliases)]
    max_aliases: usize,
    /// Fields at the top of an operation
    #[arg(long, env = "DRIFT_MAX_ROOT_FIELDS", value_name = "N", value_parser = number())]
    #[arg(default_value_t = RequestLimits::default().max_root_fields)]
    max_root_fields: usize,
    /// Bytes of the texts and the JSON in an answer
    #[arg(long, env = "DRIFT_MAX_ANSWER_BYTES", value_name = "N", value_parser = number())]
    #[arg(default_value_t = RequestLimits::default().max_answer_bytes)]
    max_answer_bytes: usize,
    /// Rows of one page, from 1 to 1000
    #[arg(long, env = "DRIFT_MAX_PAGE", value_name = "N", default_value_t = ApiLimits::default().max_page)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=LARGEST_PAGE))]
    max_page: u64,
    /// Time for one request
    #[arg(long, env = "DRIFT_REQUEST_TIMEOUT", value_name = "TIME", value_parser = time_of_at_least(SHORTEST))]
    #[arg(default_value = shown(RequestLimits::default().request_timeout))]
    request_timeout: Duration,
    /// Plans and inventory lines that are received and stored at the same time; others wait. A plan may take 64 MiB of
    /// memory
    #[arg(long, env = "DRIFT_MAX_UPLOADS", value_name = "N", value_parser = number())]
    #[arg(default_value_t = ApiLimits::default().max_uploads)]
    max_uploads: usize,
    /// Time in which the body of an upload must arrive
    #[arg(long, env = "DRIFT_UPLOAD_TIMEOUT", value_name = "TIME", value_parser = time_of_at_least(SHORTEST))]
    #[arg(default_value = shown(ApiLimits::default().upload_timeout))]
    upload_timeout: Duration,
}

impl LimitArgs {
    /// Returns the limits.
    pub(crate) fn limits(&self) -> ApiLimits {
        let request = RequestLimits {
            max_body_bytes: self.max_body_bytes,
            max_query_bytes: self.max_query_bytes,
            max_query_nesting: self.max_query_nesting,
            max_depth: self.max_depth,
            max_directives: self.max_directives,
            max_complexity: self.max_complexity,
            max_fields: self.max_fields,
            max_aliases: self.max_aliases,
            max_root_fields: self.max_root_fields,
            max_answer_bytes: self.max_answer_bytes,
            request_timeout: self.request_timeout,
            ..RequestLimits::default()
        };
        ApiLimits {
            request,
            max_page: self.max_page,
            max_uploads: self.max_uploads,
            upload_timeout: self.upload_timeout,
            ..ApiLimits::default()
        }
    }
}

/// Limits of one caller.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Limits of one caller")]
pub(crate) struct CallerLimitArgs {
    /// Requests of one user in a minute
    #[arg(long, env = "DRIFT_USER_REQUESTS_PER_MINUTE", value_name = "N")]
    #[arg(default_value_t = CallerLimits::default().user_per_minute)]
    user_requests_per_minute: NonZeroU32,
    /// Requests without a valid token from one address in a minute
    #[arg(long, env = "DRIFT_ADDRESS_REQUESTS_PER_MINUTE", value_name = "N")]
    #[arg(default_value_t = CallerLimits::default().address_per_minute)]
    address_requests_per_minute: NonZeroU32,
    /// Requests of one caller that are executed at the same time; others wait
    #[arg(long, env = "DRIFT_CALLER_REQUESTS", value_name = "N")]
    #[arg(default_value_t = CallerLimits::default().simultaneous)]
    caller_requests: NonZeroU32,
    /// WebSockets and event streams of one caller
    #[arg(long, env = "DRIFT_CALLER_STREAMS", value_name = "N")]
    #[arg(default_value_t = CallerLimits::default().streams)]
    caller_streams: NonZeroU32,
}

impl CallerLimitArgs {
    /// Returns the limits.
    pub(crate) fn limits(&self) -> CallerLimits {
        CallerLimits {
            user_per_minute: self.user_requests_per_minute,
            address_per_minute: self.address_requests_per_minute,
            simultaneous: self.caller_requests,
            streams: self.caller_streams,
            ..CallerLimits::default()
        }
    }
}

/// Parses a number of at least 1.
fn number() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..)
}
