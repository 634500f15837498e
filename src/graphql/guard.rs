//! Who may ask for a field.

use async_graphql::{Context, Guard};

use super::error::ApiError;
use crate::domain::actor::{Actor, Role};
use crate::error::{Error, Result};

/// Lets callers of this role, or of one that may do more, pass. Every root field carries one.
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

/// Who asks. UNAUTHENTICATED for nobody.
pub(super) fn caller<'c>(ctx: &Context<'c>) -> Result<&'c Actor> {
    ctx.data_opt::<Actor>().ok_or(Error::Unauthenticated)
}
