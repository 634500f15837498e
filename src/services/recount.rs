//! The daily recount of the kept totals, and of the copies in drifts. Triggers keep them exact, but cannot see every
//! change: some programs restore a backup with triggers switched off, or write to a SQLite file without them.
//!
//! Each difference is found by one statement, whose snapshot has the totals and the rows of the same transactions. It is
//! added to the totals, so no writer waits, and what others add meanwhile stays.

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use uuid::Uuid;

use super::retention::{claim, finished};
use crate::db::{DatabaseTransaction, Db, column, lists};
use crate::error::Result;

/// The drifts whose copies of the kind and region differ from their resource, as SQL after FROM.
const WRONG_COPIES: &str = "cloud_drift AS d LEFT JOIN cloud_resources AS r ON r.id = d.resource_id \
     WHERE d.resource_kind IS DISTINCT FROM r.kind OR d.resource_region IS DISTINCT FROM r.region";

/// Name of the recount in the table `upkeep`.
const TASK: &str = "recount";

/// Maximum number of states that one statement writes.
const BATCH: usize = 500;

/// The state of a resource as the tables say, in the order of the columns of `resource_states`.
const STATE: &str = "SELECT r.id, r.provider, r.kind, coalesce(r.region, '') AS region, \
     r.first_seen_at IS NOT NULL AND r.gone_at IS NULL AS present, r.gone_at IS NOT NULL AS gone, r.owned, r.specs, \
     CASE WHEN r.specs > 0 THEN 'managed' WHEN r.first_seen_at IS NULL OR r.gone_at IS NOT NULL THEN 'other' \
     WHEN r.owned THEN 'owned' ELSE 'unmanaged' END AS class, \
     (SELECT count(*) FROM cloud_drift AS d WHERE d.resource_id = r.id AND d.status = 'open' \
     AND d.kind = 'changed') AS open_changed, \
     (SELECT count(*) FROM cloud_drift AS d WHERE d.resource_id = r.id AND d.status = 'open' \
     AND d.kind = 'missing') AS open_missing \
     FROM (SELECT id, provider, kind, region, first_seen_at, gone_at, owned, (SELECT count(*) FROM cloud_provisioned \
     AS s WHERE s.resource_id = live.id AND s.retired_at IS NULL) AS specs FROM cloud_resources AS live) AS r";

const STATE_COLUMNS: &str =
    "resource_id, provider, kind, region, present, gone, owned, specs, class, open_changed, open_missing";

/// A table of totals.
struct Totals {
    table: &'static str,
    /// The columns of its key.
    key: &'static str,
    /// Selects the key and the number of the rows that are counted.
    rows: &'static str,
}

const TOTALS: [Totals; 3] = [
    Totals {
        table: "resource_totals",
        key: "provider, kind, region, class, gone, changed, missing",
        rows: "SELECT provider, kind, region, class, gone, open_changed > 0 AS changed, open_missing > 0 AS missing, \
               count(*) AS n FROM resource_states GROUP BY 1, 2, 3, 4, 5, 6, 7",
    },
    Totals {
        table: "drift_totals",
        key: "level, status, drift_kind, field, provider, kind, region",
        rows: "SELECT 1 AS level, d.status, d.kind AS drift_kind, d.field, coalesce(s.provider, '') AS provider, \
               coalesce(s.kind, '') AS kind, coalesce(s.region, '') AS region, count(*) AS n \
               FROM cloud_drift AS d {join} resource_states AS s ON s.resource_id = d.resource_id \
               GROUP BY d.status, d.kind, d.field, s.provider, s.kind, s.region \
               UNION ALL SELECT 0, status, '', '', '', '', '', count(*) FROM cloud_drift GROUP BY status",
    },
    Totals {
        table: "row_totals",
        key: "of_rows, key",
        rows: "SELECT 'forgotten_resources' AS of_rows, '' AS key, count(*) AS n FROM forgotten_resources \
               UNION ALL SELECT 'job_runs', job, count(*) FROM job_runs GROUP BY job",
    },
];

impl Totals {
    /// Returns SQL that selects the keys whose total is wrong, each with what is to be added to it.
    fn missing(&self, backend: DbBackend) -> String {
        let Self { table, key, rows } = self;
        // Drifts without a resource are counted by the triggers of SQLite only.
        let join = if backend == DbBackend::Sqlite {
            "LEFT JOIN"
        } else {
            "JOIN"
        };
        let rows = rows.replace("{join}", join);
        format!(
            "SELECT {key}, CAST(sum(n) AS bigint) AS n FROM (SELECT {key}, n FROM ({rows}) AS counted \
             UNION ALL SELECT {key}, -n FROM {table}) AS both_sides GROUP BY {key} HAVING sum(n) <> 0"
        )
    }

    /// Returns SQL that adds what is missing.
    fn correct(&self, backend: DbBackend) -> String {
        let Self { table, key, .. } = self;
        let on_conflict = match backend {
            DbBackend::Sqlite => format!(" ON CONFLICT ({key}) DO UPDATE SET n = n + excluded.n"),
            _ => String::new(),
        };
        format!(
            "INSERT INTO {table} ({key}, n) {}{on_conflict}",
            self.missing(backend)
        )
    }

