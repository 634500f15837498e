//! The order of fields in a response. The specification requires the order of the selection. The library writes each
//! field when it completes, so that fields that wait for the database come last.

use async_graphql::{
    Name, Value,
    indexmap::IndexMap,
    parser::types::{ExecutableDocument, OperationDefinition, Selection, SelectionSet},
};

/// The keys of an object in order, each with the keys of the objects below it. Leaves have none: the keys inside a
/// JSON value are not part of the selection.
///
/// Types are ignored. If fragments on two types select the same keys in different orders, the first order applies to
/// both.
#[derive(Debug, Default)]
pub(crate) struct Order(IndexMap<Name, Order>);

impl Order {
    /// Returns the order of an operation. Its fragments are expanded, so the document must have passed
    /// [`survey`](crate::limits::cost::survey).
    pub(crate) fn of(document: &ExecutableDocument, operation: &OperationDefinition) -> Self {
        let mut order = Self::default();
        order.add(document, &operation.selection_set.node);
        order
    }

    fn add(&mut self, document: &ExecutableDocument, set: &SelectionSet) {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => {
                    let key = field.node.response_key().node.clone();
                    let below = self.0.entry(key).or_default();
                    below.add(document, &field.node.selection_set.node);
                }
                Selection::InlineFragment(inline) => self.add(document, &inline.node.selection_set.node),
                Selection::FragmentSpread(spread) => {
                    if let Some(fragment) = document.fragments.get(&spread.node.fragment_name.node) {
                        self.add(document, &fragment.node.selection_set.node);
                    }
                }
            }
        }
    }

    /// Sorts the fields of a response.
    pub(crate) fn sort(&self, value: &mut Value) {
        if self.0.is_empty() {
            return;
        }
        match value {
            Value::List(items) => items.iter_mut().for_each(|item| self.sort(item)),
            Value::Object(fields) => {
                let place = |key: &Name| self.0.get_index_of(key);
                if !fields.keys().is_sorted_by_key(place) {
                    fields.sort_by_cached_key(|key, _| place(key));
                }
                for (key, value) in fields {
                    if let Some(below) = self.0.get(key) {
                        below.sort(value);
                    }
                }
            }
            _ => {}
        }
    }
}
