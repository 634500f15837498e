//! Reads the stored rows of a kind. A scan reads a range of them at a time, so that it never holds all of them in memory
//! and no statement grows with their number.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use entity::cloud_resources as resources;
use sea_orm::sea_query::{Expr, LockType};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QueryOrder, QueryResult,
    QuerySelect, QueryTrait, Select, Statement,
};
use serde_json::Value;
use uuid::Uuid;

use super::UNCLAIMED;
use crate::db::{DatabaseTransaction, Reader, column, decode};
use crate::domain::digest::Digest;
use crate::domain::inventory::{Ownership, StoredResource, ownership};
use crate::domain::validation::is_comparable;
use crate::error::Result;
use crate::provider::{Key, Resources};

/// The column of the digest. The entity lacks it, because only syncs use it.
pub(super) const LISTED_DIGEST: &str = "listed_digest";

/// Maximum number of rows that one statement of a scan reads.
const ROWS: usize = 1_000;

/// A stored resource that a complete listing lacks.
#[derive(Clone, Debug)]
pub(super) struct Missing {
    pub(super) id: Uuid,
    /// Whether an earlier listing contained it. The check for mass deletion ignores unsynced resources, so that an
    /// import may run before the first sync.
    pub(super) seen: bool,
    /// Whether a source has claimed it.
    pub(super) claimed: bool,
}

/// The stored rows of a kind compared with a complete listing.
#[derive(Debug)]
pub(super) struct Scan {
    /// Number of resources that an earlier listing contained and that are not gone.
    pub(super) present: usize,
    /// Resources that are not gone and that the listing lacks.
    pub(super) missing: Vec<Missing>,
    /// Number of missing resources whose id does not decode, so that their rows cannot be written.
    pub(super) nameless: u64,
    /// The listed resources that may differ from what is stored.
    pub(super) differing: Differing,
    /// Listed resources that another source lists too. They are not written.
    pub(super) foreign: Foreign,
}

/// Listed resources that another source lists too.
#[derive(Debug, Default)]
pub(super) struct Foreign {
    /// Their number.
    pub(super) count: u64,
    /// The id of the first one, and the name of its source.
    pub(super) first: Option<(String, String)>,
}

impl Scan {
    /// Adds a stored row. `listed` is the position and the digest of its resource in the listing.
    fn add(&mut self, source: &str, row: &QueryResult, listed: Option<(usize, Digest)>) {
        let owner: String = column(row, "", "source").unwrap_or_default();
        let seen = is_set(row, "first_seen_at");
        let own = match ownership(&owner, seen, source) {
            Ownership::Own => true,
            Ownership::Unclaimed => false,
            Ownership::Foreign => {
                if let Some((number, _)) = listed {
                    self.differing.remove(number);
                    self.foreign.count += 1;
                    let id = column(row, "", "provider_id").unwrap_or_default();
                    self.foreign.first.get_or_insert((id, owner));
                }
                return;
            }
        };
        let Ok(id) = column::<Uuid>(row, "", "id") else {
            self.nameless += u64::from(listed.is_none());
            return;
        };
        self.present += usize::from(seen);
        match listed {
            Some((number, listed)) if own && seen && digest(row) == Some(listed) => {
                self.differing.remove(number)
            }
            Some(_) => {}
            None => self.missing.push(Missing {
                id,
                seen,
                claimed: own,
            }),
        }
    }

    /// Returns the number of missing resources that an earlier listing contained.
    pub(super) fn missing_and_seen(&self) -> usize {
        self.missing.iter().filter(|missing| missing.seen).count()
    }
}

/// A set of resources of a listing, by their position: one bit for each.
#[derive(Debug)]
pub(super) struct Differing(Vec<u64>);

impl Differing {
    /// Returns the set of all resources of a listing of this size.
    pub(super) fn all_of(len: usize) -> Self {
        Self(vec![u64::MAX; len.div_ceil(64)])
    }

    pub(super) fn contains(&self, number: usize) -> bool {
        self.0
            .get(number / 64)
            .is_some_and(|bits| bits >> (number % 64) & 1 == 1)
    }

