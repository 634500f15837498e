//! The size of the values in a request.

use std::{collections::HashMap, convert::Infallible};

use async_graphql::{
    Name, Value, Variables,
    parser::types::{Directive, Field},
};

type Replace<'a> = &'a mut dyn FnMut(Name) -> Result<Value, Infallible>;

/// Sizes of values in nodes. The library copies the value of a variable at each use, so a variable counts with the
/// size of the value that was sent.
pub(crate) struct Sizes<'a> {
    variables: HashMap<&'a str, usize>,
    total: usize,
}

impl<'a> Sizes<'a> {
    pub(crate) fn new(variables: &'a Variables) -> Self {
        let variables: HashMap<_, _> = variables
            .iter()
            .map(|(name, value)| (name.as_str(), nodes(value)))
            .collect();
        let total = variables.values().sum();
        Self { variables, total }
    }

    /// Returns the number of nodes in all variables.
    pub(crate) fn total(&self) -> usize {
        self.total
    }

    /// Returns the number of nodes in the arguments of a field.
    pub(crate) fn of_field(&self, field: &Field) -> usize {
        let values = field.arguments.iter().map(|(_, value)| &value.node);
        values
            .map(|value| self.of(|replace| value.clone().into_const_with(replace)))
            .sum()
    }

    /// Returns the number of nodes in the arguments of a directive.
    pub(crate) fn of_directive(&self, directive: &Directive) -> usize {
        let values = directive.arguments.iter().map(|(_, value)| &value.node);
        values
            .map(|value| self.of(|replace| value.clone().into_const_with(replace)))
            .sum()
    }

    /// Returns the number of nodes in one value of the document. Takes a closure, because the library does not export
    /// the type of such a value.
    fn of(&self, with_variables: impl FnOnce(Replace<'_>) -> Result<Value, Infallible>) -> usize {
        let mut sent = 0_usize;
        let Ok(literal) = with_variables(&mut |name| {
            sent = sent.saturating_add(self.variables.get(name.as_str()).copied().unwrap_or(0));
            Ok(Value::Null)
        });
        nodes(&literal).saturating_add(sent)
    }
}

/// Returns the number of nodes in a value. Its nesting was limited by the JSON parser or by the scan of the document.
fn nodes(value: &Value) -> usize {
    match value {
        Value::List(items) => 1 + items.iter().map(nodes).sum::<usize>(),
        Value::Object(fields) => 1 + fields.values().map(nodes).sum::<usize>(),
        _ => 1,
    }
}
