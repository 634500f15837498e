//! The Terraform address of each spec that an import recorded, and the lineage in the file of each state.
//!
//! The addresses of plans are filled in; those of states follow with their next import. An older server does not write
//! the column. If it changes the source of a spec, a trigger clears the address, which was that of the former source.

use sea_orm_migration::{prelude::*, sea_orm::DatabaseBackend};

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

/// Longer addresses are not stored, because PostgreSQL cannot index them.
const FILL: &str = "UPDATE cloud_provisioned SET address = (SELECT i.address FROM plan_instances AS i \
    WHERE i.resource_id = cloud_provisioned.resource_id AND 'terraform:' || i.state = cloud_provisioned.source \
    AND {bytes} <= 2048) \
    WHERE resource_id IN (SELECT resource_id FROM plan_instances)";

/// The index contains all that a search reads.
const INDEX: &str = "CREATE INDEX ix_cloud_provisioned_address ON cloud_provisioned (address, resource_id) \
    WHERE address IS NOT NULL";

/// The rows are marked for the next sweep otherwise, which has nothing to compare in an address.
const POSTGRES: [&str; 6] = [
    "ALTER TABLE cloud_provisioned ADD COLUMN address varchar COLLATE pg_catalog.\"C\"",
    "ALTER TABLE terraform_states ADD COLUMN file_lineage varchar",
    "SELECT set_config('drift_inbox.sweeping', 'on', true)",
    FILL,
    "SELECT set_config('drift_inbox.sweeping', '', true)",
    INDEX,
];

const POSTGRES_TRIGGER: [&str; 2] = [
    "CREATE FUNCTION clear_address() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER \
     SET search_path FROM CURRENT AS $$ BEGIN NEW.address := NULL; RETURN NEW; END $$",
    "CREATE TRIGGER clear_address BEFORE UPDATE OF source ON cloud_provisioned FOR EACH ROW \
     WHEN (NEW.address IS NOT NULL AND NEW.source IS DISTINCT FROM OLD.source \
     AND NEW.address IS NOT DISTINCT FROM OLD.address) EXECUTE FUNCTION clear_address()",
];

const SQLITE: [&str; 5] = [
    "ALTER TABLE cloud_provisioned ADD COLUMN address varchar",
    "ALTER TABLE terraform_states ADD COLUMN file_lineage varchar",
    FILL,
    INDEX,
    "CREATE TRIGGER clear_address AFTER UPDATE OF source ON cloud_provisioned FOR EACH ROW \
     WHEN NEW.address IS NOT NULL AND NEW.source IS NOT OLD.source AND NEW.address IS OLD.address \
     BEGIN UPDATE cloud_provisioned SET address = NULL WHERE id = NEW.id; END",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        let (statements, bytes) = if m.get_database_backend() == DatabaseBackend::Postgres {
            (
                [&POSTGRES[..], &POSTGRES_TRIGGER].concat(),
                "octet_length(i.address)",
            )
        } else {
            (SQLITE.to_vec(), "length(CAST(i.address AS BLOB))")
        };
        run(m, statements.iter().map(|sql| sql.replace("{bytes}", bytes))).await
    }

    async fn down(&self, m: &SchemaManager) -> Result<(), DbErr> {
        let trigger = if m.get_database_backend() == DatabaseBackend::Postgres {
            "DROP FUNCTION clear_address() CASCADE"
        } else {
            "DROP TRIGGER clear_address"
        };
        let columns = [
            "DROP INDEX ix_cloud_provisioned_address",
            "ALTER TABLE cloud_provisioned DROP COLUMN address",
            "ALTER TABLE terraform_states DROP COLUMN file_lineage",
        ];
        run(m, [trigger].into_iter().chain(columns).map(str::to_owned)).await
    }
}

async fn run(m: &SchemaManager<'_>, statements: impl Iterator<Item = String>) -> Result<(), DbErr> {
    for statement in statements {
        m.get_connection().execute_unprepared(&statement).await?;
    }
    Ok(())
}
