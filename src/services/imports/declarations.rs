//! Declarations: projects and attachments of one state that concern resources of any state.
//!
//! The declarations of each state are stored. The spec of a resource contains the declarations of all states,
//! regardless of the order in which they were imported. If the declarations of a state change, specs of other states
//! change, too.

use std::collections::{BTreeMap, BTreeSet};

use entity::{
    cloud_provisioned as provisioned, cloud_resources as resources, terraform_declarations as table,
};
use sea_orm::sea_query::ExprTrait as _;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect,
};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::closing::{PlannedSpec, closed_by};
use super::result::BatchResult;
use super::rows::{Key, lock_in_txn, rows_of};
use super::{Import, RefusedResource};
use crate::db::{DatabaseTransaction, Db, ROWS_PER_INSERT, decodable};
use crate::domain::imports::{ImportAction, import_action, owning_state};
use crate::domain::not_compared::NotCompared;
use crate::domain::validation::{InvalidInput, MAX_TEXT_BYTES, check_text};
use crate::error::Result;
use crate::provider::check_identity;
use crate::provider::terraform::{Declaration, State, Strength, apply_declarations};
use crate::services::locks::{self, Lock};
use crate::services::provisioning::{self, NewSpec};
use crate::services::stored_specs::{StoredSpec, stored_specs_in_txn};

/// Declarations by the resource that they are about.
pub(super) type Declared = BTreeMap<Key, Vec<Declaration>>;

/// Declarations of other states, each with the name of its state, by the resource that they are about.
type OtherDeclarations = BTreeMap<Key, Vec<(String, Declaration)>>;

/// Returns the declarations of a state by resource, and refuses those that are not valid.
pub(super) fn of_state(state: &State) -> (Declared, Vec<RefusedResource>) {
    let (mut declared, mut refused) = (Declared::new(), Vec::new());
    for declaration in &state.declared {
        match check(declaration) {
            Ok(()) => {
                let subject = (declaration.kind.clone(), declaration.provider_id.clone());
                declared.entry(subject).or_default().push(declaration.clone());
            }
            Err(why) => refused.push(refusal(declaration, why.to_string())),
        }
    }
    (declared, refused)
}

fn check(declaration: &Declaration) -> Result<(), InvalidInput> {
    check_identity(&declaration.provider_id, "", "", None)?;
    check_text("address", &declaration.address, MAX_TEXT_BYTES)?;
    check_text(
        "value",
        declaration.value.as_str().unwrap_or_default(),
        MAX_TEXT_BYTES,
    )
}

fn refusal(declaration: &Declaration, reason: String) -> RefusedResource {
    RefusedResource {
        address: declaration.address.clone(),
        kind: declaration.kind.clone(),
        provider_id: declaration.provider_id.clone(),
        reason,
    }
}

/// Lists the resources about which this state has declarations, in this import or the last one.
pub(super) async fn subjects(db: &Db, import: &Import<'_>) -> Result<Vec<Key>> {
    let before: Vec<Key> = table::Entity::find()
        .select_only()
        .columns([table::Column::Kind, table::Column::ProviderId])
        .filter(table::Column::Lineage.eq(&import.lineage))
        .distinct()
        .into_tuple()
        .all(db.reader())
        .await?;
    let all: BTreeSet<Key> = import.declared.keys().cloned().chain(before).collect();
    Ok(all.into_iter().collect())
}

/// Returns the declarations of all other states about these resources.
pub(super) async fn declarations_of_others<C: ConnectionTrait>(
    connection: &C,
    import: &Import<'_>,
    subjects: &[Key],
) -> Result<OtherDeclarations> {
    let mut others = OtherDeclarations::new();
    for row in stored_about(connection, subjects).await? {
        if row.lineage != import.lineage {
            let subject = (row.kind.clone(), row.provider_id.clone());
            let (state, declaration) = (row.lineage.clone(), declaration_of(row));
            others.entry(subject).or_default().push((state, declaration));
        }
    }
    Ok(others)
}

