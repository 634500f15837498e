//! Validates `__typename` fields. The library's validation skips them, so that unknown and repeated directives,
//! arguments and sub-selections would be accepted.

use async_graphql::{
    Positioned, ServerResult, Value,
    parser::types::{Directive, ExecutableDocument, Field, Selection, SelectionSet},
    registry::{__DirectiveLocation, MetaDirective, Registry},
};

use super::variables;
use crate::codes::invalid;

/// Validates every `__typename` of a document that passed the scan.
pub(crate) fn check(registry: &Registry, document: &ExecutableDocument) -> ServerResult<()> {
    let operations = document
        .operations
        .iter()
        .map(|(_, operation)| &operation.node.selection_set);
    let fragments = document
        .fragments
        .values()
        .map(|fragment| &fragment.node.selection_set);
    operations
        .chain(fragments)
        .try_for_each(|set| check_set(registry, set))
}

fn check_set(registry: &Registry, set: &Positioned<SelectionSet>) -> ServerResult<()> {
    set.node
        .items
        .iter()
        .try_for_each(|selection| match &selection.node {
            Selection::Field(field) if field.node.name.node == "__typename" => check_field(registry, field),
            Selection::Field(field) => check_set(registry, &field.node.selection_set),
            Selection::InlineFragment(inline) => check_set(registry, &inline.node.selection_set),
            Selection::FragmentSpread(_) => Ok(()),
        })
}

fn check_field(registry: &Registry, field: &Positioned<Field>) -> ServerResult<()> {
    if let Some((name, _)) = field.node.arguments.first() {
        let message = format!("field \"__typename\" has no argument \"{}\"", name.node);
        return Err(invalid(message, name.pos));
    }
    if !field.node.selection_set.node.items.is_empty() {
        return Err(invalid(
            "field \"__typename\" has no fields".to_owned(),
            field.pos,
        ));
    }
    let directives = &field.node.directives;
    for (index, directive) in directives.iter().enumerate() {
        let name = &directive.node.name;
        let here = |meta: &&MetaDirective| meta.locations.contains(&__DirectiveLocation::FIELD);
        let Some(meta) = registry.directives.get(name.node.as_str()).filter(here) else {
            return Err(invalid(
                format!("a field has no directive \"@{}\"", name.node),
                name.pos,
            ));
        };
        let earlier = directives[..index].iter();
        if !meta.is_repeatable && earlier.map(|d| &d.node.name.node).any(|d| *d == name.node) {
            return Err(invalid(
                format!("directive \"@{}\" is repeated", name.node),
                name.pos,
            ));
        }
        check_arguments(registry, meta, directive)?;
    }
    Ok(())
}

fn check_arguments(
    registry: &Registry,
    meta: &MetaDirective,
    directive: &Positioned<Directive>,
) -> ServerResult<()> {
    for (name, value) in &directive.node.arguments {
        let Some(argument) = meta.args.get(name.node.as_str()) else {
            let message = format!("directive \"@{}\" has no argument \"{}\"", meta.name, name.node);
            return Err(invalid(message, name.pos));
        };
        // A value that contains variables is checked through their types.
        let literal: Option<Value> = value.node.clone().into_const();
        let fault =
            literal.and_then(|value| variables::check(registry, &argument.ty, &value, &mut Vec::new()));
        if let Some(fault) = fault {
            return Err(invalid(format!("argument \"{}\": {fault}", name.node), value.pos));
        }
    }
    let given = |name: &str| directive.node.get_argument(name).is_some();
    let missing = meta.args.values().find(|argument| {
        argument.ty.ends_with('!') && argument.default_value.is_none() && !given(&argument.name)
    });
    match missing {
        Some(argument) => {
            let message = format!(
                "directive \"@{}\" requires the argument \"{}\"",
                meta.name, argument.name
            );
            Err(invalid(message, directive.pos))
        }
        None => Ok(()),
    }
}
