//! Limits of one caller, so that one caller cannot use all of the server: requests in a minute, requests at the same
//! time, and open streams.
//!
//! A caller is a user. Requests without valid credentials count for the address that they come from.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Number of known callers beyond which the idle ones are forgotten.
const TIDIED_AT: usize = 1024;

/// The limits of one caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallerLimits {
    /// Requests of one user in a minute. A user who was idle for a minute can send as many at once.
    pub user_per_minute: NonZeroU32,
    /// Requests without valid credentials from one address in a minute.
    pub address_per_minute: NonZeroU32,
    /// Requests of one caller that are executed at the same time. Others wait.
    pub simultaneous: NonZeroU32,
    /// Sockets and event streams of one caller.
    pub streams: NonZeroU32,
    /// Maximum time that a request waits for earlier ones of the same caller.
    pub wait: Duration,
}

impl Default for CallerLimits {
    fn default() -> Self {
        let number = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        Self {
            user_per_minute: number(120_000),
            address_per_minute: number(6_000),
            simultaneous: number(32),
            streams: number(200),
            wait: Duration::from_secs(10),
        }
    }
}

/// Who a request counts for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CallerKey {
    /// A user, by their id.
    User(String),
    /// A client without valid credentials.
    Address(IpAddr),
}

impl CallerKey {
    /// Returns the key of a client without valid credentials. One client usually has all addresses of an IPv6 network
    /// of 64 bits. Clients whose address is unknown share one key.
    pub fn of_address(address: Option<IpAddr>) -> Self {
        Self::Address(match address.map(|address| address.to_canonical()) {
            None => Ipv6Addr::UNSPECIFIED.into(),
            Some(IpAddr::V4(address)) => address.into(),
            Some(IpAddr::V6(address)) => {
                Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
            }
        })
    }
}

/// A caller has reached a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limited {
    /// Which limit, in a sentence for the caller.
    pub message: String,
    /// When the caller may try again, in whole seconds.
    pub retry_after: u64,
}

/// The place of a request or of a stream. The place is free again when the ticket is dropped.
#[derive(Debug)]
#[must_use]
pub struct Ticket {
    _place: Option<OwnedSemaphorePermit>,
}

impl Ticket {
    /// Returns a ticket that occupies no place.
    pub fn unlimited() -> Self {
        Self { _place: None }
    }
}

/// The places of one caller.
#[derive(Debug)]
struct Places {
    requests: Arc<Semaphore>,
    streams: Arc<Semaphore>,
}

/// All callers.
#[derive(Debug)]
pub struct Callers {
    limits: CallerLimits,
    users: DefaultKeyedRateLimiter<CallerKey>,
    addresses: DefaultKeyedRateLimiter<CallerKey>,
    places: Mutex<HashMap<CallerKey, Places>>,
}

impl Callers {
    /// Creates the store. It grows with the number of active callers only.
    pub fn new(limits: CallerLimits) -> Self {
        let per_minute = |requests| RateLimiter::keyed(Quota::per_minute(requests));
        Self {
            users: per_minute(limits.user_per_minute),
            addresses: per_minute(limits.address_per_minute),
            places: Mutex::default(),
            limits,
        }
    }

    /// Counts a request, and waits until the caller may execute it.
    ///
    /// # Errors
    ///
    /// The caller has sent too many requests in a minute, or the caller's earlier requests did not end in time.
    pub async fn request(&self, caller: &CallerKey) -> Result<Ticket, Limited> {
        self.count(caller)?;
        let places = self.places(caller, |places| Arc::clone(&places.requests));
        match timeout(self.limits.wait, places.acquire_owned()).await {
            // The semaphore is never closed.
            Ok(place) => Ok(Ticket { _place: place.ok() }),
            Err(_) => Err(Limited {
                message: format!(
                    "at most {} requests of one caller are executed at the same time",
                    self.limits.simultaneous
                ),
                retry_after: 1,
            }),
        }
    }

    /// Takes a place for a socket or an event stream.
    ///
    /// # Errors
    ///
    /// The caller has too many of them.
    pub fn stream(&self, caller: &CallerKey) -> Result<Ticket, Limited> {
        let places = self.places(caller, |places| Arc::clone(&places.streams));
        let place = places.try_acquire_owned().map_err(|_| Limited {
            message: format!(
                "one caller may have at most {} sockets and event streams",
                self.limits.streams
            ),
            retry_after: 30,
        })?;
        Ok(Ticket { _place: Some(place) })
    }

