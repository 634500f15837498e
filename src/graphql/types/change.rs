//! A value that differs inside a drifted field.

use async_graphql::{Enum, Object};

use super::Json;
use crate::domain::changes;

/// The kind of a change inside a field.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
#[graphql(remote = "changes::ChangeKind")]
pub(in crate::graphql) enum ValueChangeKind {
    /// The live value has it, the expected value does not.
    Added,
    /// The expected value has it, the live value does not.
    Removed,
    /// Both have it, with different values.
    Changed,
}

/// One value inside a drifted field that was added, removed or changed.
pub(in crate::graphql) struct ValueChange(pub(in crate::graphql) changes::ValueChange);

/// One value inside a drifted field that was added, removed or changed.
#[Object]
impl ValueChange {
    /// Path inside the field, such as `services[web].instance_count`. It ends in `[]` for a member of a list. Empty
    /// if the field as a whole changed.
    async fn path(&self) -> &str {
        &self.0.path
    }

    /// Line number, from 1, if this is one line of a text: in `expected` if it was removed, in `actual` if it was
    /// added. Null otherwise.
    async fn line(&self) -> Option<i32> {
        self.0.line.and_then(|line| i32::try_from(line).ok())
    }

    /// Whether the value was added, removed or changed.
    async fn kind(&self) -> ValueChangeKind {
        self.0.kind.into()
    }

    /// The expected value. Null if the value was added.
    async fn before(&self) -> Json {
        Json(self.0.before.clone())
    }

    /// The live value. Null if the value was removed.
    async fn after(&self) -> Json {
        Json(self.0.after.clone())
    }
}
