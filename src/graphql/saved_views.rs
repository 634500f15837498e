//! The saved views of the caller.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::saved_views as rows;

use super::app;
use super::arguments::parse_id;
use super::error::ApiResult;
use super::guard::{AtLeast, caller};
use super::refusal::{Outcome, Refusal};
use crate::domain::actor::Role;
use crate::services::saved_views::{self, NewView};

/// A view of the inbox under a name. It belongs to the user who saved it; a shared one is seen by all users.
#[derive(SimpleObject)]
struct SavedView {
    /// The unique id of the view.
    view_id: ID,
    /// Its name, unique among the views of its author.
    name: String,
    /// The query part of the page's address, without the question mark, such as `kind=droplet&group=cause`.
    link: String,
    /// The user who saved it.
    author: String,
    /// Whether the caller saved it.
    is_own: bool,
    /// Whether all users see it.
    shared: bool,
    /// Whether the inbox of the caller opens with it.
    is_default: bool,
    /// When it was saved last.
    updated_at: DateTime<Utc>,
}

impl SavedView {
    fn new(row: rows::Model, subject: &str, is_default: bool) -> Self {
        Self {
            view_id: row.id.into(),
            is_own: row.subject == subject,
            name: row.name,
            link: row.link,
            author: row.author,
            shared: row.shared,
            is_default,
            updated_at: row.updated_at,
        }
    }
}

/// The query of saved views.
#[derive(Default)]
pub(super) struct SavedViewQuery;

/// The query of saved views.
#[Object]
impl SavedViewQuery {
    /// Lists the saved views of the caller and the shared ones by name, at most 50 of each.
    #[graphql(guard = "AtLeast(Role::PlatformViewer)")]
    async fn saved_views(&self, ctx: &Context<'_>) -> ApiResult<Vec<SavedView>> {
        let subject = caller(ctx)?.subject();
        let found = saved_views::list(app(ctx)?.db().reader(), subject).await?;
        let view = |row: rows::Model| {
            let is_default = found.default == Some(row.id);
            SavedView::new(row, subject, is_default)
        };
        Ok(found.views.into_iter().map(view).collect())
    }
}

/// Input of `saveView`.
#[derive(InputObject)]
struct SaveViewInput {
    /// The name, at most 100 bytes. A view of the caller with this name is replaced.
    name: String,
    /// The query part of the page's address, without the question mark; at most 4096 bytes. Empty for all open drifts.
    link: String,
    /// Whether all users see it. Requires the role `platform_admin`.
    #[graphql(default)]
    shared: bool,
    /// Whether the inbox of the caller opens with it.
    #[graphql(default)]
    is_default: bool,
}

/// Result of `saveView`.
#[derive(SimpleObject)]
struct SaveViewPayload {
    /// The view; null if it was refused.
    view: Option<SavedView>,
    /// Why the mutation was refused; null if it was done. Select it to get a refusal as data instead of an error.
    refusal: Option<Refusal>,
}

/// Input of `deleteSavedView`.
#[derive(InputObject)]
struct DeleteSavedViewInput {
    /// The id of the view.
    view_id: ID,
}

/// Result of `deleteSavedView`.
#[derive(SimpleObject)]
struct DeleteSavedViewPayload {
    /// The id of the view.
    view_id: ID,
}

/// Input of `setDefaultView`.
#[derive(InputObject)]
struct SetDefaultViewInput {
    /// The id of the view; null for all open drifts.
    view_id: Option<ID>,
}

/// Result of `setDefaultView`.
#[derive(SimpleObject)]
struct SetDefaultViewPayload {
    /// The id of the view; null for all open drifts.
    view_id: Option<ID>,
}

/// The mutations of saved views.
#[derive(Default)]
pub(super) struct SavedViewMutation;

/// The mutations of saved views.
#[Object]
impl SavedViewMutation {
    /// Saves a view of the inbox. It belongs to the caller, who needs no other role than `platform_viewer` unless the view
    /// is shared. A user has at most 50.
    #[graphql(guard = "AtLeast(Role::PlatformViewer)")]
    async fn save_view(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The view to save.")] input: SaveViewInput,
    ) -> ApiResult<Option<SaveViewPayload>> {
        let (app, user) = (app(ctx)?, caller(ctx)?);
        let new = NewView {
            name: input.name,
            link: input.link,
            shared: input.shared,
            is_default: input.is_default,
        };
        let saved = saved_views::save(app.db(), user, &new, app.clock().now()).await;
        let (saved, refusal) = Outcome::of(ctx, saved, None)?.into_parts();
        let view = saved.map(|(row, is_default)| SavedView::new(row, user.subject(), is_default));
        Ok(Some(SaveViewPayload { view, refusal }))
    }

    /// Deletes a saved view of the caller. A user with the role `platform_admin` may delete each shared view. Fails with
    /// NOT_FOUND if the caller does not see the view.
    #[graphql(guard = "AtLeast(Role::PlatformViewer)")]
    async fn delete_saved_view(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The view to delete.")] input: DeleteSavedViewInput,
    ) -> ApiResult<Option<DeleteSavedViewPayload>> {
        let id = parse_id(&input.view_id)?;
        saved_views::delete(app(ctx)?.db(), caller(ctx)?, id).await?;
        Ok(Some(DeleteSavedViewPayload { view_id: id.into() }))
    }

    /// Sets the view with which the inbox of the caller opens. Fails with NOT_FOUND if the caller does not see the view.
    #[graphql(guard = "AtLeast(Role::PlatformViewer)")]
    async fn set_default_view(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The view to open with.")] input: SetDefaultViewInput,
    ) -> ApiResult<Option<SetDefaultViewPayload>> {
        let id = input.view_id.as_ref().map(parse_id).transpose()?;
        saved_views::set_default(app(ctx)?.db(), caller(ctx)?.subject(), id).await?;
        Ok(Some(SetDefaultViewPayload {
            view_id: id.map(Into::into),
        }))
    }
}
