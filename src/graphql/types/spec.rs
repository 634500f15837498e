//! A spec.

use async_graphql::{Context, ID, Object};
use chrono::{DateTime, Utc};
use entity::cloud_provisioned;

use super::{Json, Resource};
use crate::domain::not_compared::NotCompared;
use crate::error::Error;
use crate::graphql::error::ApiResult;
use crate::graphql::loader::ResourceById;

/// The desired state of one resource.
pub(in crate::graphql) struct ProvisionedSpec(pub(in crate::graphql) cloud_provisioned::Model);

/// The desired state of one resource.
#[Object]
impl ProvisionedSpec {
    /// The id.
    pub(in crate::graphql) async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// The resource that it is about.
    async fn resource(&self, ctx: &Context<'_>) -> ApiResult<Resource> {
        let row = crate::graphql::loaders(ctx)?
            .load_one(ResourceById(self.0.resource_id))
            .await?;
        Ok(Resource(row.ok_or_else(|| {
            Error::Internal("a spec's resource does not decode".to_owned())
        })?))
    }

    /// The fields that are watched and the values that they must have; null means unset.
    async fn spec(&self) -> Json {
        Json(self.0.spec.clone())
    }

    /// Parts of these fields that the spec leaves open, so that they are not compared, such as
    /// `spec.services[name=web].http_port`; at most 200 of them.
    async fn not_compared(&self) -> Vec<String> {
        let mut open = NotCompared::of(&self.0).texts();
        open.truncate(200);
        open
    }

    /// 1, 2, 3, ... without gaps.
    async fn spec_version(&self) -> i32 {
        self.0.spec_version
    }

    /// Who owns the spec: `api`, `baseline`, or `terraform:` and the lineage of a state.
    async fn source(&self) -> &str {
        &self.0.source
    }

    /// Who recorded this version.
    async fn recorded_by(&self) -> &str {
        &self.0.recorded_by
    }

    /// When this version was recorded.
    async fn recorded_at(&self) -> DateTime<Utc> {
        self.0.recorded_at
    }
}
