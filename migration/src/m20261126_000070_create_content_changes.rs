//! `content_changes`: shows whether rows that answers are made from have changed. Only PostgreSQL has it; SQLite itself
//! has such a number (`PRAGMA data_version`).

use sea_orm_migration::sea_orm::DbBackend;
use sea_orm_migration::{prelude::*, schema::*};

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

/// The tables that a page of drifts is read from, in the order in which writers lock them.
const TABLES: [&str; 5] = [
    "cloud_resources",
    "cloud_provisioned",
    "cloud_drift",
    "cloud_resource_events",
    "drift_totals",
];

/// Writes a new random stamp. The stamps of all rows together differ after each commit that ran this, whatever the
/// order of the commits, and also after a restore of older rows. A number from a sequence would be visible before the
/// commit.
///
/// A writer takes a row that no other transaction has locked, or inserts one: writers never wait for each other. At
/// isolation levels above READ COMMITTED, a row that has changed since the snapshot cannot be locked.
const FUNCTION: &str = "
CREATE FUNCTION note_content_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
AS $$
DECLARE
    unlocked bigint;
BEGIN
    BEGIN
        SELECT id INTO unlocked FROM content_changes LIMIT 1 FOR UPDATE SKIP LOCKED;
    EXCEPTION WHEN serialization_failure THEN
        unlocked := NULL;
    END;
    IF unlocked IS NULL THEN
        INSERT INTO content_changes (stamp) VALUES (gen_random_uuid());
    ELSE
        UPDATE content_changes SET stamp = gen_random_uuid() WHERE id = unlocked;
    END IF;
    PERFORM set_config('drift_inbox.content_changed_in', CAST(txid_current() AS text), true);
    RETURN NULL;
END $$";

/// Once per transaction is enough. The setting ends with the transaction, and a savepoint that is rolled back restores
/// both the setting and the stamp. A transaction without an id has changed nothing.
const FIRST_CHANGE: &str = "txid_current_if_assigned() IS NOT NULL AND \
    current_setting('drift_inbox.content_changed_in', true) \
    IS DISTINCT FROM CAST(txid_current_if_assigned() AS text)";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        if m.get_database_backend() != DbBackend::Postgres {
            return Ok(());
        }
        let table = Table::create()
            .table("content_changes")
            .col(big_pk_auto("id"))
            .col(uuid("stamp"))
            .to_owned();
        m.create_table(table).await?;
        let db = m.get_connection();
        db.execute_unprepared("INSERT INTO content_changes (stamp) VALUES (gen_random_uuid())")
            .await?;
        db.execute_unprepared(FUNCTION).await?;
        for table in TABLES {
            let trigger = format!(
                "CREATE TRIGGER note_content_change AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table} \
                 FOR EACH STATEMENT WHEN ({FIRST_CHANGE}) EXECUTE FUNCTION note_content_change(); \
                 ALTER TABLE {table} ENABLE ALWAYS TRIGGER note_content_change"
            );
            db.execute_unprepared(&trigger).await?;
        }
        Ok(())
    }

    async fn down(&self, m: &SchemaManager) -> Result<(), DbErr> {
        if m.get_database_backend() != DbBackend::Postgres {
            return Ok(());
        }
        m.get_connection()
            .execute_unprepared("DROP FUNCTION note_content_change() CASCADE; DROP TABLE content_changes")
            .await?;
        Ok(())
    }
}
