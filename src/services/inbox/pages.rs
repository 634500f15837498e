//! All drifts that match a filter, with their resources, read page by page.

use std::collections::HashMap;

use entity::cloud_drift::DriftStatus;
use entity::{cloud_drift, cloud_resources};
use sea_orm::ConnectionTrait;
use uuid::Uuid;

use super::recurrences::split_from_of;
use super::{DriftFilter, DriftTime, list, order_by};
use crate::error::Result;
use crate::services::page::PageRequest;
use crate::services::{addresses, resources};

/// A drift with its resource.
#[derive(Clone, Debug)]
pub(crate) struct DriftWithResource {
    /// The drift.
    pub(crate) drift: cloud_drift::Model,
    /// The resource without its attributes; None if its row does not decode.
    pub(crate) resource: Option<cloud_resources::Model>,
    /// The Terraform address of the resource, if an import recorded one.
    pub(crate) address: Option<String>,
    /// The drift of which this one records the accept of some members.
    pub(crate) split_from: Option<Uuid>,
}

/// A reader of drifts, newest first. It holds one page in memory at a time.
#[derive(Clone, Debug)]
pub(crate) struct DriftPages {
    filter: DriftFilter,
    next: Option<PageRequest>,
}

impl DriftPages {
    /// Creates a reader of pages of at most `size` drifts.
    pub(crate) fn new(filter: DriftFilter, size: u64) -> Self {
        let next = Some(PageRequest::first(size));
        Self { filter, next }
    }

    /// Reads the next page. Returns None at the end.
    ///
    /// # Errors
    ///
    /// BAD_USER_INPUT if the filter is not valid.
    pub(crate) async fn next<C: ConnectionTrait>(
        &mut self,
        connection: &C,
    ) -> Result<Option<Vec<DriftWithResource>>> {
        let Some(request) = self.next.take() else {
            return Ok(None);
        };
        let order = order_by(DriftTime::DetectedAt, true);
        let page = list(connection, &self.filter, order, &request).await?;
        let mut ids: Vec<Uuid> = page.rows.iter().map(|(_, drift)| drift.resource_id).collect();
        ids.sort_unstable();
        ids.dedup();
        let resources: HashMap<Uuid, cloud_resources::Model> = resources::without_attrs(connection, &ids)
            .await?
            .into_iter()
            .map(|resource| (resource.id, resource))
            .collect();
        let addresses = addresses::of_resources(connection, &ids).await?;
        let accepted = page.rows.iter().map(|(_, drift)| drift);
        let accepted = accepted.filter(|drift| drift.status == DriftStatus::Accepted);
        let split_from = split_from_of(connection, accepted.map(|drift| drift.id).collect()).await?;
        self.next = page.end.filter(|_| page.has_next).map(|end| PageRequest {
            after: Some(end),
            ..request
        });
        let rows = page.rows.into_iter().map(|(_, drift)| DriftWithResource {
            resource: resources.get(&drift.resource_id).cloned(),
            address: addresses.get(&drift.resource_id).cloned(),
            split_from: split_from.get(&drift.id).copied(),
            drift,
        });
        Ok(Some(rows.collect()))
    }
}
