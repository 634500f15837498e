//! What a rule would have ignored.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use entity::cloud_drift::{self as drift, DriftStatus};
use sea_orm::Iterable as _;
use uuid::Uuid;

use crate::db::Db;
use crate::domain::detection::value_or_null;
use crate::domain::ignore_rules::{Definition, FieldDifference, IgnoreRule, IgnoreRules};
use crate::domain::not_compared::NotCompared;
use crate::error::Result;
use crate::services::inbox::{DriftFilter, DriftPages, DriftWithResource};
use crate::services::provisioning;

/// How far back closed drifts are tested.
const PAST: TimeDelta = TimeDelta::days(90);
/// Maximum number of drifts that are tested, newest first.
const MAX_TESTED: usize = 20_000;
/// Number of drifts that are read and tested at a time.
const PAGE: u64 = 500;
/// Maximum number of open drifts that are shown.
const SHOWN: usize = 50;

/// What a rule would have ignored.
#[derive(Clone, Debug, Default)]
pub struct Backtest {
    /// Number of open drifts that it would close.
    pub open: i64,
    /// The newest of them, at most 50.
    pub shown: Vec<drift::Model>,
    /// Number of resources of these drifts.
    pub resources: i64,
    /// Number of drifts closed in the last 90 days that it would not have opened. The resource is taken as it is now.
    pub past: i64,
    /// Whether there are more drifts of the field than were tested.
    pub truncated: bool,
}

/// Tests a rule against the drifts of its field: the open ones, and then those that closed and were detected in the last
/// 90 days. Each are tested newest first, at most 20,000 together.
///
/// # Errors
///
/// BAD_USER_INPUT if the definition is not valid.
pub async fn backtest(db: &Db, definition: &Definition, now: DateTime<Utc>) -> Result<Backtest> {
    definition.check()?;
    // A rule that only makes differences wait closes no drift, and it is not stored how many sweeps saw a past one.
    if definition.open_after_sweeps.is_some() {
        return Ok(Backtest::default());
    }
    let rules = IgnoreRules {
        revision: 0,
        rules: vec![IgnoreRule {
            id: Uuid::nil(),
            definition: definition.clone(),
        }],
    };
    let of_rule = DriftFilter {
        field: Some(definition.field.clone()),
        resource_id: definition.resource_id,
        resource_kind: definition.kind.clone(),
        region: definition.region.clone(),
        source: definition.source.clone(),
        ..DriftFilter::default()
    };
    let closed = DriftFilter {
        status: DriftStatus::iter()
            .filter(|status| *status != DriftStatus::Open)
            .collect(),
        detected_after: Some(now - PAST),
        ..of_rule.clone()
    };
    let (mut found, mut untested) = (Found::default(), MAX_TESTED);
    // Open drifts first, so that many closed ones do not leave out an open one. Read page by page: an open stream would
    // hold a connection while the specs are read with another, and many previews could wait for each other.
    for filter in [of_rule, closed] {
        let mut pages = DriftPages::new(filter, PAGE);
        while let Some(page) = pages.next(db.reader()).await? {
            let tested = page.len().min(untested);
            found.backtest.truncated |= page.len() > untested;
            untested -= tested;
            found
                .test(db, &rules, page.into_iter().take(tested).collect())
                .await?;
            if found.backtest.truncated {
                break;
            }
        }
    }
    found.backtest.resources = i64::try_from(found.resources.len()).unwrap_or(i64::MAX);
    Ok(found.backtest)
}

#[derive(Default)]
struct Found {
    backtest: Backtest,
    /// The resources of the open drifts that the rule covers.
    resources: BTreeSet<Uuid>,
}

impl Found {
    async fn test(&mut self, db: &Db, rules: &IgnoreRules, page: Vec<DriftWithResource>) -> Result<()> {
        let mut ids: Vec<Uuid> = page.iter().map(|found| found.drift.resource_id).collect();
        ids.sort_unstable();
        ids.dedup();
        let specs = provisioning::active_specs_of(db.reader(), &ids).await?;
        let open: BTreeMap<Uuid, NotCompared> = specs
            .iter()
            .map(|spec| (spec.resource_id, NotCompared::of(spec)))
            .collect();
        for DriftWithResource { drift, resource, .. } in page {
            let Some(resource) = resource else { continue };
            let difference = FieldDifference {
                field: &drift.field,
                expected: value_or_null(&drift.expected),
                actual: value_or_null(&drift.actual),
            };
            let left_open = open.get(&resource.id).cloned().unwrap_or_default();
            if rules.covering(&resource, &left_open, difference).is_none() {
                continue;
            }
            if drift.status == DriftStatus::Open {
                self.backtest.open += 1;
                self.resources.insert(resource.id);
                if self.backtest.shown.len() < SHOWN {
                    self.backtest.shown.push(drift);
                }
            } else {
                self.backtest.past += 1;
            }
        }
        Ok(())
    }
}
