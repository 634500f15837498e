//! The inbox as a table.

use std::collections::HashMap;
use std::io::Write;

use anstyle::{AnsiColor, Style};
use chrono::{DateTime, TimeDelta, Utc};
use entity::cloud_drift::{self, DriftKind};
use entity::{cloud_provisioned, cloud_resources};
use uuid::Uuid;

use super::Failure;
use super::grid::{Cell, Room, write_rows};
use super::values;
use crate::db::Db;
use crate::domain::changes::{Changes, changes_of};
use crate::error::Result;
use crate::services::inbox::{self, DriftFilter, DriftTime};
use crate::services::page::PageRequest;
use crate::services::{provisioning, resources};

/// Number of rows that are read, and aligned with each other, at a time.
const BATCH: u64 = 200;

/// An open drift.
pub(super) struct OpenDrift {
    pub(super) drift: cloud_drift::Model,
    /// The changes inside the drifted field.
    pub(super) changes: Changes,
    /// The resource; `None` if its row cannot be decoded.
    pub(super) resource: Option<cloud_resources::Model>,
}

/// All open drifts in pages, newest first.
pub(super) struct OpenDrifts<'d> {
    db: &'d Db,
    next: Option<PageRequest>,
}

impl<'d> OpenDrifts<'d> {
    pub(super) fn new(db: &'d Db) -> Self {
        let next = Some(PageRequest::first(BATCH));
        Self { db, next }
    }

    /// Returns the next page; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<OpenDrift>>> {
        let Some(request) = self.next.take() else {
            return Ok(None);
        };
        let (reader, order) = (self.db.reader(), inbox::order_by(DriftTime::DetectedAt, true));
        let page = inbox::list(reader, &DriftFilter::default(), order, &request).await?;
        let ids: Vec<Uuid> = page.rows.iter().map(|(_, drift)| drift.resource_id).collect();
        let known: HashMap<Uuid, cloud_resources::Model> = resources::by_ids(reader, &ids)
            .await?
            .into_iter()
            .map(|resource| (resource.id, resource))
            .collect();
        self.next = page.end.filter(|_| page.has_next).map(|end| PageRequest {
            after: Some(end),
            ..request
        });
        let specs: HashMap<Uuid, cloud_provisioned::Model> = provisioning::active_specs_of(reader, &ids)
            .await?
            .into_iter()
            .map(|spec| (spec.resource_id, spec))
            .collect();
        let rows = page.rows.into_iter().map(|(_, drift)| OpenDrift {
            changes: changes_of(&drift, specs.get(&drift.resource_id)),
            resource: known.get(&drift.resource_id).cloned(),
            drift,
        });
        Ok(Some(rows.collect()))
    }
}

/// Prints all open drifts, newest first. Prints nothing if there are none.
pub(super) async fn print_open(
    out: &mut impl Write,
    db: &Db,
    now: DateTime<Utc>,
) -> std::result::Result<(), Failure> {
    let bold = Style::new().bold();
    let head = ["RESOURCE", "FIELD", "EXPECTED", "ACTUAL", "AGE"].map(|name| Cell::new(name, bold));
    let mut head = Some(head);
    let mut pages = OpenDrifts::new(db);
    while let Some(page) = pages.next().await? {
        if page.is_empty() {
            continue;
        }
        let rows = page.iter().map(|open| cells(open, now));
        let rows: Vec<[Cell; 5]> = head.take().into_iter().chain(rows).collect();
        write_rows(out, &rows, Room::of_stdout())?;
    }
    Ok(())
}

fn cells(open: &OpenDrift, now: DateTime<Utc>) -> [Cell; 5] {
    let drift = &open.drift;
    let name = open.resource.as_ref().map_or_else(
        || drift.resource_id.to_string(),
        |resource| format!("{} {}", resource.kind, resource.name),
    );
    let (expected, actual) = values::columns(drift, &open.changes);
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
