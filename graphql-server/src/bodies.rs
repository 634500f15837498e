//! A budget for the memory of everything that clients send and that is received or used at the same time: the bodies of
//! requests, and the messages of sockets.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::callers::CallerKey;

/// The unit of the budget in bytes.
const UNIT: usize = 1024;
/// Number of known users beyond which the idle ones are forgotten.
const TIDIED_AT: usize = 1024;

/// The budgets in bytes, and how long to wait for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyBudgets {
    /// For requests with valid credentials. One user gets at most half of it, so that others always have memory.
    pub signed_in: usize,
    /// For requests without credentials. The budget is its own, so that they never take the memory of users.
    pub anonymous: usize,
    /// Maximum time that a request waits for memory before its body is read.
    pub wait: Duration,
}

impl Default for BodyBudgets {
    fn default() -> Self {
        Self {
            signed_in: 64 * 1024 * 1024,
            anonymous: 16 * 1024 * 1024,
            wait: Duration::from_secs(5),
        }
    }
}

impl BodyBudgets {
    /// Returns budgets of the usual size, or larger ones in which every caller has memory for a body of this size.
    pub fn with_room_for(bytes: usize) -> Self {
        let usual = Self::default();
        Self {
            signed_in: usual.signed_in.max(bytes.saturating_mul(2)),
            anonymous: usual.anonymous.max(bytes),
            ..usual
        }
    }
}

/// There is no memory for the body now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoMemory;

/// The memory that is free for bodies. Clones share it.
#[derive(Clone, Debug)]
pub struct Bodies {
    signed_in: Budget,
    anonymous: Budget,
    /// What is left of the part that one user may have, for each user.
    shares: Arc<Mutex<HashMap<CallerKey, Budget>>>,
}

impl Default for Bodies {
    fn default() -> Self {
        Self::new(BodyBudgets::default())
    }
}

/// A number of units of memory, and how long to wait for them.
#[derive(Clone, Debug)]
struct Budget {
    units: usize,
    free: Arc<Semaphore>,
    wait: Duration,
}

impl Budget {
    fn new(bytes: usize, wait: Duration) -> Self {
        let units = units(bytes);
        Self {
            units,
            free: Arc::new(Semaphore::new(units)),
            wait,
        }
    }

    fn used(&self) -> usize {
        UNIT * self.units.saturating_sub(self.free.available_permits())
    }

    /// Waits for memory. A body that is larger than the budget takes all of it.
    async fn take(&self, bytes: usize) -> Result<OwnedSemaphorePermit, NoMemory> {
        let wanted = u32::try_from(units(bytes).min(self.units)).unwrap_or(u32::MAX);
        let place = timeout(self.wait, Arc::clone(&self.free).acquire_many_owned(wanted)).await;
        // The semaphore is never closed.
        place.ok().and_then(Result::ok).ok_or(NoMemory)
    }
}

fn units(bytes: usize) -> usize {
    bytes.div_ceil(UNIT).min(Semaphore::MAX_PERMITS)
}

impl Bodies {
    /// Creates the budgets.
    pub fn new(budgets: BodyBudgets) -> Self {
        Self {
            signed_in: Budget::new(budgets.signed_in, budgets.wait),
            anonymous: Budget::new(budgets.anonymous, budgets.wait),
            shares: Arc::default(),
        }
    }

    /// Returns how many bytes are reserved now.
    pub fn used(&self) -> usize {
        self.signed_in.used() + self.anonymous.used()
    }

    /// Waits for the memory of a body of at most `bytes` bytes that a caller sends.
    ///
    /// # Errors
    ///
    /// The memory did not become free in time.
    pub(crate) async fn reserve(&self, caller: &CallerKey, bytes: usize) -> Result<Reserved, NoMemory> {
        let CallerKey::User(_) = caller else {
            let place = self.anonymous.take(bytes).await?;
            return Ok(Reserved { place, share: None });
        };
        let share = self.share(caller);
        // A larger body does not fit, and is refused when it grows.
        let bytes = bytes.min(share.units * UNIT);
        let share = share.take(bytes).await?;
        let place = self.signed_in.take(bytes).await?;
        Ok(Reserved {
            place,
            share: Some(share),
        })
    }

