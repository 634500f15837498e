//! By what an inbox can be narrowed.

use async_graphql::Object;

use crate::services::facets;

/// What the drifts of a filter are about, and how often. Most frequent first, at most 100 of each.
pub(in crate::graphql) struct DriftFacets(pub(in crate::graphql) facets::DriftFacets);

/// What the drifts of a filter are about, and how often. Most frequent first, at most 100 of each.
#[Object]
impl DriftFacets {
    /// Kinds of their resources. The filter's own `resourceKind` does not narrow these. At most 100, the most frequent first.
    async fn resource_kinds(&self) -> Vec<FacetCount<'_>> {
        self.0.resource_kinds.iter().map(FacetCount).collect()
    }

    /// Regions of their resources, where they have one. The filter's own `region` does not narrow these. At most 100, the most frequent first.
    async fn regions(&self) -> Vec<FacetCount<'_>> {
        self.0.regions.iter().map(FacetCount).collect()
    }

    /// Their fields. The filter's own `field` does not narrow these. At most 100, the most frequent first.
    async fn fields(&self) -> Vec<FacetCount<'_>> {
        self.0.fields.iter().map(FacetCount).collect()
    }
}

/// A value and how many drifts have it.
pub(in crate::graphql) struct FacetCount<'a>(&'a facets::FacetCount);

/// A value and how many drifts have it.
#[Object]
impl FacetCount<'_> {
    /// The value, as a filter takes it.
    async fn value(&self) -> &str {
        &self.0.value
    }

    /// How many drifts have it.
    async fn count(&self) -> i64 {
        self.0.count
    }
}
