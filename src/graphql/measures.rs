//! The query of the measures of the inbox.

use async_graphql::{Context, Enum, Object, SimpleObject};
use chrono::{DateTime, Utc};

use super::app;
use super::error::ApiResult;
use super::guard::AtLeast;
use super::mutation::to_int;
use super::types::{DriftFilterInput, MANY_ROWS};
use crate::domain::actor::Role;
use crate::domain::measures::{By, Day, Durations, Group};
use crate::services::measures::{self, Measured};

/// Number of groups used to compute the complexity of the measures.
const TYPICAL_GROUPS: usize = 10;
/// Number of days used to compute the complexity of the measures.
const TYPICAL_DAYS: usize = 30;

/// The query of measures.
#[derive(Default)]
pub(super) struct MeasureQuery;

/// The query of measures.
#[Object]
impl MeasureQuery {
    /// Measures how much drift was opened and closed in a range of time, how long it stayed, and how old the open drift is.
    /// Drifts that were deleted by the retention are not counted, and neither are the records of accepts of some members.
    #[graphql(
        guard = "AtLeast(Role::PlatformViewer)",
        complexity = "MANY_ROWS + child_complexity"
    )]
    async fn measures(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The range begins at this time.")] from: DateTime<Utc>,
        #[graphql(desc = "The range ends before this time, at most 366 days after `from`.")] to: DateTime<
            Utc,
        >,
        #[graphql(desc = "Selects the drifts. Default: drifts of every status.")] filter: Option<
            DriftFilterInput,
        >,
        #[graphql(desc = "Divides the measures into groups. Default: no groups.")] group_by: Option<
            Vec<MeasureGroupBy>,
        >,
    ) -> ApiResult<Measures> {
        let app = app(ctx)?;
        let mut filter = filter.unwrap_or_default();
        filter.default_to_every_status();
        let group_by = group_by.unwrap_or_default();
        let by = By {
            source: group_by.contains(&MeasureGroupBy::Source),
            kind: group_by.contains(&MeasureGroupBy::Kind),
        };
        let now = app.db().time(app.db().reader()).await?;
        let filter = filter.parse()?;
        let measured = measures::of(app.db(), &filter, (from, to), by, now);
        let measured = app.db().in_lane(measured).await?;
        Ok(Measures { measured, from, to })
    }
}

/// What divides the measures into groups.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
enum MeasureGroupBy {
    /// The source of the resource.
    Source,
    /// The kind of the resource.
    Kind,
}

/// The measures of a range of time.
struct Measures {
    measured: Measured,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
}

/// The measures of a range of time.
#[Object]
impl Measures {
    /// The range begins at this time.
    async fn from(&self) -> DateTime<Utc> {
        self.from
    }

    /// The range ends before this time.
    async fn to(&self) -> DateTime<Utc> {
        self.to
    }

    /// The measures of all selected drifts.
    async fn total(&self) -> MeasureGroup<'_> {
        MeasureGroup(&self.measured.total)
    }

    /// The measures by group, those with the most drifts first; at most 100. Empty without `groupBy`.
    #[graphql(complexity = "TYPICAL_GROUPS * child_complexity")]
    async fn groups(&self) -> Vec<MeasureGroup<'_>> {
        self.measured.groups.iter().map(MeasureGroup).collect()
    }

    /// The number of groups, those that `groups` leaves out included.
    async fn group_count(&self) -> i32 {
        count(self.measured.group_count)
    }

    /// Whether more than 20,000 drifts of one status were opened or closed in the range, or are open. Then the counts are lower
    /// bounds: of each status, the newest are counted, and the oldest of those that are open. Choose a shorter range or
    /// a filter.
    async fn truncated(&self) -> bool {
        self.measured.truncated
    }
}

/// The measures of all selected drifts, or of one group of them.
struct MeasureGroup<'a>(&'a Group);

/// The measures of all selected drifts, or of one group of them.
#[Object]
impl MeasureGroup<'_> {
    /// The source of the resources; null if the drifts are not grouped by it, empty if no source lists them.
    async fn source(&self) -> Option<&str> {
        self.0.source.as_deref()
    }

    /// The kind of the resources; null if the drifts are not grouped by it.
    async fn kind(&self) -> Option<&str> {
        self.0.kind.as_deref()
    }

    /// The number of drifts that were opened in the range.
    async fn opened(&self) -> i32 {
        count(self.0.opened)
    }

    /// The number of drifts that were closed in the range.
    async fn closed(&self) -> i32 {
        count(self.0.closed)
    }

    /// The time from opening to closing of the drifts that were closed in the range, whatever closed them: select a status
    /// in `filter` for the accepted ones only.
    async fn time_to_resolve(&self) -> MeasuredDurations {
        self.0.time_to_resolve.into()
    }

    /// The ages of the drifts that are open now.
    async fn open_age(&self) -> MeasuredDurations {
        self.0.open_age.into()
    }

    /// Each day of the range in UTC, also those without drift; at most 367.
    #[graphql(complexity = "TYPICAL_DAYS * child_complexity")]
    async fn days(&self) -> Vec<MeasuredDay> {
        self.0.days.iter().map(MeasuredDay::from).collect()
    }
}

/// The distribution of durations. A percentile is the smallest duration that at least this part of all durations does not
/// exceed. All but `count` are null if there are no durations.
#[derive(SimpleObject)]
struct MeasuredDurations {
    /// The number of durations.
    count: i32,
    /// The median in seconds.
    median_seconds: Option<f64>,
    /// The 90th percentile in seconds.
    p90_seconds: Option<f64>,
    /// The longest duration in seconds.
    longest_seconds: Option<f64>,
}

impl From<Durations> for MeasuredDurations {
    fn from(of: Durations) -> Self {
        // Whole seconds are exact as numbers of this type, and do not fit into `Int` after 68 years.
        let number = |seconds: Option<i64>| seconds.map(|seconds| seconds as f64);
        Self {
            count: count(of.count),
            median_seconds: number(of.median),
            p90_seconds: number(of.p90),
            longest_seconds: number(of.longest),
        }
    }
}

/// What happened on one day in UTC.
#[derive(SimpleObject)]
struct MeasuredDay {
    /// The day, such as `2026-11-27`.
    date: String,
    /// The number of drifts that were opened.
    opened: i32,
    /// The number of drifts that were closed.
    closed: i32,
}

impl From<&Day> for MeasuredDay {
    fn from(day: &Day) -> Self {
        Self {
            date: day.date.to_string(),
            opened: count(day.opened),
            closed: count(day.closed),
        }
    }
}

fn count(count: usize) -> i32 {
    to_int(count as u64)
}
