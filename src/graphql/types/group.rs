//! Groups of drifts.

use async_graphql::{Context, Enum, ID, Object};
use chrono::{DateTime, Utc};
use entity::cloud_drift;

use super::{Connection, Drift, Json, PageArgs, Total, page_cost};
use crate::domain::redaction::{hides, shown_sides};
use crate::error::{Error, Result};
use crate::graphql::arguments::not_empty;
use crate::graphql::error::ApiResult;
use crate::graphql::loader::DriftPage;
use crate::services::groups::{self, BY_CAUSE, GroupBy};
use crate::services::inbox::DriftFilter;

/// What the drifts of a group have in common.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
#[graphql(remote = "GroupBy")]
pub(in crate::graphql) enum DriftGroupBy {
    /// The name of the field.
    Field,
    /// The expected value; the kind of the resource if that is missing.
    Expected,
    /// The live value.
    Actual,
    /// The kind of the resource, such as `droplet`.
    Kind,
    /// The region of the resource.
    Region,
    /// The source that lists the resource.
    Source,
}

/// Returns the properties to group by, each once and in one order; those of one cause if absent.
///
/// # Errors
///
/// BAD_USER_INPUT if the list is empty or has a property twice.
pub(in crate::graphql) fn by_or_cause(by: Option<Vec<DriftGroupBy>>) -> Result<Vec<GroupBy>> {
    let Some(by) = not_empty("by", by)? else {
        return Ok(BY_CAUSE.to_vec());
    };
    let mut by: Vec<GroupBy> = by.into_iter().map(Into::into).collect();
    let listed = by.len();
    by.sort_unstable();
    by.dedup();
    if by.len() < listed {
        return Err(Error::BadUserInput("by has a value twice".to_owned()));
    }
    Ok(by)
}

/// Drifts that have the same properties, such as one cause.
pub(in crate::graphql) struct DriftGroup {
    pub(in crate::graphql) group: groups::DriftGroup,
    /// The filter of the list of groups.
    pub(in crate::graphql) filter: DriftFilter,
}

impl DriftGroup {
    fn shown(&self, by: GroupBy) -> Option<Json> {
        let newest = self.group.newest.as_ref()?;
        if !self.group.key.has(by) || newest.kind == cloud_drift::DriftKind::Missing {
            return None;
        }
        let (expected, actual) = shown_sides(newest);
        let value = if by == GroupBy::Expected { expected } else { actual };
        (!value.is_null()).then_some(Json(value))
    }
}

/// Drifts that have the same properties, such as one cause.
#[Object]
impl DriftGroup {
    /// The key of the group, for `DriftFilter.group`.
    async fn key(&self) -> ID {
        self.group.key.to_text().into()
    }

    /// The name of the field; `*` for missing resources, null if the drifts are not grouped by it.
    async fn field(&self) -> Option<&str> {
        self.group.key.value(GroupBy::Field)
    }

    /// The expected value, as the newest drift has it; null if it is unset or redacted, if the resources are missing, or
    /// if the drifts are not grouped by it.
    async fn expected(&self) -> Option<Json> {
        self.shown(GroupBy::Expected)
    }

    /// The live value, as the newest drift has it; null if it is unset or redacted, if the resources are missing, or if
    /// the drifts are not grouped by it.
    async fn actual(&self) -> Option<Json> {
        self.shown(GroupBy::Actual)
    }

    /// Whether the values of the newest drift are secret.
    async fn redacted(&self) -> bool {
        let newest = self.group.newest.as_ref();
        newest.is_some_and(|drift| hides(drift.expected.as_ref(), drift.actual.as_ref()))
    }

    /// The kind of the resources; null if the drifts are not grouped by it.
    async fn resource_kind(&self) -> Option<&str> {
        self.group.key.value(GroupBy::Kind)
    }

    /// The region of the resources; null if they have none or the drifts are not grouped by it.
    async fn region(&self) -> Option<&str> {
        self.group.key.value(GroupBy::Region)
    }

    /// The source of the resources; null if the drifts are not grouped by it.
    async fn source(&self) -> Option<&str> {
        self.group.key.value(GroupBy::Source)
    }

    /// The number of drifts.
    async fn count(&self) -> i32 {
        i32::try_from(self.group.count).unwrap_or(i32::MAX)
    }

    /// The number of resources of these drifts.
    async fn resource_count(&self) -> i32 {
        i32::try_from(self.group.resources).unwrap_or(i32::MAX)
    }

    /// When the first of the drifts was detected.
    async fn first_detected_at(&self) -> DateTime<Utc> {
        self.group.first_detected_at
    }

    /// When the last of the drifts was detected.
    async fn last_detected_at(&self) -> DateTime<Utc> {
        self.group.last_detected_at
    }

    /// The newest drift, as an example; null if its row cannot be read.
    async fn newest(&self) -> Option<Drift> {
        self.group.newest.clone().map(Drift)
    }

    /// The oldest drift, as an example; null if its row cannot be read.
    async fn oldest(&self) -> Option<Drift> {
        self.group.oldest.clone().map(Drift)
    }

    /// The drifts of the group that the filter of the groups selects, newest first.
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn drifts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Returns at most this many rows from the start of the list. Default: 50.")]
        first: Option<i32>,
        #[graphql(desc = "Returns only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Returns at most this many rows from the end of the list.")] last: Option<i32>,
        #[graphql(desc = "Returns only rows before this cursor.")] before: Option<String>,
    ) -> ApiResult<Connection<Drift>> {
        let request = PageArgs::new(first, after, last, before).request(ctx, "d-")?;
        let mut filter = self.filter.clone();
        filter.choices.groups.push(self.group.key.clone());
        let loaders = crate::graphql::loaders(ctx)?;
        let page = loaders
            .load_one(DriftPage(filter, request))
            .await?
            .ok_or_else(|| Error::Internal("a loader returned no page".to_owned()))?;
        Ok(Connection::new(page, "d-", Total::Known(self.group.count), Drift))
    }
}
