//! The scan of a document before it is parsed, the parser, and the checks before execution. The input is a document.

use std::cell::LazyCell;

use async_graphql::parser::parse_query;
use async_graphql::parser::types::{
    BaseType, Directive, ExecutableDocument, Field, Selection, SelectionSet, Type, VariableDefinition,
};
use async_graphql::{EmptyMutation, EmptySubscription, Object, Positioned, Request, Schema, Value};
use graphql_server::codes::code_of;
use graphql_server::extension::guarded;
use graphql_server::limits::{RequestLimits, check_text};

/// Brackets that the parser can always take, nested, without an overflow of the stack.
const SAFE_BRACKETS: usize = 100;

/// Largest answer, in bytes: the limit, and what it does not count exactly.
const MAX_ANSWER: usize = 20 * 1024 * 1024;

type Small = Schema<Query, EmptyMutation, EmptySubscription>;

thread_local! {
    static SCHEMA: LazyCell<(Small, tokio::runtime::Runtime)> = LazyCell::new(|| {
        let schema = Schema::build(Query, EmptyMutation, EmptySubscription);
        let schema = guarded(schema, &RequestLimits::default(), true).finish();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        (schema, runtime.expect("a runtime without I/O"))
    });
}

struct Query;

#[derive(async_graphql::InputObject)]
struct Filter {
    text: Option<String>,
    and: Option<Vec<Filter>>,
}

/// A schema in which fields, lists and inputs can be nested without end.
#[Object]
impl Query {
    async fn node(&self) -> Query {
        Query
    }

    #[graphql(complexity = "usize::try_from(first).unwrap_or_default().saturating_mul(child_complexity)")]
    async fn nodes(&self, #[graphql(default = 2)] first: i32) -> Vec<Query> {
        (0..first.clamp(0, 3)).map(|_| Query).collect()
    }

    async fn echo(&self, text: Option<String>) -> Option<String> {
        text
    }

    async fn sum(&self, of: Vec<Vec<i32>>) -> i32 {
        of.iter().flatten().fold(0, |sum, one| sum.wrapping_add(*one))
    }

    async fn count(&self, filter: Filter) -> usize {
        fn filters(filter: &Filter) -> usize {
            1 + filter.and.iter().flatten().map(filters).sum::<usize>()
        }
        filters(&filter) + filter.text.map_or(0, |text| text.len())
    }
}

/// What passes the scan is nested no deeper than allowed, and what the parser accepts passes the scan unless it is.
pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let tight = RequestLimits {
        max_query_bytes: 300,
        max_query_nesting: 4,
        max_query_directives: 2,
        ..RequestLimits::default()
    };
    for limits in [RequestLimits::default(), tight] {
        scan_agrees_with_the_parser(text, &limits);
    }
    every_error_has_a_code(text);
}

fn scan_agrees_with_the_parser(text: &str, limits: &RequestLimits) {
    let scanned = check_text(text, limits);
    let brackets = text.bytes().filter(|byte| b"{[(".contains(byte)).count();
    if scanned.is_err() && brackets > SAFE_BRACKETS {
        return;
    }
    let Ok(document) = parse_query(text) else {
        return;
    };
    let fits = |size: &Size| {
        text.len() <= limits.max_query_bytes
            && size.nesting <= limits.max_query_nesting
            && size.directives <= limits.max_query_directives
    };
    let parsed = Size::of(&document);
    let written = Size::of_text(text);
    match (scanned, written) {
        (Ok(()), Some(written)) => {
            assert!(fits(&parsed), "{parsed:?} passes");
            assert!(fits(&written), "{written:?} passes");
        }
        (Err(error), Some(written)) => assert!(!fits(&written), "{written:?} is refused: {error}"),
        // The parser reads an unterminated block string as an empty string and what follows it.
        (scanned, None) => assert!(scanned.is_err(), "an unterminated string passes"),
    }
}

fn every_error_has_a_code(text: &str) {
    let response = SCHEMA.with(|both| {
        let (schema, runtime) = &**both;
        runtime.block_on(schema.execute(Request::new(text)))
    });
    for error in &response.errors {
        let code = code_of(error);
        assert!(
            code.is_some_and(|code| code != "INTERNAL_SERVER_ERROR"),
            "{error:?} for {text}"
        );
    }
    let answer = serde_json::to_string(&response).expect("an answer is JSON");
    assert!(answer.len() <= MAX_ANSWER, "an answer of {} bytes", answer.len());
}

