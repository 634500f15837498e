//! Reads the specs of a sweep with their resources: a range of resource ids at a time, and only the columns that are
//! compared.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use sea_orm::{ConnectionTrait, DbBackend, QueryResult, Statement};
use uuid::Uuid;

use super::parts::Part;
use crate::db::{DatabaseTransaction, Db, bytes_at, column_at, json_at, lists, text_at};
use crate::domain::compare_texts::Texts;
use crate::error::Result;
use crate::provider::traits;

/// Pairs that are read as values with one statement.
pub(super) const VALUES: usize = 200;
/// Position of the kind in a row.
pub(super) const KIND: usize = 6;
/// Bytes of texts after which no further row is added to a batch.
const LARGE: usize = 16 * 1024 * 1024;

/// The number of pairs in a batch. The text of a statement contains it, because PostgreSQL plans for the number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Size {
    /// For texts of which a few hundred fill a batch.
    Few,
    /// For large texts, and for the first batch, whose size of texts decides the size of the next one.
    #[default]
    Small,
    /// For texts of the usual size.
    Usual,
}

impl Size {
    pub(super) fn pairs(self) -> usize {
        match self {
            Self::Few => 20,
            Self::Small => 200,
            Self::Usual => 1_000,
        }
    }

    /// Returns the size for rows of this many bytes.
    fn of_rows(bytes: usize) -> Self {
        let fits = |size: &Self| bytes * size.pairs() <= LARGE;
        [Self::Usual, Self::Small]
            .into_iter()
            .find(fits)
            .unwrap_or(Self::Few)
    }
}

/// The rows of one batch.
pub(super) struct Batch {
    pub(super) rows: Vec<QueryResult>,
    /// What of the part was not read, because its texts are large.
    pub(super) rest: Option<Part>,
    /// Whether the rows are those of a range of ids, not those of listed ids.
    pub(super) is_range: bool,
    /// Size of the next batch.
    pub(super) next: Size,
}

/// Reads a part, or as much of it as fits into a batch.
///
/// # Errors
///
/// The database is unavailable.
pub(super) async fn batch(db: &Db, part: &Part, size: Size) -> Result<Batch> {
    let (rows, rest) = match part {
        Part::Range(after, upto) => {
            let (rows, last) = range(db, *after, *upto, size.pairs()).await?;
            (rows, last.and_then(|last| part.after(last)))
        }
        Part::Listed(ids) => {
            let listed = select_listed(db.backend(), ids.iter().copied());
            let (rows, is_cut) = rows_of(db, listed, LARGE).await?;
            let last = rows.last().and_then(resource_id).filter(|_| is_cut);
            (rows, last.and_then(|last| part.after(last)))
        }
    };
    let bytes: usize = rows.iter().map(texts_of).sum();
    let next = Size::of_rows(bytes / rows.len().max(1));
    Ok(Batch {
        rows,
        rest,
        is_range: matches!(part, Part::Range(..)),
        next,
    })
}

/// Reads a range of ids. Returns the rows, and the id of the last one if the range may have more. A batch cannot end with
/// a row whose id does not decode, so such rows at the end are left to the next one. If all rows are such rows, they are
/// read again with more.
async fn range(
    db: &Db,
    after: Option<Uuid>,
    upto: Option<Uuid>,
    mut limit: usize,
) -> Result<(Vec<QueryResult>, Option<Uuid>)> {
    let place = match (after, upto) {
        (None, None) => "true",
        (Some(_), None) => "p.resource_id > $1",
        (None, Some(_)) => "p.resource_id <= $1",
        (Some(_), Some(_)) => "p.resource_id > $1 AND p.resource_id <= $2",
    };
    let mut most = LARGE;
    loop {
        let sql = select(db.backend(), place, &format!(" LIMIT {limit}"));
        let values = after.into_iter().chain(upto).map(Into::into);
        let statement = Statement::from_sql_and_values(db.backend(), sql, values);
        let (mut rows, is_cut) = rows_of(db, statement, most).await?;
        if rows.len() < limit && !is_cut {
            return Ok((rows, None));
        }
        if let Some(last) = rows.iter().rposition(|row| resource_id(row).is_some()) {
            let id = resource_id(&rows[last]);
            rows.truncate(last + 1);
            return Ok((rows, id));
        }
        (limit, most) = (limit * 2, most * 2);
    }
}

