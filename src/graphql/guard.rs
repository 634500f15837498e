//! The guard that checks the role of the caller.

use async_graphql::{Context, Guard};

use super::error::ApiError;
use crate::domain::actor::{Actor, Role};
use crate::error::{Error, Result};

/// A guard that requires this role or one with more permissions. Every root field has it.
pub(super) struct AtLeast(pub(super) Role);

impl Guard for AtLeast {
    async fn check(&self, ctx: &Context<'_>) -> async_graphql::Result<()> {
        Ok(check(caller(ctx).map_err(ApiError::from)?, self.0).map_err(ApiError::from)?)
    }
}

fn check(caller: &Actor, needed: Role) -> Result<()> {
    let may = match needed {
        Role::PlatformViewer => caller.may_read(),
        Role::PlatformAdmin => caller.may_write(),
    };
    if may {
        Ok(())
    } else {
        Err(Error::Forbidden {
            needed: needed.as_str(),
        })
    }
}

/// Returns the authenticated caller.
///
/// # Errors
///
/// UNAUTHENTICATED if the request is not authenticated.
pub(super) fn caller<'c>(ctx: &Context<'c>) -> Result<&'c Actor> {
    ctx.data_opt::<Actor>().ok_or(Error::Unauthenticated)
}
