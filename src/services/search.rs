//! Searches for a text. A search first looks up which few resources contain the text, so that the rows of a rare text
//! are found by their resource, and those of a frequent text by walking the order of the page.

use entity::{cloud_drift as drift, cloud_provisioned as provisioned, cloud_resources as resources};
use sea_orm::sea_query::{Expr, ExprTrait as _, Query, SelectStatement};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, DbBackend, Statement};
use uuid::Uuid;

use super::inbox::DriftFilter;
use super::resources::contains_ignoring_ascii_case;
use crate::db::column;
use crate::domain::addresses::module_prefixes;
use crate::error::Result;

/// Maximum number of resources that are looked up. If more contain the text, at least one row in a few hundred matches,
/// so that a page is soon full.
const FEW: u64 = 500;
/// The same for resources of a kind or region, which are looked up by an index alone.
const FEW_OF_KIND: u64 = 2_000;
/// Maximum number of resources with a text whose ids are returned. To look up more takes longer than it saves.
const SEVERAL: u64 = 2_000;
/// Number of letters and digits in a row from which on the index of PostgreSQL finds a text.
const INDEXED_RUN: usize = 3;

/// The resources that a look-up found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// All of them, so few that their rows can be read and sorted.
    Few(Vec<Uuid>),
    /// All of them.
    Several(Vec<Uuid>),
    /// There are more.
    Many,
}

impl Found {
    /// Returns whether nothing was found.
    pub(super) fn is_none(&self) -> bool {
        matches!(self, Self::Few(ids) if ids.is_empty())
    }

    /// Returns what this look-up or the other one found.
    pub(super) fn or(self, other: Self) -> Self {
        if other.is_none() {
            return self;
        }
        let (Self::Few(mut ids) | Self::Several(mut ids), Self::Few(more) | Self::Several(more)) =
            (self, other)
        else {
            return Self::Many;
        };
        ids.extend(more);
        ids.sort_unstable();
        ids.dedup();
        match ids.len() as u64 {
            number if number <= FEW => Self::Few(ids),
            number if number <= SEVERAL => Self::Several(ids),
            _ => Self::Many,
        }
    }
}

/// Looks up the resources whose name or provider id contains the text.
///
/// # Errors
///
/// The database is unavailable.
pub(super) async fn resources_with<C: ConnectionTrait>(connection: &C, text: &str) -> Result<Found> {
    let condition = in_index(connection.get_database_backend(), text);
    find(connection, of_inventory(condition), (FEW, SEVERAL)).await
}

/// Looks up the resources whose address contains the text.
///
/// # Errors
///
/// The database is unavailable.
pub(super) async fn resources_with_address<C: ConnectionTrait>(connection: &C, text: &str) -> Result<Found> {
    let backend = connection.get_database_backend();
    let column = provisioned::Column::Address;
    let contains = if is_indexed(backend, text) {
        like(column, text)
    } else {
        contains_ignoring_ascii_case(backend, column, text)
    };
    find(connection, of_addresses(contains), (FEW, SEVERAL)).await
}

/// Looks up the resources with one of these addresses, or with one below it if it names a module.
///
/// # Errors
///
/// The database is unavailable.
pub(super) async fn resources_at<C: ConnectionTrait>(connection: &C, addresses: &[String]) -> Result<Found> {
    find(
        connection,
        of_addresses(is_at(addresses)),
        (FEW_OF_KIND, FEW_OF_KIND),
    )
    .await
}

/// Selects the resources whose name or provider id contains the text.
pub(super) fn ids_with(backend: DbBackend, text: &str) -> SelectStatement {
    of_inventory(in_resource(backend, text))
}

/// Selects the resources whose address contains the text.
pub(super) fn ids_with_address(backend: DbBackend, text: &str) -> SelectStatement {
    of_addresses(in_address(backend, text))
}

/// Selects the resources with one of these addresses, or with one below it if it names a module.
pub(super) fn ids_at(addresses: &[String]) -> SelectStatement {
    of_addresses(is_at(addresses))
}

