//! The places of connections. Most are kept for callers with valid credentials.
//!
//! Every connection begins without credentials, so a new one is never refused: if there are too many without
//! credentials, the oldest of the address that has most of them is closed.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use crate::callers::CallerKey;

/// Which connections a limit counts.
#[derive(Clone, Copy, Debug)]
enum Counted {
    /// Those of all callers together.
    All,
    /// Those of each caller on their own.
    OfEachCaller,
}

/// Connections with a limit.
#[derive(Debug)]
pub(super) struct Limited {
    counted: Counted,
    most: usize,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// Number of connections so far.
    number: u64,
    /// The connections by number, which is their order.
    open: BTreeMap<u64, (CallerKey, CancellationToken)>,
}

impl Limited {
    fn new(counted: Counted, most: usize) -> Arc<Self> {
        Arc::new(Self {
            counted,
            most,
            known: Mutex::default(),
        })
    }

    /// Adds a connection. Closes another one if there are too many.
    fn enter(self: &Arc<Self>, peer: CallerKey, close: CancellationToken) -> Entered {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest = match self.counted {
            Counted::All if known.open.len() >= self.most => known.to_close(),
            Counted::OfEachCaller => known.oldest_of(&peer, self.most),
            Counted::All => None,
        };
        if let Some(oldest) = oldest
            && let Some((peer, close)) = known.open.remove(&oldest)
        {
            tracing::debug!(?peer, "too many connections: closing the oldest");
            close.cancel();
        }
        known.number += 1;
        let number = known.number;
        known.open.insert(number, (peer, close));
        Entered {
            number,
            of: Arc::clone(self),
        }
    }
}

impl Known {
    /// Returns the oldest connection of a caller who has at least `most`.
    fn oldest_of(&self, caller: &CallerKey, most: usize) -> Option<u64> {
        let mut own = self.open.iter().filter(|(_, (of, _))| of == caller);
        let (oldest, _) = own.next()?;
        (1 + own.count() >= most).then_some(*oldest)
    }

    /// Returns the oldest connection of the address that has most connections.
    fn to_close(&self) -> Option<u64> {
        let mut counts: HashMap<&CallerKey, (usize, u64)> = HashMap::new();
        for (number, (peer, _)) in &self.open {
            counts.entry(peer).or_insert((0, *number)).0 += 1;
        }
        counts
            .into_values()
            .max_by_key(|(count, oldest)| (*count, std::cmp::Reverse(*oldest)))
            .map(|(_, oldest)| oldest)
    }
}

/// A connection that counts. It leaves when this is dropped.
#[derive(Debug)]
struct Entered {
    number: u64,
    of: Arc<Limited>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut known = self.of.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.open.remove(&self.number);
    }
}

/// All places of one server.
#[derive(Clone, Debug)]
pub(super) struct Places {
    connections: Arc<Limited>,
    sockets: Arc<Limited>,
    users: Arc<Limited>,
}

impl Places {
    /// Creates the places for this many connections and sockets without credentials, and for this many connections of each
    /// user.
    pub(super) fn new(connections: usize, sockets: usize, of_each_user: usize) -> Self {
        Self {
            connections: Limited::new(Counted::All, connections),
            sockets: Limited::new(Counted::All, sockets),
            users: Limited::new(Counted::OfEachCaller, of_each_user),
        }
    }

    /// Returns the place of a new connection.
    pub(super) fn enter(&self, peer: IpAddr, place: OwnedSemaphorePermit) -> Place {
        let (peer, close) = (CallerKey::of_address(Some(peer)), CancellationToken::new());
        let entered = self.connections.enter(peer.clone(), close.clone());
        Place {
            _place: place,
            entered: Mutex::new((entered, None)),
            places: self.clone(),
            peer,
            close,
        }
    }
}

/// The place of one connection.
#[derive(Debug)]
pub(super) struct Place {
    _place: OwnedSemaphorePermit,
    /// What the connection counts as, and for which user if it has shown valid credentials.
    entered: Mutex<(Entered, Option<CallerKey>)>,
    places: Places,
    peer: CallerKey,
    close: CancellationToken,
}

impl Place {
    /// Marks the connection as that of a user. It is not closed for others any more.
    pub(super) fn signed_in(&self, user: &CallerKey) {
        let mut entered = self.entered.lock().unwrap_or_else(PoisonError::into_inner);
        if entered.1.as_ref() != Some(user) {
            let of_user = self.places.users.enter(user.clone(), self.close.clone());
            *entered = (of_user, Some(user.clone()));
        }
    }

    /// Counts the connection as a socket if it has no credentials yet.
    pub(super) fn becomes_socket(&self) {
        let mut entered = self.entered.lock().unwrap_or_else(PoisonError::into_inner);
        if entered.1.is_none() {
            entered.0 = self.places.sockets.enter(self.peer.clone(), self.close.clone());
        }
    }

    /// Returns the token that closes the connection at once.
    pub(super) fn close(&self) -> &CancellationToken {
        &self.close
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> CallerKey {
        CallerKey::of_address(Some(text.parse().unwrap()))
    }

    #[test]
    fn the_oldest_of_the_greediest_address_is_closed() {
        let all = Limited::new(Counted::All, 4);
        let enter = |address: &'static str| {
            let close = CancellationToken::new();
            (all.enter(key(address), close.clone()), close)
        };
        let alone = enter("192.0.2.9");
        let greedy: Vec<_> = (0..3).map(|_| enter("192.0.2.1")).collect();
        let fourth = enter("192.0.2.2");
        let closed = |of: &[(Entered, CancellationToken)]| -> Vec<bool> {
            of.iter().map(|(_, close)| close.is_cancelled()).collect()
        };
        assert_eq!(closed(&greedy), [true, false, false]);
        assert!(!alone.1.is_cancelled() && !fourth.1.is_cancelled());
        drop(greedy);
        let more = ["192.0.2.3", "192.0.2.4"].map(enter);
        assert!(!alone.1.is_cancelled(), "places of ended connections are free");
        let last = enter("192.0.2.6");
        assert!(alone.1.is_cancelled(), "of equal ones, the oldest");
        assert_eq!(closed(&more), [false, false]);
        drop(last);
    }

    #[test]
    fn each_user_has_a_limit_of_their_own() {
        let users = Limited::new(Counted::OfEachCaller, 2);
        let enter = |name: &str| {
            let close = CancellationToken::new();
            let user = CallerKey::User(name.to_owned());
            (users.enter(user, close.clone()), close)
        };
        let (ada, bob) = ([enter("ada"), enter("ada")], [enter("bob"), enter("bob")]);
        assert!(ada.iter().chain(&bob).all(|(_, close)| !close.is_cancelled()));
        let third = enter("ada");
        assert!(ada[0].1.is_cancelled());
        assert!(!ada[1].1.is_cancelled() && !third.1.is_cancelled());
        assert!(bob.iter().all(|(_, close)| !close.is_cancelled()));
    }
}
