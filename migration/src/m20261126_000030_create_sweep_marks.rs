//! Marks of resources whose comparison is due. Triggers add a mark with each change of a spec, a resource or an open
//! drift, whichever program makes it, so a sweep can compare what changed and nothing else.

use sea_orm_migration::{prelude::*, schema::*, sea_orm::DatabaseBackend};

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

const IN_FORCE: &str = "ix_cloud_provisioned_in_force_resource_id";

/// A table whose changes are marked.
struct Marked {
    table: &'static str,
    /// The column with the id of the resource.
    resource_id: &'static str,
    /// The condition on which a row is marked, as SQL about the row with the name in `{}`.
    if_row: &'static str,
}

const MARKED: [Marked; 3] = [
    Marked {
        table: "cloud_provisioned",
        resource_id: "resource_id",
        if_row: "true",
    },
    Marked {
        table: "cloud_resources",
        resource_id: "id",
        if_row: "true",
    },
    Marked {
        table: "cloud_drift",
        resource_id: "resource_id",
        if_row: "{}.status = 'open'",
    },
];

impl Marked {
    fn matters(&self, row: &str) -> String {
        self.if_row.replace("{}", row)
    }

    /// Creates triggers that run once per statement, over all rows that it changed. The setting makes them skip the
    /// changes of a sweep. The functions run with the rights of their owner, because other programs may have none on
    /// the table of marks.
    fn of_postgres(&self) -> Vec<String> {
        let Self {
            table, resource_id, ..
        } = self;
        let marked = |rows: &str| format!("SELECT {resource_id} FROM {rows} WHERE {}", self.matters(rows));
        let changed = format!(
            "SELECT before.{resource_id} AS marked FROM before LEFT JOIN after ON after.id = before.id \
             WHERE {} AND before.* IS DISTINCT FROM after.* \
             UNION SELECT after.{resource_id} FROM after LEFT JOIN before ON before.id = after.id \
             WHERE {} AND before.* IS DISTINCT FROM after.*",
            self.matters("before"),
            self.matters("after")
        );
        [
            ("insert", "NEW TABLE AS after", marked("after")),
            ("update", "OLD TABLE AS before NEW TABLE AS after", changed),
            ("delete", "OLD TABLE AS before", marked("before")),
        ]
        .iter()
        .flat_map(|(event, rows, select)| {
            let name = format!("mark_{table}_{event}");
            [
                // A session keeps the plan of the join, which it may have made for one row: with nested loops, a
                // statement on many rows would take quadratic time.
                format!(
                    "CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER \
                     SET search_path FROM CURRENT SET enable_nestloop = off AS $$ BEGIN \
                     IF current_setting('drift_inbox.sweeping', true) IS DISTINCT FROM 'on' THEN \
                     INSERT INTO sweep_marks (resource_id) {select}; END IF; RETURN NULL; END $$"
                ),
                format!(
                    "CREATE TRIGGER {name} AFTER {event} ON {table} REFERENCING {rows} \
                     FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
                ),
            ]
        })
        .chain([format!(
            "CREATE TRIGGER mark_{table}_truncate AFTER TRUNCATE ON {table} \
             FOR EACH STATEMENT EXECUTE FUNCTION forget_comparisons()"
        )])
        .collect()
    }

    fn of_sqlite(&self) -> Vec<String> {
        let Self {
            table, resource_id, ..
        } = self;
        let mark = |row: &str| {
            format!(
                "INSERT INTO sweep_marks (resource_id) SELECT {row}.{resource_id} WHERE {}",
                self.matters(row)
            )
        };
        let both = format!(
            "{}; {} AND NOT (OLD.{resource_id} IS NEW.{resource_id} AND {})",
            mark("NEW"),
            mark("OLD"),
            self.matters("NEW")
        );
        [("INSERT", mark("NEW")), ("UPDATE", both), ("DELETE", mark("OLD"))]
            .iter()
            .map(|(event, marks)| {
                format!(
                    "CREATE TRIGGER mark_{table}_{} AFTER {event} ON {table} FOR EACH ROW BEGIN {marks}; END",
                    event.to_lowercase()
                )
            })
            .collect()
    }
}

/// TRUNCATE passes no rows to a trigger, so the next sweep compares everything.
const FORGET: &str = "CREATE FUNCTION forget_comparisons() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER \
    SET search_path FROM CURRENT AS $$ BEGIN \
    UPDATE upkeep SET started_at = NULL, finished_at = NULL WHERE task LIKE 'comparison of %'; RETURN NULL; END $$";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        m.create_table(
            Table::create()
                .table("sweep_marks")
                .col(big_integer("id").primary_key().auto_increment())
                .col(uuid("resource_id"))
                .to_owned(),
        )
        .await?;
        let mut in_force = Index::create();
        in_force
            .name(IN_FORCE)
            .table("cloud_provisioned")
            .col("resource_id")
            .and_where(Expr::col("retired_at").is_null());
        m.create_index(in_force.to_owned()).await?;
        let connection = m.get_connection();
        let is_postgres = m.get_database_backend() == DatabaseBackend::Postgres;
        if is_postgres {
            connection.execute_unprepared(FORGET).await?;
        }
        for marked in &MARKED {
            let triggers = if is_postgres {
                marked.of_postgres()
            } else {
                marked.of_sqlite()
            };
            for trigger in triggers {
                connection.execute_unprepared(&trigger).await?;
            }
        }
        Ok(())
    }

    async fn down(&self, m: &SchemaManager) -> Result<(), DbErr> {
        let connection = m.get_connection();
        let is_postgres = m.get_database_backend() == DatabaseBackend::Postgres;
        for Marked { table, .. } in &MARKED {
            for event in ["insert", "update", "delete"] {
                let name = format!("mark_{table}_{event}");
                let drop = if is_postgres {
                    // Dropping it drops its trigger, too.
                    format!("DROP FUNCTION {name}() CASCADE")
                } else {
                    format!("DROP TRIGGER {name}")
                };
                connection.execute_unprepared(&drop).await?;
            }
        }
        if is_postgres {
            connection
                .execute_unprepared("DROP FUNCTION forget_comparisons() CASCADE")
                .await?;
        }
        m.drop_index(Index::drop().table("cloud_provisioned").name(IN_FORCE).to_owned())
            .await?;
        m.drop_table(Table::drop().table("sweep_marks").to_owned()).await
    }
}
