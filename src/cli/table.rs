//! The inbox as a table.

use std::collections::HashMap;
use std::io::Write;

use anstyle::{AnsiColor, Style};
use chrono::{DateTime, TimeDelta, Utc};
use entity::cloud_drift::DriftKind;
use entity::cloud_provisioned;
use uuid::Uuid;

use super::Failure;
use super::grid::{Cell, Room, fit, write_rows, write_rows_with_notes};
use super::values;
use crate::db::Db;
use crate::domain::changes::{Changes, changes_of};
use crate::provider::traits::MEMBER_NAMES;
use crate::services::inbox::{DriftFilter, DriftPages, DriftWithResource, has_several_sources};
use crate::services::provisioning;
use crate::services::resources::source_of;

/// Number of rows that are read at a time. Only these rows are aligned with each other.
const BATCH: u64 = 200;

/// Creates a reader of all open drifts, newest first.
pub(super) fn open_drifts() -> DriftPages {
    DriftPages::new(DriftFilter::default(), BATCH)
}

/// Prints all open drifts, newest first. Prints nothing if there are none. Names the sources if there are several.
pub(super) async fn print_open(
    out: &mut impl Write,
    db: &Db,
    now: DateTime<Utc>,
) -> std::result::Result<(), Failure> {
    let with_source = has_several_sources(db.reader()).await?;
    let bold = Style::new().bold();
    let head = ["RESOURCE", "FIELD", "EXPECTED", "LIVE", "AGE", "ADDRESS"];
    let mut head = Some(head.map(|name| Cell::new(name, bold)));
    let mut pages = open_drifts();
    while let Some(page) = pages.next(db.reader()).await? {
        if page.is_empty() {
            continue;
        }
        let ids: Vec<Uuid> = page.iter().map(|row| row.drift.resource_id).collect();
        let specs: HashMap<Uuid, cloud_provisioned::Model> = provisioning::active_specs_of(db.reader(), &ids)
            .await?
            .into_iter()
            .map(|spec| (spec.resource_id, spec))
            .collect();
        let rows = page.iter().map(|row| {
            let changes = changes_of(&row.drift, specs.get(&row.drift.resource_id), &MEMBER_NAMES);
            cells(row, &changes, now, with_source)
        });
        let rows: Vec<[Cell; 6]> = head.take().into_iter().chain(rows).collect();
        write_page(out, rows, &page)?;
    }
    Ok(())
}

/// Writes the rows of a page, of which the first may be the head. Addresses are the last column, or lines below the rows
/// if the terminal is too narrow for it.
fn write_page(out: &mut impl Write, rows: Vec<[Cell; 6]>, page: &[DriftWithResource]) -> std::io::Result<()> {
    let room = Room::of_stdout();
    let has_addresses = page.iter().any(|row| row.address.is_some());
    if has_addresses && fit(&rows, room) {
        return write_rows(out, &rows, room);
    }
    let heads = rows.len().saturating_sub(page.len());
    let addresses = page.iter().map(|row| {
        row.address
            .as_deref()
            .map(|address| Cell::new(address, Style::new().dimmed()))
    });
    let notes: Vec<Option<Cell>> = std::iter::repeat_n(None, heads).chain(addresses).collect();
    let rows: Vec<[Cell; 5]> = rows
        .into_iter()
        .map(|[resource, field, expected, actual, age, _]| [resource, field, expected, actual, age])
        .collect();
    write_rows_with_notes(out, &rows, &notes, room)
}

fn cells(row: &DriftWithResource, changes: &Changes, now: DateTime<Utc>, with_source: bool) -> [Cell; 6] {
    let drift = &row.drift;
    let name = row.resource.as_ref().map_or_else(
        || drift.resource_id.to_string(),
        |resource| format!("{} {}", resource.kind, resource.name),
    );
    let source = row.resource.as_ref().and_then(source_of).filter(|_| with_source);
    let name = source.map_or_else(|| name.clone(), |source| format!("{name} [{source}]"));
    let (expected, actual) = values::columns(drift, changes);
    let loud = match drift.kind {
        DriftKind::Missing => AnsiColor::Red,
        DriftKind::Changed => AnsiColor::Yellow,
    };
    let plain = Style::new();
    [
        Cell::new(&name, plain),
        Cell::new(&drift.field, plain),
        Cell::new(&expected, plain),
        Cell::new(&actual, loud.on_default()),
        Cell::new(&age(now - drift.detected_at), plain.dimmed()),
        Cell::new(row.address.as_deref().unwrap_or_default(), plain.dimmed()),
    ]
}

fn age(age: TimeDelta) -> String {
    // The clock of another server may be ahead.
    let age = age.max(TimeDelta::zero());
    match (age.num_days(), age.num_hours(), age.num_minutes()) {
        (0, 0, 0) => "now".to_owned(),
        (0, 0, minutes) => format!("{minutes}m"),
        (0, hours, _) => format!("{hours}h"),
        (days, ..) => format!("{days}d"),
    }
}
