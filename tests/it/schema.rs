//! The GraphQL schema equals the file in the repository, follows the conventions, and keeps the fields in
//! `contract.graphql`.

use std::collections::BTreeMap;

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{
    FieldDefinition, InputValueDefinition, TypeDefinition, TypeKind, TypeSystemDefinition,
};
use async_graphql::{Positioned, Value};
use drift_inbox::graphql::sdl;

type Types = BTreeMap<String, TypeDefinition>;

fn types(sdl: &str) -> Types {
    let definitions = parse_schema(sdl).unwrap().definitions.into_iter();
    definitions
        .filter_map(|definition| match definition {
            TypeSystemDefinition::Type(ty) => Some((ty.node.name.node.to_string(), ty.node)),
            _ => None,
        })
        .collect()
}

/// Returns the fields of an object or interface.
fn fields(ty: &TypeDefinition) -> impl Iterator<Item = &FieldDefinition> {
    let fields = match &ty.kind {
        TypeKind::Object(object) => object.fields.as_slice(),
        TypeKind::Interface(interface) => interface.fields.as_slice(),
        _ => &[],
    };
    fields.iter().map(|field| &field.node)
}

fn input_fields(ty: &TypeDefinition) -> impl Iterator<Item = &InputValueDefinition> {
    let fields = match &ty.kind {
        TypeKind::InputObject(input) => input.fields.as_slice(),
        _ => &[],
    };
    fields.iter().map(|field| &field.node)
}

/// Returns the values of an enum with their descriptions.
fn values(ty: &TypeDefinition) -> impl Iterator<Item = (&str, &Option<Positioned<String>>)> {
    let values = match &ty.kind {
        TypeKind::Enum(of) => of.values.as_slice(),
        _ => &[],
    };
    values
        .iter()
        .map(|value| (value.node.value.node.as_str(), &value.node.description))
}

fn implements_node(ty: &TypeDefinition) -> bool {
    matches!(&ty.kind, TypeKind::Object(object) if object.implements.iter().any(|name| name.node == "Node"))
}

/// Returns the type name inside lists and non-null types: `Drift` for `[Drift!]!`.
fn base(ty: &str) -> &str {
    ty.trim_matches(['[', ']', '!'])
}

#[test]
fn the_schema_in_the_repository_equals_the_served_schema() {
    let stored = include_str!("../../schema.graphql");
    assert!(
        stored.trim_end() == sdl().trim_end(),
        "schema.graphql is not the schema of this code. Refresh it: cargo run -- schema > schema.graphql"
    );
}

#[test]
fn everything_has_a_description() {
    let mut bare = Vec::new();
    let mut look = |place: String, description: &Option<Positioned<String>>| {
        if description
            .as_ref()
            .is_none_or(|text| text.node.trim().is_empty())
        {
            bare.push(place);
        }
    };
    for (name, ty) in &types(&sdl()) {
        look(name.clone(), &ty.description);
        for field in fields(ty) {
            look(format!("{name}.{}", field.name.node), &field.description);
            for argument in &field.arguments {
                let place = format!("{name}.{}({})", field.name.node, argument.node.name.node);
                look(place, &argument.node.description);
            }
        }
        for field in input_fields(ty) {
            look(format!("{name}.{}", field.name.node), &field.description);
        }
        for (value, description) in values(ty) {
            look(format!("{name}.{value}"), description);
        }
    }
    assert_eq!(bare, [""; 0]);
}

fn is_pascal(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase()) && name.chars().all(|c| c.is_ascii_alphanumeric())
}

fn is_camel(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(|c| c.is_ascii_alphanumeric())
}

fn is_upper(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase())
        && name
            .chars()
            .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

#[test]
fn names_follow_the_conventions_of_their_kind() {
    let mut odd = Vec::new();
    let mut look = |good: bool, name: &str| {
        if !good {
            odd.push(name.to_owned());
        }
    };
    for (name, ty) in &types(&sdl()) {
        look(is_pascal(name), name);
        for field in fields(ty) {
            look(is_camel(&field.name.node), &field.name.node);
            for argument in &field.arguments {
                look(is_camel(&argument.node.name.node), &argument.node.name.node);
            }
        }
        for field in input_fields(ty) {
            look(is_camel(&field.name.node), &field.name.node);
        }
        for (value, _) in values(ty) {
            look(is_upper(value), value);
        }
    }
    assert_eq!(odd, [""; 0]);
}

