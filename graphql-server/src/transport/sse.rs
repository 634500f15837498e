//! GraphQL over server-sent events: each operation has a stream of its own, the "distinct connections mode" of the
//! graphql-sse protocol.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use async_graphql::Response as Outcome;
use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use axum::response::{IntoResponse, Response};
use futures_util::future::{BoxFuture, Either, FutureExt, select};
use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::time::sleep;
use tokio_util::sync::DropGuard;

use super::connection::ClientConnection;
use super::reply;
use crate::bodies::Reserved;
use crate::callers::Ticket;

/// Interval between keep-alive messages. Proxies close idle connections, some after 15 seconds.
const KEEP_ALIVE: Duration = Duration::from_secs(12);
/// Time in which a client must read the end of the stream after its credentials have expired.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Disables the buffering of the stream in nginx.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Streams the results of an operation until it ends, the credentials expire or the server stops. The stream takes a
/// place of the caller and the memory of the request, which are `held`.
///
/// An operation that failed before execution is rejected without a stream, as in the reference server.
pub(super) fn answer(
    mut outcomes: BoxStream<'static, Outcome>,
    expired: impl Future<Output = ()> + Send + 'static,
    connection: ClientConnection,
    held: (Ticket, Option<Reserved>),
) -> Response {
    let first = outcomes.next().now_or_never().flatten();
    if let Some(refused) = first.as_ref().filter(|first| reply::is_request_error(first)) {
        return reply::no_stream(refused);
    }
    let expired = expired.boxed().shared();
    let late = connection.close_after(expired.clone(), CLOSE_TIMEOUT);
    let end = select(expired, connection.stopping().boxed()).map(|_: Either<_, _>| ());
    let events = Events {
        outcomes: AssertUnwindSafe(stream::iter(first).chain(outcomes))
            .catch_unwind()
            .map(|outcome| outcome.unwrap_or_else(|panic| reply::panicked_outcome(&*panic)))
            .boxed(),
        end: end.boxed(),
        done: false,
        _connection: connection,
        _held: held,
        _late: late,
    };
    let body = stream::unfold(events, |mut events| async move {
        let event = events.next().await?;
        Some((Ok::<_, Infallible>(event), events))
    });
    let headers = [
        (CONTENT_TYPE, "text/event-stream; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (X_ACCEL_BUFFERING, "no"),
    ];
    (headers, Body::from_stream(body)).into_response()
}

/// The events of one response.
struct Events {
    outcomes: BoxStream<'static, Outcome>,
    end: BoxFuture<'static, ()>,
    done: bool,
    _connection: ClientConnection,
    _held: (Ticket, Option<Reserved>),
    /// Closes the connection of a client that does not read the end.
    _late: DropGuard,
}

impl Events {
    async fn next(&mut self) -> Option<String> {
        if self.done {
            return None;
        }
        tokio::select! {
            biased;
            () = &mut self.end => Some(self.complete()),
            outcome = self.outcomes.next() => Some(match outcome {
                Some(outcome) => format!("event: next\ndata: {}\n\n", reply::to_json(&outcome)),
                None => self.complete(),
            }),
            () = sleep(KEEP_ALIVE) => Some(":\n\n".to_owned()),
        }
    }

    /// Returns the `complete` event. It has an empty data line, because browsers discard events without data.
    fn complete(&mut self) -> String {
        self.done = true;
        "event: complete\ndata:\n\n".to_owned()
    }
}
