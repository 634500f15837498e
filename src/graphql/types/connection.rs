//! Relay connections with opaque keyset cursors.

use std::borrow::Cow;

use async_graphql::connection::{CursorType, OpaqueCursor};
use async_graphql::{Context, Object, OutputType, SimpleObject, TypeName};
use entity::job_runs::Job;
use entity::notification_deliveries::DeliveryState;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::validation::check_time;
use crate::error::{Error, Result};
use crate::graphql::api_limits::LARGEST_PAGE;
use crate::graphql::error::ApiResult;
use crate::graphql::loader::{
    CommentCountOf, DriftCountOf, EventCountOf, IgnoredCountOf, SpecVersionCountOf,
};
use crate::services::cloud_actions::{self, ActionsOf};
use crate::services::groups::{self, GroupBy};
use crate::services::ignored::IgnoredFilter;
use crate::services::inbox::{self, DriftFilter};
use crate::services::inventory_changes::{self, ChangeFilter};
use crate::services::job_runs;
use crate::services::leftovers::{self, LeftoverFilter};
use crate::services::notifications;
use crate::services::page::{Key, Page, PageRequest};
use crate::services::resources::{self, ResourceFilter};
use crate::services::{forgetting, ignore_rules, ignored};

/// Number of rows of a page if neither `first` nor `last` is set.
pub(in crate::graphql) const DEFAULT_PAGE: u64 = 50;

/// Returns the complexity of a page: the number of rows times the complexity of one row.
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
    first: Option<i32>,
    after: Option<String>,
    last: Option<i32>,
    before: Option<String>,
}

/// The contents of a cursor: a position in a list, and the name of the list's order.
#[derive(Serialize, Deserialize)]
struct Cursor {
    #[serde(rename = "o")]
    order: String,
    #[serde(flatten)]
    key: Key,
}

impl PageArgs {
    /// The arguments in the order of the schema. Each connection declares them, because the library has no arguments that
    /// several fields share.
    pub(in crate::graphql) fn new(
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Self {
        Self {
            first,
            after,
            last,
            before,
        }
    }

    /// Converts the arguments into a page request for the order with this name.
    ///
    /// # Errors
    ///
    /// BAD_USER_INPUT if the arguments are not valid together.
    pub(in crate::graphql) fn request(&self, ctx: &Context<'_>, order: &str) -> Result<PageRequest> {
        let max = crate::graphql::max_page(ctx)?;
        let (limit, backward) = match (self.first, self.last) {
            (Some(_), Some(_)) => {
                return Err(Error::BadUserInput(
                    "first and last cannot be combined: use one of them".to_owned(),
                ));
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
            "{what}: this cursor belongs to a list with another order"
        ))),
        Err(_) => Err(Error::BadUserInput(format!("{what} is not a valid cursor"))),
    }
}

/// Returns the cursor of a row.
pub(in crate::graphql) fn cursor(key: Key, order: &str) -> String {
    OpaqueCursor(Cursor {
        order: order.to_owned(),
        key,
    })
    .encode_cursor()
}

/// The position of a page in its list.
#[derive(Clone, SimpleObject)]
pub(in crate::graphql) struct PageInfo {
    /// Whether the list has rows after this page.
    has_next_page: bool,
    /// Whether the list has rows before this page.
    has_previous_page: bool,
    /// The cursor of the first row. Pass it as `before` to get the previous page.
    start_cursor: Option<String>,
    /// The cursor of the last row. Pass it as `after` to get the next page.
    end_cursor: Option<String>,
}

/// A row of a page and its cursor.
pub(in crate::graphql) struct Edge<T> {
    cursor: String,
    node: T,
}

impl<T: OutputType> TypeName for Edge<T> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Edge", T::type_name()).into()
    }
}

/// A row of a page and its cursor.
#[Object(name_type)]
impl<T: OutputType> Edge<T> {
    /// The position of the row in the list, for `after` and `before`.
    async fn cursor(&self) -> &str {
        &self.cursor
    }

    /// The row.
    async fn node(&self) -> &T {
        &self.node
    }
}