    /// Returns the number of open sockets and event streams of all callers.
    pub fn open_streams(&self) -> usize {
        let known = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let most = self.limits.streams.get() as usize;
        known
            .values()
            .map(|places| most.saturating_sub(places.streams.available_permits()))
            .sum()
    }

    fn count(&self, caller: &CallerKey) -> Result<(), Limited> {
        let (rates, limit) = match caller {
            CallerKey::User(_) => (&self.users, self.limits.user_per_minute),
            CallerKey::Address(_) => (&self.addresses, self.limits.address_per_minute),
        };
        if rates.len() > TIDIED_AT {
            rates.retain_recent();
        }
        rates.check_key(caller).map_err(|early| {
            let wait = early.wait_time_from(DefaultClock::default().now());
            Limited {
                message: format!("one caller may send at most {limit} requests in a minute"),
                retry_after: wait.as_secs() + 1,
            }
        })
    }

    fn places<T>(&self, caller: &CallerKey, of: impl FnOnce(&Places) -> T) -> T {
        let mut known = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() > TIDIED_AT && !known.contains_key(caller) {
            let idle = |places: &Arc<Semaphore>| Arc::strong_count(places) == 1;
            known.retain(|_, places| !idle(&places.requests) || !idle(&places.streams));
        }
        let semaphore = |places: NonZeroU32| Arc::new(Semaphore::new(places.get() as usize));
        let places = known.entry(caller.clone()).or_insert_with(|| Places {
            requests: semaphore(self.limits.simultaneous),
            streams: semaphore(self.limits.streams),
        });
        of(places)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn user(name: &str) -> CallerKey {
        CallerKey::User(name.to_owned())
    }

    fn number(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).unwrap()
    }

    #[tokio::test]
    async fn a_caller_has_limits_of_its_own() {
        let callers = Callers::new(CallerLimits {
            simultaneous: number(2),
            wait: Duration::from_millis(50),
            ..CallerLimits::default()
        });
        let ada = user("ada");
        let first = callers.request(&ada).await.unwrap();
        let _second = callers.request(&user("ada")).await.unwrap();
        assert!(callers.request(&user("bob")).await.is_ok(), "others do not wait");
        let mut third = Box::pin(callers.request(&ada));
        assert!(third.as_mut().now_or_never().is_none(), "the third request waits");
        drop(first);
        let _third = third.await.unwrap();
        let refused = callers.request(&user("ada")).await.unwrap_err();
        assert!(refused.message.contains("at most 2 requests"), "{refused:?}");
    }

    #[tokio::test]
    async fn requests_in_a_minute_are_counted() {
        let callers = Callers::new(CallerLimits {
            user_per_minute: number(3),
            address_per_minute: number(1),
            ..CallerLimits::default()
        });
        for _ in 0..3 {
            assert!(callers.request(&user("ada")).await.is_ok());
        }
        let refused = callers.request(&user("ada")).await.unwrap_err();
        assert!((1..=21).contains(&refused.retry_after), "{refused:?}");
        assert!(callers.request(&user("bob")).await.is_ok());
        let near = CallerKey::of_address(Some("192.0.2.1".parse().unwrap()));
        assert!(callers.request(&near).await.is_ok());
        assert!(callers.request(&near).await.is_err());
        assert!(callers.request(&CallerKey::of_address(None)).await.is_ok());
    }

    #[test]
    fn streams_are_counted() {
        let callers = Callers::new(CallerLimits {
            streams: number(1),
            ..CallerLimits::default()
        });
        let open = callers.stream(&user("ada")).unwrap();
        assert!(callers.stream(&user("ada")).is_err());
        assert!(callers.stream(&user("bob")).is_ok());
        drop(open);
        assert!(callers.stream(&user("ada")).is_ok());
    }

    #[test]
    fn one_client_has_a_whole_network_of_ipv6() {
        let key = |text: &str| CallerKey::of_address(Some(text.parse().unwrap()));
        assert_eq!(key("2001:db8:1:2::3"), key("2001:db8:1:2:ffff::1"));
        assert_ne!(key("2001:db8:1:2::3"), key("2001:db8:1:3::3"));
        assert_eq!(key("192.0.2.1"), key("::ffff:192.0.2.1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
    }

    #[tokio::test]
    async fn idle_callers_are_forgotten() {
        let callers = Callers::new(CallerLimits::default());
        let kept = callers.stream(&user("kept")).unwrap();
        for number in 0..3 * TIDIED_AT {
            drop(callers.stream(&user(&number.to_string())).unwrap());
        }
        let known = callers.places.lock().unwrap();
        assert!(known.len() <= TIDIED_AT + 1, "{}", known.len());
        assert!(known.contains_key(&user("kept")));
        drop(kept);
    }
}
