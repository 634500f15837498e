//! Facets: the values that drifts have, with counts.

use async_graphql::{Context, Object};

use crate::graphql::error::ApiResult;
use crate::services::facets;
use crate::services::inbox::DriftFilter;

/// The values that the selected drifts have, with counts. Each list has at most 100 values, the most frequent
/// first.
pub(in crate::graphql) struct DriftFacets(
    pub(in crate::graphql) facets::DriftFacets,
    pub(in crate::graphql) DriftFilter,
);

/// The values that the selected drifts have, with counts. Each list has at most 100 values, the most frequent
/// first.
#[Object]
impl DriftFacets {
    /// Kinds of the resources, at most 100, the most frequent first. The kinds of resources in the filter are
    /// ignored here.
    async fn resource_kinds(&self) -> Vec<FacetCount> {
        self.0.resource_kinds.iter().cloned().map(FacetCount).collect()
    }

    /// Regions of the resources that have one, at most 100, the most frequent first. The regions in the
    /// filter are ignored here.
    async fn regions(&self) -> Vec<FacetCount> {
        self.0.regions.iter().cloned().map(FacetCount).collect()
    }

    /// Names of the fields, at most 100, the most frequent first. The fields in the filter are ignored here.
    async fn fields(&self) -> Vec<FacetCount> {
        self.0.fields.iter().cloned().map(FacetCount).collect()
    }

    /// Severities, such as `HIGH`, at most 4, the most frequent first. The severities in the filter are ignored here. They
    /// are counted when requested, which takes longer with many open drifts.
    async fn severities(&self, ctx: &Context<'_>) -> ApiResult<Vec<FacetCount>> {
        let db = crate::graphql::app(ctx)?.db();
        let counts = facets::severities(db.reader(), &self.1).await?;
        Ok(counts.into_iter().map(FacetCount).collect())
    }

    /// Users to whom drifts are assigned, at most 100, the most frequent first. The assignees in the filter are ignored
    /// here.
    async fn assignees(&self, ctx: &Context<'_>) -> ApiResult<Vec<FacetCount>> {
        let db = crate::graphql::app(ctx)?.db();
        let counts = facets::assignees(db.reader(), &self.1).await?;
        Ok(counts.into_iter().map(FacetCount).collect())
    }

    /// The number of snoozed drifts. `snoozed` in the filter is ignored here.
    async fn snoozed(&self, ctx: &Context<'_>) -> ApiResult<i64> {
        let db = crate::graphql::app(ctx)?.db();
        Ok(facets::snoozed(db.reader(), &self.1).await?)
    }
}

/// A value and the number of drifts that have it.
pub(in crate::graphql) struct FacetCount(facets::FacetCount);

/// A value and the number of drifts that have it.
#[Object]
impl FacetCount {
    /// The value, in the form that `DriftFilter` accepts.
    async fn value(&self) -> &str {
        &self.0.value
    }

    /// The number of drifts with this value.
    async fn count(&self) -> i64 {
        self.0.count
    }
}
