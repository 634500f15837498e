//! Runs the operations of streams: those over server-sent events and WebSocket.

use async_graphql::{Response as Outcome, parser::types::OperationType};
use futures_util::future;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use tokio::time::{Instant, timeout_at};

use super::{graphql_api::GraphqlApi, reply};
use crate::document::Prepared;

/// Executes an operation of any type. The timeout applies to everything except the events of a subscription after it
/// has begun.
pub(super) async fn outcomes<A: GraphqlApi>(
    api: &A,
    caller: A::Caller,
    prepared: Prepared,
    deadline: Instant,
) -> BoxStream<'static, Outcome> {
    let work = async {
        if prepared.operation == Some(OperationType::Subscription) {
            api.subscribe(caller, prepared.request).await
        } else {
            let outcome = api.execute(caller, prepared.request).await;
            stream::once(future::ready(outcome)).boxed()
        }
    };
    timeout_at(deadline, work).await.unwrap_or_else(|_| {
        tracing::warn!("a GraphQL operation timed out");
        stream::once(future::ready(reply::timed_out_outcome())).boxed()
    })
}
