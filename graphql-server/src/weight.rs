//! Limits the total complexity of the queries that are executed at the same time, and so the memory of their responses.
//!
//! A limit on the number of requests does not limit their memory: 64 large pages need far more than 64 small ones. The
//! complexity of a query is about the number of values in its response, and is known before its execution.

use std::time::Duration;

use async_graphql::parser::types::OperationType;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

/// How many queries of the largest complexity run at the same time.
const LARGEST_AT_ONCE: usize = 4;

/// Queries with at most 1/8 of the largest complexity do not wait.
const SMALL_PART: usize = 8;

/// Maximum time that a query waits. A client can try again, and sees the reason earlier than at the timeout of the
/// request.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Other large queries did not end in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Busy;

/// A semaphore whose permits are units of complexity.
#[derive(Debug)]
pub(crate) struct Weight {
    free: Semaphore,
    largest: usize,
    small: usize,
    longest_wait: Duration,
}

impl Weight {
    /// Creates the semaphore for a schema with this limit of the complexity of one query.
    pub(crate) fn new(max_complexity: usize) -> Self {
        let largest = max_complexity.clamp(1, Semaphore::MAX_PERMITS / LARGEST_AT_ONCE);
        Self {
            free: Semaphore::new(largest * LARGEST_AT_ONCE),
            largest,
            small: max_complexity / SMALL_PART,
            longest_wait: LONGEST_WAIT,
        }
    }

    /// Waits until an operation of this complexity may be executed. Small queries do not wait for large ones, and
    /// mutations and events of subscriptions do not wait at all.
    ///
    /// # Errors
    ///
    /// The queries before it did not end in time.
    pub(crate) async fn admit(
        &self,
        operation: OperationType,
        complexity: usize,
    ) -> Result<Option<SemaphorePermit<'_>>, Busy> {
        if operation != OperationType::Query || complexity <= self.small {
            return Ok(None);
        }
        let weight = u32::try_from(complexity.min(self.largest)).unwrap_or(u32::MAX);
        match timeout(self.longest_wait, self.free.acquire_many(weight)).await {
            // The semaphore is never closed.
            Ok(admitted) => Ok(admitted.ok()),
            Err(_) => {
                let limit = self.longest_wait;
                tracing::warn!(?limit, complexity, "timed out waiting for other large queries");
                Err(Busy)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn large_queries_wait_and_others_do_not() {
        let weight = Weight {
            longest_wait: Duration::from_millis(1),
            ..Weight::new(1_000)
        };
        let admit = |operation, complexity| weight.admit(operation, complexity).now_or_never();
        let large: Vec<_> = (0..4).map(|_| admit(OperationType::Query, 1_000)).collect();
        assert!(large.iter().all(|admitted| matches!(admitted, Some(Ok(Some(_))))));
        assert!(admit(OperationType::Query, 126).is_none());
        assert!(matches!(admit(OperationType::Query, 125), Some(Ok(None))));
        assert!(matches!(admit(OperationType::Mutation, 1_000), Some(Ok(None))));
        let waited = weight.admit(OperationType::Query, 1_000).await;
        assert!(matches!(waited, Err(Busy)), "the wait is limited");
        drop(large);
        assert!(matches!(
            admit(OperationType::Query, usize::MAX),
            Some(Ok(Some(_)))
        ));
    }

    #[tokio::test]
    async fn any_setting_admits_a_query() {
        for most in [0, 1, usize::MAX] {
            let weight = Weight::new(most);
            let admitted = weight.admit(OperationType::Query, most).now_or_never();
            assert!(matches!(admitted, Some(Ok(_))));
        }
    }
}
