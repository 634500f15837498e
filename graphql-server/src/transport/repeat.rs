//! Sends the kept answer of a request again, if there is one.

use async_graphql::{Request, Response as Outcome, parser::types::OperationType};
use axum::body::Bytes;

use super::graphql_api::GraphqlApi;
use crate::kept::{Answer, Declared, Key};

/// A request whose answer may be kept.
pub(super) struct Repeatable {
    key: Key,
    /// The version of the contents before the execution. None unless the request has been sent before.
    version: Option<String>,
    declared: Declared,
}

impl Repeatable {
    /// Returns None if no answers are kept for the caller, or not for such a request.
    pub(super) fn of<A: GraphqlApi>(api: &A, caller: &A::Caller, request: &Request) -> Option<Self> {
        api.kept()?;
        Some(Self {
            key: Key::of(api.scope(caller)?, request)?,
            version: None,
            declared: Declared::default(),
        })
    }

    /// Returns the kept answer if nothing has changed since. Reads the version only if the request has been sent
    /// before, so that other requests need no additional statement.
    pub(super) async fn answer<A: GraphqlApi>(&mut self, api: &A) -> Option<Bytes> {
        let kept = api.kept()?.find(&self.key)?;
        self.version = api.version().await;
        kept.filter(|kept| Some(&kept.version) == self.version.as_ref())
            .map(|kept| kept.body)
    }

    /// Returns the request for the execution, which declares the fields that it resolves.
    pub(super) fn watched(&self, request: Request) -> Request {
        request.data(self.declared.clone())
    }

    /// Keeps the answer of an operation if nothing but the contents determines it.
    pub(super) fn keep<A: GraphqlApi>(
        self,
        api: &A,
        operation: Option<OperationType>,
        outcome: &Outcome,
        body: &Bytes,
    ) {
        let Some(kept) = api.kept() else {
            return;
        };
        if operation == Some(OperationType::Query) && self.declared.covers(outcome) {
            // A copy has no unused capacity, which the bound of the store would not count.
            let answer = self.version.map(|version| Answer {
                version,
                body: Bytes::copy_from_slice(body),
            });
            kept.put(self.key, answer);
        }
    }
}
