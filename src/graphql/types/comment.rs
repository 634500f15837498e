//! Comments on drifts.

use async_graphql::{Context, ID, Object};
use chrono::{DateTime, Utc};
use entity::drift_comments;
use uuid::Uuid;

use super::{Connection, PageArgs, Total};
use crate::error::Error;
use crate::graphql::error::ApiResult;
use crate::graphql::loader::CommentsOf;

/// A comment of a user on a drift. It never changes.
pub(in crate::graphql) struct DriftComment(pub(in crate::graphql) drift_comments::Model);

/// A comment of a user on a drift. It never changes.
#[Object]
impl DriftComment {
    /// The unique id of the comment.
    pub(in crate::graphql) async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// The id of the drift.
    async fn drift_id(&self) -> ID {
        self.0.drift_id.into()
    }

    /// The user who wrote it.
    async fn author(&self) -> &str {
        &self.0.author
    }

    /// What the user wrote: plain text.
    async fn body(&self) -> &str {
        &self.0.body
    }

    /// When it was written.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }
}

/// Returns a page of the comments on a drift.
pub(super) async fn comments_of(
    ctx: &Context<'_>,
    drift: Uuid,
    args: &PageArgs,
) -> ApiResult<Connection<DriftComment>> {
    let request = args.request(ctx, "c")?;
    let page = crate::graphql::loaders(ctx)?
        .load_one(CommentsOf(drift, request))
        .await?
        .ok_or_else(|| Error::Internal("a page was not loaded".to_owned()))?;
    Ok(Connection::new(page, "c", Total::CommentsOf(drift), DriftComment))
}