/// Returns the fields with their types.
fn signature<'a>(of: impl Iterator<Item = &'a FieldDefinition>) -> BTreeMap<String, String> {
    of.map(|field| (field.name.node.to_string(), field.ty.node.to_string()))
        .collect()
}

fn named<const N: usize>(pairs: [(&str, String); N]) -> BTreeMap<String, String> {
    pairs.map(|(name, ty)| (name.to_owned(), ty)).into()
}

#[test]
fn connections_conform_to_relay() {
    let types = types(&sdl());
    let connections: Vec<_> = types
        .iter()
        .filter(|(name, _)| name.ends_with("Connection"))
        .collect();
    assert!(connections.len() >= 4);
    for (name, ty) in connections {
        let row = name.strip_suffix("Connection").unwrap();
        let wanted = named([
            ("edges", format!("[{row}Edge!]!")),
            ("nodes", format!("[{row}!]!")),
            ("pageInfo", "PageInfo!".to_owned()),
            ("totalCount", "Int!".to_owned()),
        ]);
        assert_eq!(signature(fields(ty)), wanted, "{name}");
        let edge = named([("cursor", "String!".to_owned()), ("node", format!("{row}!"))]);
        assert_eq!(signature(fields(&types[&format!("{row}Edge")])), edge);
        // A version of a spec has no id of its own: the resource and the number of the version identify it.
        // A group is a result of its query, and is not stored.
        let has_no_id = ["SpecVersion", "DriftGroup"].contains(&row);
        assert!(has_no_id || implements_node(&types[row]), "{row}");
    }
    let page_info = named([
        ("hasNextPage", "Boolean!".to_owned()),
        ("hasPreviousPage", "Boolean!".to_owned()),
        ("startCursor", "String".to_owned()),
        ("endCursor", "String".to_owned()),
    ]);
    assert_eq!(signature(fields(&types["PageInfo"])), page_info);
}

#[test]
fn every_list_of_nodes_is_a_connection_with_all_page_arguments() {
    let types = types(&sdl());
    for (name, ty) in &types {
        for field in fields(ty) {
            let (place, returned) = (format!("{name}.{}", field.name.node), field.ty.node.to_string());
            let of = base(&returned);
            // A version of a spec has at most one drift for each of its fields.
            let is_short = name == "SpecVersion";
            if returned.starts_with('[') && field.name.node != "nodes" && !is_short {
                assert!(
                    !types.get(of).is_some_and(implements_node),
                    "{place} is a plain list"
                );
            }
            if of.ends_with("Connection") {
                assert!(returned.ends_with('!'), "{place}");
                for (argument, wanted) in [
                    ("first", "Int"),
                    ("after", "String"),
                    ("last", "Int"),
                    ("before", "String"),
                ] {
                    let given = field
                        .arguments
                        .iter()
                        .find(|given| given.node.name.node == argument);
                    let given = given.map(|given| given.node.ty.node.to_string());
                    assert_eq!(given.as_deref(), Some(wanted), "{place}({argument})");
                }
            }
        }
    }
}

#[test]
fn mutations_take_one_input_and_return_a_payload_that_may_be_null() {
    let types = types(&sdl());
    for field in fields(&types["Mutation"]) {
        let name = field.name.node.as_str();
        let (first, rest) = name.split_at(1);
        let pascal = format!("{}{rest}", first.to_uppercase());
        let [input] = field.arguments.as_slice() else {
            panic!("{name} has {} arguments", field.arguments.len());
        };
        assert_eq!(input.node.name.node, "input", "{name}");
        assert_eq!(input.node.ty.node.to_string(), format!("{pascal}Input!"));
        assert_eq!(field.ty.node.to_string(), format!("{pascal}Payload"));
        assert!(matches!(
            types[&format!("{pascal}Input")].kind,
            TypeKind::InputObject(_)
        ));
        assert!(matches!(
            types[&format!("{pascal}Payload")].kind,
            TypeKind::Object(_)
        ));
    }
}

