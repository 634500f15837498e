//! What mutations share.

use std::time::Duration;

use async_graphql::Context;

use super::loader::forget;
use crate::app::App;
use crate::error::Result;

/// How long a mutation waits for the run that it started.
pub(super) const WAIT_FOR_JOB: Duration = Duration::from_secs(25);

pub(super) fn to_int(count: u64) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// Returns the app and clears the loaders. The mutations of a document run one after the other, and the result of each
/// must not contain rows that were loaded before it.
pub(super) fn app_with_fresh_loaders<'c>(ctx: &Context<'c>) -> Result<&'c App> {
    forget(&*super::loaders(ctx)?);
    super::app(ctx)
}
