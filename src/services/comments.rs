//! Comments of users on drifts, open or closed. They are also events of the resource.

use chrono::{DateTime, Utc};
use entity::cloud_resource_events::EventType;
use entity::drift_comments as comments;
use sea_orm::{ActiveModelTrait as _, ConnectionTrait, EntityTrait as _, IntoActiveModel as _};
use serde_json::Map;
use uuid::Uuid;

use super::page::{self, Order, Page, PageRequest};
use super::{events, locks, snoozes};
use crate::db::Db;
use crate::domain::validation::{MAX_TEXT_BYTES, check_text};
use crate::error::{Error, Result};

/// Oldest first.
pub(crate) const OLDEST_FIRST: Order<comments::Column> = Order {
    time: Some(comments::Column::CreatedAt),
    id: comments::Column::Id,
    descending: false,
};

/// Adds a comment to a drift.
///
/// # Errors
///
/// NOT_FOUND if the drift does not exist; BAD_USER_INPUT if the text is empty or longer than 4096 bytes.
pub async fn add(
    db: &Db,
    author: &str,
    drift: Uuid,
    body: &str,
    now: DateTime<Utc>,
) -> Result<comments::Model> {
    check_text("body", body, MAX_TEXT_BYTES)?;
    let body = body.trim();
    if body.is_empty() {
        return Err(Error::BadUserInput("body must not be empty".to_owned()));
    }
    db.write_txn(|txn| async move {
        // The lock keeps the drift from being deleted.
        let drift = locks::drift_in_txn(&txn, drift).await?;
        let comment = comments::Model {
            id: Uuid::now_v7(),
            drift_id: drift.id,
            author: author.to_owned(),
            body: body.to_owned(),
            created_at: now,
        };
        comments::Entity::insert(comment.clone().into_active_model().reset_all())
            .exec_without_returning(&*txn)
            .await?;
        let mut data = Map::new();
        data.insert("commentId".to_owned(), comment.id.to_string().into());
        data.insert("body".to_owned(), body.into());
        let event = snoozes::event_of(&drift, EventType::DriftCommented, data, None);
        events::append_in_txn(&txn, vec![event], author, now).await?;
        Ok(comment)
    })
    .await
}

/// Returns one page of comments for each drift, oldest first. One statement reads up to 200 pages.
pub(crate) async fn pages_of<C: ConnectionTrait>(
    connection: &C,
    requests: &[(Uuid, PageRequest)],
) -> Result<Vec<Page<comments::Model>>> {
    let selects = requests.iter().map(|(drift, request)| {
        (
            page::of_parent::<comments::Entity>(comments::Column::DriftId, *drift),
            request.clone(),
        )
    });
    page::fetch_many(connection, selects.collect(), OLDEST_FIRST).await
}

/// Returns the number of comments on each drift. Drifts without comments are left out.
pub(crate) async fn counts_of<C: ConnectionTrait>(
    connection: &C,
    drifts: &[Uuid],
) -> Result<Vec<(Uuid, i64)>> {
    let of_drifts = page::of_parents::<comments::Entity>(comments::Column::DriftId, drifts);
    page::count_by_parent(connection, of_drifts, comments::Column::DriftId).await
}

/// Returns the comment with this id.
pub(crate) async fn find<C: ConnectionTrait>(connection: &C, id: Uuid) -> Result<Option<comments::Model>> {
    page::find_one(connection, comments::Entity::find_by_id(id)).await
}
