//! Relay connections with opaque keyset cursors.

use std::borrow::Cow;

use async_graphql::connection::{CursorType, OpaqueCursor};
use async_graphql::{Context, Object, OutputType, SimpleObject, TypeName};
use entity::job_runs::Job;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::admission::check_time;
use crate::error::{Error, Result};
use crate::graphql::bounds::LARGEST_PAGE;
use crate::graphql::error::ApiResult;
use crate::graphql::loader::{DriftCountOf, EventCountOf};
use crate::services::forgetting;
use crate::services::inbox::{self, DriftFilter};
use crate::services::job_runs;
use crate::services::page::{Key, Page, PageRequest};
use crate::services::resources::{self, ResourceFilter};

/// Rows of a page when nobody says how many.
const DEFAULT_PAGE: u64 = 50;

/// Points that a page costs: what its rows cost together.
pub(in crate::graphql) fn page_cost(first: Option<i32>, last: Option<i32>, row: usize) -> usize {
    let rows = first.or(last).map_or(DEFAULT_PAGE, |rows| {
        u64::try_from(rows).unwrap_or(0).min(LARGEST_PAGE)
    });
    usize::try_from(rows)
        .unwrap_or(usize::MAX)
        .max(1)
        .saturating_mul(row)
}

/// The arguments of a connection.
pub(in crate::graphql) struct PageArgs {
    pub(in crate::graphql) first: Option<i32>,
    pub(in crate::graphql) after: Option<String>,
    pub(in crate::graphql) last: Option<i32>,
    pub(in crate::graphql) before: Option<String>,
}

/// What a cursor holds: a place, and the order in which it is one.
#[derive(Serialize, Deserialize)]
struct Cursor {
    #[serde(rename = "o")]
    order: String,
    #[serde(flatten)]
    key: Key,
}

impl PageArgs {
    /// The page that is asked for, in the order of this name. BAD_USER_INPUT for arguments that make none.
    pub(in crate::graphql) fn request(&self, ctx: &Context<'_>, order: &str) -> Result<PageRequest> {
        let max = crate::graphql::max_page(ctx)?;
        let (limit, backward) = match (self.first, self.last) {
            (Some(_), Some(_)) => {
                return Err(Error::BadUserInput("give first or last, not both".to_owned()));
            }
            (Some(first), None) => (size("first", first, max)?, false),
            (None, Some(last)) => (size("last", last, max)?, true),
            (None, None) => (DEFAULT_PAGE.min(max), false),
        };
        Ok(PageRequest {
            limit,
            backward,
            after: self
                .after
                .as_deref()
                .map(|cursor| place("after", cursor, order))
                .transpose()?,
            before: self
                .before
                .as_deref()
                .map(|cursor| place("before", cursor, order))
                .transpose()?,
        })
    }
}

fn size(what: &str, rows: i32, max: u64) -> Result<u64> {
    match u64::try_from(rows) {
        Ok(rows) if rows <= max => Ok(rows),
        _ => Err(Error::BadUserInput(format!("{what} must be from 0 to {max}"))),
    }
}

fn place(what: &str, cursor: &str, order: &str) -> Result<Key> {
    match OpaqueCursor::<Cursor>::decode_cursor(cursor) {
        Ok(OpaqueCursor(cursor)) if cursor.order == order => {
            cursor.key.time.map_or(Ok(()), |time| check_time(what, time))?;
            Ok(cursor.key)
        }
        Ok(_) => Err(Error::BadUserInput(format!(
            "{what}: this cursor is of a list in another order"
        ))),
        Err(_) => Err(Error::BadUserInput(format!("{what} is not a cursor"))),
    }
}

fn cursor(key: Key, order: &str) -> String {
    OpaqueCursor(Cursor {
        order: order.to_owned(),
        key,
    })
    .encode_cursor()
}

