//! Searches for a text. A search first looks up which few resources contain the text, so that the rows of a rare text
//! are found by their resource, and those of a frequent text by walking the order of the page.

use entity::cloud_resources as resources;
use sea_orm::sea_query::{Expr, Query};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, DbBackend, Statement};
use uuid::Uuid;

use super::resources::contains_ignoring_ascii_case;
use crate::db::column;
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

/// The resources whose name or provider id contains a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// All of them, so few that their rows can be read and sorted.
    Few(Vec<Uuid>),
    /// All of them.
    Several(Vec<Uuid>),
    /// There are more.
    Many,
}

/// Looks up the resources whose name or provider id contains the text.
///
/// # Errors
///
/// The database is unavailable.
pub(super) async fn resources_with<C: ConnectionTrait>(connection: &C, text: &str) -> Result<Found> {
    let condition = in_index(connection.get_database_backend(), text);
    find(connection, condition, FEW, SEVERAL).await
}

/// Looks up the resources of a kind, a region or a source, or of several of these.
///
/// # Errors
///
/// The database is unavailable.
pub(super) async fn resources_of<C: ConnectionTrait>(
    connection: &C,
    kind: Option<&str>,
    region: Option<&str>,
    source: Option<&str>,
) -> Result<Found> {
    let condition = Condition::all()
        .add_option(kind.map(|kind| resources::Column::Kind.eq(kind)))
        .add_option(region.map(|region| resources::Column::Region.eq(region)))
        .add_option(source.map(|source| resources::Column::Source.eq(source)));
    find(connection, condition, FEW_OF_KIND, FEW_OF_KIND).await
}

async fn find<C: ConnectionTrait>(
    connection: &C,
    condition: Condition,
    few: u64,
    several: u64,
) -> Result<Found> {
    let select = Query::select()
        .column(resources::Column::Id)
        .from(resources::Entity)
        .cond_where(condition)
        .limit(several + 1)
        .to_owned();
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
    if backend != DbBackend::Postgres || !has_trigram(text) {
        return in_resource(backend, text);
    }
    let pattern = format!("%{}%", escaped(&text.to_ascii_lowercase()));
    let like = |column: resources::Column| {
        let column = Expr::col(column.as_column_ref());
        Expr::cust_with_exprs(
            r#"lower($1 COLLATE "C") LIKE $2"#,
            [column, Expr::val(pattern.as_str())],
        )
    };
    Condition::any()
        .add(like(resources::Column::Name))
        .add(like(resources::Column::ProviderId))
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
