//! Saved views: filters of the page under a name. They are a preference of a user and decide nothing about drifts. A shared
//! view is seen by all users.

use chrono::{DateTime, Utc};
use entity::{default_views, saved_views as views};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, EntityTrait as _, PaginatorTrait as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use uuid::Uuid;

use crate::db::{DatabaseTransaction, Db, decodable};
use crate::domain::actor::Actor;
use crate::domain::validation::{MAX_TEXT_BYTES, check_text};
use crate::error::{Conflict, Error, Result};

/// Maximum number of views of one user, and of shared views that are listed.
pub const MAX_VIEWS: u64 = 50;
/// Maximum length of a name, in bytes.
const MAX_NAME_BYTES: usize = 100;

/// A view to save.
#[derive(Clone, Debug)]
pub struct NewView {
    /// Name, unique among the views of the user.
    pub name: String,
    /// The query part of the page's address, without the question mark; empty for the whole inbox.
    pub link: String,
    /// Whether all users see it.
    pub shared: bool,
    /// Whether the inbox of the user opens with it.
    pub is_default: bool,
}

impl NewView {
    fn check(&self) -> Result<()> {
        check_text("name", &self.name, MAX_NAME_BYTES)?;
        if self.name.trim().is_empty() || self.name.chars().any(char::is_control) {
            return Err(bad("name must not be empty or contain control characters"));
        }
        check_text("link", &self.link, MAX_TEXT_BYTES)?;
        // The part after # of a sign-in link is a token, which must not be stored.
        let is_query = |c: char| c.is_ascii_graphic() && !['#', '?', '"', '<', '>', '\\'].contains(&c);
        if !self.link.chars().all(is_query) {
            return Err(bad(
                "link must be the query part of an address, such as kind=droplet&region=fra1",
            ));
        }
        Ok(())
    }
}

/// The views that a user sees.
#[derive(Clone, Debug)]
pub struct Views {
    /// The user's own views and the shared ones, by name; at most [`MAX_VIEWS`] of each.
    pub views: Vec<views::Model>,
    /// The view with which the user's inbox opens.
    pub default: Option<Uuid>,
}

/// Returns the views that a user sees.
///
/// # Errors
///
/// The database is unavailable.
pub async fn list<C: ConnectionTrait>(connection: &C, subject: &str) -> Result<Views> {
    let by_name = |condition| {
        views::Entity::find()
            .filter(condition)
            .order_by_asc(views::Column::Name)
            .order_by_asc(views::Column::Id)
            .limit(MAX_VIEWS)
    };
    let (mut all, _) = decodable(by_name(views::Column::Subject.eq(subject)), connection).await?;
    let (shared, _) = decodable(by_name(views::Column::Shared.eq(true)), connection).await?;
    all.extend(shared.into_iter().filter(|view| view.subject != subject));
    all.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
    let default = default_of(connection, subject).await?;
    // A default that is not shared any more has no effect.
    let default = default.filter(|id| all.iter().any(|view| view.id == *id));
    Ok(Views { views: all, default })
}