/// Puts the declarations of all states about a resource into its spec. Returns a message for each conflict.
pub(super) fn apply_all_declarations(
    import: &Import<'_>,
    others: &OtherDeclarations,
    subject: &Key,
    spec: &mut Map<String, Value>,
) -> Vec<String> {
    let own = import.declared.get(subject).into_iter().flatten();
    let own = own.map(|declared| (import.lineage.as_str(), declared));
    let others = others.get(subject).into_iter().flatten();
    let others = others.map(|(state, declared)| (state.as_str(), declared));
    let all: Vec<(&str, &Declaration)> = own.chain(others).collect();
    apply_declarations(&subject.0, spec, &all)
}

async fn stored_about<C: ConnectionTrait>(connection: &C, subjects: &[Key]) -> Result<Vec<table::Model>> {
    let mut by_kind: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (kind, id) in subjects {
        by_kind.entry(kind).or_default().push(id);
    }
    if by_kind.is_empty() {
        return Ok(Vec::new());
    }
    let any = by_kind.into_iter().fold(Condition::any(), |any, (kind, ids)| {
        any.add(
            table::Column::Kind
                .eq(kind)
                .and(table::Column::ProviderId.is_in(ids)),
        )
    });
    Ok(decodable(table::Entity::find().filter(any), connection).await?.0)
}

fn declaration_of(row: table::Model) -> Declaration {
    Declaration {
        kind: row.kind,
        provider_id: row.provider_id,
        field: row.field,
        value: row.value,
        strength: Strength::of(row.strength),
        address: row.address,
    }
}

/// Stores the declarations of this state about these resources, and updates the affected specs of other states.
/// Later batches update the specs of this state.
pub(super) async fn declare_in_txn(
    txn: &DatabaseTransaction,
    import: &Import<'_>,
    subjects: &[Key],
) -> Result<BatchResult> {
    locks::declarations_in_txn(txn, Lock::Update).await?;
    let stored = stored_about(txn, subjects).await?;
    let (mine, others): (Vec<table::Model>, Vec<table::Model>) =
        stored.into_iter().partition(|row| row.lineage == import.lineage);
    if !import.dry_run {
        replace_in_txn(txn, import, subjects, mine).await?;
    }
    let mut other_declarations = OtherDeclarations::new();
    for row in others {
        let subject = (row.kind.clone(), row.provider_id.clone());
        let state = row.lineage.clone();
        other_declarations
            .entry(subject)
            .or_default()
            .push((state, declaration_of(row)));
    }
    change_specs_in_txn(txn, import, subjects, &other_declarations).await
}

/// Replaces the stored declarations of this state. Declarations that did not change are not written.
async fn replace_in_txn(
    txn: &DatabaseTransaction,
    import: &Import<'_>,
    subjects: &[Key],
    before: Vec<table::Model>,
) -> Result<()> {
    let now: Vec<&Declaration> = subjects
        .iter()
        .filter_map(|subject| import.declared.get(subject))
        .flatten()
        .collect();
    let mut gone = Vec::new();
    let mut kept = BTreeSet::new();
    for row in before {
        let (id, stored) = (row.id, declaration_of(row));
        match now.iter().position(|declared| **declared == stored) {
            Some(place) if kept.insert(place) => {}
            _ => gone.push(id),
        }
    }
    if !gone.is_empty() {
        table::Entity::delete_many()
            .filter(table::Column::Id.is_in(gone))
            .exec(txn)
            .await?;
    }
    let new = now.iter().enumerate().filter(|(place, _)| !kept.contains(place));
    let new: Vec<table::ActiveModel> = new.map(|(_, declared)| row_of(import, declared)).collect();
    for chunk in new.chunks(ROWS_PER_INSERT) {
        table::Entity::insert_many(chunk.to_vec())
            .exec_without_returning(txn)
            .await?;
    }
    Ok(())
}

fn row_of(import: &Import<'_>, declared: &Declaration) -> table::ActiveModel {
    table::ActiveModel {
        id: Set(Uuid::now_v7()),
        lineage: Set(import.lineage.clone()),
        kind: Set(declared.kind.clone()),
        provider_id: Set(declared.provider_id.clone()),
        field: Set(declared.field.clone()),
        value: Set(declared.value.clone()),
        strength: Set(declared.strength as i32),
        address: Set(declared.address.clone()),
    }
}

/// A spec of another state and its new content.
struct ChangedSpec<'a> {
    row: &'a resources::Model,
    spec: Map<String, Value>,
    before: StoredSpec,
}

