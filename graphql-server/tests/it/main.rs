//! Tests of the transports and the limits with a small schema that has every behaviour they must handle.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot continue has failed"
)]

mod connections;
mod http_client;
mod http_graphql;
mod http_graphql_documents;
mod http_graphql_execution;
mod socket_client;
mod sockets_memory;
mod toy;
mod websocket_protocol;
