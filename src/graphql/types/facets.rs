//! Facets: the values that drifts have, with counts.

use async_graphql::Object;

use crate::services::facets;

/// The values that the selected drifts have, with counts. Each list has at most 100 values, the most frequent
/// first.
pub(in crate::graphql) struct DriftFacets(pub(in crate::graphql) facets::DriftFacets);

/// The values that the selected drifts have, with counts. Each list has at most 100 values, the most frequent
/// first.
#[Object]
impl DriftFacets {
    /// Kinds of the resources, at most 100, the most frequent first. The kinds of resources in the filter are
    /// ignored here.
    async fn resource_kinds(&self) -> Vec<FacetCount<'_>> {
        self.0.resource_kinds.iter().map(FacetCount).collect()
    }

    /// Regions of the resources that have one, at most 100, the most frequent first. The regions in the
    /// filter are ignored here.
    async fn regions(&self) -> Vec<FacetCount<'_>> {
        self.0.regions.iter().map(FacetCount).collect()
    }

    /// Names of the fields, at most 100, the most frequent first. The fields in the filter are ignored here.
    async fn fields(&self) -> Vec<FacetCount<'_>> {
        self.0.fields.iter().map(FacetCount).collect()
    }
}

/// A value and the number of drifts that have it.
pub(in crate::graphql) struct FacetCount<'a>(&'a facets::FacetCount);

/// A value and the number of drifts that have it.
#[Object]
impl FacetCount<'_> {
    /// The value, in the form that `DriftFilter` accepts.
    async fn value(&self) -> &str {
        &self.0.value
    }

    /// The number of drifts with this value.
    async fn count(&self) -> i64 {
        self.0.count
    }
}
