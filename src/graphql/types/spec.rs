//! A spec.

use async_graphql::{Context, ID, Object};
use chrono::{DateTime, Utc};
use entity::cloud_provisioned;

use super::resource::spec_history_of;
use super::{Connection, Json, PageArgs, Resource, SpecSource, SpecVersion, page_cost};
use crate::domain::not_compared::NotCompared;
use crate::error::Error;
use crate::graphql::error::ApiResult;
use crate::graphql::loader::ResourceById;

/// The desired state of one resource.
pub(in crate::graphql) struct ProvisionedSpec(pub(in crate::graphql) cloud_provisioned::Model);

/// The desired state of one resource.
#[Object]
impl ProvisionedSpec {
    /// The unique id of the spec.
    pub(in crate::graphql) async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// The resource that the spec describes.
    async fn resource(&self, ctx: &Context<'_>) -> ApiResult<Resource> {
        let row = crate::graphql::loaders(ctx)?
            .load_one(ResourceById(self.0.resource_id))
            .await?;
        Ok(Resource(row.ok_or_else(|| {
            Error::Internal("the resource of a spec cannot be read".to_owned())
        })?))
    }

    /// The expected values: a JSON object that maps fields to values. Null means that the field must be unset.
    async fn spec(&self) -> Json {
        Json(self.0.spec.clone())
    }

    /// Parts of fields that the spec leaves open and that are not compared, such as
    /// `spec.services[name=web].http_port`; at most 200.
    async fn not_compared(&self) -> Vec<String> {
        let mut open = NotCompared::of(&self.0).texts();
        open.truncate(200);
        open
    }

    /// The version of the spec: 1, 2, 3 and so on.
    async fn spec_version(&self) -> i32 {
        self.0.spec_version
    }

    /// What owns the spec, and which instance of a Terraform state it comes from.
    async fn source(&self) -> SpecSource {
        SpecSource(self.0.clone())
    }

    /// The Terraform address of the resource, such as `aws_sqs_queue.jobs["eu"]`; null if no import recorded one.
    async fn address(&self) -> Option<&str> {
        self.0.address.as_deref()
    }

    /// All versions of the spec that are kept, newest first.
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn history(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Returns at most this many rows from the start of the list. Default: 50.")]
        first: Option<i32>,
        #[graphql(desc = "Returns only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Returns at most this many rows from the end of the list.")] last: Option<i32>,
        #[graphql(desc = "Returns only rows before this cursor.")] before: Option<String>,
    ) -> ApiResult<Connection<SpecVersion>> {
        let args = PageArgs::new(first, after, last, before);
        spec_history_of(ctx, self.0.resource_id, &args).await
    }

    /// The user who recorded this version.
    async fn recorded_by(&self) -> &str {
        &self.0.recorded_by
    }

    /// When this version was recorded.
    async fn recorded_at(&self) -> DateTime<Utc> {
        self.0.recorded_at
    }
}
