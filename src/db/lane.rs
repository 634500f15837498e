//! The lane of queries that read many rows.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Db;
use crate::error::{Error, Result};

/// Part of the connections for queries that may read many rows at the same time.
const PART: u32 = 4;

tokio::task_local! {
    static PLACE: Place;
}

/// A place in the lane. It is free again when the last clone is dropped.
pub(super) type Place = Arc<OwnedSemaphorePermit>;

/// Returns the place of the query that is running, if it runs in the lane.
pub(super) fn place() -> Option<Place> {
    PLACE.try_with(Arc::clone).ok()
}

/// The places in the lane.
#[derive(Clone, Debug)]
pub(super) struct Lane(Arc<Semaphore>);

impl Lane {
    /// Creates the lane of a database with this many connections.
    pub(super) fn new(max_connections: u32) -> Self {
        let places = (max_connections / PART).max(1) as usize;
        Self(Arc::new(Semaphore::new(places)))
    }
}

impl Db {
    /// Runs `query`, which reads many rows. Only a part of the connections is used for such queries, so that other
    /// queries always find one; further ones wait. If the caller stops waiting, the statement that runs is stopped, and the
    /// place in the lane is free after that.
    ///
    /// # Errors
    ///
    /// The error of `query`.
    pub async fn in_lane<T, E: From<Error>>(
        &self,
        query: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let place = Arc::clone(&self.lane.0).acquire_owned().await;
        let place = place.map_err(|closed| Error::Internal(closed.to_string()))?;
        PLACE.scope(Arc::new(place), query).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_has_a_part_of_the_connections() {
        for (connections, places) in [(1, 1), (4, 1), (12, 3)] {
            assert_eq!(Lane::new(connections).0.available_permits(), places);
        }
    }
}
