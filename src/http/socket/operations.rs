//! The operations of one socket. Each runs in a task of its own.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;

use async_graphql::{Request, Response as Outcome};
use futures_util::FutureExt as _;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::message;
use crate::http::graphql::{GraphqlApi, outcomes};
use crate::http::reply;

/// Number of results that can wait to be written. Operations pause when it is reached.
const WAITING: usize = 16;

/// A message of an operation. It is serialized before it waits, because an outcome takes many times as much memory.
pub(super) struct Spoken {
    id: String,
    number: u64,
    pub(super) text: String,
    is_last: bool,
}

/// The active operations.
pub(super) struct Operations {
    running: HashMap<String, Running>,
    /// Number of operations started so far. Ids may be reused; this number identifies the pending messages of earlier
    /// ones.
    number: u64,
    say: mpsc::Sender<Spoken>,
    heard: mpsc::Receiver<Spoken>,
}

struct Running {
    number: u64,
    task: AbortHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Operations {
    pub(super) fn new() -> Self {
        let (say, heard) = mpsc::channel(WAITING);
        Self {
            running: HashMap::new(),
            number: 0,
            say,
            heard,
        }
    }

    pub(super) fn count(&self) -> usize {
        self.running.len()
    }

    pub(super) fn runs(&self, id: &str) -> bool {
        self.running.contains_key(id)
    }

    /// Starts an operation. The receiver is notified when it has begun.
    pub(super) fn start<A: GraphqlApi>(
        &mut self,
        id: String,
        api: &A,
        caller: A::Caller,
        request: Request,
    ) -> oneshot::Receiver<()> {
        self.number += 1;
        let (begun, has_begun) = oneshot::channel();
        let voice = Voice {
            id: id.clone(),
            number: self.number,
            say: self.say.clone(),
        };
        let api = api.clone();
        let task = tokio::spawn(async move {
            let deadline = Instant::now() + api.bounds().request_timeout;
            let started = AssertUnwindSafe(outcomes(&api, caller, request, deadline)).catch_unwind();
            let outcomes = started
                .await
                .unwrap_or_else(|panic| stream::iter([reply::panicked_outcome(&*panic)]).boxed());
            // The receiver may have been dropped.
            _ = begun.send(());
            voice.tell(outcomes).await;
        });
        let running = Running {
            number: self.number,
            task: task.abort_handle(),
        };
        self.running.insert(id, running);
        has_begun
    }

    /// Stops an operation if it is active. Its pending messages are discarded.
    pub(super) fn stop(&mut self, id: &str) {
        self.running.remove(id);
    }

    /// Returns the next message of an active operation.
    pub(super) async fn next(&mut self) -> Spoken {
        loop {
            let Some(spoken) = self.heard.recv().await else {
                // Unreachable, because this value holds a sender itself.
                return std::future::pending().await;
            };
            let running = self.running.get(&spoken.id);
            if running.is_some_and(|running| running.number == spoken.number) {
                if spoken.is_last {
                    self.running.remove(&spoken.id);
                }
                return spoken;
            }
        }
    }
}

/// The sending end of one operation.
struct Voice {
    id: String,
    number: u64,
    say: mpsc::Sender<Spoken>,
}

impl Voice {
    async fn tell(self, outcomes: BoxStream<'static, Outcome>) {
        let mut outcomes = AssertUnwindSafe(outcomes).catch_unwind().enumerate();
        while let Some((place, outcome)) = outcomes.next().await {
            let outcome = outcome.unwrap_or_else(|panic| reply::panicked_outcome(&*panic));
            if place == 0 && reply::is_request_error(&outcome) {
                self.say(message::error(&self.id, &outcome), true).await;
                return;
            }
            let text = message::next(&self.id, &outcome);
            drop(outcome);
            self.say(text, false).await;
        }
        self.say(message::complete(&self.id), true).await;
    }

    async fn say(&self, text: String, is_last: bool) {
        let spoken = Spoken {
            id: self.id.clone(),
            number: self.number,
            text,
            is_last,
        };
        // If the receiver is gone, the socket has ended, and this task with it.
        _ = self.say.send(spoken).await;
    }
}
