//! The integration tests: one binary, spoken in the words of the domain over a `TestApp`.
//!
//! On SQLite by default; on PostgreSQL where `TEST_DATABASE_URL` names a server. Every test has a database
//! of its own.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod http_client;
mod http_graphql;
mod http_graphql_documents;
mod http_graphql_execution;
mod smoke;
mod support;
mod toy;
