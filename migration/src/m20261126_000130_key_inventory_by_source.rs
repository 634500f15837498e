//! Sources, and the source of each resource and of each listing, so that several sources share one database.
//!
//! If syncs of exactly one source were recorded, all stored resources and listings are given to it. It is also the
//! default, so that a server of the previous release, which does not set the column, goes on with the same source.
//! Otherwise the column is empty, and the next sync that lists a resource claims it. Plans of each state get listings of
//! their own.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::*;
use sea_orm_migration::sea_orm::{DbBackend, Statement};

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

const BY_SOURCE: &str = "ix_cloud_resources_source_id";
/// The columns of `inventory_kinds` before this migration.
const COLUMNS: &str = "provider, kind, account, listing_started_at, completed_at, outcome, listing_number, \
    numbered_at, unconfirmed, unread_fields, expected_interval";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        let db = m.get_connection();
        if m.get_database_backend() == DbBackend::Postgres {
            // All locks at once: a sync of a server of the previous release holds some of them and waits for others.
            db.execute_unprepared(
                "LOCK TABLE terraform_plans, inventory_kinds, cloud_resources, plan_instances IN ACCESS EXCLUSIVE MODE",
            )
            .await?;
        }
        m.create_table(
            Table::create()
                .table("sources")
                .col(string("name").primary_key())
                .col(string_len("kind", 32))
                .col(string_null("provider"))
                .col(string_null("account"))
                .col(string_null("schedule"))
                .col(big_integer_null("expected_interval"))
                .col(timestamp_with_time_zone("registered_at"))
                .to_owned(),
        )
        .await?;
        m.alter_table(
            Table::alter()
                .table("terraform_plans")
                .add_column(text_null("refusal_reason"))
                .to_owned(),
        )
        .await?;
        let source = format!("'{}'", only_source(m).await?.replace('\'', "''"));
        db.execute_unprepared(&format!(
            "ALTER TABLE cloud_resources ADD COLUMN source varchar NOT NULL DEFAULT {source}"
        ))
        .await?;
        db.execute_unprepared(&format!(
            "CREATE INDEX {BY_SOURCE} ON cloud_resources (source, id)"
        ))
        .await?;
        if m.get_database_backend() == DbBackend::Sqlite {
            key_sqlite_table(m, &source).await?;
        } else {
            db.execute_unprepared(&format!(
                "ALTER TABLE inventory_kinds ADD COLUMN source varchar NOT NULL DEFAULT {source}"
            ))
            .await?;
            db.execute_unprepared(
                "ALTER TABLE inventory_kinds DROP CONSTRAINT inventory_kinds_pkey, \
                 ADD PRIMARY KEY (source, provider, kind)",
            )
            .await?;
        }
        for statement in SPLIT_PLANS {
            db.execute_unprepared(statement).await?;
        }
        Ok(())
    }

    async fn down(&self, m: &SchemaManager) -> Result<(), DbErr> {
        let db = m.get_connection();
        // The oldest listing of a kind is kept, because it says least.
        db.execute_unprepared(
            "DELETE FROM inventory_kinds WHERE EXISTS (SELECT 1 FROM inventory_kinds AS other \
             WHERE other.provider = inventory_kinds.provider AND other.kind = inventory_kinds.kind \
             AND (COALESCE(other.completed_at, '1970-01-01 00:00:00+00'), other.source) \
             < (COALESCE(inventory_kinds.completed_at, '1970-01-01 00:00:00+00'), inventory_kinds.source))",
        )
        .await?;
        if m.get_database_backend() == DbBackend::Sqlite {
            let create = kinds_table()
                .primary_key(Index::create().col("provider").col("kind"))
                .to_owned();
            replace_sqlite_table(m, create, COLUMNS).await?;
        } else {
            db.execute_unprepared("ALTER TABLE inventory_kinds DROP COLUMN source")
                .await?;
            db.execute_unprepared("ALTER TABLE inventory_kinds ADD PRIMARY KEY (provider, kind)")
                .await?;
        }
        db.execute_unprepared(&format!("DROP INDEX IF EXISTS {BY_SOURCE}"))
            .await?;
        db.execute_unprepared("ALTER TABLE cloud_resources DROP COLUMN source")
            .await?;
        let reason = Table::alter()
            .table("terraform_plans")
            .drop_column("refusal_reason")
            .to_owned();
        m.alter_table(reason).await?;
        m.drop_table(Table::drop().table("sources").to_owned()).await
    }
}

