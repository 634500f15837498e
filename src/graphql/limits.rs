//! The query of the limits of this server.

use std::time::Duration;

use async_graphql::{Context, Object, SimpleObject};
use chrono::TimeDelta;

use super::api_limits::ApiLimits;
use super::error::ApiResult;
use super::guard::AtLeast;
use super::types::DEFAULT_PAGE;
use super::{app, mutation::to_int};
use crate::domain::actor::Role;
use crate::domain::validation::{MAX_SPEC_BYTES, MAX_TEXT_BYTES};
use crate::error::Error;
use crate::services::{bulks, measures};

/// The query of limits.
#[derive(Default)]
pub(super) struct LimitQuery;

/// The query of limits.
#[Object]
impl LimitQuery {
    /// Returns the limits of this server, so that a client need not know its settings. What one request costs is in the
    /// answer, as `extensions.cost`, if the request has the extension `{"cost": true}`.
    #[graphql(guard = "AtLeast(Role::PlatformViewer)")]
    async fn limits(&self, ctx: &Context<'_>) -> ApiResult<Limits> {
        let limits = ctx
            .data::<ApiLimits>()
            .map_err(|error| Error::Internal(error.message))?;
        let request = &limits.request;
        let retention = app(ctx)?.schedules().retention;
        Ok(Limits {
            complexity: size(request.max_complexity),
            depth: size(request.max_depth),
            fields: size(request.max_fields),
            aliases: size(request.max_aliases),
            root_fields: size(request.max_root_fields),
            directives: size(request.max_directives),
            fragments: size(request.max_fragments),
            query_bytes: size(request.max_query_bytes),
            body_bytes: size(request.max_body_bytes),
            request_timeout_seconds: seconds(request.request_timeout),
            page_size: to_int(limits.max_page),
            default_page_size: to_int(DEFAULT_PAGE.min(limits.max_page)),
            bulk_drifts: size(bulks::MAX_DRIFTS),
            preview_lifetime_seconds: bulks::LIFETIME.num_seconds() as f64,
            text_bytes: size(MAX_TEXT_BYTES),
            spec_bytes: size(MAX_SPEC_BYTES),
            measured_days: i32::try_from(measures::MAX_DAYS).unwrap_or(i32::MAX),
            measured_drifts: to_int(measures::MAX_ROWS),
            uploads: size(limits.max_uploads),
            upload_timeout_seconds: seconds(limits.upload_timeout),
            retention: retention.map(|retention| RetentionLimits {
                gone_resources_seconds: kept(retention.gone_resources),
                events_seconds: kept(retention.events),
                job_runs_seconds: kept(retention.job_runs),
                decisions_seconds: kept(retention.decisions),
            }),
        })
    }
}

/// The limits of a server. A request beyond a limit fails with QUERY_TOO_COSTLY or BAD_USER_INPUT.
#[derive(SimpleObject)]
struct Limits {
    /// Complexity: about 1 for each field, multiplied by the rows of the pages around it.
    complexity: i32,
    /// Nesting of fields.
    depth: i32,
    /// Fields of a document after fragments are expanded.
    fields: i32,
    /// Aliased fields of a document after fragments are expanded.
    aliases: i32,
    /// Fields at the top of an operation.
    root_fields: i32,
    /// Directives in one place.
    directives: i32,
    /// Fragment definitions in one document.
    fragments: i32,
    /// Bytes of the text of a document, without variables.
    query_bytes: i32,
    /// Bytes of an HTTP body, and of a message on a WebSocket.
    body_bytes: i32,
    /// Time for one request in seconds.
    request_timeout_seconds: f64,
    /// Rows of one page: the largest `first` and `last`.
    page_size: i32,
    /// Rows of a page without `first` and `last`.
    default_page_size: i32,
    /// Drifts of one bulk.
    bulk_drifts: i32,
    /// Time in seconds after which a preview of a bulk cannot be executed any more.
    preview_lifetime_seconds: f64,
    /// Bytes of a note, of a reason, and of a text in a filter.
    text_bytes: i32,
    /// Bytes of a spec as JSON.
    spec_bytes: i32,
    /// Days of the range of `measures`.
    measured_days: i32,
    /// Drifts of one status that one of the measures counts.
    measured_drifts: i32,
    /// Uploads that are received at the same time. Others wait.
    uploads: i32,
    /// Time in seconds in which an upload must arrive.
    upload_timeout_seconds: f64,
    /// How long rows are kept; null if this server deletes none.
    retention: Option<RetentionLimits>,
}

/// How long rows are kept on this server, in seconds. Null keeps them for ever.
#[derive(SimpleObject)]
struct RetentionLimits {
    /// Resources that are gone and have no spec in force.
    gone_resources_seconds: Option<f64>,
    /// Events of resources, and stale drifts with their events.
    events_seconds: Option<f64>,
    /// Runs of jobs that have ended, and notifications that were delivered or given up.
    job_runs_seconds: Option<f64>,
    /// Accepted and reverted drifts, events of accepts and of specs, and superseded versions of specs.
    decisions_seconds: Option<f64>,
}

fn size(limit: usize) -> i32 {
    to_int(limit as u64)
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

fn kept(time: Option<TimeDelta>) -> Option<f64> {
    time.map(|time| time.num_seconds() as f64)
}
