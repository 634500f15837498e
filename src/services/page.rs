//! Keyset pagination: a page begins after the last row of the previous one. The cost of a page does not depend on its
//! position, and rows that are added or removed do not shift it.

mod statements;
mod texts;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Asterisk, Expr, ExprTrait, SelectStatement};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, Iden, QueryFilter, QueryResult, QuerySelect,
    Select, Statement,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub(super) use self::statements::beyond;
use self::statements::{page_of_branches, union_of};
use super::cells::{Cell, Cells, Reader};
use crate::db::{caught, column, decodable, decode};
use crate::error::Result;

/// Maximum number of pages that one statement reads. SQLite allows at most 500 selects in a UNION ALL.
const PAGES_PER_STATEMENT: usize = 200;

/// The position of a row in an [`Order`]. Unset times come after all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    /// The value of the time column; None if the order has no such column or the value is unset.
    #[serde(rename = "t")]
    pub time: Option<DateTime<Utc>>,
    /// The id of the row, which breaks ties between equal times.
    #[serde(rename = "i")]
    pub id: Uuid,
}

/// The part of a list to read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PageRequest {
    /// Maximum number of rows.
    pub limit: u64,
    /// Whether to read the last matching rows instead of the first.
    pub backward: bool,
    /// Reads only rows after this position.
    pub after: Option<Key>,
    /// Reads only rows before this position.
    pub before: Option<Key>,
}

impl PageRequest {
    /// Requests the first `limit` rows of a list.
    pub fn first(limit: u64) -> Self {
        Self {
            limit,
            backward: false,
            after: None,
            before: None,
        }
    }
}

/// A total order of rows: by a time column, if one is set, and then by id.
#[derive(Clone, Copy, Debug)]
pub struct Order<C> {
    /// Column of the time; None orders by id alone.
    pub time: Option<C>,
    /// Column of the id.
    pub id: C,
    /// Whether the newest rows come first.
    pub descending: bool,
}

/// A page of rows. The rows are in the order of the list, even if the request is backward.
#[derive(Clone, Debug)]
pub struct Page<M> {
    /// The rows with their positions.
    pub rows: Vec<(Key, M)>,
    /// Position of the first row that was read, even if that row does not decode.
    pub start: Option<Key>,
    /// Position of the last row that was read, even if that row does not decode.
    pub end: Option<Key>,
    /// Whether more rows follow this page.
    pub has_next: bool,
    /// Whether rows precede this page.
    pub has_previous: bool,
}

/// Returns the row of a select that yields at most one. Returns None if there is no row or it does not decode.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn find_one<E: EntityTrait, C: ConnectionTrait>(
    connection: &C,
    select: Select<E>,
) -> Result<Option<E::Model>> {
    Ok(decodable(select, connection).await?.0.into_iter().next())
}

/// Reads one page.
pub(crate) async fn fetch<E, C>(
    connection: &C,
    select: Select<E>,
    order: Order<E::Column>,
    request: &PageRequest,
) -> Result<Page<E::Model>>
where
    E: EntityTrait,
    C: ConnectionTrait,
{
    fetch_any(connection, &[select], order, request).await
}

/// Reads one page of the rows of several selects, which have no row in common. Each select is read in the order of the
/// page and only as far as the page reaches, so that an index of each gives the order.
pub(crate) async fn fetch_any<E, C>(
    connection: &C,
    selects: &[Select<E>],
    order: Order<E::Column>,
    request: &PageRequest,
) -> Result<Page<E::Model>>
where
    E: EntityTrait,
    C: ConnectionTrait,
{
    if selects.is_empty() {
        return Ok(page_of::<E>(&[], order, request));
    }
    // Rows whose key does not decode, which other programs may have written, are not part of a page but use up the
    // limit. The limit is raised by this number to make up for them.
    let mut placeless = 0;
    loop {
        let limit = request.limit + 1 + placeless;
        let statement = page_of_branches(selects, order, request, limit);
        let statement = text_of(connection.get_database_backend(), &statement, selects.len());
        let rows = connection.query_all_raw(statement).await?;
        if !is_cut_short::<E>(&rows, order, request, limit) {
            return Ok(page_of::<E>(&rows, order, request));
        }
        placeless = 2 * (placeless + rows.len() as u64);
    }
}

/// Returns the statement of a page of this number of selects.
fn text_of(backend: DbBackend, statement: &SelectStatement, selects: usize) -> Statement {
    if selects > 1 {
        texts::with_constant_limits(backend, statement)
    } else {
        backend.build(statement)
    }
}