/// The size of a document that was parsed.
#[derive(Debug, Default)]
struct Size {
    nesting: usize,
    directives: usize,
}

impl Size {
    /// Counts in the text, by the lexical rules of GraphQL. The parser keeps one of several equal names in an object, so
    /// that what it returns may be smaller. Returns None if a string has no end.
    fn of_text(text: &str) -> Option<Self> {
        let (mut size, mut depth, mut rest) = (Self::default(), 0_usize, text);
        while let Some(letter) = rest.chars().next() {
            let mut length = letter.len_utf8();
            if letter == '#' {
                length = rest.find(['\n', '\r']).unwrap_or(rest.len());
            } else if let Some(block) = rest.strip_prefix("\"\"\"") {
                // An escaped end is longer than an end, so that replacing it keeps all positions.
                length = 6 + block.replace("\\\"\"\"", "____").find("\"\"\"")?;
            } else if letter == '"' {
                let inside = rest[1..].replace("\\\\", "__").replace("\\\"", "__");
                let end = inside.find(['"', '\n', '\r'])?;
                length = inside[end..].starts_with('"').then_some(2 + end)?;
            }
            match letter {
                '{' | '[' | '(' => depth += 1,
                '}' | ']' | ')' => depth = depth.saturating_sub(1),
                '@' => size.directives += 1,
                _ => {}
            }
            size.nesting = size.nesting.max(depth);
            rest = &rest[length..];
        }
        Some(size)
    }

    fn of(document: &ExecutableDocument) -> Self {
        let mut size = Self::default();
        for (_, operation) in document.operations.iter() {
            let operation = &operation.node;
            for variable in &operation.variable_definitions {
                size.variable(&variable.node);
            }
            size.directives(&operation.directives, 0);
            size.selections(&operation.selection_set.node, 0);
        }
        for fragment in document.fragments.values() {
            size.directives(&fragment.node.directives, 0);
            size.selections(&fragment.node.selection_set.node, 0);
        }
        size
    }

    fn reach(&mut self, depth: usize) {
        self.nesting = self.nesting.max(depth);
    }

    fn variable(&mut self, variable: &VariableDefinition) {
        self.reach(1);
        self.directives(&variable.directives, 1);
        self.reach(1 + lists(&variable.var_type.node));
        if let Some(default) = &variable.default_value {
            self.value(&default.node, 1);
        }
    }

    fn selections(&mut self, set: &SelectionSet, depth: usize) {
        if set.items.is_empty() {
            return;
        }
        self.reach(depth + 1);
        for selection in &set.items {
            self.directives(selection.node.directives(), depth + 1);
            match &selection.node {
                Selection::Field(field) => self.field(&field.node, depth + 1),
                Selection::InlineFragment(inline) => {
                    self.selections(&inline.node.selection_set.node, depth + 1);
                }
                Selection::FragmentSpread(_) => {}
            }
        }
    }

    fn field(&mut self, field: &Field, depth: usize) {
        for (_, value) in &field.arguments {
            self.value(
                &without_variables(|replace| value.node.clone().into_const_with(replace)),
                depth + 1,
            );
        }
        self.selections(&field.selection_set.node, depth);
    }

    fn directives(&mut self, directives: &[Positioned<Directive>], depth: usize) {
        self.directives += directives.len();
        for directive in directives {
            for (_, value) in &directive.node.arguments {
                self.value(
                    &without_variables(|replace| value.node.clone().into_const_with(replace)),
                    depth + 1,
                );
            }
        }
    }

    /// Counts a value within brackets of this depth.
    fn value(&mut self, value: &Value, depth: usize) {
        self.reach(depth);
        match value {
            Value::List(items) => {
                self.reach(depth + 1);
                items.iter().for_each(|item| self.value(item, depth + 1));
            }
            Value::Object(fields) => {
                self.reach(depth + 1);
                fields.values().for_each(|field| self.value(field, depth + 1));
            }
            _ => {}
        }
    }
}

/// Returns a value with null in the place of each variable. Takes a closure, because the library does not export the type
/// of a value with variables.
fn without_variables(
    with: impl FnOnce(
        &mut dyn FnMut(async_graphql::Name) -> Result<Value, std::convert::Infallible>,
    ) -> Result<Value, std::convert::Infallible>,
) -> Value {
    let Ok(value) = with(&mut |_| Ok(Value::Null));
    value
}

fn lists(of: &Type) -> usize {
    match &of.base {
        BaseType::List(inner) => 1 + lists(inner),
        BaseType::Named(_) => 0,
    }
}