/// Mutations that are refused for no reason that a client must expect, with what happens instead.
const NEVER_REFUSED: [(&str, &str); 12] = [
    ("addComment", "each drift takes comments, also a closed one"),
    ("deleteNotificationTarget", "each target can be deleted"),
    ("deleteSavedView", "each view of the caller can be deleted"),
    ("detectDrift", "sweeps may run at the same time"),
    ("endIgnoreRule", "a rule that has ended stays as it is"),
    (
        "previewAcceptDrifts",
        "it changes nothing, and lists the closed drifts",
    ),
    ("previewBulk", "it changes nothing, and lists the closed drifts"),
    ("recordBaseline", "it lists the skipped resources"),
    (
        "sendTestNotification",
        "the delivery says what became of the message",
    ),
    (
        "setDefaultView",
        "each view that the caller sees can be the default",
    ),
    ("undoBulk", "it lists the drifts for which the bulk stands"),
    ("unsnoozeDrift", "a drift that is not snoozed stays as it is"),
];

#[test]
fn every_mutation_that_can_be_refused_says_so_in_the_same_way() {
    let types = types(&sdl());
    let mut without = Vec::new();
    for mutation in fields(&types["Mutation"]) {
        let payload = &types[&mutation.ty.node.to_string()];
        let Some(refusal) = fields(payload).find(|field| field.name.node == "refusal") else {
            without.push(mutation.name.node.as_str());
            continue;
        };
        let name = &mutation.name.node;
        assert_eq!(refusal.ty.node.to_string(), "Refusal", "{name}");
        assert!(refusal.arguments.is_empty(), "{name}");
        let described = refusal.description.as_ref().map(|text| text.node.as_str());
        assert_eq!(
            described,
            Some(
                "Why the mutation was refused; null if it was done. Select it to get a refusal as data instead of an error."
            ),
            "{name}"
        );
    }
    without.sort_unstable();
    assert_eq!(
        without,
        NEVER_REFUSED.map(|(name, _)| name),
        "give the payload a refusal, or list the mutation with what happens instead"
    );
}

#[test]
fn every_type_with_an_id_except_viewer_is_a_node() {
    for (name, ty) in &types(&sdl()) {
        let id = fields(ty).find(|field| field.name.node == "id");
        if let Some(id) = id {
            assert_eq!(id.ty.node.to_string(), "ID!", "{name}");
        }
        let is_object = matches!(ty.kind, TypeKind::Object(_));
        let wanted = is_object && id.is_some() && name != "Viewer";
        assert_eq!(implements_node(ty), wanted, "{name}");
    }
}

#[test]
fn custom_scalars_name_their_specification() {
    let types = types(&sdl());
    let scalars: Vec<_> = types
        .values()
        .filter(|ty| matches!(ty.kind, TypeKind::Scalar))
        .collect();
    assert_eq!(scalars.len(), 2);
    for scalar in scalars {
        let directive = scalar
            .directives
            .iter()
            .find(|given| given.node.name.node == "specifiedBy");
        let url = directive.and_then(|given| given.node.get_argument("url"));
        let is_url =
            matches!(url.map(|url| &url.node), Some(Value::String(url)) if url.starts_with("https://"));
        assert!(is_url, "{}", scalar.name.node);
    }
}

#[test]
fn every_type_is_used() {
    let types = types(&sdl());
    let mut used = vec![
        "Query".to_owned(),
        "Mutation".to_owned(),
        "Subscription".to_owned(),
    ];
    for ty in types.values() {
        for field in fields(ty) {
            used.push(base(&field.ty.node.to_string()).to_owned());
            used.extend(
                field
                    .arguments
                    .iter()
                    .map(|a| base(&a.node.ty.node.to_string()).to_owned()),
            );
        }
        used.extend(input_fields(ty).map(|field| base(&field.ty.node.to_string()).to_owned()));
    }
    let unused: Vec<_> = types.keys().filter(|name| !used.contains(name)).collect();
    assert!(unused.is_empty(), "{unused:?}");
}

/// Fields and types promised to clients. The schema may have more, but must keep all of these.
const CONTRACT: &str = include_str!("contract.graphql");

