//! Converts and checks the input of clients.

use async_graphql::ID;
use uuid::Uuid;

use crate::error::{Error, Result};

/// Parses an id as a UUID.
///
/// # Errors
///
/// BAD_USER_INPUT if the id is not a UUID.
pub(super) fn parse_id(id: &ID) -> Result<Uuid> {
    Uuid::try_parse(id).map_err(|_| Error::BadUserInput("the id is not a UUID".to_owned()))
}

/// Maximum number of values in a list of the input. Some lists have a lower limit.
const MAX_VALUES: usize = 1_000;

/// Rejects an empty list, because it is not clear whether it selects all items or none, and one that is too long.
///
/// # Errors
///
/// BAD_USER_INPUT if the list is empty, or has more than 1,000 values.
pub(super) fn not_empty<T>(what: &str, list: Option<Vec<T>>) -> Result<Option<Vec<T>>> {
    match list {
        Some(list) if list.is_empty() => Err(Error::BadUserInput(format!(
            "{what} is empty: omit it, or list at least one"
        ))),
        Some(list) if list.len() > MAX_VALUES => Err(Error::BadUserInput(format!(
            "{what} has more than {MAX_VALUES} values"
        ))),
        list => Ok(list),
    }
}