/// Reads the rows of a statement, until their texts have more than `most` bytes. Returns the rows, and whether others were
/// left. The rows before do not announce the size of the next ones, so the size is counted as they arrive.
async fn rows_of(db: &Db, statement: Statement, most: usize) -> Result<(Vec<QueryResult>, bool)> {
    let (mut rows, mut bytes, mut is_cut) = (Vec::new(), 0, false);
    let read = db.reader().read_until(statement, |row| {
        is_cut = bytes > most;
        if !is_cut {
            bytes += texts_of(&row);
            rows.push(row);
        }
        is_cut
    });
    read.await?;
    Ok((rows, is_cut))
}

fn select_listed(backend: DbBackend, ids: impl IntoIterator<Item = Uuid>) -> Statement {
    let place = format!("p.resource_id {}", lists::in_list(backend));
    let sql = select(backend, &place, "");
    Statement::from_sql_and_values(backend, sql, [lists::ids(backend, ids)])
}

/// Selects specs with their resources: those in force, and retired ones with an open drift or an
/// ignored difference. [`texts`] reads the
/// columns by their positions. The fourth and the fifth column belong to the version only. The last one is null if the
/// pair must be read as values: the spec is retired, the resource is settling or does not exist, or a column that is not
/// compared may not decode.
///
/// The conditions are written so that no plan reads more than the range. A subquery with a limit is never joined by a
/// hash of the whole table, and neither is one that compares by BETWEEN.
fn select(backend: DbBackend, place: &str, limit: &str) -> String {
    let (resources, versions, checked) = match backend {
        DbBackend::Postgres => (
            "LATERAL (SELECT *, xmin AS version FROM cloud_resources WHERE cloud_resources.id = p.resource_id \
             LIMIT 1) r ON true",
            "p.xmin, r.version",
            OF_POSTGRES,
        ),
        _ => (
            "cloud_resources r ON r.id = p.resource_id",
            "p.retired_at, r.settling_since",
            OF_SQLITE,
        ),
    };
    format!(
        "SELECT p.resource_id, p.spec, p.not_compared, {versions}, r.provider, r.kind, r.name, \
         r.region, r.size_slug, r.status, r.tags, r.ip, r.vpc_uuid, r.project_id, r.attrs, \
         r.first_seen_at IS NOT NULL, r.gone_at IS NOT NULL, \
         CASE WHEN p.retired_at IS NULL AND r.settling_since IS NULL AND {checked} END \
         FROM cloud_provisioned p LEFT JOIN {resources} \
         WHERE {place} AND (p.retired_at IS NULL OR EXISTS (SELECT 1 FROM cloud_drift d \
         WHERE d.resource_id BETWEEN p.resource_id AND p.resource_id AND d.status = 'open') \
         OR EXISTS (SELECT 1 FROM ignored_differences i \
         WHERE i.resource_id BETWEEN p.resource_id AND p.resource_id)) \
         ORDER BY p.resource_id{limit}"
    )
}

/// PostgreSQL checks the types of all columns, but not that a time is one that Rust can represent.
const OF_POSTGRES: &str = "r.id IS NOT NULL \
    AND LEAST(p.recorded_at, p.created_at, r.first_seen_at, r.gone_at) >= '1000-01-01T00:00:00Z' \
    AND GREATEST(p.recorded_at, p.created_at, r.first_seen_at, r.gone_at) <= '9000-01-01T00:00:00Z' THEN ''";