/// Lists the promised types, fields and values that the served schema lacks or has changed.
fn broken(promised: &Types, served: &Types) -> Vec<String> {
    let mut broken = Vec::new();
    for (name, ty) in promised {
        let Some(now) = served.get(name) else {
            broken.push(format!("{name} is gone"));
            continue;
        };
        if std::mem::discriminant(&ty.kind) != std::mem::discriminant(&now.kind) {
            broken.push(format!("{name} is of another kind"));
        }
        if implements_node(ty) != implements_node(now) {
            broken.push(format!("{name}: Node"));
        }
        let have: Vec<_> = values(now).map(|(value, _)| value).collect();
        let lost = values(ty).filter(|(value, _)| !have.contains(value));
        broken.extend(lost.map(|(value, _)| format!("{name}.{value} is gone")));
        for field in fields(ty) {
            match fields(now).find(|now| now.name.node == field.name.node) {
                Some(now) if keeps(&now.ty.node.to_string(), &field.ty.node.to_string()) => {
                    let place = format!("{name}.{}", field.name.node);
                    broken.extend(broken_inputs(
                        &place,
                        &borrowed(&field.arguments),
                        &borrowed(&now.arguments),
                    ));
                }
                _ => broken.push(format!("{name}.{}: {}", field.name.node, field.ty.node)),
            }
        }
        let (was, is): (Vec<_>, Vec<_>) = (input_fields(ty).collect(), input_fields(now).collect());
        broken.extend(broken_inputs(name, &was, &is));
    }
    broken
}

/// Returns whether the served type is the promised type or its non-null form.
fn keeps(served: &str, promised: &str) -> bool {
    served == promised || served.strip_suffix('!') == Some(promised)
}

fn borrowed(all: &[Positioned<InputValueDefinition>]) -> Vec<&InputValueDefinition> {
    all.iter().map(|one| &one.node).collect()
}

/// Lists promised arguments and input fields that are missing or changed, and new required ones.
fn broken_inputs(
    place: &str,
    promised: &[&InputValueDefinition],
    served: &[&InputValueDefinition],
) -> Vec<String> {
    let find = |all: &[&InputValueDefinition], name: &str| {
        let found = all.iter().find(|one| one.name.node == name);
        found.map(|one| (one.ty.node.to_string(), one.default_value.is_some()))
    };
    let lost = promised.iter().filter(|one| {
        let promised = Some((one.ty.node.to_string(), one.default_value.is_some()));
        find(served, &one.name.node) != promised
    });
    let demanded = served.iter().filter(|one| {
        let is_required = one.ty.node.to_string().ends_with('!') && one.default_value.is_none();
        is_required && find(promised, &one.name.node).is_none()
    });
    lost.chain(demanded)
        .map(|one| format!("{place}({}: {})", one.name.node, one.ty.node))
        .collect()
}

#[test]
fn the_schema_keeps_every_field_of_the_contract() {
    let (promised, served) = (types(CONTRACT), types(&sdl()));
    assert_eq!(broken(&promised, &served), [""; 0]);
}

#[test]
fn a_violation_of_the_contract_is_detected() {
    let promised =
        types("type A { a(x: Int, y: B! = {}): Int! b: Int! c: Int } input B { c: Int } enum C { D E }");
    let served = types(
        "type A { a(x: ID, y: B!, z: Int!): Int! b: Int c: Int! } input B { c: Int, d: Int! } enum C { D }",
    );
    let wanted = [
        "A.a(x: Int)",
        "A.a(y: B!)",
        "A.a(z: Int!)",
        "A.b: Int!",
        "B(d: Int!)",
        "C.E is gone",
    ];
    assert_eq!(broken(&promised, &served), wanted);
}

/// Lists without page arguments, and their limits.
const SHORT_LISTS: [(&str, &str); 4] = [
    ("Query.coverage", "one entry a kind"),
    ("Query.jobSchedules", "one entry a job"),
    ("Resource.tags", "at most 1 MiB a resource"),
    ("Viewer.roles", "there are two roles"),
];

#[test]
fn every_list_in_a_response_is_limited() {
    let mut unbounded = Vec::new();
    for (name, ty) in &types(&sdl()) {
        let of_a_page = name.ends_with("Connection");
        for field in fields(ty).filter(|field| field.ty.node.to_string().starts_with('[')) {
            let place = format!("{name}.{}", field.name.node);
            let description = field.description.as_ref().map_or("", |text| text.node.as_str());
            let says = description.contains("t most ");
            if !of_a_page && !says && !SHORT_LISTS.iter().any(|(known, _)| *known == place) {
                unbounded.push(place);
            }
        }
    }
    assert_eq!(
        unbounded, [""; 0],
        "state the limit in the description (\"at most\"), or use a connection"
    );
}

#[test]
fn no_description_comes_from_a_library() {
    let sdl = sdl();
    for words in ["Implement", "scalar type represents", "input/output", "RFC3339"] {
        let ours = sdl.replace("@specifiedBy", "");
        assert!(!ours.contains(words), "{words:?} comes from a library");
    }
}
