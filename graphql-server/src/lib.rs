//! Serves an async-graphql schema over HTTP, server-sent events and WebSocket as the specifications require, within
//! limits that keep one request from occupying the server.
//!
//! - [`callers`] and [`bodies`] keep one caller from occupying the server.
//! - [`limits`] rejects documents that cost too much, before async-graphql ("the library" in comments) walks them.
//! - `conformance` corrects what the library does differently from the GraphQL specification.
//! - [`extension`] installs both in a schema.
//! - [`json_text`] takes parts of a response that are JSON text already.
//! - [`kept`] keeps answers while what they show has not changed.
//! - [`transport`] serves the schema: GraphQL over HTTP, graphql-sse and graphql-transport-ws.
//!
//! The crate is independent of the schema that it serves.

mod answer_size;
pub mod bodies;
pub mod callers;
pub mod codes;
mod conformance;
mod document;
pub mod extension;
pub mod json_text;
pub mod kept;
pub mod limits;
mod recent;
pub mod transport;
mod weight;