/// In SQLite, other programs may have stored anything in a column. The times and the texts are checked by [`texts`].
const OF_SQLITE: &str = "typeof(p.id) = 'blob' AND length(p.id) = 16 AND typeof(r.owned) = 'integer' \
    AND typeof(p.source) = 'text' AND typeof(p.recorded_by) = 'text' AND typeof(r.provider_id) = 'text' \
    AND typeof(r.urn) = 'text' AND typeof(p.spec_version) = 'integer' AND typeof(r.revision) = 'integer' \
    AND p.spec_version BETWEEN -2147483648 AND 2147483647 AND r.revision BETWEEN -2147483648 AND 2147483647 \
    THEN p.recorded_at || char(10) || p.created_at || char(10) || coalesce(r.first_seen_at, '') || char(10) \
    || coalesce(r.gone_at, '') || char(10) || p.source || p.recorded_by || r.provider_id || r.urn";

/// The resource id of a row, if it decodes.
pub(super) fn resource_id(row: &QueryResult) -> Option<Uuid> {
    column_at(row, 0)
}

/// Bytes of the texts of a row.
fn texts_of(row: &QueryResult) -> usize {
    let length = |position| json_at(row, position).flatten().map_or(0, str::len);
    length(1) + length(15)
}

/// Identifies what the rows of a pair contained when they were read. It does not rely on the version columns, which
/// other programs may not raise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version(u64);

/// What is kept of a row after it was compared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// The version of its pair.
    pub(super) version: Version,
    /// Bytes of its texts. The values of its changes are parts of them.
    pub(super) bytes: usize,
}

/// Returns what is kept of a row.
pub(super) fn seen(row: &QueryResult, backend: DbBackend) -> Seen {
    Seen {
        version: version(row, backend),
        bytes: texts_of(row),
    }
}

/// Returns the version of a row. On PostgreSQL, it consists of the transactions that wrote the two rows. On SQLite, it is
/// a hash of the columns that decide what a sweep does.
fn version(row: &QueryResult, backend: DbBackend) -> Version {
    if backend == DbBackend::Postgres {
        return Version::of_writers(writer_at(row, 3), writer_at(row, 4));
    }
    let mut hasher = DefaultHasher::new();
    for position in (1..16).chain([18]) {
        text_at(row, position).hash(&mut hasher);
    }
    for position in [16, 17] {
        column_at::<bool>(row, position).hash(&mut hasher);
    }
    Version(hasher.finish())
}

impl Version {
    fn of_writers(spec: Option<u32>, resource: Option<u32>) -> Self {
        Self(u64::from(spec.unwrap_or_default()) << 32 | u64::from(resource.unwrap_or_default()))
    }
}

/// Returns the number of a transaction of PostgreSQL at a position.
fn writer_at(row: &QueryResult, position: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes_at(row, position)?.try_into().ok()?))
}

/// Keeps pairs unchanged until the end of the transaction, and returns their versions.
///
/// # Errors
///
/// The database is unavailable.
pub(super) async fn lock_versions_in_txn(
    txn: &DatabaseTransaction,
    ids: impl Iterator<Item = Uuid> + Clone,
) -> Result<BTreeMap<Uuid, Version>> {
    let backend = ConnectionTrait::get_database_backend(txn);
    if backend != DbBackend::Postgres {
        let rows = txn.query_all_raw(select_listed(backend, ids)).await?;
        let versions = rows.iter().map(|row| (resource_id(row), version(row, backend)));
        return Ok(versions
            .filter_map(|(id, version)| Some((id?, version)))
            .collect());
    }
    let resources = writers_in_txn(txn, LOCK_RESOURCES, ids.clone()).await?;
    let specs = writers_in_txn(txn, VERSIONS_OF_SPECS, ids).await?;
    let version = |(id, resource)| (id, Version::of_writers(specs.get(&id).copied(), Some(resource)));
    Ok(resources.into_iter().map(version).collect())
}

