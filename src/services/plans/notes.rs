//! Records what the next import needs to know of the instances of a state.

use std::collections::BTreeMap;

use entity::plan_instances;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::Import;
use super::known::KnownBefore;
use crate::db::{DatabaseTransaction, ROWS_PER_INSERT};
use crate::error::Result;
use crate::provider::terraform_plan::{
    Digest, DigestKey, Field, Instance, Known, Previous, PreviousField, Sides, Verdict,
};

/// Records what the next import needs to know of these instances.
pub(super) async fn note_instances_in_txn(
    txn: &DatabaseTransaction,
    import: &Import<'_>,
    known: &KnownBefore,
    instances: &[Instance],
    rows: &BTreeMap<String, Uuid>,
) -> Result<()> {
    // The address may have been that of an instance of another provider or type, which is no longer in the state.
    let addresses = instances.iter().map(|instance| instance.address.as_str());
    plan_instances::Entity::delete_many()
        .filter(plan_instances::Column::State.eq(import.state))
        .filter(plan_instances::Column::Address.is_in(addresses))
        .filter(plan_instances::Column::ResourceId.is_not_in(rows.values().copied()))
        .exec(txn)
        .await?;
    let noted: Vec<_> = instances
        .iter()
        .filter_map(|instance| {
            let previous = previous_of(known, instance);
            let fields = instance.fields.iter().map(|field| {
                let before = previous.and_then(|previous| previous.fields.get(&field.name));
                let note = note_of(&import.digest_key, &instance.kind, field, before);
                (field.name.clone(), note)
            });
            Some(plan_instances::ActiveModel {
                resource_id: Set(*rows.get(&instance.address)?),
                state: Set(import.state.to_owned()),
                address: Set(instance.address.clone()),
                fields: Set(Value::Object(fields.collect())),
                not_compared: Set(json!(instance.not_compared)),
            })
        })
        .collect();
    for chunk in noted.chunks(ROWS_PER_INSERT) {
        let replaced = [
            plan_instances::Column::State,
            plan_instances::Column::Address,
            plan_instances::Column::Fields,
            plan_instances::Column::NotCompared,
        ];
        plan_instances::Entity::insert_many(chunk.to_vec())
            .on_conflict(
                OnConflict::column(plan_instances::Column::ResourceId)
                    .update_columns(replaced)
                    .to_owned(),
            )
            .exec_without_returning(txn)
            .await?;
    }
    Ok(())
}

/// Records instances that the configuration does not have, with the digests of their applied values.
pub(super) async fn note_removed_in_txn(
    txn: &DatabaseTransaction,
    state: &str,
    removed: Vec<(&str, Uuid, Digest)>,
) -> Result<()> {
    let rows = removed
        .into_iter()
        .map(|(address, id, applied)| plan_instances::ActiveModel {
            resource_id: Set(id),
            state: Set(state.to_owned()),
            address: Set(address.to_owned()),
            fields: Set(json!({ "*": { "removed": applied.to_string() } })),
            not_compared: Set(json!([])),
        });
    let rows: Vec<_> = rows.collect();
    for chunk in rows.chunks(ROWS_PER_INSERT) {
        plan_instances::Entity::insert_many(chunk.to_vec())
            .on_conflict(
                OnConflict::column(plan_instances::Column::ResourceId)
                    .update_column(plan_instances::Column::Fields)
                    .to_owned(),
            )
            .exec_without_returning(txn)
            .await?;
    }
    Ok(())
}

/// Deletes what imports recorded of instances in these rows.
pub(super) async fn forget_in_txn(txn: &DatabaseTransaction, rows: &[Uuid]) -> Result<()> {
    for chunk in rows.chunks(ROWS_PER_INSERT) {
        plan_instances::Entity::delete_many()
            .filter(plan_instances::Column::ResourceId.is_in(chunk.iter().copied()))
            .exec(txn)
            .await?;
    }
    Ok(())
}

/// Returns what was known of an instance, at its address before a move or at its own.
pub(super) fn previous_of<'k>(known: &'k KnownBefore, instance: &Instance) -> Option<&'k Previous> {
    let from = instance
        .previous_address
        .as_ref()
        .and_then(|from| known.get(from));
    from.or_else(|| known.get(&instance.address))
}

/// Returns what the next import needs to know of a field, as digests: the recorded value (`desired`), the live value if it
/// differs (`open`), the constant of the code that was equal to the state (`constant`), the value that an accepted one
/// replaced (`replaced`), and what a normal plan decided (`undone`, `left`); and whether earlier values of a secret field
/// are hidden (`hidden`).
fn note_of(key: &DigestKey, kind: &str, field: &Field, before: Option<&PreviousField>) -> Value {
    let shown = |value: &Value| key.digest(kind, &field.name, value);
    let (desired, live) = match &field.sides {
        Sides::Shown { desired, live } => (shown(desired), shown(live)),
        Sides::Redacted {
            equal: true, live, ..
        } => (*live, *live),
        Sides::Redacted { desired, live, .. } => (*desired, *live),
    };
    let mut note = Map::new();
    let mut add = |what: &str, digest: Digest| note.insert(what.to_owned(), json!(digest.to_string()));
    add("desired", desired);
    if desired != live {
        add("open", live);
    }
    let constant = match field.constant {
        Some(constant) if constant.equals_applied || field.followed && constant.equals_live => {
            Some(constant.digest)
        }
        _ => before.and_then(|before| before.constant),
    };
    if let Some(constant) = constant {
        add("constant", constant);
    }
    // An accepted value stays in force until the code follows, or an apply puts the old one back.
    let is_kept = before
        .filter(|_| !field.followed)
        .filter(|before| match &before.desired {
            Known::Value(value) => shown(value) == desired,
            Known::Digest(digest) => *digest == desired,
        });
    if let Some(Known::Digest(replaced)) = is_kept.and_then(|before| before.replaced.as_ref()) {
        add("replaced", *replaced);
    }
    let verdict = match field.verdict {
        Some(Verdict::Undone(evidence)) => Some(("undone", evidence)),
        Some(Verdict::Left(evidence)) => Some(("left", evidence)),
        None => None,
    };
    if let Some((what, evidence)) = verdict {
        note.insert(what.to_owned(), json!(evidence.to_string()));
    }
    if field.redacted() {
        note.insert("hidden".to_owned(), json!(true));
    }
    Value::Object(note)
}
