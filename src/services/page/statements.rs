//! The statements of pages.

use sea_orm::sea_query::{
    Alias, Asterisk, Condition, Expr, ExprTrait, IntoCondition, NullOrdering, Query, SelectStatement,
    UnionType,
};
use sea_orm::{
    ColumnTrait, EntityTrait, Iterable as _, Order as Direction, QueryFilter, QuerySelect as _,
    QueryTrait as _, Select,
};

use super::{Key, Order, PageRequest};

/// Returns the statement of one page, of at most `limit` rows, of the rows of several selects. A position after or
/// before which the page lies divides a select into up to two ranges of an index. Each range is read by a select of its
/// own, because the databases give up the order of an index for an OR or an IN.
pub(super) fn page_of_branches<E: EntityTrait>(
    selects: &[Select<E>],
    order: Order<E::Column>,
    request: &PageRequest,
    limit: u64,
) -> SelectStatement {
    let ranges = ranges(order, request);
    let mut branches = selects
        .iter()
        .flat_map(|select| match ranges.as_slice() {
            [] => vec![select.clone()],
            ranges => ranges
                .iter()
                .map(|range| select.clone().filter(range.clone()))
                .collect(),
        })
        .map(|branch| {
            let mut branch = branch.limit(limit).into_query();
            put_in_order::<E>(&mut branch, order, request);
            branch
        });
    let first = branches.next().unwrap_or_else(|| E::find().limit(0).into_query());
    let Some(second) = branches.next() else {
        return first;
    };
    let mut all = in_parentheses(first);
    for branch in [second].into_iter().chain(branches) {
        all.union(UnionType::All, in_parentheses(branch));
    }
    let table = E::default();
    let mut merged = Query::select()
        .columns(E::Column::iter().map(|column| (table, column)))
        .from_subquery(all, Alias::new(table.table_name()))
        .limit(limit)
        .to_owned();
    put_in_order::<E>(&mut merged, order, request);
    merged
}

/// SQLite allows neither ORDER BY nor LIMIT in a member of a UNION.
fn in_parentheses(select: SelectStatement) -> SelectStatement {
    Query::select()
        .column(Asterisk)
        .from_subquery(select, Alias::new("branch"))
        .to_owned()
}

fn put_in_order<E: EntityTrait>(
    select: &mut SelectStatement,
    order: Order<E::Column>,
    request: &PageRequest,
) {
    // Unset times are the greatest, as in PostgreSQL's default order and in its indexes.
    let (direction, nulls) = if order.descending == request.backward {
        (Direction::Asc, NullOrdering::Last)
    } else {
        (Direction::Desc, NullOrdering::First)
    };
    let table = E::default();
    if let Some(time) = order.time {
        select.order_by_with_nulls((table, time), direction.clone(), nulls);
    }
    select.order_by((table, order.id), direction);
}

/// Returns the ranges of the order that a request selects. They have no row in common.
fn ranges<C: ColumnTrait>(order: Order<C>, request: &PageRequest) -> Vec<Condition> {
    let after = request
        .after
        .map(|key| ranges_beyond(order, &key, !order.descending));
    let before = request
        .before
        .map(|key| ranges_beyond(order, &key, order.descending));
    match (after, before) {
        (Some(after), Some(before)) => after
            .iter()
            .flat_map(|after| {
                let both = |before: &Condition| Condition::all().add(after.clone()).add(before.clone());
                before.iter().map(both).collect::<Vec<_>>()
            })
            .collect(),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => Vec::new(),
    }
}

/// Returns the condition that a row has a greater key than `key` if `greater` is set, otherwise a lesser one.
pub(in crate::services) fn beyond<C: ColumnTrait>(order: Order<C>, key: &Key, greater: bool) -> Condition {
    ranges_beyond(order, key, greater)
        .into_iter()
        .fold(Condition::any(), Condition::add)
}

/// Returns the ranges of rows that have a greater key than `key` if `greater` is set, otherwise a lesser one. A range
/// is a row value such as `(a, b) < (x, y)`, because both databases use an index for it. They use none for the
/// equivalent `a < x OR (a = x AND b < y)`.
fn ranges_beyond<C: ColumnTrait>(order: Order<C>, key: &Key, greater: bool) -> Vec<Condition> {
    let id = Expr::col(order.id.as_column_ref());
    let compared = |column: Expr, value: Expr| {
        if greater {
            column.gt(value)
        } else {
            column.lt(value)
        }
    };
    let Some(time) = order.time else {
        return vec![compared(id, Expr::val(key.id)).into_condition()];
    };
    let unset = Expr::col(time.as_column_ref()).is_null();
    match key.time {
        Some(at) => {
            let columns = Expr::tuple([Expr::col(time.as_column_ref()), id]);
            let values = Expr::tuple([Expr::val(at), Expr::val(key.id)]);
            let beyond = compared(columns, values).into_condition();
            if greater && time.def().is_null() {
                vec![beyond, unset.into_condition()]
            } else {
                vec![beyond]
            }
        }
        None if greater => vec![unset.and(compared(id, Expr::val(key.id))).into_condition()],
        None => vec![
            unset.clone().not().into_condition(),
            unset.and(compared(id, Expr::val(key.id))).into_condition(),
        ],
    }
}

/// Returns one statement for several pages, whose rows have the number of their page as `request`.
pub(super) fn union_of<E: EntityTrait>(
    requests: &[(Select<E>, PageRequest)],
    order: Order<E::Column>,
) -> Option<SelectStatement> {
    let mut numbered = requests.iter().enumerate().map(|(number, (select, request))| {
        let rows = page_of_branches(std::slice::from_ref(select), order, request, request.limit + 1);
        let number = i32::try_from(number).unwrap_or(i32::MAX);
        Query::select()
            .column(Asterisk)
            .expr_as(Expr::Constant(number.into()), "request")
            .from_subquery(rows, Alias::new("page"))
            .to_owned()
    });
    let mut statement = numbered.next()?;
    for select in numbered {
        statement.union(UnionType::All, select);
    }
    Some(statement)
}