    fn remove(&mut self, number: usize) {
        if let Some(bits) = self.0.get_mut(number / 64) {
            *bits &= !(1 << (number % 64));
        }
    }
}

/// Compares the rows of a kind with a complete listing of it by a source. Both are read in the order of the provider's ids, and
/// only the digest of each row is compared.
pub(super) async fn scan(
    reader: &Reader,
    (source, provider, kind): (&str, &str, &str),
    listed: &Resources,
) -> Result<Scan> {
    let mut scan = Scan {
        present: 0,
        missing: Vec::new(),
        nameless: 0,
        differing: Differing::all_of(listed.len()),
        foreign: Foreign::default(),
    };
    let mut keys = listed.keys().enumerate().peekable();
    let mut after = None;
    loop {
        let rows = range(reader, provider, kind, after).await?;
        let is_last = rows.len() < ROWS;
        after = None;
        for row in rows {
            let provider_id: String = row.try_get("", "provider_id")?;
            let is_before =
                |(_, key): &(usize, Result<Key>)| key.as_ref().is_ok_and(|key| key.provider_id < provider_id);
            while keys.next_if(is_before).is_some() {}
            let is_it = |(_, key): &(usize, Result<Key>)| {
                key.as_ref().map_or(true, |key| key.provider_id == provider_id)
            };
            let listed = match keys.next_if(is_it) {
                Some((number, key)) => Some((number, key?.digest)),
                None => None,
            };
            scan.add(source, &row, listed);
            after = Some(provider_id);
        }
        if is_last {
            return Ok(scan);
        }
    }
}

/// Selects the kinds of a provider: the first row of each by the index of kinds, because there are many resources and few
/// kinds.
const STORED_KINDS: &str = r#"WITH RECURSIVE "kinds" ("kind") AS (
    SELECT min("kind") FROM "cloud_resources" WHERE "provider" = $1
    UNION ALL SELECT (SELECT min("kind") FROM "cloud_resources" WHERE "provider" = $1 AND "kind" > "kinds"."kind")
    FROM "kinds" WHERE "kind" IS NOT NULL
) SELECT "kind" FROM "kinds" WHERE "kind" IS NOT NULL"#;

/// Returns the kinds of the stored resources of a provider.
pub(super) async fn stored_kinds<C: ConnectionTrait>(connection: &C, provider: &str) -> Result<Vec<String>> {
    let backend = connection.get_database_backend();
    let select = Statement::from_sql_and_values(backend, STORED_KINDS, [provider.into()]);
    let rows = connection.query_all_raw(select).await?;
    Ok(rows
        .iter()
        .map(|row| row.try_get("", "kind"))
        .collect::<std::result::Result<_, _>>()?)
}

/// Reads the rows that follow `after` in the order of the bytes of the provider's ids, without those that are gone.
async fn range(
    reader: &Reader,
    provider: &str,
    kind: &str,
    after: Option<String>,
) -> Result<Vec<QueryResult>> {
    let mut select = of_kind(provider, kind)
        .select_only()
        .columns([
            resources::Column::Id,
            resources::Column::ProviderId,
            resources::Column::FirstSeenAt,
            resources::Column::Source,
        ])
        .column_as(Expr::cust(LISTED_DIGEST), LISTED_DIGEST)
        .filter(resources::Column::GoneAt.is_null())
        // The column has the collation of bytes, so an index has this order.
        .order_by_asc(resources::Column::ProviderId)
        .limit(ROWS as u64);
    if let Some(after) = after {
        select = select.filter(resources::Column::ProviderId.gt(after));
    }
    Ok(reader
        .query_all_raw(select.build(reader.get_database_backend()))
        .await?)
}

/// The digest of the listing that the row was last written from; None if the row may have changed since.
fn digest(row: &QueryResult) -> Option<Digest> {
    let digest: Option<String> = column(row, "", LISTED_DIGEST).ok()?;
    digest?.parse().ok()
}

