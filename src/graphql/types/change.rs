//! Differences inside a drifted field.

use async_graphql::{Enum, Object};

use super::Json;
use crate::domain::{changes, members};

/// The kind of a difference inside a field.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
#[graphql(remote = "changes::ChangeKind")]
pub(in crate::graphql) enum ValueChangeKind {
    /// Only the live value contains it.
    Added,
    /// Only the expected value contains it.
    Removed,
    /// Both contain it, with different values.
    Changed,
}

/// A value inside a drifted field that was added, removed or changed.
pub(in crate::graphql) struct ValueChange(pub(in crate::graphql) changes::ValueChange);

/// A value inside a drifted field that was added, removed or changed.
#[Object]
impl ValueChange {
    /// The path inside the field, such as `services[web].instance_count`. Ends in `[]` for an item of a list.
    /// Empty if the whole field changed.
    async fn path(&self) -> &str {
        &self.0.path
    }

    /// The line number, starting at 1, if the value is a line of a text: the line in `expected` if it was
    /// removed, in `actual` if it was added. Otherwise null.
    async fn line(&self) -> Option<i32> {
        self.0.line.and_then(|line| i32::try_from(line).ok())
    }

    /// Whether the value was added, removed or changed.
    async fn kind(&self) -> ValueChangeKind {
        self.0.kind.into()
    }

    /// The expected value; null if the value was added.
    async fn before(&self) -> Json {
        Json(self.0.before.clone())
    }

    /// The live value; null if the value was removed.
    async fn after(&self) -> Json {
        Json(self.0.after.clone())
    }
}

/// The list that has a member.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
#[graphql(remote = "members::MemberSide")]
pub(in crate::graphql) enum MemberSide {
    /// The live list has it, and the expected one does not.
    Added,
    /// The expected list has it, and the live one does not.
    Removed,
}

/// A member that only one of two lists has.
pub(in crate::graphql) struct DriftMember(pub(in crate::graphql) members::Member);

/// A member that only one of two lists has.
#[Object]
impl DriftMember {
    /// The list that has it.
    async fn side(&self) -> MemberSide {
        self.0.side.into()
    }

    /// The member; null if it is a null in the list.
    async fn value(&self) -> Option<Json> {
        Some(self.0.value.clone())
            .filter(|value| !value.is_null())
            .map(Json)
    }
}
