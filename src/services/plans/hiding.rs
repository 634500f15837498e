//! Hides the values that were recorded of a field before it was known to be secret.

use std::collections::{BTreeMap, BTreeSet};

use entity::{
    cloud_drift as drift, cloud_resource_events as events, inventory_changes as changes,
    spec_versions as versions,
};
use sea_orm::{
    ActiveValue::{Set, Unchanged},
    ColumnTrait, ConnectionTrait as _, EntityTrait, QueryFilter,
};
use serde_json::Value;
use uuid::Uuid;

use super::Import;
use super::known::KnownBefore;
use super::notes::previous_of;
use crate::db::{DatabaseTransaction, decodable, lists};
use crate::domain::detection::WHOLE_RESOURCE;
use crate::domain::redaction::{is_redacted, redacted};
use crate::error::Result;
use crate::provider::terraform_plan::{DigestKey, Instance};

/// The secret fields of a resource whose earlier values may be readable.
struct Secret<'i> {
    key: &'i DigestKey,
    kind: &'i str,
    fields: BTreeSet<&'i str>,
}

/// Replaces the values that events, drifts, changes and superseded versions of specs have of fields that are secret now by their digests.
pub(super) async fn hide_in_txn(
    txn: &DatabaseTransaction,
    import: &Import<'_>,
    known: &KnownBefore,
    instances: &[Instance],
    rows: &BTreeMap<String, Uuid>,
) -> Result<()> {
    let mut secrets = BTreeMap::new();
    for instance in instances {
        // An instance of which nothing is known has no earlier values.
        let (Some(id), Some(previous)) = (rows.get(&instance.address), previous_of(known, instance)) else {
            continue;
        };
        let is_hidden = |name: &str| previous.fields.get(name).is_some_and(|before| before.hidden);
        let fields = instance
            .fields
            .iter()
            .filter(|field| field.redacted() && !is_hidden(&field.name));
        let fields: BTreeSet<&str> = fields.map(|field| field.name.as_str()).collect();
        if !fields.is_empty() {
            let (key, kind) = (&import.digest_key, instance.kind.as_str());
            secrets.insert(*id, Secret { key, kind, fields });
        }
    }
    if secrets.is_empty() {
        return Ok(());
    }
    hide_events_in_txn(txn, &secrets).await?;
    hide_drifts_in_txn(txn, &secrets).await?;
    hide_changes_in_txn(txn, &secrets).await?;
    hide_versions_in_txn(txn, &secrets).await
}

async fn hide_events_in_txn(txn: &DatabaseTransaction, secrets: &BTreeMap<Uuid, Secret<'_>>) -> Result<()> {
    let of_resources = lists::among(
        txn.get_database_backend(),
        r#""cloud_resource_events"."resource_id""#,
        secrets.keys().copied(),
    );
    let (rows, _) = decodable(events::Entity::find().filter(of_resources), txn).await?;
    for mut event in rows {
        let Some(secret) = secrets.get(&event.resource_id) else {
            continue;
        };
        let Some(field) = event.data.get("field").and_then(Value::as_str).map(str::to_owned) else {
            continue;
        };
        let mut changed = false;
        for side in ["expected", "actual"] {
            if let Some(value) = event.data.get_mut(side) {
                changed |= secret.hide(&field, value);
            }
        }
        if changed {
            let hidden = events::ActiveModel {
                id: Unchanged(event.id),
                data: Set(event.data),
                ..Default::default()
            };
            events::Entity::update_many()
                .set(hidden)
                .filter(events::Column::Id.eq(event.id))
                .exec(txn)
                .await?;
        }
    }
    Ok(())
}

async fn hide_drifts_in_txn(txn: &DatabaseTransaction, secrets: &BTreeMap<Uuid, Secret<'_>>) -> Result<()> {
    let of_resources = lists::among(
        txn.get_database_backend(),
        r#""cloud_drift"."resource_id""#,
        secrets.keys().copied(),
    );
    let (rows, _) = decodable(drift::Entity::find().filter(of_resources), txn).await?;
    for mut row in rows {
        let Some(secret) = secrets.get(&row.resource_id) else {
            continue;
        };
        let mut changed = false;
        for value in [&mut row.expected, &mut row.actual].into_iter().flatten() {
            changed |= secret.hide(&row.field, value);
        }
        if changed {
            let hidden = drift::ActiveModel {
                id: Unchanged(row.id),
                expected: Set(row.expected),
                actual: Set(row.actual),
                ..Default::default()
            };
            drift::Entity::update_many()
                .set(hidden)
                .filter(drift::Column::Id.eq(row.id))
                .exec(txn)
                .await?;
        }
    }
    Ok(())
}

async fn hide_changes_in_txn(txn: &DatabaseTransaction, secrets: &BTreeMap<Uuid, Secret<'_>>) -> Result<()> {
    let of_resources = lists::among(
        txn.get_database_backend(),
        r#""inventory_changes"."resource_id""#,
        secrets.keys().copied(),
    );
    let (rows, _) = decodable(changes::Entity::find().filter(of_resources), txn).await?;
    for mut row in rows {
        let Some(secret) = secrets.get(&row.resource_id) else {
            continue;
        };
        let mut changed = false;
        for value in [&mut row.before, &mut row.after].into_iter().flatten() {
            changed |= secret.hide(&row.field, value);
        }
        if changed {
            let hidden = changes::ActiveModel {
                id: Unchanged(row.id),
                before: Set(row.before),
                after: Set(row.after),
                ..Default::default()
            };
            changes::Entity::update_many()
                .set(hidden)
                .filter(changes::Column::Id.eq(row.id))
                .exec(txn)
                .await?;
        }
    }
    Ok(())
}

/// The current spec was recorded with digests before: its readable version is one of the superseded ones.
async fn hide_versions_in_txn(txn: &DatabaseTransaction, secrets: &BTreeMap<Uuid, Secret<'_>>) -> Result<()> {
    let of_resources = lists::among(
        txn.get_database_backend(),
        r#""spec_versions"."resource_id""#,
        secrets.keys().copied(),
    );
    let (rows, _) = decodable(versions::Entity::find().filter(of_resources), txn).await?;
    for mut row in rows {
        let Some(secret) = secrets.get(&row.resource_id) else {
            continue;
        };
        if secret.hide(WHOLE_RESOURCE, &mut row.spec) {
            let hidden = versions::ActiveModel {
                id: Unchanged(row.id),
                spec: Set(row.spec),
                ..Default::default()
            };
            versions::Entity::update_many()
                .set(hidden)
                .filter(versions::Column::Id.eq(row.id))
                .exec(txn)
                .await?;
        }
    }
    Ok(())
}

impl Secret<'_> {
    /// Hides a value of a field. Those of the whole resource are objects of all fields. Returns whether it was readable.
    fn hide(&self, field: &str, value: &mut Value) -> bool {
        if field == WHOLE_RESOURCE {
            let members = value.as_object_mut().into_iter().flatten();
            return members.fold(false, |changed, (name, member)| {
                self.hide_field(name, member) || changed
            });
        }
        self.hide_field(field, value)
    }

    fn hide_field(&self, field: &str, value: &mut Value) -> bool {
        if !self.fields.contains(field) || value.is_null() || is_redacted(value) {
            return false;
        }
        *value = redacted(self.key.digest(self.kind, field, value));
        true
    }
}
