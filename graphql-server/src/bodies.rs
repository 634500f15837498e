//! A budget for the memory of all request bodies that are received or used at the same time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// The unit of the budget in bytes.
const UNIT: usize = 1024;
/// Maximum time that a request waits for memory before its body is read.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// The budgets in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyBudgets {
    /// For requests with valid credentials.
    pub signed_in: usize,
    /// For requests without credentials. The budget is its own, so that they never take the memory of users.
    pub anonymous: usize,
}

impl Default for BodyBudgets {
    fn default() -> Self {
        Self {
            signed_in: 64 * 1024 * 1024,
            anonymous: 16 * 1024 * 1024,
        }
    }
}

/// There is no memory for the body now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoMemory;

/// The memory that is free for bodies.
#[derive(Debug)]
pub struct Bodies {
    budgets: BodyBudgets,
    signed_in: Arc<Semaphore>,
    anonymous: Arc<Semaphore>,
}

impl Default for Bodies {
    fn default() -> Self {
        Self::new(BodyBudgets::default())
    }
}

fn units(bytes: usize) -> usize {
    bytes.div_ceil(UNIT).min(Semaphore::MAX_PERMITS)
}

impl Bodies {
    /// Creates the budgets.
    pub fn new(budgets: BodyBudgets) -> Self {
        let semaphore = |bytes| Arc::new(Semaphore::new(units(bytes)));
        Self {
            signed_in: semaphore(budgets.signed_in),
            anonymous: semaphore(budgets.anonymous),
            budgets,
        }
    }

    /// Waits for the memory of a body of at most `bytes` bytes.
    ///
    /// # Errors
    ///
    /// The memory did not become free in time.
    pub(crate) async fn reserve(&self, is_signed_in: bool, bytes: usize) -> Result<Reserved, NoMemory> {
        let (free, budget) = if is_signed_in {
            (&self.signed_in, self.budgets.signed_in)
        } else {
            (&self.anonymous, self.budgets.anonymous)
        };
        // A body that is larger than the budget takes all of it.
        let wanted = units(bytes).min(units(budget));
        let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
        let place = timeout(LONGEST_WAIT, Arc::clone(free).acquire_many_owned(wanted)).await;
        // The semaphore is never closed.
        let place = place.ok().and_then(Result::ok).ok_or(NoMemory)?;
        Ok(Reserved {
            free: Arc::clone(free),
            place,
        })
    }
}

/// The memory of one body. It is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Reserved {
    free: Arc<Semaphore>,
    place: OwnedSemaphorePermit,
}

impl Reserved {
    /// Takes memory for a body that has grown to `bytes` bytes. It does not wait, because bodies that wait for each
    /// other would never end.
    ///
    /// # Errors
    ///
    /// No memory is free.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), NoMemory> {
        let more = units(bytes).saturating_sub(self.place.num_permits());
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        let more = Arc::clone(&self.free)
            .try_acquire_many_owned(more)
            .map_err(|_| NoMemory)?;
        self.place.merge(more);
        Ok(())
    }

    /// Gives back the memory that a body of `bytes` bytes does not need.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        drop(
            self.place
                .split(self.place.num_permits().saturating_sub(units(bytes))),
        );
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn bodies_share_the_memory_of_their_kind() {
        let bodies = Bodies::new(BodyBudgets {
            signed_in: 4 * UNIT,
            anonymous: 2 * UNIT,
        });
        let mut first = bodies.reserve(true, UNIT).await.unwrap();
        let second = bodies.reserve(true, 2 * UNIT + 1).await.unwrap();
        assert!(bodies.reserve(true, 1).now_or_never().is_none(), "it waits");
        assert_eq!(first.grow(UNIT + 1), Err(NoMemory));
        assert!(bodies.reserve(false, 1).await.is_ok(), "another budget");
        drop(second);
        assert_eq!(first.grow(4 * UNIT), Ok(()));
        first.shrink(1);
        assert!(bodies.reserve(true, 3 * UNIT).await.is_ok());
        drop(first);
        assert!(bodies.reserve(true, 100 * UNIT).await.is_ok(), "all of it");
    }
}
