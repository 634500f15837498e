//! Rows as lists of cells: only the columns that a query needs, with stored JSON as text.

use chrono::{DateTime, Utc};
use sea_orm::sqlx::{self, ColumnIndex, Database, Decode, Postgres, Row as _, Sqlite, Type};
use sea_orm::{ActiveEnum, ColumnTrait, ColumnType, EntityTrait, Iden as _, QueryResult};
use uuid::Uuid;

use crate::db::{caught, column_at, json_of_postgres};
use crate::domain::stored_json::rewritten;

/// The value of one column of one row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    /// SQL null.
    Null,
    /// A UUID.
    Uuid(Uuid),
    /// A text.
    Text(String),
    /// JSON text in normal form: what parsing the stored text and serializing the value returns.
    Json(String),
    /// A time.
    Time(DateTime<Utc>),
    /// A number.
    Int(i32),
    /// A truth value.
    Bool(bool),
}

/// The cells of a row, in the order of the selected columns.
pub(crate) type Cells = Vec<Cell>;

/// The type that a cell is decoded as.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Uuid,
    Text,
    /// A text of a fixed set. The function returns whether a text is in the set.
    Choice(fn(&str) -> bool),
    Json,
    Time,
    Int,
    Bool,
}

/// A column that is read as a cell.
#[derive(Clone, Copy, Debug)]
struct Column {
    kind: Kind,
    nullable: bool,
}

/// Decodes rows of one statement.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    table: String,
    /// Name and position of the column that identifies a row in the log.
    key: (String, usize),
    columns: Vec<Column>,
}

/// Returns whether a text is a value of the enum.
pub(crate) fn is_known<E: ActiveEnum<Value = String>>(text: &str) -> bool {
    E::try_from_value(&text.to_owned()).is_ok()
}

impl Reader {
    /// Creates a reader for rows of a table that the log identifies by this column, whose position among the cells is
    /// given.
    pub(crate) fn of<E: EntityTrait>(key: E::Column, position: usize) -> Self {
        Self {
            table: E::default().table_name().to_owned(),
            key: (key.to_string(), position),
            columns: Vec::new(),
        }
    }

    /// Appends columns of a table. `choice` returns the test for a column with a fixed set of texts.
    #[must_use]
    pub(crate) fn with<C: ColumnTrait>(
        mut self,
        columns: impl IntoIterator<Item = C>,
        choice: impl Fn(C) -> Option<fn(&str) -> bool>,
    ) -> Self {
        self.columns.extend(columns.into_iter().map(|column| {
            let definition = column.def();
            let kind = match definition.get_column_type() {
                ColumnType::Uuid => Kind::Uuid,
                ColumnType::Json | ColumnType::JsonBinary => Kind::Json,
                ColumnType::Integer => Kind::Int,
                ColumnType::Boolean => Kind::Bool,
                ColumnType::TimestampWithTimeZone => Kind::Time,
                _ => choice(column).map_or(Kind::Text, Kind::Choice),
            };
            Column {
                kind,
                nullable: definition.is_null(),
            }
        }));
        self
    }

    /// Decodes the cells of a row, which begin at the column with the index `first`. Logs the error and returns None
    /// if that fails.
    pub(crate) fn read(&self, row: &QueryResult, first: usize) -> Option<Cells> {
        let cells = caught::<_, Fault>(|| {
            if let Some(row) = row.try_as_pg_row() {
                return self.decode::<Postgres>(row, first, json_of_postgres);
            }
            let row = row.try_as_sqlite_row().ok_or("a row of another database")?;
            self.decode::<Sqlite>(row, first, |row, index| row.try_get(index))
        });
        cells
            .inspect_err(|error| {
                let (column, position) = &self.key;
                let id = column_at::<Uuid>(row, first + position);
                let table = &self.table;
                tracing::warn!(table, column, ?id, %error, "skipping a row that cannot be read");
            })
            .ok()
    }

    fn decode<'r, DB: Database>(
        &self,
        row: &'r DB::Row,
        first: usize,
        json: fn(&'r DB::Row, usize) -> Result<Option<&'r str>, sqlx::Error>,
    ) -> Result<Cells, Fault>
    where
        usize: ColumnIndex<DB::Row>,
        Uuid: Decode<'r, DB> + Type<DB>,
        &'r str: Decode<'r, DB> + Type<DB>,
        DateTime<Utc>: Decode<'r, DB> + Type<DB>,
        i32: Decode<'r, DB> + Type<DB>,
        bool: Decode<'r, DB> + Type<DB>,
    {
        let mut cells = Vec::with_capacity(self.columns.len());
        for (index, column) in (first..).zip(&self.columns) {
            let cell = match column.kind {
                Kind::Uuid => row.try_get::<Option<Uuid>, _>(index)?.map(Cell::Uuid),
                Kind::Text => text::<DB>(row, index)?.map(|text| Cell::Text(text.to_owned())),
                Kind::Choice(is_known) => match text::<DB>(row, index)? {
                    Some(text) if !is_known(text) => return Err(format!("unknown value {text}").into()),
                    text => text.map(|text| Cell::Text(text.to_owned())),
                },
                Kind::Json => json(row, index)?.map(rewritten).transpose()?.map(Cell::Json),
                Kind::Time => row.try_get::<Option<DateTime<Utc>>, _>(index)?.map(Cell::Time),
                Kind::Int => row.try_get::<Option<i32>, _>(index)?.map(Cell::Int),
                Kind::Bool => row.try_get::<Option<bool>, _>(index)?.map(Cell::Bool),
            };
            match cell {
                Some(cell) => cells.push(cell),
                None if column.nullable => cells.push(Cell::Null),
                None => return Err(format!("column {index} is null").into()),
            }
        }
        Ok(cells)
    }
}

/// The reason why a row does not decode.
type Fault = Box<dyn std::error::Error + Send + Sync>;

fn text<'r, DB: Database>(row: &'r DB::Row, index: usize) -> Result<Option<&'r str>, sqlx::Error>
where
    usize: ColumnIndex<DB::Row>,
    &'r str: Decode<'r, DB> + Type<DB>,
{
    row.try_get(index)
}