/// The positions of the key columns in a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyColumns {
    /// Index of the time by which the rows are ordered.
    pub(crate) time: usize,
    /// Index of the id.
    pub(crate) id: usize,
}

impl KeyColumns {
    /// Returns the key of a row, from its cells if they were decoded. The cells begin at the column with the index
    /// `first`.
    pub(crate) fn key(self, row: &QueryResult, cells: Option<&Cells>, first: usize) -> Option<Key> {
        if let Some(cells) = cells
            && let Some(Cell::Uuid(id)) = cells.get(self.id - first)
        {
            let time = match cells.get(self.time - first) {
                Some(Cell::Time(time)) => Some(*time),
                _ => None,
            };
            return Some(Key { time, id: *id });
        }
        Some(Key {
            time: caught(|| row.try_get_by_index::<Option<DateTime<Utc>>>(self.time)).ok()?,
            id: caught(|| row.try_get_by_index::<Uuid>(self.id)).ok()?,
        })
    }
}

/// Reads one page of the rows of `selects`, as [`fetch_any`] does, as cells. `complete` turns the select of the rows into the statement, whose first columns are those
/// of the table. With `constant`, all values are written into the text of the statement (only for selects without text
/// from callers), so that PostgreSQL plans it once per connection. If the status and the limit were parameters,
/// PostgreSQL would plan the statement each time, which costs as much as the page.
pub(crate) async fn fetch_cells<E, C>(
    connection: &C,
    selects: &[Select<E>],
    (order, key): (Order<E::Column>, KeyColumns),
    request: &PageRequest,
    complete: impl Fn(SelectStatement) -> SelectStatement,
    (reader, constant): (&Reader, bool),
) -> Result<Page<Cells>>
where
    E: EntityTrait,
    C: ConnectionTrait,
{
    if selects.is_empty() {
        return Ok(assembled(std::iter::empty(), request, |cells: Option<Cells>| {
            cells
        }));
    }
    let mut placeless = 0;
    loop {
        let limit = request.limit + 1 + placeless;
        let statement = complete(page_of_branches(selects, order, request, limit));
        let backend = connection.get_database_backend();
        let statement = if constant {
            texts::without_parameters(backend, &statement)
        } else {
            text_of(backend, &statement, selects.len())
        };
        let rows = connection.query_all_raw(statement).await?;
        let number = rows.len() as u64;
        let placed: Vec<(Key, Option<Cells>)> = rows
            .iter()
            .filter_map(|row| {
                let cells = reader.read(row, 0);
                Some((key.key(row, cells.as_ref(), 0)?, cells))
            })
            .collect();
        if number < limit || placed.len() as u64 > request.limit {
            return Ok(assembled(placed.into_iter(), request, |cells| cells));
        }
        placeless = 2 * (placeless + number);
    }
}

/// Builds the first page, newest first, from the keys and cells of rows. Returns None if rows without a key used up the
/// limit, so that rows of the page may be missing.
pub(crate) fn first_of(rows: Vec<(Option<Key>, Option<Cells>)>, limit: u64) -> Option<Page<Cells>> {
    let number = rows.len() as u64;
    let mut placed: Vec<(Key, Option<Cells>)> = rows
        .into_iter()
        .filter_map(|(key, cells)| Some((key?, cells)))
        .collect();
    if number > limit && placed.len() as u64 <= limit {
        return None;
    }
    placed.sort_by_key(|(key, _)| std::cmp::Reverse(place(&Some(*key))));
    Some(assembled(
        placed.into_iter(),
        &PageRequest::first(limit),
        |cells| cells,
    ))
}

/// Returns whether rows whose key does not decode used up the limit, so that rows of the page may be missing.
fn is_cut_short<E: EntityTrait>(
    rows: &[QueryResult],
    order: Order<E::Column>,
    request: &PageRequest,
    limit: u64,
) -> bool {
    let placed = rows.iter().filter(|row| key_of::<E>(row, order).is_some());
    rows.len() as u64 >= limit && placed.count() as u64 <= request.limit
}

