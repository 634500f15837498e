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

/// The connections without credentials.
#[derive(Debug)]
pub(super) struct Anonymous {
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

impl Anonymous {
    fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            known: Mutex::default(),
        })
    }

    /// Adds a connection. Closes another one if there are too many.
    fn enter(self: &Arc<Self>, peer: CallerKey, close: CancellationToken) -> Entered {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.open.len() >= self.most
            && let Some(oldest) = known.to_close()
            && let Some((peer, close)) = known.open.remove(&oldest)
        {
            tracing::debug!(
                ?peer,
                "too many connections without credentials: closing the oldest"
            );
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

/// A connection without credentials. It leaves when this is dropped.
#[derive(Debug)]
struct Entered {
    number: u64,
    of: Arc<Anonymous>,
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
    connections: Arc<Anonymous>,
    sockets: Arc<Anonymous>,
}

impl Places {
    /// Creates the places for this many connections and sockets without credentials.
    pub(super) fn new(connections: usize, sockets: usize) -> Self {
        Self {
            connections: Anonymous::new(connections),
            sockets: Anonymous::new(sockets),
        }
    }

    /// Returns the place of a new connection.
    pub(super) fn enter(&self, peer: IpAddr, place: OwnedSemaphorePermit) -> Place {
        let (peer, close) = (CallerKey::of_address(Some(peer)), CancellationToken::new());
        let entered = self.connections.enter(peer.clone(), close.clone());
        Place {
            _place: place,
            entered: Mutex::new(Some(entered)),
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
    /// None after the client has shown valid credentials.
    entered: Mutex<Option<Entered>>,
    places: Places,
    peer: CallerKey,
    close: CancellationToken,
}

impl Place {
    /// Marks the connection as that of a user. It is not closed for others any more.
    pub(super) fn signed_in(&self) {
        *self.entered.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Counts the connection as a socket if it has no credentials yet.
    pub(super) fn becomes_socket(&self) {
        let mut entered = self.entered.lock().unwrap_or_else(PoisonError::into_inner);
        if entered.is_some() {
            *entered = Some(self.places.sockets.enter(self.peer.clone(), self.close.clone()));
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
        let all = Anonymous::new(4);
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
}