/// Returns the condition that a spec has one of these addresses, or one below it if it names a module. Each alternative
/// is a range of the index.
pub(super) fn is_at(addresses: &[String]) -> Expr {
    let column = || Expr::col((provisioned::Entity, provisioned::Column::Address));
    let any = Condition::any();
    let any = addresses.iter().fold(any, |any, address| {
        let any = any.add(column().eq(address.as_str()));
        module_prefixes(address).into_iter().fold(any, |any, prefix| {
            let end = past_all_with(&prefix);
            any.add(column().gte(prefix).and(column().lt(end)))
        })
    });
    any.into()
}

/// Returns the least text that is greater than all texts with this prefix, which ends with an ASCII character.
fn past_all_with(prefix: &str) -> String {
    let mut end = prefix.to_owned();
    if let Some(last) = end.pop() {
        end.extend(char::from_u32(u32::from(last) + 1));
    }
    end
}

/// Returns the condition that the address of a spec contains the text.
pub(super) fn in_address(backend: DbBackend, text: &str) -> Expr {
    contains_ignoring_ascii_case(backend, provisioned::Column::Address, text)
}

/// Selects the ids of resources of the inventory.
fn of_inventory(condition: Condition) -> SelectStatement {
    Query::select()
        .column((resources::Entity, resources::Column::Id))
        .from(resources::Entity)
        .cond_where(condition)
        .take()
}

/// Selects the ids of the resources of specs. The first condition lets both databases use the index of addresses.
fn of_addresses(condition: Expr) -> SelectStatement {
    Query::select()
        .expr_as(
            Expr::col((provisioned::Entity, provisioned::Column::ResourceId)),
            "id",
        )
        .from(provisioned::Entity)
        .and_where(provisioned::Column::Address.is_not_null())
        .and_where(condition)
        .take()
}

/// Looks up the resources that have the kinds, regions, sources and providers that a filter permits. Returns None if it
/// permits all but some, of which there may be many.
///
/// # Errors
///
/// The database is unavailable.
pub(super) async fn resources_of<C: ConnectionTrait>(
    connection: &C,
    filter: &DriftFilter,
) -> Result<Option<Found>> {
    use resources::Column::{Kind, Provider, Region, Source};
    let choices = &filter.choices;
    let texts = [
        (Kind, &filter.resource_kind, &choices.resource_kind),
        (Region, &filter.region, &choices.region),
        (Source, &filter.source, &choices.source),
        (Provider, &None, &choices.provider),
    ];
    let condition = texts
        .into_iter()
        .fold(Condition::all(), |all, (column, only, choice)| {
            let any_of = choice.any_of.as_ref();
            all.add_option(only.as_ref().map(|only| column.eq(only)))
                .add_option(any_of.map(|any_of| column.is_in(any_of)))
        });
    if condition.is_empty() {
        return Ok(None);
    }
    find(connection, of_inventory(condition), (FEW_OF_KIND, FEW_OF_KIND))
        .await
        .map(Some)
}

/// Reads the ids that a select returns.
async fn find<C: ConnectionTrait>(
    connection: &C,
    mut select: SelectStatement,
    (few, several): (u64, u64),
) -> Result<Found> {
    select.limit(several + 1);
    let rows = connection.query_all(&select).await?;
    let number = rows.len() as u64;
    if number > several {
        return Ok(Found::Many);
    }
    let ids: Result<Vec<Uuid>, _> = rows.iter().map(|row| column(row, "", "id")).collect();
    Ok(match ids {
        Ok(ids) if number <= few => Found::Few(ids),
        Ok(ids) => Found::Several(ids),
        // An id that does not decode, which another program may have written, cannot be looked up.
        Err(_) => Found::Many,
    })
}

/// Returns the fields of stored drifts that contain the text. Reads one entry of the index for each distinct field.
///
/// # Errors
///
/// The database is unavailable.
pub(super) async fn fields_with<C: ConnectionTrait>(connection: &C, text: &str) -> Result<Vec<String>> {
    let sql = "WITH RECURSIVE f (field) AS (SELECT min(field) FROM cloud_drift UNION ALL \
         SELECT (SELECT min(d.field) FROM cloud_drift AS d WHERE d.field > f.field) FROM f WHERE f.field IS NOT NULL) \
         SELECT field FROM f WHERE field IS NOT NULL";
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    let needle = text.to_ascii_lowercase();
    let rows = connection.query_all_raw(statement).await?;
    let mut fields = Vec::new();
    for row in rows {
        // A field that does not decode, which another program may have written, belongs to no drift of a page.
        if let Ok(field) = column::<String>(&row, "", "field")
            && field.to_ascii_lowercase().contains(&needle)
        {
            fields.push(field);
        }
    }
    Ok(fields)
}

