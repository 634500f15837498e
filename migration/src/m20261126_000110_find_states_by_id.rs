//! PostgreSQL finds the states and the drifts of changed resources by id. Before, a change of some resources read all
//! states once for each of them, because PostgreSQL cannot look up the rows of a function by id.
//!
//! Functions that disable a plan type (`enable_seqscan = off`) also disable JIT compilation: a disabled plan type adds
//! 10^10 to the estimated cost, so that PostgreSQL would compile statements that take less than 1 ms.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

/// The signature of the function, which stays as it is.
const HEAD: &str =
    "CREATE OR REPLACE FUNCTION update_states_of(changed uuid[], before jsonb) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path FROM CURRENT
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    r record;
BEGIN
    PERFORM 1 FROM resource_states WHERE resource_id = ANY (changed) ORDER BY resource_id FOR UPDATE;";

const TAIL: &str = "
    LOOP
        PERFORM add_to_drift_totals(1, r.status, r.drift_kind, r.field, r.provider, r.kind, r.region, -r.n);
        PERFORM add_to_drift_totals(1, r.status, r.drift_kind, r.field, r.new_provider, r.new_kind, r.new_region, r.n);
    END LOOP;
END $$";

const BY_ID: &str = "
    UPDATE resource_states AS s SET (provider, kind, region, present, gone, owned, class) = (
        SELECT live.provider, live.kind, coalesce(live.region, ''),
            live.first_seen_at IS NOT NULL AND live.gone_at IS NULL, live.gone_at IS NOT NULL, live.owned,
            resource_class(s.specs, live.first_seen_at IS NOT NULL AND live.gone_at IS NULL, live.owned)
        FROM cloud_resources AS live WHERE live.id = s.resource_id)
    WHERE s.resource_id = ANY (changed) AND EXISTS (
        SELECT 1 FROM cloud_resources AS live WHERE live.id BETWEEN s.resource_id AND s.resource_id);
    FOR r IN
        SELECT d.status, d.kind AS drift_kind, d.field, b.provider, b.kind, b.region, d.new_provider, d.new_kind,
            d.new_region, count(*) AS n
        FROM jsonb_to_recordset(before) AS b (id uuid, provider text, kind text, region text)
        CROSS JOIN LATERAL (
            SELECT drift.status, drift.kind, drift.field, s.provider AS new_provider, s.kind AS new_kind,
                s.region AS new_region
            FROM resource_states AS s CROSS JOIN LATERAL (
                SELECT status, kind, field FROM cloud_drift WHERE resource_id = s.resource_id OFFSET 0) AS drift
            WHERE s.resource_id = b.id OFFSET 0) AS d
        GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9";

const BY_JOIN: &str = "
    UPDATE resource_states AS s SET
        provider = live.provider, kind = live.kind, region = coalesce(live.region, ''),
        present = live.first_seen_at IS NOT NULL AND live.gone_at IS NULL, gone = live.gone_at IS NOT NULL,
        owned = live.owned,
        class = resource_class(s.specs, live.first_seen_at IS NOT NULL AND live.gone_at IS NULL, live.owned)
    FROM unnest(changed) AS c (id) JOIN cloud_resources AS live ON live.id = c.id
    WHERE s.resource_id = c.id;
    FOR r IN
        SELECT d.status, d.kind AS drift_kind, d.field, b.provider, b.kind, b.region, s.provider AS new_provider,
            s.kind AS new_kind, s.region AS new_region, count(*) AS n
        FROM jsonb_to_recordset(before) AS b (id uuid, provider text, kind text, region text)
        JOIN resource_states AS s ON s.resource_id = b.id
        JOIN cloud_drift AS d ON d.resource_id = b.id
        GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        replace(m, BY_ID).await?;
        configure(m, "SET jit = off").await
    }

    async fn down(&self, m: &SchemaManager) -> Result<(), DbErr> {
        configure(m, "RESET jit").await?;
        replace(m, BY_JOIN).await
    }
}

async fn replace(m: &SchemaManager<'_>, body: &str) -> Result<(), DbErr> {
    if m.get_database_backend() == DbBackend::Postgres {
        let sql = format!("{HEAD}{body}{TAIL}");
        m.get_connection().execute_unprepared(&sql).await?;
    }
    Ok(())
}

/// Changes the configuration of all functions that avoid a kind of plan.
async fn configure(m: &SchemaManager<'_>, setting: &str) -> Result<(), DbErr> {
    if m.get_database_backend() == DbBackend::Postgres {
        let sql = format!(
            "DO $$ DECLARE f regprocedure; BEGIN
                FOR f IN SELECT p.oid FROM pg_proc AS p WHERE p.pronamespace = current_schema()::regnamespace
                    AND p.proconfig && ARRAY['enable_seqscan=off', 'enable_hashjoin=off', 'enable_nestloop=off']
                LOOP EXECUTE format('ALTER FUNCTION %s {setting}', f); END LOOP; END $$"
        );
        m.get_connection().execute_unprepared(&sql).await?;
    }
    Ok(())
}
