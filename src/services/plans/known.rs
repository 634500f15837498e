//! What earlier imports of a state recorded.

use std::collections::HashMap;
use std::fmt::Write as _;

use entity::{
    cloud_provisioned as provisioned, cloud_resources as resources, installation_keys, plan_instances,
};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryTrait};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::db::{Db, column, decodable, decode};
use crate::domain::redaction::digest_of;
use crate::error::{Error, Result};
use crate::provider::terraform_plan::{Digest, DigestKey, Known, Previous, PreviousField};

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

/// The instances of a state before an import.
#[derive(Default)]
pub(super) struct Earlier {
    instances: HashMap<String, (Uuid, Previous)>,
}

impl Earlier {
    /// Returns what was known of the instance at an address.
    pub(super) fn previous(&self, address: &str) -> Option<Previous> {
        self.instances.get(address).map(|(_, previous)| previous.clone())
    }

    /// Returns the row of the instance at an address.
    pub(super) fn resource(&self, address: &str) -> Option<Uuid> {
        self.instances.get(address).map(|(id, _)| *id)
    }

    /// Returns addresses and rows of all instances, in the order of the rows.
    pub(super) fn instances(&self) -> impl Iterator<Item = (&str, Uuid)> {
        let instances = self.instances.iter();
        let mut instances: Vec<(&str, Uuid)> = instances.map(|(at, (id, _))| (at.as_str(), *id)).collect();
        instances.sort_unstable_by_key(|(_, id)| *id);
        instances.into_iter()
    }

    pub(super) fn len(&self) -> usize {
        self.instances.len()
    }
}

/// Reads what earlier imports of a state recorded.
///
/// # Errors
///
/// The database is unavailable.
pub(super) async fn earlier_instances<C: ConnectionTrait>(
    connection: &C,
    state: &str,
    key: &DigestKey,
) -> Result<Earlier> {
    let of_state = plan_instances::Entity::find().filter(plan_instances::Column::State.eq(state));
    let (instances, _) = decodable(of_state, connection).await?;
    let rows_of_state = || {
        sea_orm::sea_query::Query::select()
            .column(plan_instances::Column::ResourceId)
            .from(plan_instances::Entity)
            .and_where(plan_instances::Column::State.eq(state))
            .take()
    };
    let specs = provisioned::Entity::find()
        .find_also_related(resources::Entity)
        .filter(provisioned::Column::ResourceId.in_subquery(rows_of_state()))
        .filter(provisioned::Column::RetiredAt.is_null());
    let rows = connection
        .query_all_raw(specs.build(connection.get_database_backend()))
        .await?;
    let mut in_force = HashMap::new();
    for row in &rows {
        let Some(spec) = decode::<provisioned::Model>(row, "A_") else {
            continue;
        };
        let kind: String = column(row, "B_", "kind").unwrap_or_default();
        in_force.insert(spec.resource_id, (kind, spec.spec));
    }
    let of_instance = |instance: plan_instances::Model| {
        let previous = in_force
            .get(&instance.resource_id)
            .map(|(kind, spec)| previous_of(key, kind, spec, &instance.fields))
            .unwrap_or_default();
        (instance.address, (instance.resource_id, previous))
    };
    Ok(Earlier {
        instances: instances.into_iter().map(of_instance).collect(),
    })
}

/// Returns what is known of an instance: its spec in force, and the digests that the last import recorded. A value with
/// another digest was accepted since.
fn previous_of(key: &DigestKey, kind: &str, spec: &Value, recorded: &Value) -> Previous {
    let no_fields = Map::new();
    let fields = spec.as_object().unwrap_or(&no_fields).iter();
    let fields = fields.map(|(name, value)| {
        let of_field = recorded.get(name);
        let digest = |what: &str| of_field.and_then(|field| parse(field.get(what)?.as_str()?));
        let (desired, now) = match digest_of(value).and_then(parse) {
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
        let field = PreviousField {
            desired,
            constant: digest("constant"),
            open: digest("open").map(Known::Digest),
            accepted: replaced.is_some(),
            replaced: replaced.map(Known::Digest),
        };
        (name.clone(), field)
    });
    Previous {
        fields: fields.collect(),
    }
}

/// Parses a digest of 32 hexadecimal digits.
fn parse(text: &str) -> Option<Digest> {
    let number = u128::from_str_radix(text, 16).ok().filter(|_| text.len() == 32)?;
    Some(Digest(number.to_be_bytes()))
}
