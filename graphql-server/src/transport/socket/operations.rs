//! The operations of one socket. Each runs in a task of its own.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;

use async_graphql::Response as Outcome;
use async_graphql::parser::types::OperationType;
use futures_util::FutureExt as _;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::incoming::Refused;
use super::message;
use crate::bodies::{NoMemory, Reserved};
use crate::callers::{CallerKey, Ticket};
use crate::codes::{self, RATE_LIMITED, TOO_MANY_REQUESTS};
use crate::document::Prepared;
use crate::transport::graphql_api::GraphqlApi;
use crate::transport::reply;
use crate::transport::run::outcomes;

/// Number of results that can wait to be written. Operations pause when it is reached.
const WAITING: usize = 16;

/// A message of an operation. It is serialized before it waits, because an outcome takes many times as much memory.
pub(super) struct OutgoingMessage {
    id: String,
    number: u64,
    pub(super) text: String,
    is_last: bool,
    /// The place of a query or mutation, with its last message.
    pub(super) place: Option<Ticket>,
}

/// How large the message of an operation was, and its memory if it is counted already.
pub(super) struct Received {
    pub(super) memory: Option<Reserved>,
    pub(super) bytes: usize,
}

/// The active operations.
pub(super) struct Operations {
    running: HashMap<String, Running>,
    /// Number of operations started so far. It distinguishes the pending messages of operations that reuse an id.
    number: u64,
    sender: mpsc::Sender<OutgoingMessage>,
    receiver: mpsc::Receiver<OutgoingMessage>,
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
        let (sender, receiver) = mpsc::channel(WAITING);
        Self {
            running: HashMap::new(),
            number: 0,
            sender,
            receiver,
        }
    }

    pub(super) fn count(&self) -> usize {
        self.running.len()
    }

    pub(super) fn runs(&self, id: &str) -> bool {
        self.running.contains_key(id)
    }

    /// Starts an operation. It takes a place among the requests of the caller `key` until its last message is written; a
    /// subscription until it has begun. It takes the memory of its message until it has ended. The receiver is notified
    /// when it has begun.
    pub(super) fn start<A: GraphqlApi>(
        &mut self,
        id: String,
        api: &A,
        caller: A::Caller,
        key: CallerKey,
        prepared: Prepared,
        received: Received,
    ) -> oneshot::Receiver<()> {
        self.number += 1;
        let (begun, has_begun) = oneshot::channel();
        let sender = Sender {
            id: id.clone(),
            number: self.number,
            queue: self.sender.clone(),
        };
        let api = api.clone();
        let subscribes = prepared.operation == Some(OperationType::Subscription);
        let task = tokio::spawn(async move {
            let deadline = Instant::now() + api.limits().request_timeout;
            let (place, memory) = match admit(&api, &key, received).await {
                Ok(admitted) => admitted,
                Err(refused) => {
                    // The receiver may have been dropped.
                    _ = begun.send(());
                    return sender.send_all(stream::iter([refused]).boxed(), None).await;
                }
            };
            let started = AssertUnwindSafe(outcomes(&api, caller, prepared, deadline)).catch_unwind();
            let outcomes = started
                .await
                .unwrap_or_else(|panic| stream::iter([reply::panicked_outcome(&*panic)]).boxed());
            // The receiver may have been dropped.
            _ = begun.send(());
            let place = (!subscribes).then_some(place);
            sender.send_all(outcomes, place).await;
            drop(memory);
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
    pub(super) async fn next(&mut self) -> OutgoingMessage {
        loop {
            let Some(message) = self.receiver.recv().await else {
                // Unreachable, because this value holds a sender itself.
                return std::future::pending().await;
            };
            let running = self.running.get(&message.id);
            if running.is_some_and(|running| running.number == message.number) {
                if message.is_last {
                    self.running.remove(&message.id);
                }
                return message;
            }
        }
    }
}

/// Waits until there is memory for the message of an operation, and until the caller may run another one. The error is
/// the outcome of the operation otherwise.
async fn admit<A: GraphqlApi>(
    api: &A,
    key: &CallerKey,
    received: Received,
) -> Result<(Ticket, Reserved), Outcome> {
    let refused = |code, message| Outcome::from_errors(vec![codes::error(code, message, None)]);
    let memory = match received.memory {
        Some(memory) => Ok(memory),
        None => api.bodies().reserve(key, received.bytes).await,
    };
    let memory = memory.map_err(|NoMemory| refused(RATE_LIMITED, Refused::NoMemory.to_string()))?;
    let place = api.callers().request(key).await;
    let place = place.map_err(|limited| refused(TOO_MANY_REQUESTS, limited.message))?;
    Ok((place, memory))
}

/// Sends the messages of one operation to the socket.
struct Sender {
    id: String,
    number: u64,
    queue: mpsc::Sender<OutgoingMessage>,
}

impl Sender {
    async fn send_all(self, outcomes: BoxStream<'static, Outcome>, mut held: Option<Ticket>) {
        let mut outcomes = AssertUnwindSafe(outcomes).catch_unwind().enumerate();
        while let Some((number, outcome)) = outcomes.next().await {
            let outcome = outcome.unwrap_or_else(|panic| reply::panicked_outcome(&*panic));
            if number == 0 && reply::is_request_error(&outcome) {
                let text = message::error(&self.id, &outcome);
                return self.send(text, true, held.take()).await;
            }
            let text = message::next(&self.id, &outcome);
            drop(outcome);
            self.send(text, false, None).await;
        }
        self.send(message::complete(&self.id), true, held).await;
    }

    async fn send(&self, text: String, is_last: bool, place: Option<Ticket>) {
        let message = OutgoingMessage {
            id: self.id.clone(),
            number: self.number,
            text,
            is_last,
            place,
        };
        // Sending fails only if the socket has ended. This task is then cancelled.
        _ = self.queue.send(message).await;
    }
}
