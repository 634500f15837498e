//! Leftovers: resources that serve nothing. A check after a sync writes them. Triggers mark that a check is due, whichever
//! program changes a resource.

use sea_orm_migration::{prelude::*, schema::*, sea_orm::DatabaseBackend};

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

const EVENTS: [&str; 3] = ["insert", "update", "delete"];

/// The function runs with the rights of its owner, because other programs may have none on the table of marks.
const MARK: &str = "CREATE FUNCTION mark_leftovers() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER \
    SET search_path FROM CURRENT AS $$ BEGIN INSERT INTO leftover_marks DEFAULT VALUES; RETURN NULL; END $$";

fn trigger(backend: DatabaseBackend, event: &str) -> String {
    let name = format!("mark_leftovers_{event}");
    match backend {
        DatabaseBackend::Postgres => format!(
            "CREATE TRIGGER {name} AFTER {event} ON cloud_resources FOR EACH STATEMENT EXECUTE FUNCTION mark_leftovers()"
        ),
        // A check deletes the marks before it reads the resources, so one mark stands for all changes before that.
        _ => format!(
            "CREATE TRIGGER {name} AFTER {event} ON cloud_resources FOR EACH ROW BEGIN \
             INSERT INTO leftover_marks (id) SELECT NULL WHERE NOT EXISTS (SELECT 1 FROM leftover_marks); END"
        ),
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        m.create_table(
            Table::create()
                .table("leftovers")
                .col(uuid("id").primary_key())
                .col(uuid("resource_id").unique_key())
                .col(string("rule"))
                .col(string_len("state", 16))
                .col(text_null("unknown_because"))
                .col(timestamp_with_time_zone("since"))
                .col(big_integer_null("monthly_micros"))
                .col(big_integer("checked_by"))
                .foreign_key(
                    ForeignKey::create()
                        .from("leftovers", "resource_id")
                        .to("cloud_resources", "id")
                        .on_delete(ForeignKeyAction::Cascade),
                )
                .to_owned(),
        )
        .await?;
        m.create_index(
            Index::create()
                .name("ix_leftovers_since_id")
                .table("leftovers")
                .col("since")
                .col("id")
                .to_owned(),
        )
        .await?;
        m.create_table(
            Table::create()
                .table("leftover_marks")
                .col(big_integer("id").primary_key().auto_increment())
                .to_owned(),
        )
        .await?;
        m.create_table(
            Table::create()
                .table("leftover_checks")
                .col(string("provider").primary_key())
                .col(big_integer("number"))
                .col(boolean("finished"))
                .col(timestamp_with_time_zone_null("checked_at"))
                .col(text("listings"))
                .to_owned(),
        )
        .await?;
        // The resources of an address are looked up for DNS records that point to it.
        m.create_index(
            Index::create()
                .name("ix_cloud_resources_ip")
                .table("cloud_resources")
                .col("ip")
                .and_where(Expr::col("ip").is_not_null())
                .to_owned(),
        )
        .await?;
        let backend = m.get_database_backend();
        let connection = m.get_connection();
        if backend == DatabaseBackend::Postgres {
            connection.execute_unprepared(MARK).await?;
        }
        for event in EVENTS {
            connection.execute_unprepared(&trigger(backend, event)).await?;
        }
        connection
            .execute_unprepared("INSERT INTO leftover_marks DEFAULT VALUES")
            .await?;
        Ok(())
    }

    async fn down(&self, m: &SchemaManager) -> Result<(), DbErr> {
        let connection = m.get_connection();
        let is_postgres = m.get_database_backend() == DatabaseBackend::Postgres;
        for event in EVENTS {
            let table = if is_postgres { " ON cloud_resources" } else { "" };
            let drop = format!("DROP TRIGGER mark_leftovers_{event}{table}");
            connection.execute_unprepared(&drop).await?;
        }
        if is_postgres {
            connection
                .execute_unprepared("DROP FUNCTION mark_leftovers()")
                .await?;
        }
        m.drop_index(
            Index::drop()
                .name("ix_cloud_resources_ip")
                .table("cloud_resources")
                .to_owned(),
        )
        .await?;
        for table in ["leftover_checks", "leftover_marks", "leftovers"] {
            m.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}
