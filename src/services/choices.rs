//! Conditions of filters with several values, and with exclusions.

use sea_orm::DbBackend;
use sea_orm::sea_query::{Expr, ExprTrait as _};
use uuid::Uuid;

use crate::db::lists;
use crate::domain::validation::{InvalidInput, MAX_TEXT_BYTES, check_text};

/// A condition on one property: it has one of some values, or none of others, or both.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Choice<T> {
    /// The property has one of these values; None permits all values.
    pub any_of: Option<Vec<T>>,
    /// The property has none of these values. What has no value meets this condition.
    pub none_of: Vec<T>,
}

impl<T> Default for Choice<T> {
    fn default() -> Self {
        Self {
            any_of: None,
            none_of: Vec::new(),
        }
    }
}

impl<T: PartialEq> Choice<T> {
    /// Returns whether the condition permits everything.
    pub(crate) fn is_any(&self) -> bool {
        self.any_of.is_none() && self.none_of.is_empty()
    }

    /// Returns whether a property with this value meets the condition. None means that it has no value.
    pub(crate) fn permits<V: ?Sized>(&self, value: Option<&V>) -> bool
    where
        T: PartialEq<V>,
    {
        let has = |listed: &Vec<T>| value.is_some_and(|value| listed.iter().any(|one| one == value));
        self.any_of.as_ref().is_none_or(has) && !has(&self.none_of)
    }

    /// Simplifies this condition together with the only permitted value of a filter, if it has one. Returns false if no
    /// value meets both.
    pub(crate) fn simplify(&mut self, only: &mut Option<T>) -> bool {
        let excluded = std::mem::take(&mut self.none_of);
        let Some(mut listed) = self.any_of.take() else {
            if let Some(value) = only {
                return !excluded.contains(value);
            }
            self.none_of = excluded;
            return true;
        };
        listed.retain(|value| !excluded.contains(value));
        if let Some(value) = only {
            return listed.contains(value);
        }
        if listed.len() > 1 {
            self.any_of = Some(listed);
            return true;
        }
        *only = listed.pop();
        only.is_some()
    }
}

impl Choice<String> {
    /// Checks that the values can be passed to a database.
    ///
    /// # Errors
    ///
    /// A value is too long or not storable.
    pub(crate) fn check(&self, what: &str) -> Result<(), InvalidInput> {
        self.values()
            .try_for_each(|text| check_text(what, text, MAX_TEXT_BYTES))
    }

    /// Returns whether one of the values is empty.
    pub(crate) fn has_empty(&self) -> bool {
        self.values().any(String::is_empty)
    }

    fn values(&self) -> impl Iterator<Item = &String> {
        self.any_of.iter().flatten().chain(&self.none_of)
    }

    /// Returns the condition on a column or another expression. Neither database finds rows by it: it must not cost them
    /// the order of a page.
    pub(crate) fn sql(&self, backend: DbBackend, column: &Expr) -> Vec<Expr> {
        let among = |values: &[String], is_in| lists::text_among(backend, column.clone(), values, is_in);
        let mut conditions: Vec<Expr> = self.any_of.iter().map(|values| among(values, true)).collect();
        if !self.none_of.is_empty() {
            conditions.push(among(&self.none_of, false));
        }
        conditions
    }
}

impl Choice<Uuid> {
    /// Returns the condition on a column. `column` is SQL.
    pub(crate) fn sql(&self, backend: DbBackend, column: &str) -> Vec<Expr> {
        let among = |ids: &[Uuid]| lists::among(backend, column, ids.iter().copied());
        let mut conditions: Vec<Expr> = self.any_of.iter().map(|ids| among(ids)).collect();
        if !self.none_of.is_empty() {
            conditions.push(among(&self.none_of).not());
        }
        conditions
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn choice() -> impl Strategy<Value = Choice<String>> {
        let texts = || prop::sample::subsequence(vec!["a".to_owned(), "b".to_owned(), "c".to_owned()], 0..=3);
        (prop::option::of(texts()), texts()).prop_map(|(any_of, none_of)| Choice { any_of, none_of })
    }

    proptest! {
        #[test]
        fn a_simplified_condition_permits_the_same_values(
            choice in choice(),
            only in prop::option::of(prop::sample::select(vec!["a".to_owned(), "b".to_owned(), "d".to_owned()])),
        ) {
            let (mut simple, mut simple_only) = (choice.clone(), only.clone());
            let is_possible = simple.simplify(&mut simple_only);
            for value in [None, Some("a"), Some("b"), Some("c"), Some("d")] {
                let is_only = |only: &Option<String>| only.as_deref().is_none_or(|only| value == Some(only));
                let before = choice.permits(value) && is_only(&only);
                let after = is_possible && simple.permits(value) && is_only(&simple_only);
                prop_assert_eq!(before, after);
            }
        }
    }
}
