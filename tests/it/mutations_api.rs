//! Deciding over GraphQL.
