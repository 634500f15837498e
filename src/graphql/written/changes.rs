//! The changes of the drifts of a page.

use std::collections::HashMap;

use entity::cloud_drift::{self, DriftKind, DriftStatus};
use sea_orm::ActiveEnum as _;
use serde_json::Value;
use uuid::Uuid;

use super::below::{id_at, resource_of};
use super::plan::SpecOfChanges;
use crate::domain::changes::{Changes, compared_changes};
use crate::domain::not_compared::NotCompared;
use crate::domain::redaction::hides;
use crate::error::{Error, Result};
use crate::provider::traits::MEMBER_NAMES;
use crate::services::cells::{Cell, Cells};

/// Returns whether the changes of a drift may depend on its spec: only a list or a map can have parts that the spec
/// leaves open.
pub(super) fn need_spec(drift: &Cells) -> bool {
    let has_parts = match drift.get(cloud_drift::Column::Expected as usize) {
        Some(Cell::Json(text)) => text.starts_with(['{', '[']),
        _ => false,
    };
    has_parts && is_open(drift) && !is_missing(drift)
}

/// Returns the changes of drifts by their ids. `specs` are the specs by resource.
///
/// # Errors
///
/// A value does not parse. This cannot happen, because it was parsed when the row was decoded.
pub(super) fn of_rows<'c>(
    drifts: impl Iterator<Item = &'c Cells>,
    specs: &HashMap<Uuid, Cells>,
    columns: &SpecOfChanges,
) -> Result<HashMap<Uuid, Changes>> {
    let mut changes = HashMap::new();
    for drift in drifts {
        let Some(id) = id_at(drift, cloud_drift::Column::Id) else {
            continue;
        };
        let spec = resource_of(drift).and_then(|id| specs.get(&id));
        changes.insert(id, of_row(drift, spec.filter(|_| need_spec(drift)), columns)?);
    }
    Ok(changes)
}

fn of_row(drift: &Cells, spec: Option<&Cells>, columns: &SpecOfChanges) -> Result<Changes> {
    if is_missing(drift) {
        return Ok(Changes::default());
    }
    let not_compared = match spec {
        Some(spec) => open_parts(spec, columns)?,
        None => NotCompared::default(),
    };
    let json = |column: cloud_drift::Column| parsed(drift.get(column as usize));
    let expected = json(cloud_drift::Column::Expected)?;
    let actual = json(cloud_drift::Column::Actual)?;
    if hides(Some(&expected), Some(&actual)) {
        return Ok(Changes::default());
    }
    let field = text_at(drift, cloud_drift::Column::Field);
    Ok(compared_changes(
        field,
        [&expected, &actual],
        &not_compared,
        &MEMBER_NAMES,
    ))
}

fn open_parts(spec: &Cells, columns: &SpecOfChanges) -> Result<NotCompared> {
    let Some(Cell::Int(version)) = spec.get(columns.version) else {
        return Ok(NotCompared::default());
    };
    let stored = parsed(spec.get(columns.not_compared))?;
    Ok(NotCompared::stored(Some(&stored), *version))
}

/// Returns the JSON value of a cell; null if it is SQL null.
fn parsed(cell: Option<&Cell>) -> Result<Value> {
    match cell {
        Some(Cell::Json(text)) => {
            serde_json::from_str(text).map_err(|error| Error::Internal(error.to_string()))
        }
        _ => Ok(Value::Null),
    }
}

pub(super) fn is_missing(drift: &Cells) -> bool {
    text_at(drift, cloud_drift::Column::Kind) == DriftKind::Missing.to_value()
}

pub(super) fn is_open(drift: &Cells) -> bool {
    text_at(drift, cloud_drift::Column::Status) == DriftStatus::Open.to_value()
}

fn text_at(drift: &Cells, column: cloud_drift::Column) -> &str {
    match drift.get(column as usize) {
        Some(Cell::Text(text)) => text,
        _ => "",
    }
}
