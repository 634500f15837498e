//! Checks values against the input types of the schema.

use async_graphql::{
    Name, ServerResult, Value, Variables,
    indexmap::IndexMap,
    parser::types::{ExecutableDocument, OperationDefinition},
    registry::{MetaInputValue, MetaType, MetaTypeName, Registry},
};

use crate::codes::{self, BAD_USER_INPUT, GRAPHQL_VALIDATION_FAILED};

/// Rejects variables of unknown types. The library panics at a default value of a list of them, in any operation of the
/// document.
pub(crate) fn check_types(registry: &Registry, document: &ExecutableDocument) -> ServerResult<()> {
    let operations = document.operations.iter().map(|(_, operation)| &operation.node);
    for definition in operations.flat_map(|operation| &operation.variable_definitions) {
        let ty = definition.node.var_type.node.to_string();
        let name = MetaTypeName::concrete_typename(&ty);
        if !registry.types.contains_key(name) {
            let message = format!("Unknown type \"{name}\"");
            return Err(codes::error(
                GRAPHQL_VALIDATION_FAILED,
                message,
                Some(definition.pos),
            ));
        }
    }
    Ok(())
}

/// Rejects variables that do not match their declared types.
///
/// The library detects some of these errors during validation, some during the execution of a field and some never.
/// The specification requires all of them before execution.
pub(crate) fn check_variables(
    registry: &Registry,
    operation: &OperationDefinition,
    variables: &Variables,
) -> ServerResult<()> {
    for definition in &operation.variable_definitions {
        let name = &definition.node.name.node;
        let ty = definition.node.var_type.node.to_string();
        let fault = match variables.get(name) {
            Some(value) => check(registry, &ty, value, &mut Vec::new()),
            None if definition.node.default_value.is_some() => None,
            None => ty
                .ends_with('!')
                .then(|| format!("the type is {ty} and no value was given")),
        };
        if let Some(fault) = fault {
            let message = format!("variable \"${name}\" cannot be used: {fault}");
            return Err(codes::error(BAD_USER_INPUT, message, Some(definition.pos)));
        }
    }
    Ok(())
}

/// Returns the reason why `value` is not of type `ty`, or `None` if it is. Validation reports unknown types.
pub(crate) fn check<'a>(
    registry: &Registry,
    ty: &str,
    value: &'a Value,
    path: &mut Vec<&'a str>,
) -> Option<String> {
    match (MetaTypeName::create(ty), value) {
        (MetaTypeName::NonNull(_), Value::Null) => Some(expected(ty, path)),
        (MetaTypeName::NonNull(inner), _) => check(registry, inner, value, path),
        (_, Value::Null) => None,
        (MetaTypeName::List(inner), Value::List(items)) => {
            items.iter().find_map(|item| check(registry, inner, item, path))
        }
        // A single value is coerced to a list of one.
        (MetaTypeName::List(inner), _) => check(registry, inner, value, path),
        (MetaTypeName::Named(name), _) => check_named(registry, name, value, path),
    }
}

fn check_named<'a>(
    registry: &Registry,
    name: &str,
    value: &'a Value,
    path: &mut Vec<&'a str>,
) -> Option<String> {
    let fits = match (registry.types.get(name)?, value) {
        // The library's own check accepts 64 bits.
        (MetaType::Scalar { .. }, Value::Number(number)) if name == "Int" => number
            .as_i64()
            .is_some_and(|number| i32::try_from(number).is_ok()),
        (
            MetaType::Scalar {
                is_valid: Some(is_valid),
                ..
            },
            _,
        ) => is_valid(value),
        (MetaType::Enum { enum_values, .. }, Value::String(text)) => enum_values.contains_key(text.as_str()),
        (MetaType::Enum { enum_values, .. }, Value::Enum(text)) => enum_values.contains_key(text.as_str()),
        (MetaType::Enum { .. }, _) => false,
        (
            MetaType::InputObject {
                input_fields, oneof, ..
            },
            Value::Object(given),
        ) => {
            let just_one = given.len() == 1 && !given.values().any(|value| *value == Value::Null);
            if *oneof && !just_one {
                return Some(format!("exactly one field of {name} must be given"));
            }
            return check_fields(registry, input_fields, given, path);
        }
        (MetaType::InputObject { .. }, _) => false,
        _ => true,
    };
    (!fits).then(|| expected(name, path))
}

fn check_fields<'a>(
    registry: &Registry,
    fields: &IndexMap<String, MetaInputValue>,
    given: &'a IndexMap<Name, Value>,
    path: &mut Vec<&'a str>,
) -> Option<String> {
    for (name, value) in given {
        path.push(name);
        let Some(field) = fields.get(name.as_str()) else {
            return Some(format!("unknown field \"{}\"", path.join(".")));
        };
        let fault = check(registry, &field.ty, value, path);
        path.pop();
        if fault.is_some() {
            return fault;
        }
    }
    let required = |field: &&MetaInputValue| field.ty.ends_with('!') && field.default_value.is_none();
    let missing = fields
        .values()
        .filter(required)
        .find(|field| !given.contains_key(field.name.as_str()))?;
    let place: String = path.iter().flat_map(|name| [*name, "."]).collect();
    Some(format!("field \"{place}{}\" is missing", missing.name))
}

fn expected(ty: &str, path: &[&str]) -> String {
    if path.is_empty() {
        format!("a value of type {ty} is expected")
    } else {
        format!("a value of type {ty} is expected for \"{}\"", path.join("."))
    }
}