/// The rows of some listed resources.
pub(super) fn of_listed<'i, C: ConnectionTrait>(
    connection: &C,
    provider: &str,
    kind: &str,
    ids: impl Iterator<Item = &'i str>,
) -> Select<resources::Entity> {
    let ids = ids.collect::<Value>().to_string();
    match connection.get_database_backend() {
        // Each id is looked up by the whole key. For `= ANY` of an array, PostgreSQL reads all rows of the kind while it
        // has no statistics, which takes quadratic time in a first sync.
        DbBackend::Postgres => {
            let is_listed = r#""cloud_resources"."id" = ANY (SELECT "row"."id" FROM
                jsonb_array_elements_text(CAST($1 AS jsonb)) AS "listed" ("id")
                CROSS JOIN LATERAL (SELECT "stored"."id" FROM "cloud_resources" AS "stored" WHERE "stored"."provider" = $2
                AND "stored"."kind" = $3 AND "stored"."provider_id" = "listed"."id" LIMIT 1) AS "row")"#;
            resources::Entity::find().filter(Expr::cust_with_values(
                is_listed,
                [ids, provider.to_owned(), kind.to_owned()],
            ))
        }
        _ => {
            let is_listed = r#""provider_id" IN (SELECT value FROM json_each(?))"#;
            of_kind(provider, kind).filter(Expr::cust_with_values(is_listed, [ids]))
        }
    }
}

/// Selects the rows with these ids.
pub(super) fn of_ids(ids: impl IntoIterator<Item = Uuid>) -> Select<resources::Entity> {
    resources::Entity::find().filter(resources::Column::Id.is_in(ids))
}

/// Locks those of these resources that are not gone and that no other source lists, in the order of ids, and returns
/// their ids.
pub(super) async fn present_in_txn(
    txn: &DatabaseTransaction,
    ids: &[Uuid],
    source: &str,
) -> Result<Vec<Uuid>> {
    let select = of_ids(ids.iter().copied())
        .select_only()
        .column(resources::Column::Id)
        .filter(resources::Column::GoneAt.is_null())
        .filter(
            Condition::any()
                .add(resources::Column::Source.is_in([source, UNCLAIMED]))
                .add(resources::Column::FirstSeenAt.is_null()),
        )
        .order_by_asc(resources::Column::Id)
        .lock(LockType::NoKeyUpdate);
    Ok(select.into_tuple().all(txn).await?)
}

fn of_kind(provider: &str, kind: &str) -> Select<resources::Entity> {
    resources::Entity::find()
        .filter(resources::Column::Provider.eq(provider))
        .filter(resources::Column::Kind.eq(kind))
}

/// Reads rows in the order of ids. Returns the rows, and the provider ids of rows whose own id does not decode.
pub(super) async fn read<C: ConnectionTrait>(
    connection: &C,
    select: Select<resources::Entity>,
) -> Result<(Vec<StoredResource>, BTreeSet<String>)> {
    let select = select.order_by_asc(resources::Column::Id);
    let rows = connection
        .query_all_raw(select.build(connection.get_database_backend()))
        .await?;
    let (mut stored, mut nameless) = (Vec::with_capacity(rows.len()), BTreeSet::new());
    for row in &rows {
        let provider_id = row.try_get("", "provider_id")?;
        let whole = decode::<resources::Model>(row, "").filter(|row| is_comparable(&row.attrs));
        match column(row, "", "id") {
            Ok(id) => stored.push(StoredResource {
                id,
                provider_id,
                gone: is_set(row, "gone_at"),
                seen: is_set(row, "first_seen_at"),
                source: column(row, "", "source").unwrap_or_default(),
                row: whole,
            }),
            Err(_) => _ = nameless.insert(provider_id),
        }
    }
    Ok((stored, nameless))
}

/// Returns whether the column is set. A time that does not decode counts as set.
fn is_set(row: &QueryResult, name: &str) -> bool {
    !matches!(column::<Option<DateTime<Utc>>>(row, "", name), Ok(None))
}
