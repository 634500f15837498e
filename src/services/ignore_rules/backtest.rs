//! What a rule would have ignored.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use entity::cloud_drift::{self as drift, DriftStatus};
use entity::cloud_resources as resources;
use futures_util::TryStreamExt as _;
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait as _, StreamTrait,
};
use uuid::Uuid;

use crate::db::{Db, decode};
use crate::domain::detection::value_or_null;
use crate::domain::ignore_rules::{Definition, FieldDifference, IgnoreRule, IgnoreRules};
use crate::domain::not_compared::NotCompared;
use crate::error::Result;
use crate::services::drift_rows::is_open;
use crate::services::provisioning;

/// How far back closed drifts are tested.
const PAST: TimeDelta = TimeDelta::days(90);
/// Maximum number of drifts that are tested, newest first.
const MAX_TESTED: u64 = 20_000;
/// Number of drifts that are tested at a time.
const CHUNK: usize = 200;
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

/// Tests a rule against the open drifts of its field and those of the last 90 days, newest first, at most 20,000.
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
    let recent = Condition::any()
        .add(is_open())
        .add(drift::Column::DetectedAt.gte(now - PAST));
    let mut select = drift::Entity::find()
        .find_also_related(resources::Entity)
        .filter(drift::Column::Field.eq(definition.field.as_str()))
        .filter(recent)
        .order_by_desc(drift::Column::DetectedAt)
        .order_by_desc(drift::Column::Id)
        .limit(MAX_TESTED + 1);
    if let Some(kind) = &definition.kind {
        select = select.filter(resources::Column::Kind.eq(kind.as_str()));
    }
    let select = select.build(db.backend());
    let mut stream = StreamTrait::stream_raw(db.reader(), select).await?;
    let (mut found, mut tested, mut chunk) = (Found::default(), 0, Vec::new());
    while let Some(row) = stream.try_next().await? {
        tested += 1;
        if tested > MAX_TESTED {
            found.backtest.truncated = true;
            break;
        }
        if let (Some(drift), Some(resource)) = (decode(&row, "A_"), decode(&row, "B_")) {
            chunk.push((drift, resource));
        }
        if chunk.len() == CHUNK {
            found.test(db, &rules, std::mem::take(&mut chunk)).await?;
        }
    }
    drop(stream);
    found.test(db, &rules, chunk).await?;
    found.backtest.resources = i64::try_from(found.resources.len()).unwrap_or(i64::MAX);
    Ok(found.backtest)
}

#[derive(Default)]
struct Found {
    backtest: Backtest,
    /// The resources of the open drifts that the rule covers.
    resources: std::collections::BTreeSet<Uuid>,
}

impl Found {
    async fn test(
        &mut self,
        db: &Db,
        rules: &IgnoreRules,
        chunk: Vec<(drift::Model, resources::Model)>,
    ) -> Result<()> {
        let ids: Vec<Uuid> = chunk.iter().map(|(_, resource)| resource.id).collect();
        let specs = provisioning::active_specs_of(db.reader(), &ids).await?;
        let open: BTreeMap<Uuid, NotCompared> = specs
            .iter()
            .map(|spec| (spec.resource_id, NotCompared::of(spec)))
            .collect();
        for (drift, resource) in chunk {
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