async fn writers_in_txn(
    txn: &DatabaseTransaction,
    sql: &str,
    ids: impl Iterator<Item = Uuid>,
) -> Result<BTreeMap<Uuid, u32>> {
    let backend = ConnectionTrait::get_database_backend(txn);
    let statement = Statement::from_sql_and_values(backend, sql, [lists::ids(backend, ids)]);
    let rows = txn.query_all_raw(statement).await?;
    let writers = rows.iter().map(|row| (resource_id(row), writer_at(row, 1)));
    Ok(writers.filter_map(|(id, writer)| Some((id?, writer?))).collect())
}

/// Locks resources in the order of ids. The lock keeps the specs, too: each operation of this program that changes a spec
/// locks its resource first. A change of a spec by another program leaves a mark.
const LOCK_RESOURCES: &str = "SELECT id, xmin FROM cloud_resources WHERE id IN (SELECT unnest(CAST($1 AS uuid[]))) \
    ORDER BY id FOR NO KEY UPDATE";

/// Runs as a statement of its own after the lock, so that it reads what was committed before the lock was granted.
const VERSIONS_OF_SPECS: &str = "SELECT p.resource_id, p.version \
    FROM (SELECT unnest(CAST($1 AS uuid[])) AS id) v CROSS JOIN LATERAL \
    (SELECT resource_id, xmin AS version FROM cloud_provisioned WHERE resource_id = v.id LIMIT 1) p";

/// Decodes the compared columns of a row. Returns None if the pair must be read as values.
pub(super) fn texts(row: &QueryResult) -> Option<Texts<'_>> {
    let checked = text_at(row, 18)??;
    if !checked.is_empty() && !times_decode(checked) {
        return None;
    }
    let (provider, kind) = (text_at(row, 5)??, text_at(row, KIND)??);
    Some(Texts {
        spec: json_at(row, 1)??,
        not_compared: json_at(row, 2)?,
        schema_fields: [
            Some(text_at(row, 7)??),
            text_at(row, 8)?,
            text_at(row, 9)?,
            text_at(row, 10)?,
            Some(json_at(row, 11)??),
            text_at(row, 12)?,
            text_at(row, 13)?,
            text_at(row, 14)?,
        ],
        attrs: json_at(row, 15)??,
        is_seen: column_at(row, 16)?,
        is_gone: column_at(row, 17)?,
        traits: traits::rules(provider, kind),
    })
}

/// Whether the times before the texts certainly decode: two that are set, and two that may be null.
fn times_decode(checked: &str) -> bool {
    let mut lines = checked.splitn(5, '\n');
    let mut next = || lines.next().unwrap_or("missing");
    let (recorded, created, seen, gone) = (next(), next(), next(), next());
    is_time(recorded) && is_time(created) && [seen, gone].iter().all(|time| time.is_empty() || is_time(time))
}

/// Whether a text is a time as SeaORM writes it. Days that do not exist in every month may be refused.
fn is_time(text: &str) -> bool {
    let Some(rest) = text.strip_suffix("+00:00") else {
        return false;
    };
    let (whole, fraction) = rest.split_at_checked(19).unwrap_or_default();
    let number = |from: usize| {
        let digits = whole
            .get(from..from + 2)
            .filter(|two| two.bytes().all(|b| b.is_ascii_digit()));
        digits.and_then(|two| two.parse::<u8>().ok())
    };
    let within = |from, first, last| number(from).is_some_and(|number| (first..=last).contains(&number));
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    let days = if number(5) == Some(2) { 28 } else { 30 };
    separators
        .iter()
        .all(|(at, byte)| whole.as_bytes().get(*at) == Some(byte))
        && within(0, 10, 99)
        && within(2, 0, 99)
        && within(5, 1, 12)
        && within(8, 1, days)
        && within(11, 0, 23)
        && within(14, 0, 59)
        && within(17, 0, 59)
        && fraction.strip_prefix('.').map_or(fraction.is_empty(), |digits| {
            (1..=9).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
        })
}