/// Saves a view of a user. A view with the same name is replaced. Returns the view, and whether the user's inbox opens with
/// it.
///
/// # Errors
///
/// BAD_USER_INPUT if the view is not valid; a conflict if the user has too many; FORBIDDEN if a user who may not decide
/// shares it.
pub async fn save(db: &Db, user: &Actor, new: &NewView, now: DateTime<Utc>) -> Result<(views::Model, bool)> {
    new.check()?;
    may_share(user, new.shared)?;
    db.write_txn(|txn| async move {
        let others = views::Entity::find()
            .filter(views::Column::Subject.eq(user.subject()))
            .filter(views::Column::Name.ne(new.name.as_str()));
        if others.count(&*txn).await? >= MAX_VIEWS {
            return Err(Conflict::LimitReached.because(format!(
                "there are {MAX_VIEWS} saved views already: delete one first"
            )));
        }
        let row = views::ActiveModel {
            id: Set(Uuid::now_v7()),
            subject: Set(user.subject().to_owned()),
            author: Set(user.name().to_owned()),
            name: Set(new.name.clone()),
            link: Set(new.link.clone()),
            shared: Set(new.shared),
            created_at: Set(now),
            updated_at: Set(now),
        };
        let replaced = [
            views::Column::Author,
            views::Column::Link,
            views::Column::Shared,
            views::Column::UpdatedAt,
        ];
        let same_name = OnConflict::columns([views::Column::Subject, views::Column::Name])
            .update_columns(replaced)
            .to_owned();
        views::Entity::insert(row)
            .on_conflict(same_name)
            .exec_without_returning(&*txn)
            .await?;
        let select = views::Entity::find()
            .filter(views::Column::Subject.eq(user.subject()))
            .filter(views::Column::Name.eq(new.name.as_str()));
        let (mut saved, _) = decodable(select, &*txn).await?;
        let saved = saved.pop().ok_or(Error::NotFound("saved view"))?;
        if new.is_default {
            make_default_in_txn(&txn, user.subject(), saved.id).await?;
        }
        let default = default_of(&*txn, user.subject()).await?;
        let is_default = default == Some(saved.id);
        Ok((saved, is_default))
    })
    .await
}

/// Deletes a view: one's own, or a shared one if the user may decide.
///
/// # Errors
///
/// NOT_FOUND if the user does not see such a view; FORBIDDEN if it is shared by another user.
pub async fn delete(db: &Db, user: &Actor, id: Uuid) -> Result<()> {
    db.write_txn(|txn| async move {
        let view = visible_in_txn(&txn, user.subject(), id).await?;
        if view.subject != user.subject() {
            may_share(user, view.shared)?;
        }
        views::Entity::delete_by_id(id).exec(&*txn).await?;
        Ok(())
    })
    .await
}

/// Opens the inbox of a user with a view from now on, or with all open drifts if there is none.
///
/// # Errors
///
/// NOT_FOUND if the user does not see such a view.
pub async fn set_default(db: &Db, subject: &str, view: Option<Uuid>) -> Result<()> {
    db.write_txn(|txn| async move {
        match view {
            Some(id) => {
                visible_in_txn(&txn, subject, id).await?;
                make_default_in_txn(&txn, subject, id).await
            }
            None => {
                default_views::Entity::delete_by_id(subject).exec(&*txn).await?;
                Ok(())
            }
        }
    })
    .await
}

async fn default_of<C: ConnectionTrait>(connection: &C, subject: &str) -> Result<Option<Uuid>> {
    let (rows, _) = decodable(default_views::Entity::find_by_id(subject), connection).await?;
    Ok(rows.first().map(|row| row.view_id))
}

async fn make_default_in_txn(txn: &DatabaseTransaction, subject: &str, view: Uuid) -> Result<()> {
    let row = default_views::ActiveModel {
        subject: Set(subject.to_owned()),
        view_id: Set(view),
    };
    let same_user = OnConflict::column(default_views::Column::Subject)
        .update_column(default_views::Column::ViewId)
        .to_owned();
    default_views::Entity::insert(row)
        .on_conflict(same_user)
        .exec_without_returning(txn)
        .await?;
    Ok(())
}

async fn visible_in_txn(txn: &DatabaseTransaction, subject: &str, id: Uuid) -> Result<views::Model> {
    let (mut found, _) = decodable(views::Entity::find_by_id(id), txn).await?;
    let visible = found.pop().filter(|view| view.shared || view.subject == subject);
    visible.ok_or(Error::NotFound("saved view"))
}

fn may_share(user: &Actor, shared: bool) -> Result<()> {
    if shared && !user.may_write() {
        return Err(Error::Forbidden {
            needed: crate::domain::actor::Role::PlatformAdmin.as_str(),
        });
    }
    Ok(())
}

fn bad(why: &str) -> Error {
    Error::BadUserInput(why.to_owned())
}