/// Gives each state whose plans are imported a source, its resources and its listings.
const SPLIT_PLANS: [&str; 4] = [
    "INSERT INTO sources (name, kind, expected_interval, registered_at) \
     SELECT state, 'terraform_plan', expected_interval, attempted_at FROM terraform_plans",
    "UPDATE cloud_resources SET source = (SELECT state FROM plan_instances WHERE resource_id = cloud_resources.id) \
     WHERE id IN (SELECT resource_id FROM plan_instances)",
    "DELETE FROM inventory_kinds WHERE listing_number IS NULL AND EXISTS (SELECT 1 FROM plan_instances AS i \
     JOIN cloud_resources AS r ON r.id = i.resource_id \
     WHERE r.provider = inventory_kinds.provider AND r.kind = inventory_kinds.kind)",
    "INSERT INTO inventory_kinds (source, provider, kind, completed_at, outcome, expected_interval) \
     SELECT DISTINCT p.state, r.provider, r.kind, p.made_at, \
     CASE WHEN p.refusal IS NULL THEN 'complete' ELSE 'incomplete' END, p.expected_interval \
     FROM plan_instances AS i JOIN cloud_resources AS r ON r.id = i.resource_id \
     JOIN terraform_plans AS p ON p.state = i.state",
];

/// Returns the name of the source whose syncs were recorded, or an empty text if there is not exactly one, or if a Terraform
/// state has the same name.
async fn only_source(m: &SchemaManager<'_>) -> Result<String, DbErr> {
    let names = "SELECT DISTINCT r.source, p.state FROM job_runs AS r LEFT JOIN terraform_plans AS p \
        ON p.state = r.source WHERE r.job = 'sync_inventory' AND r.source IS NOT NULL LIMIT 2";
    let names = Statement::from_string(m.get_database_backend(), names);
    let rows = m.get_connection().query_all_raw(names).await?;
    match rows.as_slice() {
        [one] if one.try_get::<Option<String>>("", "state")?.is_none() => one.try_get("", "source"),
        _ => Ok(String::new()),
    }
}

/// Returns the table before this migration, without its key.
fn kinds_table() -> TableCreateStatement {
    Table::create()
        .table("inventory_kinds_new")
        .col(string("provider"))
        .col(string("kind"))
        .col(string_null("account"))
        .col(timestamp_with_time_zone_null("listing_started_at"))
        .col(timestamp_with_time_zone_null("completed_at"))
        .col(string_len_null("outcome", 16))
        .col(big_integer_null("listing_number"))
        .col(timestamp_with_time_zone_null("numbered_at"))
        .col(big_integer_null("unconfirmed"))
        .col(json_binary_null("unread_fields"))
        .col(big_integer_null("expected_interval"))
        .to_owned()
}

/// SQLite cannot change the key of a table, so the table is replaced.
async fn key_sqlite_table(m: &SchemaManager<'_>, source: &str) -> Result<(), DbErr> {
    let default = Expr::cust(source.to_owned());
    let create = kinds_table()
        .col(string("source").default(default))
        .primary_key(Index::create().col("source").col("provider").col("kind"))
        .to_owned();
    replace_sqlite_table(m, create, COLUMNS).await
}

async fn replace_sqlite_table(
    m: &SchemaManager<'_>,
    create: TableCreateStatement,
    columns: &str,
) -> Result<(), DbErr> {
    m.create_table(create).await?;
    let db = m.get_connection();
    for statement in [
        format!("INSERT INTO inventory_kinds_new ({columns}) SELECT {columns} FROM inventory_kinds"),
        "DROP TABLE inventory_kinds".to_owned(),
        "ALTER TABLE inventory_kinds_new RENAME TO inventory_kinds".to_owned(),
    ] {
        db.execute_unprepared(&statement).await?;
    }
    Ok(())
}