async fn change_specs_in_txn(
    txn: &DatabaseTransaction,
    import: &Import<'_>,
    subjects: &[Key],
    others: &OtherDeclarations,
) -> Result<BatchResult> {
    let mut batch = BatchResult::default();
    let known = rows_of(txn, subjects).await?;
    let stored = stored_specs_in_txn(txn, known.values().map(|row| row.id), None).await?;
    let mut to_change = BTreeSet::new();
    for subject in subjects {
        let spec = known.get(subject).and_then(|row| stored.get(&row.id));
        let owned = spec
            .and_then(StoredSpec::whole)
            .filter(|spec| owning_state(spec).is_some());
        let Some(spec) = owned else {
            batch.unattached += u64::from(names_unknown_resource(import, subject));
            continue;
        };
        // Later batches update the specs of this state.
        if spec.source == import.source {
            continue;
        }
        if let Some((now, disagreements)) = derived(import, others, subject, spec) {
            let declared = import.declared.get(subject).and_then(|declared| declared.first());
            let declared =
                declared.map(|declared| disagreements.into_iter().map(|why| refusal(declared, why)));
            batch.refused.extend(declared.into_iter().flatten());
            if changes(spec, &now) {
                to_change.insert(spec.resource_id);
            }
        }
    }
    if to_change.is_empty() {
        return Ok(batch);
    }
    let locked = lock_in_txn(txn, to_change.iter().copied(), Lock::Update).await?;
    let mut changed = Vec::new();
    for (subject, row) in &known {
        let before = locked.get(&row.id);
        let whole = before
            .and_then(StoredSpec::whole)
            .filter(|spec| owning_state(spec).is_some());
        if let (Some(before), Some(spec)) = (before, whole)
            && let Some((now, _)) = derived(import, others, subject, spec)
            && changes(spec, &now)
        {
            let before = before.clone();
            changed.push(ChangedSpec {
                row,
                spec: now,
                before,
            });
        }
    }
    record_in_txn(txn, import, changed, &mut batch).await?;
    Ok(batch)
}

async fn record_in_txn(
    txn: &DatabaseTransaction,
    import: &Import<'_>,
    changed: Vec<ChangedSpec<'_>>,
    batch: &mut BatchResult,
) -> Result<()> {
    batch.changed_elsewhere = changed.len() as u64;
    let wanted = changed.iter().filter_map(|changed| {
        let before = changed.before.whole()?;
        Some(PlannedSpec {
            row: changed.row,
            spec: &changed.spec,
            not_compared: NotCompared::of(before).to_column(before.spec_version),
            before,
        })
    });
    batch.closes = closed_by(txn, import.now, wanted.collect()).await?;
    if import.dry_run {
        return Ok(());
    }
    let records = changed.into_iter().filter_map(|changed| {
        let before = changed.before.whole()?;
        let (source, not_compared) = (before.source.clone(), NotCompared::of(before));
        let address = before.address.clone();
        let spec = Value::Object(changed.spec);
        Some(NewSpec {
            resource_id: changed.row.id,
            not_compared: not_compared.for_next_version(&before.spec, &spec, None),
            before: Some(changed.before),
            spec,
            source,
            address,
        })
    });
    provisioning::record_in_txn(txn, records.collect(), import.actor, import.now).await?;
    Ok(())
}

/// Returns the spec with the declarations of all states, and the conflicts. Returns None if it is not an object.
fn derived(
    import: &Import<'_>,
    others: &OtherDeclarations,
    subject: &Key,
    spec: &provisioned::Model,
) -> Option<(Map<String, Value>, Vec<String>)> {
    let mut now = spec.spec.as_object()?.clone();
    let disagreements = apply_all_declarations(import, others, subject, &mut now);
    Some((now, disagreements))
}

fn changes(spec: &provisioned::Model, now: &Map<String, Value>) -> bool {
    let now = Value::Object(now.clone());
    import_action(Some(spec), &now, &spec.source, false) == ImportAction::Record
}

/// Returns whether an attachment, an assignment or `digitalocean_project_resources` of this state names a resource that
/// this state does not contain.
fn names_unknown_resource(import: &Import<'_>, subject: &Key) -> bool {
    let mut declared = import.declared.get(subject).into_iter().flatten();
    let names = declared.any(|one| one.strength == Strength::Declared && !one.is_mirrored());
    names && !import.present.contains(subject)
}