/// The list whose rows `totalCount` counts.
pub(in crate::graphql) enum Total {
    /// Drifts.
    Drifts(DriftFilter),
    /// Drifts of a resource.
    DriftsOf(Uuid, DriftFilter),
    /// Groups of drifts.
    Groups(DriftFilter, Vec<GroupBy>),
    /// A list whose number of rows is known.
    Known(i64),
    /// Resources.
    Resources(ResourceFilter),
    /// Events of a resource.
    EventsOf(Uuid),
    /// Versions of the spec of a resource.
    SpecVersionsOf(Uuid),
    /// Comments on a drift.
    CommentsOf(Uuid),
    /// Forgotten resources.
    Forgotten,
    /// Ignore rules: those in force, those that ended, or all.
    IgnoreRules(Option<bool>),
    /// Ignored differences.
    Ignored(IgnoredFilter),
    /// Leftovers that have served nothing for this many days.
    Leftovers(LeftoverFilter, i64),
    /// Runs of one job, or of all jobs.
    JobRuns(Option<Job>),
    /// Actions on a resource.
    CloudActions(ActionsOf),
    /// Changes that syncs saw.
    Changes(ChangeFilter),
    /// Targets of notifications.
    NotificationTargets,
    /// Messages to one target, or to all, in one state or in any.
    NotificationDeliveries(Option<Uuid>, Option<DeliveryState>),
}

/// A page of a list.
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

/// A page of a list.
#[Object(name_type)]
impl<T: OutputType> Connection<T> {
    /// The rows of the page with their cursors.
    async fn edges(&self) -> &[Edge<T>] {
        &self.edges
    }

    /// The position of the page in the list.
    async fn page_info(&self) -> &PageInfo {
        &self.page_info
    }

    /// The rows of the page without their cursors.
    async fn nodes(&self) -> Vec<&T> {
        self.edges.iter().map(|edge| &edge.node).collect()
    }

    /// The number of rows in the whole list. The database keeps the totals of drifts and resources for filters without
    /// search, resource and time. Other totals are counted when requested, which takes longer on long lists.
    async fn total_count(&self, ctx: &Context<'_>) -> ApiResult<i32> {
        let db = crate::graphql::app(ctx)?.db();
        let loaders = crate::graphql::loaders(ctx)?;
        let count = match &self.total {
            Total::Drifts(filter) => inbox::count(db.reader(), filter).await?,
            Total::Groups(filter, by) => groups::count(db.reader(), filter, by).await?,
            Total::Known(count) => *count,
            Total::Resources(filter) => resources::count(db.reader(), filter).await?,
            Total::Forgotten => forgetting::count(db.reader()).await?,
            Total::IgnoreRules(in_force) => ignore_rules::count(db.reader(), *in_force).await?,
            Total::Ignored(IgnoredFilter {
                rule: Some(rule),
                waiting: None,
            }) => loaders.load_one(IgnoredCountOf(*rule)).await?.unwrap_or_default(),
            Total::Ignored(filter) => ignored::count(db.reader(), *filter).await?,
            Total::Leftovers(filter, days) => {
                let max_age = crate::graphql::app(ctx)?.max_age();
                let summary = leftovers::summary(db, filter, *days, max_age).await?;
                summary.leftovers + summary.unknown
            }
            Total::JobRuns(job) => job_runs::count(db, *job).await?,
            Total::CloudActions(of) => cloud_actions::count(db.reader(), of).await?,
            Total::Changes(filter) => inventory_changes::count(db.reader(), filter).await?,
            Total::NotificationTargets => notifications::count_targets(db.reader()).await?,
            Total::NotificationDeliveries(target, state) => {
                notifications::count(db.reader(), *target, *state).await?
            }
            Total::DriftsOf(id, filter) => loaders
                .load_one(DriftCountOf(*id, filter.clone()))
                .await?
                .unwrap_or_default(),
            Total::SpecVersionsOf(id) => loaders
                .load_one(SpecVersionCountOf(*id))
                .await?
                .unwrap_or_default(),
            Total::CommentsOf(id) => loaders.load_one(CommentCountOf(*id)).await?.unwrap_or_default(),
            Total::EventsOf(id) => loaders.load_one(EventCountOf(*id)).await?.unwrap_or_default(),
        };
        Ok(i32::try_from(count).unwrap_or(i32::MAX))
    }
}

impl<T> Connection<T> {
    /// Builds the only page of an empty list.
    pub(in crate::graphql) fn none(order: &str) -> Self {
        let empty: Page<T> = Page {
            rows: Vec::new(),
            start: None,
            end: None,
            has_next: false,
            has_previous: false,
        };
        Self::new(empty, order, Total::Known(0), |row| row)
    }

    /// Builds a page; `view` converts each row.
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
