//! Topological order of fragments.

use std::collections::{HashMap, HashSet};

use async_graphql::{
    Name, Positioned, ServerResult,
    parser::types::{ExecutableDocument, FragmentDefinition, Selection, SelectionSet},
};

use super::RequestLimits;
use crate::codes::{invalid, too_costly};

type Fragment<'a> = (&'a Name, &'a Positioned<FragmentDefinition>);

/// Returns all fragments of the document, each after those that it spreads.
///
/// The number of fragments is checked before any chain of them is followed: the library's validation recurses along
/// that chain, and 5,000 fragments overflow its stack.
///
/// # Errors
///
/// Too many fragments, a chain that is too long, or a fragment that spreads itself. The last is a validation error.
/// It is detected here because the sums over a cycle would never end.
pub(crate) fn in_order<'a>(
    document: &'a ExecutableDocument,
    limits: &RequestLimits,
) -> ServerResult<Vec<Fragment<'a>>> {
    let count = document.fragments.len();
    if count > limits.max_fragments {
        return Err(too_costly("fragments", count, limits.max_fragments, None));
    }
    let mut sort = Sort {
        document,
        limits,
        chains: HashMap::new(),
        open: HashSet::new(),
        order: Vec::new(),
    };
    for (name, fragment) in &document.fragments {
        sort.visit(name, fragment)?;
    }
    Ok(sort.order)
}

struct Sort<'a, 'b> {
    document: &'a ExecutableDocument,
    limits: &'b RequestLimits,
    /// Length of the longest chain that starts at each fragment in `order`.
    chains: HashMap<&'a Name, usize>,
    /// Fragments on the current path of the search.
    open: HashSet<&'a Name>,
    order: Vec<Fragment<'a>>,
}

impl<'a> Sort<'a, '_> {
    /// Depth-first search. Recurses at most once per fragment, and their number is limited.
    fn visit(&mut self, name: &'a Name, fragment: &'a Positioned<FragmentDefinition>) -> ServerResult<usize> {
        if let Some(&chain) = self.chains.get(name) {
            return Ok(chain);
        }
        if !self.open.insert(name) {
            return Err(invalid(
                format!("fragment \"{name}\" spreads itself"),
                fragment.pos,
            ));
        }
        let mut spreads = HashSet::new();
        collect(&fragment.node.selection_set, &mut spreads);
        let mut chain = 0;
        for name in spreads {
            if let Some((name, next)) = self.document.fragments.get_key_value(name) {
                chain = chain.max(self.visit(name, next)?);
            }
        }
        chain += 1;
        let most = self.limits.max_fragment_chain;
        if chain > most {
            return Err(too_costly(
                "fragments in a chain",
                chain,
                most,
                Some(fragment.pos),
            ));
        }
        self.open.remove(name);
        self.chains.insert(name, chain);
        self.order.push((name, fragment));
        Ok(chain)
    }
}

/// Collects the names of fragments that a selection set spreads, at any depth.
fn collect<'a>(set: &'a Positioned<SelectionSet>, names: &mut HashSet<&'a Name>) {
    for selection in &set.node.items {
        match &selection.node {
            Selection::Field(field) => collect(&field.node.selection_set, names),
            Selection::InlineFragment(inline) => collect(&inline.node.selection_set, names),
            Selection::FragmentSpread(spread) => {
                names.insert(&spread.node.fragment_name.node);
            }
        }
    }
}
