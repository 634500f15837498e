//! The inbox as a table.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use entity::cloud_drift;
use serde_json::Value;
use uuid::Uuid;

use super::{Failure, say};
use crate::db::Db;
use crate::services::inbox::{self, DriftFilter, DriftTime};
use crate::services::page::PageRequest;
use crate::services::resources;

/// Rows that are read, and aligned with each other, at a time.
const BATCH: u64 = 200;
/// Widest cell, in characters.
const MAX_CELL: usize = 48;

/// Prints every open drift, newest first.
pub(super) async fn print_open(db: &Db, now: DateTime<Utc>) -> Result<(), Failure> {
    let mut request = PageRequest::first(BATCH);
    loop {
        let order = inbox::order_by(DriftTime::DetectedAt, true);
        let page = inbox::list(db.reader(), &DriftFilter::default(), order, &request).await?;
        let ids: Vec<Uuid> = page.rows.iter().map(|(_, drift)| drift.resource_id).collect();
        let names: HashMap<Uuid, String> = resources::by_ids(db.reader(), &ids)
            .await?
            .into_iter()
            .map(|resource| (resource.id, format!("{} {}", resource.kind, resource.name)))
            .collect();
        let rows: Vec<[String; 5]> = page
            .rows
            .iter()
            .map(|(_, drift)| cells(drift, &names, now))
            .collect();
        print_rows(&rows, request.after.is_none())?;
        match page.end.filter(|_| page.has_next) {
            Some(end) => request.after = Some(end),
            None => return Ok(()),
        }
    }
}

fn cells(drift: &cloud_drift::Model, names: &HashMap<Uuid, String>, now: DateTime<Utc>) -> [String; 5] {
    let name = names.get(&drift.resource_id).cloned().unwrap_or_default();
    [
        name,
        drift.field.clone(),
        shown(&drift.expected),
        shown(&drift.actual),
        age(now - drift.detected_at),
    ]
}

fn shown(value: &Option<Value>) -> String {
    match value {
        None => "(unset)".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    }
}

fn age(age: TimeDelta) -> String {
    match (age.num_days(), age.num_hours(), age.num_minutes()) {
        (0, 0, 0) => "now".to_owned(),
        (0, 0, minutes) => format!("{minutes}m"),
        (0, hours, _) => format!("{hours}h"),
        (days, ..) => format!("{days}d"),
    }
}

fn print_rows(rows: &[[String; 5]], with_head: bool) -> std::io::Result<()> {
    let head = ["RESOURCE", "FIELD", "EXPECTED", "ACTUAL", "AGE"].map(str::to_owned);
    let shortened: Vec<[String; 5]> = rows
        .iter()
        .map(|row| row.clone().map(|cell| shorten(&cell)))
        .collect();
    let all = || shortened.iter().chain(with_head.then_some(&head));
    let widths: [usize; 5] = std::array::from_fn(|column| {
        all()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or_default()
    });
    for row in with_head.then_some(&head).into_iter().chain(&shortened) {
        let cells: Vec<String> = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        say(cells.join("  ").trim_end())?;
    }
    Ok(())
}

/// One line of at most [`MAX_CELL`] characters, without what would move the cursor.
fn shorten(cell: &str) -> String {
    let mut text: String = cell
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MAX_CELL + 1)
        .collect();
    if text.chars().count() > MAX_CELL {
        text = text.chars().take(MAX_CELL - 1).chain(['…']).collect();
    }
    text
}
