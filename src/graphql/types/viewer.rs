//! The authenticated user.

use async_graphql::{Enum, ID, Object};

use crate::domain::actor::{self, Actor};

/// A role of a user.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
#[graphql(remote = "actor::Role")]
pub(in crate::graphql) enum Role {
    /// Read access.
    PlatformViewer,
    /// Read and write access.
    PlatformAdmin,
}

/// The authenticated user.
pub(in crate::graphql) struct Viewer<'a>(pub(in crate::graphql) &'a Actor);

/// The authenticated user.
#[Object]
impl Viewer<'_> {
    /// The subject of the token.
    async fn id(&self) -> ID {
        self.0.subject().into()
    }

    /// The email claim of the token; null if it has none.
    async fn email(&self) -> Option<&str> {
        self.0.email()
    }

    /// The roles of the user that this server knows.
    async fn roles(&self) -> Vec<Role> {
        self.0.roles().iter().map(|role| (*role).into()).collect()
    }
}
