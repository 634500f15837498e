//! Conditions with several values, and exclusions.

use async_graphql::{ID, InputObject, InputType};

use super::drift::{DriftKind, DriftStatus, Severity};
use crate::error::{Error, Result};
use crate::graphql::arguments::not_empty;
use crate::services::choices::Choice;

/// Maximum number of values of a list.
const MAX_VALUES: usize = 100;

/// A condition on one property: it has one of the values in `in`, and none of those in `notIn`. A list has 1 to 100
/// different values. A list that is absent or null does not restrict the selection.
#[derive(InputObject)]
#[graphql(concrete(name = "TextCondition", params(String)))]
#[graphql(concrete(name = "IdCondition", params(ID)))]
#[graphql(concrete(name = "DriftStatusCondition", params(DriftStatus)))]
#[graphql(concrete(name = "DriftKindCondition", params(DriftKind)))]
#[graphql(concrete(name = "SeverityCondition", params(Severity)))]
pub(in crate::graphql) struct Condition<T: InputType> {
    /// The property has one of these values, at most 100.
    #[graphql(name = "in")]
    any_of: Option<Vec<T>>,
    /// The property has none of these values, at most 100. What has no value is selected.
    #[graphql(name = "notIn")]
    none_of: Option<Vec<T>>,
}

impl<T: InputType> Condition<T> {
    /// Checks and converts the values; `what` is the name of the property.
    ///
    /// # Errors
    ///
    /// BAD_USER_INPUT if a list is empty, too long, has a value twice, or has one that `parse` refuses.
    pub(in crate::graphql) fn parse<U: PartialEq>(
        self,
        what: &str,
        parse: impl Fn(T) -> Result<U>,
    ) -> Result<Choice<U>> {
        let parsed = |name: &str, list: Option<Vec<T>>| {
            let what = format!("filter.where.{what}.{name}");
            let list = not_empty(&what, list)?;
            list.map(|list| different(&what, list, &parse)).transpose()
        };
        Ok(Choice {
            any_of: parsed("in", self.any_of)?,
            none_of: parsed("notIn", self.none_of)?.unwrap_or_default(),
        })
    }
}

/// Returns the condition of an optional text.
///
/// # Errors
///
/// The same as of [`Condition::parse`].
pub(in crate::graphql) fn texts(what: &str, condition: Option<Condition<String>>) -> Result<Choice<String>> {
    condition.map_or_else(|| Ok(Choice::default()), |condition| condition.parse(what, Ok))
}

fn different<T, U: PartialEq>(what: &str, list: Vec<T>, parse: &impl Fn(T) -> Result<U>) -> Result<Vec<U>> {
    if list.len() > MAX_VALUES {
        return Err(Error::BadUserInput(format!(
            "{what} has more than {MAX_VALUES} values"
        )));
    }
    let mut values = Vec::with_capacity(list.len());
    for value in list {
        let value = parse(value)?;
        if values.contains(&value) {
            return Err(Error::BadUserInput(format!("{what} has a value twice")));
        }
        values.push(value);
    }
    Ok(values)
}