    /// Returns SQL for PostgreSQL that replaces several rows of a key by their sum. Rows that a transaction is changing
    /// stay.
    fn merge(&self) -> String {
        let Self { table, key, .. } = self;
        format!(
            "WITH old AS (DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE ({key}) IN \
             (SELECT {key} FROM {table} GROUP BY {key} HAVING count(*) > 1) FOR UPDATE SKIP LOCKED) RETURNING *) \
             INSERT INTO {table} ({key}, n) SELECT {key}, sum(n) FROM old GROUP BY {key} HAVING sum(n) <> 0"
        )
    }
}

/// Recounts the totals if a day has passed since the last recount.
///
/// # Errors
///
/// The database is unavailable.
pub(crate) async fn recount_if_due(db: &Db) -> Result<()> {
    let now = db.time(db.reader()).await?;
    if !claim(db, TASK, now).await? {
        return Ok(());
    }
    recount(db).await?;
    finished(db, TASK, now).await
}

/// Recounts the totals, corrects those that are wrong, and returns their number.
///
/// # Errors
///
/// The database is unavailable.
pub async fn recount(db: &Db) -> Result<u64> {
    let states = wrong_states(db).await?;
    let mut wrong = states.len() as u64;
    for totals in &TOTALS {
        wrong += count(db, &format!("({}) AS wrong", totals.missing(db.backend()))).await?;
    }
    let copies = count(db, WRONG_COPIES).await?;
    wrong += copies;
    if wrong > 0 {
        tracing::warn!(
            wrong,
            resources = states.len(),
            copies,
            "kept totals or copies were wrong and are corrected"
        );
    } else if db.backend() == DbBackend::Sqlite {
        return Ok(0);
    }
    let states = &states;
    db.write_txn(|txn| async move {
        if wrong > 0 {
            for ids in states.chunks(BATCH) {
                correct_states_in_txn(&txn, ids).await?;
            }
            for totals in &TOTALS {
                txn.execute_unprepared(&totals.correct(txn.get_database_backend()))
                    .await?;
            }
            if copies > 0 {
                correct_copies_in_txn(&txn).await?;
            }
        }
        if txn.get_database_backend() == DbBackend::Postgres {
            for totals in &TOTALS {
                txn.execute_unprepared(&totals.merge()).await?;
            }
        }
        Ok(())
    })
    .await?;
    Ok(wrong)
}

/// Counts the rows of SQL after FROM.
async fn count(db: &Db, rows: &str) -> Result<u64> {
    let sql = format!("SELECT count(*) AS n FROM {rows}");
    let row = db
        .reader()
        .query_one_raw(Statement::from_string(db.backend(), sql))
        .await?;
    let n: i64 = row.map_or(Ok(0), |row| column(&row, "", "n"))?;
    Ok(n.unsigned_abs())
}

async fn correct_copies_in_txn(txn: &DatabaseTransaction) -> Result<()> {
    txn.execute_unprepared(&format!(
        "UPDATE cloud_drift SET (resource_kind, resource_region) = \
         (SELECT r.kind, r.region FROM cloud_resources AS r WHERE r.id = cloud_drift.resource_id) \
         WHERE id IN (SELECT d.id FROM {WRONG_COPIES})"
    ))
    .await?;
    Ok(())
}

/// Returns the ids of the resources whose state is wrong, missing or left behind.
async fn wrong_states(db: &Db) -> Result<Vec<Uuid>> {
    let sql = format!(
        "SELECT DISTINCT resource_id AS id FROM (SELECT {STATE_COLUMNS} FROM (SELECT {STATE_COLUMNS}, 1 AS sign \
         FROM resource_states UNION ALL SELECT s.*, -1 FROM ({STATE}) AS s) AS both_sides \
         GROUP BY {STATE_COLUMNS} HAVING sum(sign) <> 0) AS wrong"
    );
    let rows = db
        .reader()
        .query_all_raw(Statement::from_string(db.backend(), sql))
        .await?;
    // An id that does not decode, which another program may have written, cannot be addressed.
    Ok(rows.iter().filter_map(|row| column(row, "", "id").ok()).collect())
}

async fn correct_states_in_txn(txn: &DatabaseTransaction, ids: &[Uuid]) -> Result<()> {
    let backend = txn.get_database_backend();
    let list = || [lists::ids(backend, ids.iter().copied())];
    let among = lists::in_list(backend);
    let execute = async |sql: String| {
        txn.execute_raw(Statement::from_sql_and_values(backend, sql, list()))
            .await
    };
    if backend == DbBackend::Postgres {
        // Waits for transactions that change these states; the next statement sees what they did.
        let lock = format!(
            "SELECT 1 FROM resource_states WHERE resource_id {among} ORDER BY resource_id FOR UPDATE"
        );
        execute(lock).await?;
    }
    execute(format!(
        "DELETE FROM resource_states WHERE resource_id {among} \
         AND NOT EXISTS (SELECT 1 FROM cloud_resources AS r WHERE r.id = resource_states.resource_id)"
    ))
    .await?;
    let assigned: Vec<String> = STATE_COLUMNS
        .split(", ")
        .skip(1)
        .map(|column| format!("{column} = excluded.{column}"))
        .collect();
    execute(format!(
        "INSERT INTO resource_states ({STATE_COLUMNS}) {STATE} WHERE r.id {among} \
         ON CONFLICT (resource_id) DO UPDATE SET {}",
        assigned.join(", ")
    ))
    .await?;
    Ok(())
}
