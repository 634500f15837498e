//! The fields that a document selects, with fragments expanded and equal keys merged.

use async_graphql::context::QueryEnvInner;
use async_graphql::parser::types::{Field, Selection, SelectionSet};
use async_graphql::{Name, Value};

/// A field of the response and the selections that merge into it.
pub(super) struct Selected<'d> {
    pub(super) key: &'d Name,
    pub(super) name: &'d str,
    fields: Vec<&'d Field>,
}

impl<'d> Selected<'d> {
    /// Returns the selection of a field of the operation, whose type is `ty`. Returns None if other fields of the
    /// operation have the same key: the library can merge objects, but not texts.
    pub(super) fn at_root(env: &'d QueryEnvInner, ty: &str, field: &'d Field) -> Option<Self> {
        let mut root = Vec::new();
        collect(env, &env.operation.node.selection_set.node, ty, &mut root)?;
        let key = &field.response_key().node;
        root.into_iter()
            .find(|selected| selected.key == key && selected.fields.len() == 1)
    }

    fn of(field: &'d Field) -> Self {
        Self {
            key: &field.response_key().node,
            name: &field.name.node,
            fields: vec![field],
        }
    }

    /// Returns the fields below this field, which has the object type `ty`; fields with the same key and name are
    /// merged. Returns None if a fragment is on another type, such as an interface, or if fields of different names
    /// have the same key.
    pub(super) fn below(&self, env: &'d QueryEnvInner, ty: &str) -> Option<Vec<Self>> {
        let mut found = Vec::new();
        for field in &self.fields {
            collect(env, &field.selection_set.node, ty, &mut found)?;
        }
        Some(found)
    }

    /// Returns the arguments with their variables replaced. Returns None if a variable has no value, or if fields with
    /// different arguments merge: the validation of the library does not find all of them.
    pub(super) fn arguments(&self, env: &QueryEnvInner) -> Option<Vec<(&'d str, Value)>> {
        let mut fields = self.fields.iter().map(|field| arguments_of(env, field));
        let first = fields.next()??;
        fields
            .all(|other| other.as_ref() == Some(&first))
            .then_some(first)
    }
}

fn arguments_of<'d>(env: &QueryEnvInner, field: &'d Field) -> Option<Vec<(&'d str, Value)>> {
    let arguments = field.arguments.iter().map(|(name, value)| {
        let value = value
            .node
            .clone()
            .into_const_with(|variable| variable_of(env, &variable).ok_or(()));
        Some((name.node.as_str(), value.ok()?))
    });
    let mut arguments: Vec<_> = arguments.collect::<Option<_>>()?;
    arguments.sort_by_key(|(name, _)| *name);
    Some(arguments)
}

fn variable_of(env: &QueryEnvInner, name: &Name) -> Option<Value> {
    let definitions = &env.operation.node.variable_definitions;
    let definition = definitions
        .iter()
        .find(|definition| definition.node.name.node == *name)?;
    let value = env
        .variables
        .get(name)
        .or_else(|| definition.node.default_value());
    value.cloned()
}

fn collect<'d>(
    env: &'d QueryEnvInner,
    set: &'d SelectionSet,
    ty: &str,
    found: &mut Vec<Selected<'d>>,
) -> Option<()> {
    for selection in &set.items {
        match &selection.node {
            Selection::Field(field) => {
                let selected = Selected::of(&field.node);
                match found.iter_mut().find(|other| other.key == selected.key) {
                    Some(other) if other.name == selected.name => other.fields.push(&field.node),
                    Some(_) => return None,
                    None => found.push(selected),
                }
            }
            Selection::InlineFragment(inline) => {
                let on = inline.node.type_condition.as_ref();
                if on.is_some_and(|on| on.node.on.node != ty) {
                    return None;
                }
                collect(env, &inline.node.selection_set.node, ty, found)?;
            }
            Selection::FragmentSpread(spread) => {
                let fragment = env.fragments.get(&spread.node.fragment_name.node)?;
                if fragment.node.type_condition.node.on.node != ty {
                    return None;
                }
                collect(env, &fragment.node.selection_set.node, ty, found)?;
            }
        }
    }
    Some(())
}
