//! What earlier imports of a state recorded.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;

use entity::installation_keys;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, ConnectionTrait, DbBackend, EntityTrait, QueryResult, Statement};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::db::{Db, column, lists};
use crate::domain::redaction::digest_of;
use crate::error::{Error, Result};
use crate::provider::terraform_plan::{Digest, DigestKey, Evidence, Known, Previous, PreviousField, Verdict};

/// Name of the key of the digests of secrets.
const DIGESTS: &str = "digests_of_secrets";

/// Returns the key of the digests of secrets. The first import makes it.
///
/// # Errors
///
/// The database is unavailable.
pub(super) async fn digest_key(db: &Db) -> Result<DigestKey> {
    let find = || installation_keys::Entity::find_by_id(DIGESTS);
    if find().one(db.reader()).await?.is_none() {
        let mut secret = String::new();
        for part in [Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4()] {
            // Writing to a String cannot fail.
            _ = write!(secret, "{}", part.simple());
        }
        let row = installation_keys::ActiveModel {
            name: Set(DIGESTS.to_owned()),
            secret: Set(secret),
        };
        db.write_txn(|txn| {
            let row = row.clone();
            async move {
                // Another server may have made the key meanwhile.
                installation_keys::Entity::insert(row)
                    .on_conflict(OnConflict::new().do_nothing().to_owned())
                    .exec_without_returning(&*txn)
                    .await?;
                Ok(())
            }
        })
        .await?;
    }
    let missing = || Error::Internal("the key of the digests was not stored".to_owned());
    let key = find().one(db.reader()).await?.ok_or_else(missing)?;
    Ok(DigestKey::new(key.secret.as_bytes()))
}

/// The instances of a state before an import. Of each only the address and the row are kept, because a state may have
/// many.
#[derive(Default)]
pub(super) struct Earlier {
    instances: HashMap<String, Uuid>,
    /// Instances of the state that the configuration does not have, as a normal plan of an earlier import decided.
    removed: HashMap<String, Uuid>,
}

impl Earlier {
    /// Returns the row of the instance at an address.
    pub(super) fn resource(&self, address: &str) -> Option<Uuid> {
        let row = self.instances.get(address).or_else(|| self.removed.get(address));
        row.copied()
    }

    /// Returns addresses and rows of all instances that the configuration had, in the order of the rows.
    pub(super) fn instances(&self) -> impl Iterator<Item = (&str, Uuid)> {
        let instances = self.instances.iter();
        let mut instances: Vec<(&str, Uuid)> = instances.map(|(at, id)| (at.as_str(), *id)).collect();
        instances.sort_unstable_by_key(|(_, id)| *id);
        instances.into_iter()
    }

    /// Returns addresses and rows of the instances that the configuration did not have.
    pub(super) fn removed(&self) -> impl Iterator<Item = (&str, Uuid)> {
        self.removed.iter().map(|(address, id)| (address.as_str(), *id))
    }

    pub(super) fn len(&self) -> usize {
        self.instances.len()
    }
}

/// What earlier imports knew of some instances, by address.
pub(super) type KnownBefore = HashMap<String, Previous>;

/// Reads which instances of a state earlier imports recorded. Rows that do not decode are left out.
///
/// # Errors
///
/// The database is unavailable.
pub(super) async fn earlier_instances<C: ConnectionTrait>(connection: &C, state: &str) -> Result<Earlier> {
    let backend = connection.get_database_backend();
    let removed = match backend {
        DbBackend::Postgres => "fields -> '*' ->> 'removed'",
        _ => "CASE WHEN json_valid(fields) THEN fields ->> '$.\"*\".removed' END",
    };
    let sql = format!(
        "SELECT address, resource_id, {removed} IS NOT NULL AS removed FROM plan_instances WHERE state = $1"
    );
    let select = Statement::from_sql_and_values(backend, sql, [state.into()]);
    let mut earlier = Earlier::default();
    for row in connection.query_all_raw(select).await? {
        let (address, id) = (column(&row, "", "address"), column(&row, "", "resource_id"));
        let (Ok(address), Ok(id)) = (address, id) else {
            continue;
        };
        match column(&row, "", "removed") {
            Ok(true) => earlier.removed.insert(address, id),
            _ => earlier.instances.insert(address, id),
        };
    }
    Ok(earlier)
}

/// Reads what earlier imports knew of the instances in these rows.
///
/// # Errors
///
/// The database is unavailable.
pub(super) async fn known_before<C: ConnectionTrait>(
    connection: &C,
    ids: BTreeSet<Uuid>,
    key: &DigestKey,
) -> Result<KnownBefore> {
    if ids.is_empty() {
        return Ok(KnownBefore::new());
    }
    let backend = connection.get_database_backend();
    let sql = format!(
        "SELECT i.address, i.fields, s.spec, r.kind FROM plan_instances AS i \
         LEFT JOIN cloud_provisioned AS s ON s.resource_id = i.resource_id AND s.retired_at IS NULL \
         LEFT JOIN cloud_resources AS r ON r.id = s.resource_id WHERE i.resource_id {}",
        lists::in_list(backend)
    );
    let select = Statement::from_sql_and_values(backend, &sql, [lists::ids(backend, ids)]);
    let rows = connection.query_all_raw(select).await?;
    let of_instance = |row: &QueryResult| {
        let address: String = column(row, "", "address").ok()?;
        let recorded: Value = column(row, "", "fields").ok()?;
        let in_force = || {
            let spec: Option<Value> = column(row, "", "spec").ok()?;
            let kind: Option<String> = column(row, "", "kind").ok()?;
            Some(previous_of(key, &kind?, &spec?, &recorded))
        };
        let mut previous = in_force().unwrap_or_default();
        let removed = recorded
            .get("*")
            .and_then(|decided| decided.get("removed")?.as_str());
        previous.removed = removed.and_then(Digest::parse);
        Some((address, previous))
    };
    Ok(rows.iter().filter_map(of_instance).collect())
}

/// Returns what is known of an instance: its spec in force, and the digests that the last import recorded. A value with
/// another digest was accepted since.
fn previous_of(key: &DigestKey, kind: &str, spec: &Value, recorded: &Value) -> Previous {
    let no_fields = Map::new();
    let fields = spec.as_object().unwrap_or(&no_fields).iter();
    let fields = fields.map(|(name, value)| {
        let of_field = recorded.get(name);
        let text = |what: &str| of_field.and_then(|field| field.get(what)?.as_str());
        let digest = |what: &str| text(what).and_then(Digest::parse);
        let (desired, now) = match digest_of(value).and_then(Digest::parse) {
            Some(digest) => (Known::Digest(digest), digest),
            None => (Known::Value(value.clone()), key.digest(kind, name, value)),
        };
        let recorded = digest("desired");
        let is_accepted_since = recorded.is_some() && recorded != Some(now);
        let replaced = if is_accepted_since {
            recorded
        } else {
            digest("replaced")
        };
        let undone = text("undone").and_then(Evidence::parse).map(Verdict::Undone);
        let left = text("left").and_then(Evidence::parse).map(Verdict::Left);
        let field = PreviousField {
            desired,
            constant: digest("constant"),
            open: digest("open").map(Known::Digest),
            accepted: replaced.is_some(),
            replaced: replaced.map(Known::Digest),
            verdict: undone.or(left),
            hidden: of_field.is_some_and(|field| field.get("hidden") == Some(&Value::Bool(true))),
        };
        (name.clone(), field)
    });
    Previous {
        fields: fields.collect(),
        removed: None,
    }
}
