//! Settings of the limits of one request.

use clap::Args;
use graphql_server::limits::RequestLimits;

use super::{BadSetting, Result, duration, set};
use crate::graphql::limits::{ApiLimits, LARGEST_PAGE};

/// Limits of one request.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Limits of one request")]
pub struct BoundsArgs {
    /// Bytes of an HTTP body, and of a message on a WebSocket [default: 1048576]
    #[arg(long, env = "DRIFT_MAX_BODY_BYTES", hide_env_values = true, value_name = "N")]
    pub max_body_bytes: Option<String>,
    /// Bytes of the text of a document, without variables [default: 65536]
    #[arg(long, env = "DRIFT_MAX_QUERY_BYTES", hide_env_values = true, value_name = "N")]
    pub max_query_bytes: Option<String>,
    /// Nesting of brackets in the text of a document [default: 40]
    #[arg(
        long,
        env = "DRIFT_MAX_QUERY_NESTING",
        hide_env_values = true,
        value_name = "N"
    )]
    pub max_query_nesting: Option<String>,
    /// Nesting of fields; the introspection query needs 15 [default: 15]
    #[arg(long, env = "DRIFT_MAX_DEPTH", hide_env_values = true, value_name = "N")]
    pub max_depth: Option<String>,
    /// Directives in one place [default: 3]
    #[arg(long, env = "DRIFT_MAX_DIRECTIVES", hide_env_values = true, value_name = "N")]
    pub max_directives: Option<String>,
    /// Complexity: about 1 for each field, multiplied by the rows of the pages around it [default: 20000]
    #[arg(long, env = "DRIFT_MAX_COMPLEXITY", hide_env_values = true, value_name = "N")]
    pub max_complexity: Option<String>,
    /// Fields of a document after fragments are expanded [default: 400]
    #[arg(long, env = "DRIFT_MAX_FIELDS", hide_env_values = true, value_name = "N")]
    pub max_fields: Option<String>,
    /// Aliased fields of a document after fragments are expanded [default: 30]
    #[arg(long, env = "DRIFT_MAX_ALIASES", hide_env_values = true, value_name = "N")]
    pub max_aliases: Option<String>,
    /// Fields at the top of an operation [default: 20]
    #[arg(long, env = "DRIFT_MAX_ROOT_FIELDS", hide_env_values = true, value_name = "N")]
    pub max_root_fields: Option<String>,
    /// Rows of one page, from 1 to 1000 [default: 200]
    #[arg(long, env = "DRIFT_MAX_PAGE", hide_env_values = true, value_name = "N")]
    pub max_page: Option<String>,
    /// Time for one request [default: 30s]
    #[arg(
        long,
        env = "DRIFT_REQUEST_TIMEOUT",
        hide_env_values = true,
        value_name = "TIME"
    )]
    pub request_timeout: Option<String>,
}

impl BoundsArgs {
    /// Reads and checks.
    pub fn resolve(&self) -> Result<ApiLimits> {
        let ApiLimits { request: d, max_page } = ApiLimits::default();
        let timeout = match set(self.request_timeout.as_deref()) {
            Some(text) => duration("DRIFT_REQUEST_TIMEOUT", text)?,
            None => d.request_timeout,
        };
        let request = RequestLimits {
            max_body_bytes: bound("DRIFT_MAX_BODY_BYTES", &self.max_body_bytes, d.max_body_bytes)?,
            max_query_bytes: bound("DRIFT_MAX_QUERY_BYTES", &self.max_query_bytes, d.max_query_bytes)?,
            max_query_nesting: bound(
                "DRIFT_MAX_QUERY_NESTING",
                &self.max_query_nesting,
                d.max_query_nesting,
            )?,
            max_depth: bound("DRIFT_MAX_DEPTH", &self.max_depth, d.max_depth)?,
            max_directives: bound("DRIFT_MAX_DIRECTIVES", &self.max_directives, d.max_directives)?,
            max_complexity: bound("DRIFT_MAX_COMPLEXITY", &self.max_complexity, d.max_complexity)?,
            max_fields: bound("DRIFT_MAX_FIELDS", &self.max_fields, d.max_fields)?,
            max_aliases: bound("DRIFT_MAX_ALIASES", &self.max_aliases, d.max_aliases)?,
            max_root_fields: bound("DRIFT_MAX_ROOT_FIELDS", &self.max_root_fields, d.max_root_fields)?,
            request_timeout: timeout,
            ..d
        };
        let max_page = match bound("DRIFT_MAX_PAGE", &self.max_page, max_page)? {
            rows if rows <= LARGEST_PAGE => rows,
            rows => {
                return Err(BadSetting::new(
                    "DRIFT_MAX_PAGE",
                    format!("{rows} is more than the maximum of {LARGEST_PAGE}"),
                ));
            }
        };
        Ok(ApiLimits { request, max_page })
    }
}

fn bound<N>(name: &'static str, value: &Option<String>, default: N) -> Result<N>
where
    N: std::str::FromStr + PartialOrd + From<u8>,
{
    let Some(text) = set(value.as_deref()) else {
        return Ok(default);
    };
    let wrong = || BadSetting::new(name, format!("{text:?} is not a whole number above 0"));
    text.parse()
        .ok()
        .filter(|number| *number >= N::from(1))
        .ok_or_else(wrong)
}