    fn share(&self, user: &CallerKey) -> Budget {
        let mut known = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() > TIDIED_AT && !known.contains_key(user) {
            known.retain(|_, share| Arc::strong_count(&share.free) > 1);
        }
        let half = self.signed_in.units * UNIT / 2;
        let new = || Budget::new(half, self.signed_in.wait);
        known.entry(user.clone()).or_insert_with(new).clone()
    }
}

/// The memory of one body. It is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Reserved {
    place: OwnedSemaphorePermit,
    /// The place in the part of a user.
    share: Option<OwnedSemaphorePermit>,
}

impl Reserved {
    /// Takes memory for a body that has grown to `bytes` bytes. It does not wait, because bodies that wait for each
    /// other would never end.
    ///
    /// # Errors
    ///
    /// No memory is free.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), NoMemory> {
        for place in self.share.iter_mut().chain([&mut self.place]) {
            let more = units(bytes).saturating_sub(place.num_permits());
            let more = u32::try_from(more).unwrap_or(u32::MAX);
            let more = Arc::clone(place.semaphore()).try_acquire_many_owned(more);
            place.merge(more.map_err(|_| NoMemory)?);
        }
        Ok(())
    }

    /// Gives back the memory that a body of `bytes` bytes does not need.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        for place in self.share.iter_mut().chain([&mut self.place]) {
            drop(place.split(place.num_permits().saturating_sub(units(bytes))));
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn user(name: &str) -> CallerKey {
        CallerKey::User(name.to_owned())
    }

    fn bodies(signed_in: usize, anonymous: usize) -> Bodies {
        Bodies::new(BodyBudgets {
            signed_in: signed_in * UNIT,
            anonymous: anonymous * UNIT,
            ..BodyBudgets::default()
        })
    }

    #[tokio::test]
    async fn bodies_share_the_memory_of_their_kind() {
        let bodies = bodies(8, 2);
        let (ada, bob) = (user("ada"), user("bob"));
        let mut first = bodies.reserve(&ada, UNIT).await.unwrap();
        let second = bodies.reserve(&bob, 4 * UNIT).await.unwrap();
        let third = bodies.reserve(&user("eve"), 2 * UNIT + 1).await.unwrap();
        assert_eq!(bodies.used(), 8 * UNIT);
        assert!(bodies.reserve(&ada, 1).now_or_never().is_none(), "it waits");
        assert_eq!(first.grow(UNIT + 1), Err(NoMemory));
        let nobody = CallerKey::of_address(None);
        assert!(bodies.reserve(&nobody, 1).await.is_ok(), "another budget");
        drop((second, third));
        assert_eq!(first.grow(4 * UNIT), Ok(()));
        first.shrink(1);
        assert!(bodies.reserve(&ada, 3 * UNIT).await.is_ok());
        drop(first);
        assert!(bodies.reserve(&nobody, 100 * UNIT).await.is_ok(), "all of it");
        assert_eq!(bodies.used(), 0);
    }

    #[tokio::test]
    async fn one_user_gets_half_of_the_memory() {
        let bodies = bodies(8, 2);
        let mut first = bodies.reserve(&user("ada"), 3 * UNIT).await.unwrap();
        assert_eq!(first.grow(5 * UNIT), Err(NoMemory));
        assert_eq!(first.grow(4 * UNIT), Ok(()));
        assert!(
            bodies.reserve(&user("ada"), 1).now_or_never().is_none(),
            "it waits"
        );
        let other = bodies.reserve(&user("bob"), 100 * UNIT).now_or_never();
        assert!(other.unwrap().is_ok(), "the other half");
    }

    #[tokio::test]
    async fn idle_users_are_forgotten() {
        let bodies = bodies(8, 2);
        let kept = bodies.reserve(&user("kept"), 4 * UNIT).await.unwrap();
        for number in 0..3 * TIDIED_AT {
            drop(bodies.reserve(&user(&number.to_string()), 1).await.unwrap());
        }
        assert!(bodies.shares.lock().unwrap().len() <= TIDIED_AT + 1);
        assert!(bodies.reserve(&user("kept"), 1).now_or_never().is_none());
        drop(kept);
    }
}
