//! The inbox as a table.

use std::collections::HashMap;
use std::io::Write;

use anstyle::{AnsiColor, Style};
use chrono::{DateTime, TimeDelta, Utc};
use entity::cloud_drift::DriftKind;
use entity::cloud_provisioned;
use uuid::Uuid;

use super::Failure;
use super::grid::{Cell, Room, write_rows};
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
    if has_several_sources(db.reader()).await? {
        let titles = ["RESOURCE", "SOURCE", "FIELD", "EXPECTED", "ACTUAL", "AGE"];
        print_columns(out, db, titles, |row, changes| {
            let [resource, others @ ..] = cells(row, changes, now);
            let [field, expected, actual, age] = others;
            [resource, source(row), field, expected, actual, age]
        })
        .await
    } else {
        let titles = ["RESOURCE", "FIELD", "EXPECTED", "ACTUAL", "AGE"];
        print_columns(out, db, titles, |row, changes| cells(row, changes, now)).await
    }
}

async fn print_columns<const N: usize>(
    out: &mut impl Write,
    db: &Db,
    titles: [&str; N],
    cells: impl Fn(&DriftWithResource, &Changes) -> [Cell; N],
) -> std::result::Result<(), Failure> {
    let bold = Style::new().bold();
    let mut head = Some(titles.map(|name| Cell::new(name, bold)));
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
            cells(row, &changes)
        });
        let rows: Vec<[Cell; N]> = head.take().into_iter().chain(rows).collect();
        write_rows(out, &rows, Room::of_stdout())?;
    }
    Ok(())
}

fn cells(row: &DriftWithResource, changes: &Changes, now: DateTime<Utc>) -> [Cell; 5] {
    let drift = &row.drift;
    let name = row.resource.as_ref().map_or_else(
        || drift.resource_id.to_string(),
        |resource| format!("{} {}", resource.kind, resource.name),
    );
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
    ]
}

fn source(row: &DriftWithResource) -> Cell {
    let name = row.resource.as_ref().and_then(source_of);
    Cell::new(name.unwrap_or_default(), Style::new())
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
