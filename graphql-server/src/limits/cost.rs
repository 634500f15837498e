//! Computes the cost of a document without expanding its fragments.
//!
//! The library's own limits walk a document as if every fragment were expanded: 24 fragments that each spread the
//! next one twice (900 bytes) keep a core busy for 17 seconds. Here each definition is walked once, and a spread adds
//! the sum already computed for its fragment.

use std::collections::HashMap;

use async_graphql::{
    Name, Pos, Positioned, ServerResult, Variables,
    parser::types::{Directive, ExecutableDocument, Field, Selection, SelectionSet},
};

use super::{RequestLimits, fragments, sizes::Sizes};
use crate::codes::too_costly;

/// Lists of the introspection schema that lead back to types, and so can be nested without end.
const INTROSPECTION_LISTS: [&str; 4] = ["fields", "interfaces", "possibleTypes", "inputFields"];

/// Spreads, inline fragments and values cost time too. Their limits are multiples of the configured ones.
const SELECTIONS_PER_FIELD: usize = 4;
const REREADS_OF_VALUES: usize = 4;
const VALUES_FREE: usize = 65_536;

/// The findings about a document within its limits.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// Positions of argument values.
    pub(crate) arguments: Vec<Pos>,
    /// A position at which the document selects `__schema` or `__type`.
    pub(crate) introspection: Option<Pos>,
}

/// Sums over a selection set with all its fragments expanded.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    fields: usize,
    aliases: usize,
    /// Fields at the top level of the set.
    top: usize,
    /// Fields, spreads and inline fragments.
    selections: usize,
    /// Nodes of argument values, including variables.
    values: usize,
    /// Depth of nested introspection lists.
    lists: usize,
}

impl Sums {
    fn add(&mut self, other: Self) {
        self.fields = self.fields.saturating_add(other.fields);
        self.aliases = self.aliases.saturating_add(other.aliases);
        self.top = self.top.saturating_add(other.top);
        self.selections = self.selections.saturating_add(other.selections);
        self.values = self.values.saturating_add(other.values);
        self.lists = self.lists.max(other.lists);
    }
}

/// Measures a document that [`scan`](super::scan::scan) accepted, which limits the recursion here.
///
/// Unknown fragments count as zero: validation reports them.
pub(crate) fn survey(
    document: &ExecutableDocument,
    variables: &Variables,
    limits: &RequestLimits,
) -> ServerResult<Survey> {
    let order = fragments::in_order(document, limits)?;
    let mut walk = Walk {
        limits,
        sizes: Sizes::new(variables),
        done: HashMap::with_capacity(order.len()),
        written: 0,
        survey: Survey::default(),
    };
    for (name, fragment) in order {
        walk.directives(&fragment.node.directives)?;
        let sums = walk.definition(&fragment.node.selection_set)?;
        walk.done.insert(name, sums);
    }
    let mut selections = 0_usize;
    for (_, operation) in document.operations.iter() {
        walk.directives(&operation.node.directives)?;
        for variable in &operation.node.variable_definitions {
            walk.directives(&variable.node.directives)?;
        }
        let sums = walk.definition(&operation.node.selection_set)?;
        walk.at_most("root fields", sums.top, limits.max_root_fields, operation.pos)?;
        selections = selections.saturating_add(sums.selections);
        walk.at_most("selections", selections, walk.max_selections(), operation.pos)?;
    }
    Ok(walk.survey)
}

struct Walk<'a> {
    limits: &'a RequestLimits,
    sizes: Sizes<'a>,
    done: HashMap<&'a Name, Sums>,
    /// Selections in the text, with no fragment expanded.
    written: usize,
    survey: Survey,
}

impl<'a> Walk<'a> {
    /// Measures one definition. Unused fragments are measured too, because validation reads them.
    fn definition(&mut self, set: &'a Positioned<SelectionSet>) -> ServerResult<Sums> {
        let sums = self.set(set)?;
        let max_values = self
            .sizes
            .total()
            .saturating_mul(REREADS_OF_VALUES)
            .saturating_add(VALUES_FREE);
        self.at_most("fields", sums.fields, self.limits.max_fields, set.pos)?;
        self.at_most("aliases", sums.aliases, self.limits.max_aliases, set.pos)?;
        self.at_most("selections", sums.selections, self.max_selections(), set.pos)?;
        self.at_most("argument values", sums.values, max_values, set.pos)?;
        Ok(sums)
    }

    fn set(&mut self, set: &'a Positioned<SelectionSet>) -> ServerResult<Sums> {
        let mut sums = Sums::default();
        for selection in &set.node.items {
            self.written += 1;
            self.at_most("selections", self.written, self.max_selections(), selection.pos)?;
            sums.values = sums
                .values
                .saturating_add(self.directives(selection.node.directives())?);
            sums.add(match &selection.node {
                Selection::Field(field) => self.field(field)?,
                Selection::InlineFragment(inline) => self.set(&inline.node.selection_set)?,
                Selection::FragmentSpread(spread) => self
                    .done
                    .get(&spread.node.fragment_name.node)
                    .copied()
                    .unwrap_or_default(),
            });
            sums.selections = sums.selections.saturating_add(1);
        }
        Ok(sums)
    }

    fn field(&mut self, field: &'a Positioned<Field>) -> ServerResult<Sums> {
        let mut sums = self.set(&field.node.selection_set)?;
        sums.fields = sums.fields.saturating_add(1);
        sums.aliases = sums
            .aliases
            .saturating_add(usize::from(field.node.alias.is_some()));
        sums.top = 1;
        sums.values = sums.values.saturating_add(self.sizes.of_field(&field.node));
        self.survey
            .arguments
            .extend(field.node.arguments.iter().map(|(_, value)| value.pos));
        let name = field.node.name.node.as_str();
        if INTROSPECTION_LISTS.contains(&name) {
            sums.lists = sums.lists.saturating_add(1);
        }
        if matches!(name, "__schema" | "__type") {
            self.survey.introspection = Some(field.pos);
            let most = self.limits.max_introspection_lists;
            self.at_most(
                "introspection lists inside each other",
                sums.lists,
                most,
                field.pos,
            )?;
            // A list of this schema that has the name of an introspection list does not count.
            sums.lists = 0;
        }
        Ok(sums)
    }

    /// Checks the number of directives at one location and counts the values of their arguments.
    fn directives(&self, directives: &[Positioned<Directive>]) -> ServerResult<usize> {
        let Some(first) = directives.first() else {
            return Ok(0);
        };
        let most = self.limits.max_directives;
        self.at_most("directives in one place", directives.len(), most, first.pos)?;
        Ok(directives
            .iter()
            .map(|directive| self.sizes.of_directive(&directive.node))
            .sum())
    }

    fn max_selections(&self) -> usize {
        self.limits.max_fields.saturating_mul(SELECTIONS_PER_FIELD)
    }

    fn at_most(&self, what: &str, count: usize, most: usize, pos: Pos) -> ServerResult<()> {
        if count > most {
            return Err(too_costly(what, count, most, Some(pos)));
        }
        Ok(())
    }
}