/// Returns the source that lists the resource of a drift. It is looked up for each drift that is read: a list of all
/// resources of a source would be as long as the inventory.
pub(super) fn source_of_resource() -> Expr {
    of_resource(resources::Column::Source)
}

/// Returns the provider of the resource of a drift, like [`source_of_resource`].
pub(super) fn provider_of_resource() -> Expr {
    of_resource(resources::Column::Provider)
}

fn of_resource(column: resources::Column) -> Expr {
    let id = Expr::col((resources::Entity, resources::Column::Id));
    let value = Query::select()
        .column((resources::Entity, column))
        .from(resources::Entity)
        .and_where(id.equals((drift::Entity, drift::Column::ResourceId)))
        .take();
    Expr::SubQuery(None, Box::new(value.into()))
}

/// Returns the condition that the name or the provider id contains the text.
pub(super) fn in_resource(backend: DbBackend, text: &str) -> Condition {
    let contains = |column| contains_ignoring_ascii_case(backend, column, text);
    Condition::any()
        .add(contains(resources::Column::Name))
        .add(contains(resources::Column::ProviderId))
}

/// Returns the same condition as [`in_resource`], in the form for which PostgreSQL has an index of trigrams. Without
/// three letters or digits in a row, a text has no trigram, and such an index would be read as a whole.
fn in_index(backend: DbBackend, text: &str) -> Condition {
    if !is_indexed(backend, text) {
        return in_resource(backend, text);
    }
    Condition::any()
        .add(like(resources::Column::Name, text))
        .add(like(resources::Column::ProviderId, text))
}

fn is_indexed(backend: DbBackend, text: &str) -> bool {
    backend == DbBackend::Postgres && has_trigram(text)
}

/// Returns the condition that a column contains the text, in the form for which PostgreSQL has an index of trigrams.
fn like(column: impl ColumnTrait, text: &str) -> Expr {
    let pattern = format!("%{}%", escaped(&text.to_ascii_lowercase()));
    let column = Expr::col(column.as_column_ref());
    Expr::cust_with_exprs(r#"lower($1 COLLATE "C") LIKE $2"#, [column, Expr::val(pattern)])
}

fn has_trigram(text: &str) -> bool {
    text.split(|letter: char| !letter.is_ascii_alphanumeric())
        .any(|run| run.len() >= INDEXED_RUN)
}

/// Writes a text as a pattern of LIKE that matches only itself.
fn escaped(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_look_ups_find_each_resource_once() {
        let [a, b] = [Uuid::from_u128(1), Uuid::from_u128(2)];
        let few = |ids: &[Uuid]| Found::Few(ids.to_vec());
        assert_eq!(few(&[b]).or(few(&[a, b])), few(&[a, b]));
        assert_eq!(few(&[a]).or(Found::Many), Found::Many);
        assert_eq!(Found::Many.or(few(&[])), Found::Many);
        let many: Vec<Uuid> = (0..600).map(Uuid::from_u128).collect();
        assert_eq!(few(&[a]).or(Found::Several(many.clone())), Found::Several(many));
    }

    #[test]
    fn the_range_of_a_module_ends_after_everything_below_it() {
        assert_eq!(past_all_with("module.net."), "module.net/");
        assert_eq!(past_all_with("module.net["), "module.net\\");
    }

    #[test]
    fn wildcards_are_escaped() {
        assert_eq!(escaped(r"a%b_c\d'"), r"a\%b\_c\\d'");
    }

    #[test]
    fn only_runs_of_three_letters_or_digits_have_trigrams() {
        for text in ["abc", "--web", "ü123"] {
            assert!(has_trigram(text), "{text}");
        }
        for text in ["", "ab", "a-b-c", "äöü", "%%%", "ab_cd"] {
            assert!(!has_trigram(text), "{text}");
        }
    }
}
