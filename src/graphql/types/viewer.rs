//! Who asks.

use async_graphql::{Enum, ID, Object};

use crate::domain::actor::{self, Actor};

/// What somebody may do.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
#[graphql(remote = "actor::Role")]
pub(in crate::graphql) enum Role {
    /// May look.
    PlatformViewer,
    /// May look and decide.
    PlatformAdmin,
}

/// Who asks.
pub(in crate::graphql) struct Viewer<'a>(pub(in crate::graphql) &'a Actor);

/// Who asks.
#[Object]
impl Viewer<'_> {
    /// The subject of the token.
    async fn id(&self) -> ID {
        self.0.subject().into()
    }

    /// The email of the token.
    async fn email(&self) -> Option<&str> {
        self.0.email()
    }

    /// The roles that count here.
    async fn roles(&self) -> Vec<Role> {
        self.0.roles().iter().map(|role| (*role).into()).collect()
    }
}