/// Where a page stands in its list.
#[derive(Clone, SimpleObject)]
pub(in crate::graphql) struct PageInfo {
    /// Whether rows follow this page.
    has_next_page: bool,
    /// Whether rows precede this page.
    has_previous_page: bool,
    /// Cursor of the first row; give it to `before` for the page that precedes.
    start_cursor: Option<String>,
    /// Cursor of the last row; give it to `after` for the page that follows.
    end_cursor: Option<String>,
}

/// One row of a page.
pub(in crate::graphql) struct Edge<T> {
    cursor: String,
    node: T,
}

impl<T: OutputType> TypeName for Edge<T> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Edge", T::type_name()).into()
    }
}

/// One row of a page.
#[Object(name_type)]
impl<T: OutputType> Edge<T> {
    /// Place of the row in the list.
    async fn cursor(&self) -> &str {
        &self.cursor
    }

    /// The row.
    async fn node(&self) -> &T {
        &self.node
    }
}

/// What counts the rows of a list, if somebody asks.
pub(in crate::graphql) enum Total {
    /// Of the inbox.
    Drifts(DriftFilter),
    /// Of the drifts of a resource.
    DriftsOf(Uuid, DriftFilter),
    /// Of the inventory.
    Resources(ResourceFilter),
    /// Of the events of a resource.
    EventsOf(Uuid),
    /// Of forgotten resources.
    Forgotten,
    /// Of the runs of a job, or of all.
    JobRuns(Option<Job>),
}

/// One page of a list.
pub(in crate::graphql) struct Connection<T> {
    edges: Vec<Edge<T>>,
    page_info: PageInfo,
    total: Total,
}

impl<T: OutputType> TypeName for Connection<T> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Connection", T::type_name()).into()
    }
}

/// One page of a list.
#[Object(name_type)]
impl<T: OutputType> Connection<T> {
    /// The rows with their cursors.
    async fn edges(&self) -> &[Edge<T>] {
        &self.edges
    }

    /// Where the page stands in the list.
    async fn page_info(&self) -> &PageInfo {
        &self.page_info
    }

    /// The rows without their cursors.
    async fn nodes(&self) -> Vec<&T> {
        self.edges.iter().map(|edge| &edge.node).collect()
    }

    /// How many rows the whole list has. Counting is most of the cost of a page: ask for it when you show it.
    async fn total_count(&self, ctx: &Context<'_>) -> ApiResult<i32> {
        let db = crate::graphql::app(ctx)?.db();
        let loaders = crate::graphql::loaders(ctx)?;
        let count = match &self.total {
            Total::Drifts(filter) => inbox::count(db.reader(), filter).await?,
            Total::Resources(filter) => resources::count(db.reader(), filter).await?,
            Total::Forgotten => forgetting::count(db.reader()).await?,
            Total::JobRuns(job) => job_runs::count(db, *job).await?,
            Total::DriftsOf(id, filter) => loaders
                .load_one(DriftCountOf(*id, filter.clone()))
                .await?
                .unwrap_or_default(),
            Total::EventsOf(id) => loaders.load_one(EventCountOf(*id)).await?.unwrap_or_default(),
        };
        Ok(i32::try_from(count).unwrap_or(i32::MAX))
    }
}

impl<T> Connection<T> {
    /// A page of rows, each shown as `view` does.
    pub(in crate::graphql) fn new<M>(
        page: Page<M>,
        order: &str,
        total: Total,
        view: impl Fn(M) -> T,
    ) -> Self {
        Self {
            page_info: PageInfo {
                has_next_page: page.has_next,
                has_previous_page: page.has_previous,
                start_cursor: page.start.map(|key| cursor(key, order)),
                end_cursor: page.end.map(|key| cursor(key, order)),
            },
            edges: page
                .rows
                .into_iter()
                .map(|(key, row)| Edge {
                    cursor: cursor(key, order),
                    node: view(row),
                })
                .collect(),
            total,
        }
    }
}