/// Reads several pages of one table, with one statement per 200 pages. Returns them in the order of the requests.
pub(crate) async fn fetch_many<E, C>(
    connection: &C,
    requests: Vec<(Select<E>, PageRequest)>,
    order: Order<E::Column>,
) -> Result<Vec<Page<E::Model>>>
where
    E: EntityTrait,
    C: ConnectionTrait,
{
    let mut pages = Vec::with_capacity(requests.len());
    for chunk in requests.chunks(PAGES_PER_STATEMENT) {
        let Some(statement) = union_of(chunk, order) else {
            continue;
        };
        let rows = connection.query_all(&statement).await?;
        let mut by_request: Vec<Vec<QueryResult>> = chunk.iter().map(|_| Vec::new()).collect();
        for row in rows {
            let number: i32 = row.try_get("", "request")?;
            if let Some(of_request) = usize::try_from(number).ok().and_then(|n| by_request.get_mut(n)) {
                of_request.push(row);
            }
        }
        for ((select, request), mut rows) in chunk.iter().zip(by_request) {
            if is_cut_short::<E>(&rows, order, request, request.limit + 1) {
                pages.push(fetch(connection, select.clone(), order, request).await?);
                continue;
            }
            // UNION ALL does not guarantee an order.
            let reversed = order.descending != request.backward;
            rows.sort_by(|a, b| {
                let ordering = place(&key_of::<E>(a, order)).cmp(&place(&key_of::<E>(b, order)));
                if reversed { ordering.reverse() } else { ordering }
            });
            pages.push(page_of::<E>(&rows, order, request));
        }
    }
    Ok(pages)
}

/// Counts the rows of a select.
pub(crate) async fn count<E, C>(connection: &C, select: Select<E>, id: E::Column) -> Result<i64>
where
    E: EntityTrait,
    C: ConnectionTrait,
{
    let count = select
        .select_only()
        .column_as(id.count(), "n")
        .into_tuple::<i64>()
        .one(connection)
        .await?;
    Ok(count.unwrap_or_default())
}

/// Counts the rows of each parent. Parents without rows are left out.
pub(crate) async fn count_by_parent<E, C>(
    connection: &C,
    select: Select<E>,
    parent: E::Column,
) -> Result<Vec<(Uuid, i64)>>
where
    E: EntityTrait,
    C: ConnectionTrait,
{
    let counts = select
        .select_only()
        .column(parent)
        .column_as(Expr::col(Asterisk).count(), "n")
        .group_by(parent)
        .into_tuple::<(Uuid, i64)>()
        .all(connection)
        .await?;
    Ok(counts)
}

/// Selects the rows of one parent.
pub(crate) fn of_parent<E: EntityTrait>(parent: E::Column, id: Uuid) -> Select<E> {
    E::find().filter(parent.eq(id))
}

/// Selects the rows of several parents.
pub(crate) fn of_parents<E: EntityTrait>(parent: E::Column, ids: &[Uuid]) -> Select<E> {
    E::find().filter(parent.is_in(ids.iter().copied()))
}

fn key_of<E: EntityTrait>(row: &QueryResult, order: Order<E::Column>) -> Option<Key> {
    let time = match order.time {
        Some(time) => column::<Option<DateTime<Utc>>>(row, "", &time.to_string()).ok()?,
        None => None,
    };
    Some(Key {
        time,
        id: column(row, "", &order.id.to_string()).ok()?,
    })
}

/// Returns the sort key of a position: unset times come last.
fn place(key: &Option<Key>) -> Option<(bool, Option<DateTime<Utc>>, Uuid)> {
    key.map(|key| (key.time.is_none(), key.time, key.id))
}

fn page_of<E: EntityTrait>(
    rows: &[QueryResult],
    order: Order<E::Column>,
    request: &PageRequest,
) -> Page<E::Model> {
    let placed = rows
        .iter()
        .filter_map(|row| Some((key_of::<E>(row, order)?, row)));
    assembled(placed, request, |row| decode::<E::Model>(row, ""))
}

/// Builds a page from rows in the order in which the statement returned them.
fn assembled<R, M>(
    mut placed: impl Iterator<Item = (Key, R)>,
    request: &PageRequest,
    decode: impl Fn(R) -> Option<M>,
) -> Page<M> {
    let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
    let mut keyed: Vec<(Key, Option<M>)> = placed
        .by_ref()
        .take(limit)
        .map(|(key, row)| (key, decode(row)))
        .collect();
    let more = placed.next().is_some();
    if request.backward {
        keyed.reverse();
    }
    Page {
        start: keyed.first().map(|(key, _)| *key),
        end: keyed.last().map(|(key, _)| *key),
        has_next: if request.backward {
            request.before.is_some()
        } else {
            more
        },
        has_previous: if request.backward {
            more
        } else {
            request.after.is_some()
        },
        rows: keyed
            .into_iter()
            .filter_map(|(key, row)| Some((key, row?)))
            .collect(),
    }
}
