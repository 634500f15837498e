//! The order of fields in an answer. The specification wants that of the selection; the library writes down each
//! field when it is done, so that one which waits for the database comes after those that do not.

use async_graphql::{
    Name, Value,
    indexmap::IndexMap,
    parser::types::{ExecutableDocument, OperationDefinition, Selection, SelectionSet},
};

/// The keys of an object in their order, each with those of the objects below it. Nothing below a leaf: the keys
/// of a JSON value are nobody's selection.
///
/// Types are not looked at. Where fragments on two types select the same keys in two orders, the first one holds
/// for both.
#[derive(Debug, Default)]
pub(crate) struct Order(IndexMap<Name, Order>);

impl Order {
    /// That of an operation, all of whose fragments are written out: only for a document that
    /// [`survey`](super::cost::survey) let pass.
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

    /// Puts an answer into this order.
    pub(crate) fn put(&self, value: &mut Value) {
        if self.0.is_empty() {
            return;
        }
        match value {
            Value::List(items) => items.iter_mut().for_each(|item| self.put(item)),
            Value::Object(fields) => {
                let place = |key: &Name| self.0.get_index_of(key);
                if !fields.keys().is_sorted_by_key(place) {
                    fields.sort_by_cached_key(|key, _| place(key));
                }
                for (key, value) in fields {
                    if let Some(below) = self.0.get(key) {
                        below.put(value);
                    }
                }
            }
            _ => {}
        }
    }
}
