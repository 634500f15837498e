//! The rows of other tables for a page of drifts.

use std::collections::HashMap;

use entity::cloud_drift;
use uuid::Uuid;

use super::changes;
use super::plan::Plan;
use crate::domain::changes::Changes;
use crate::error::Result;
use crate::services::cells::{Cell, Cells};
use crate::services::inbox::{self, DriftFilter};
use crate::services::page::Page;
use crate::services::{Reader, events, provisioning};

/// What a page needs besides its rows: specs and events of its resources, changes of its drifts, and the total count.
#[derive(Default)]
pub(super) struct Below {
    pub(super) specs: HashMap<Uuid, Cells>,
    /// The pages by resource, for each list of events of the plan.
    pub(super) events: Vec<HashMap<Uuid, Page<Cells>>>,
    /// The changes by drift.
    pub(super) changes: HashMap<Uuid, Changes>,
    pub(super) total: i64,
}

impl Below {
    /// Reads what the plan selects. Returns None if only the resolvers can.
    ///
    /// # Errors
    ///
    /// BAD_USER_INPUT if the filter is not valid; the database is unavailable.
    pub(super) async fn read(
        reader: &Reader,
        plan: &Plan,
        page: &Page<Cells>,
        filter: &DriftFilter,
    ) -> Result<Option<Self>> {
        let mut below = Self::default();
        below.read_specs(reader, plan, page).await?;
        let resources = match plan.events() {
            [] => Vec::new(),
            _ => resources_of(page.rows.iter().map(|(_, cells)| cells)),
        };
        for list in plan.events() {
            let pages = if resources.is_empty() {
                Some(HashMap::new())
            } else {
                events::newest_cells_of(reader, &resources, list.limit, &list.columns).await?
            };
            let Some(pages) = pages else {
                return Ok(None);
            };
            below.events.push(pages);
        }
        if plan.counts() {
            below.total = inbox::count(reader, filter).await?;
        }
        Ok(Some(below))
    }

    /// Reads the specs that are selected or that the changes depend on, and computes the changes.
    async fn read_specs(&mut self, reader: &Reader, plan: &Plan, page: &Page<Cells>) -> Result<()> {
        let rows = page.rows.iter().map(|(_, cells)| cells);
        let of_changes = plan.spec_of_changes();
        let resources = match plan.spec_columns() {
            Some(_) => resources_of(rows.clone()),
            None if of_changes.is_some() => resources_of(rows.clone().filter(|row| changes::need_spec(row))),
            None => Vec::new(),
        };
        let columns = of_changes.as_ref().map(|spec| spec.columns.as_slice());
        if let Some(columns) = columns.or(plan.spec_columns())
            && !resources.is_empty()
        {
            self.specs = provisioning::active_cells_of(reader, &resources, columns).await?;
        }
        if let Some(spec) = of_changes {
            self.changes = changes::of_rows(rows, &self.specs, &spec)?;
        }
        Ok(())
    }
}

/// Returns the id of the resource of a drift.
pub(super) fn resource_of(drift: &Cells) -> Option<Uuid> {
    id_at(drift, cloud_drift::Column::ResourceId)
}

/// Returns an id in a column of a drift.
pub(super) fn id_at(drift: &Cells, column: cloud_drift::Column) -> Option<Uuid> {
    match drift.get(column as usize) {
        Some(Cell::Uuid(id)) => Some(*id),
        _ => None,
    }
}

fn resources_of<'c>(drifts: impl Iterator<Item = &'c Cells>) -> Vec<Uuid> {
    let mut resources: Vec<Uuid> = drifts.filter_map(resource_of).collect();
    resources.sort_unstable();
    resources.dedup();
    resources
}
