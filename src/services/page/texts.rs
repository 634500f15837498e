//! The texts of the statements of pages. They decide how often PostgreSQL plans a statement: it keeps a plan that does
//! not depend on the parameters if it seems as good as one that does. If a limit is a parameter, it never seems so.

use std::fmt::{self, Write};

use sea_orm::sea_query::{
    PostgresQueryBuilder, QueryBuilder, SelectStatement, SqlWriter, SqlWriterValues, SqliteQueryBuilder,
    Value,
};
use sea_orm::{DbBackend, Statement};

/// Returns the statement with all values in its text.
pub(super) fn without_parameters(backend: DbBackend, select: &SelectStatement) -> Statement {
    let sql = match backend {
        DbBackend::Sqlite => select.to_string(SqliteQueryBuilder),
        _ => select.to_string(PostgresQueryBuilder),
    };
    Statement::from_string(backend, sql)
}

/// Returns the statement, on PostgreSQL with its limits in its text. To plan a page of many selects takes longer than
/// to read it.
pub(super) fn with_constant_limits(backend: DbBackend, select: &SelectStatement) -> Statement {
    if backend != DbBackend::Postgres {
        return backend.build(select);
    }
    let mut writer = ConstantLimits(SqlWriterValues::new("$", true));
    select.build_collect_into(PostgresQueryBuilder, &mut writer);
    let (sql, values) = writer.0.into_parts();
    Statement::from_sql_and_values(backend, sql, values)
}

/// Collects all values but limits. Only limits are unsigned numbers.
struct ConstantLimits(SqlWriterValues);

impl SqlWriter for ConstantLimits {
    fn push_param<T: QueryBuilder>(&mut self, value: Value, query_builder: &T) {
        let is_written = match value {
            Value::BigUnsigned(Some(limit)) => write!(self.0, "{limit}").is_ok(),
            _ => false,
        };
        if !is_written {
            self.0.push_param(value, query_builder);
        }
    }

    fn as_writer(&mut self) -> &mut dyn Write {
        self
    }
}

impl Write for ConstantLimits {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write_str(text)
    }
}

impl fmt::Display for ConstantLimits {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.to_string())
    }
}

#[cfg(test)]
mod tests {
    use sea_orm::sea_query::{Expr, ExprTrait as _, Query};

    use super::*;

    #[test]
    fn only_limits_are_constant() {
        let select = Query::select()
            .column("a")
            .from("t")
            .and_where(Expr::col("b").eq("x'y"))
            .limit(51)
            .to_owned();
        let statement = with_constant_limits(DbBackend::Postgres, &select);
        assert_eq!(statement.sql, r#"SELECT "a" FROM "t" WHERE "b" = $1 LIMIT 51"#);
        assert_eq!(statement.values.map_or(0, |values| values.0.len()), 1);
        let statement = with_constant_limits(DbBackend::Sqlite, &select);
        assert_eq!(statement.sql, r#"SELECT "a" FROM "t" WHERE "b" = ? LIMIT ?"#);
    }
}
