//! What clients send, as the services want it.

use async_graphql::ID;
use uuid::Uuid;

use crate::error::{Error, Result};

/// The UUID in an id. BAD_USER_INPUT if it is none.
pub(super) fn parse_id(id: &ID) -> Result<Uuid> {
    Uuid::try_parse(id).map_err(|_| Error::BadUserInput("an id here is a UUID".to_owned()))
}

/// A list that is absent, or names something. BAD_USER_INPUT for an empty one, which could mean all or none.
pub(super) fn not_empty<T>(what: &str, list: Option<Vec<T>>) -> Result<Option<Vec<T>>> {
    match list {
        Some(list) if list.is_empty() => Err(Error::BadUserInput(format!(
            "{what} is empty: leave it out, or name at least one"
        ))),
        list => Ok(list),
    }
}
