//! The query parameters of the REST routes. Unknown parameters are errors: an ignored filter would return unwanted
//! rows, and a misspelt `revision` would accept a value that the caller has not seen.

use std::fmt::Display;
use std::str::FromStr;

use axum::extract::Query;
use axum::http::Uri;
use chrono::{DateTime, TimeDelta, Utc};
use entity::cloud_drift::{DriftKind, DriftStatus, Severity};

use crate::error::{Error, Result, status_word};
use crate::services::choices::Choice;
use crate::services::inbox::{DriftFilter, up_to_micros};
use crate::services::inventory::SyncOptions;

/// Shortest expected time between two imports of a plan.
const SHORTEST_INTERVAL: TimeDelta = TimeDelta::minutes(1);

const STATUSES: [DriftStatus; 4] = [
    DriftStatus::Open,
    DriftStatus::Accepted,
    DriftStatus::Reverted,
    DriftStatus::Stale,
];

/// Maximum number of values of one parameter.
const MAX_VALUES: usize = 100;

/// Parses the filter of `GET /api/v1/drift`: the fields of GraphQL's `DriftFilter` in snake case. A property may be
/// repeated, and has one of its values then. A property with `_not` at its end has none of its values. The default is
/// open drifts.
///
/// # Errors
///
/// BAD_USER_INPUT if a parameter is unknown, empty or malformed, or has a value twice.
pub(super) fn drift_filter(uri: &Uri) -> Result<DriftFilter> {
    filter_of(pairs(uri)?)
}

fn filter_of(pairs: Vec<(String, String)>) -> Result<DriftFilter> {
    let mut filter = DriftFilter::default();
    let (mut statuses, mut kinds) = (Choice::<DriftStatus>::default(), Choice::default());
    let mut severities = Choice::<Severity>::default();
    for (name, value) in pairs {
        let (property, is_not) = match name.strip_suffix("_not") {
            Some(property) => (property, true),
            None => (name.as_str(), false),
        };
        let choices = &mut filter.choices;
        let text = match property {
            "status" => {
                let status = status(&value)?;
                // Clients of earlier releases may name a status twice.
                if !statuses.any_of.iter().flatten().any(|listed| *listed == status) {
                    add(&mut statuses, &name, is_not, status)?;
                }
                continue;
            }
            "kind" => {
                add(&mut kinds, &name, is_not, kind(&value)?)?;
                continue;
            }
            "severity" => {
                add(&mut severities, &name, is_not, severity(&value)?)?;
                continue;
            }
            "resource_id" => {
                add(
                    &mut choices.resource_id,
                    &name,
                    is_not,
                    parsed(&name, &value, "a UUID")?,
                )?;
                continue;
            }
            "field" => &mut choices.field,
            "resource_kind" => &mut choices.resource_kind,
            "region" => &mut choices.region,
            "source" => &mut choices.source,
            "address" => &mut choices.address,
            "provider" => &mut choices.provider,
            "assignee" => &mut choices.assignee,
            _ => {
                set_one(&mut filter, &name, value)?;
                continue;
            }
        };
        add(text, &name, is_not, value)?;
    }
    if !statuses.is_any() {
        let all = STATUSES.into_iter();
        filter.status = all.filter(|status| statuses.permits(Some(status))).collect();
    }
    if !severities.is_any() {
        let permitted = Severity::ALL
            .into_iter()
            .filter(|severity| severities.permits(Some(severity)));
        filter.choices.severity = Some(permitted.collect());
    }
    let all = [DriftKind::Changed, DriftKind::Missing].into_iter();
    let permitted: Vec<DriftKind> = all.filter(|kind| kinds.permits(Some(kind))).collect();
    match permitted[..] {
        [] => filter.status.clear(),
        [only] => filter.kind = Some(only),
        _ => {}
    }
    filter.check()?;
    Ok(filter.simplified())
}

/// Parses the filter of `GET /export/drifts.csv`: `from` and `to`, between which the drifts were detected, and the other
/// parameters of [`drift_filter`] but the times. The default is drifts of every status.
///
/// # Errors
///
/// BAD_USER_INPUT if a parameter is unknown, empty or malformed, or has a value twice.
pub(in crate::http) fn export_filter(uri: &Uri) -> Result<DriftFilter> {
    let (times, others): (Vec<_>, Vec<_>) = pairs(uri)?
        .into_iter()
        .partition(|(name, _)| ["from", "to"].contains(&name.as_str()));
    let names_status = others.iter().any(|(name, _)| name.starts_with("status"));
    let mut filter = filter_of(others)?;
    if !names_status && !filter.status.is_empty() {
        filter.status = STATUSES.to_vec();
    }
    for (name, value) in times {
        let time = time(&name, &value)?;
        match name.as_str() {
            "from" => set(&mut filter.detected_after, &name, time)?,
            _ => set(&mut filter.detected_before, &name, time)?,
        }
    }
    filter.check()?;
    Ok(filter)
}

/// Sets a parameter that has one value.
fn set_one(filter: &mut DriftFilter, name: &str, value: String) -> Result<()> {
    match name {
        "search" => set(&mut filter.search, name, value),
        "detected_after" => set(&mut filter.detected_after, name, time(name, &value)?),
        "snoozed" => set(&mut filter.snoozed, name, parsed(name, &value, "true or false")?),
        "assigned" => set(
            &mut filter.choices.assigned,
            name,
            parsed(name, &value, "true or false")?,
        ),
        "detected_before" => set(&mut filter.detected_before, name, time(name, &value)?),
        "flapping" => match value.as_str() {
            "true" => set(&mut filter.flapping, name, true),
            "false" => set(&mut filter.flapping, name, false),
            _ => Err(Error::BadUserInput("flapping must be true or false".to_owned())),
        },
        _ => Err(unknown(
            name,
            "status, kind, field, resource_id, resource_kind, region, source, address, provider, severity and \
             assignee, each also with _not, or search, detected_after, detected_before, snoozed, assigned and flapping",
        )),
    }
}

/// Adds a value to a condition.
fn add<T: PartialEq>(choice: &mut Choice<T>, name: &str, is_not: bool, value: T) -> Result<()> {
    let list = if is_not {
        &mut choice.none_of
    } else {
        choice.any_of.get_or_insert_default()
    };
    if list.contains(&value) {
        return Err(Error::BadUserInput(format!("{name:?} has a value twice")));
    }
    if list.len() == MAX_VALUES {
        return Err(Error::BadUserInput(format!(
            "{name:?} has more than {MAX_VALUES} values"
        )));
    }
    list.push(value);
    Ok(())
}

/// Parses the revision of `POST /api/v1/drift/{id}/accept`.
///
/// # Errors
///
/// BAD_USER_INPUT if a parameter is unknown, repeated, or not an integer.
pub(super) fn revision(uri: &Uri) -> Result<Option<i32>> {
    let mut revision = None;
    for (name, value) in pairs(uri)? {
        match name.as_str() {
            "revision" => set(&mut revision, &name, parsed(&name, &value, "a whole number")?)?,
            _ => return Err(unknown(&name, "revision")),
        }
    }
    Ok(revision)
}

/// Parses the options of `POST /api/v1/plans/{state}`: whether more than half of the instances may have left the state,
/// and the expected time between two imports.
///
/// # Errors
///
/// BAD_USER_INPUT if a parameter is unknown, repeated or malformed.
pub(in crate::http) fn plan_options(uri: &Uri) -> Result<(bool, Option<TimeDelta>)> {
    let (mut allow, mut interval) = (None, None);
    for (name, value) in pairs(uri)? {
        match name.as_str() {
            "allow_mass_retire" => set(&mut allow, &name, parsed(&name, &value, "true or false")?)?,
            "every" => set(&mut interval, &name, every(&value)?)?,
            _ => return Err(unknown(&name, "allow_mass_retire and every")),
        }
    }
    Ok((allow.unwrap_or(false), interval))
}

/// Parses the options of `POST /api/v1/inventory/{source}`: the options of the sync, and the expected time between two
/// listings.
///
/// # Errors
///
/// BAD_USER_INPUT if a parameter is unknown, repeated or malformed.
pub(in crate::http) fn sync_options(uri: &Uri) -> Result<(SyncOptions, Option<TimeDelta>)> {
    let (mut gone, mut account, mut interval) = (None, None, None);
    for (name, value) in pairs(uri)? {
        match name.as_str() {
            "allow_mass_gone" => set(&mut gone, &name, parsed(&name, &value, "true or false")?)?,
            "allow_other_account" => set(&mut account, &name, parsed(&name, &value, "true or false")?)?,
            "every" => set(&mut interval, &name, every(&value)?)?,
            _ => return Err(unknown(&name, "allow_mass_gone, allow_other_account and every")),
        }
    }
    let options = SyncOptions {
        allow_mass_gone: gone.unwrap_or(false),
        allow_other_account: account.unwrap_or(false),
        ..SyncOptions::default()
    };
    Ok((options, interval))
}

fn every(value: &str) -> Result<TimeDelta> {
    let every = humantime::parse_duration(value).ok();
    every
        .and_then(|every| TimeDelta::from_std(every).ok())
        .filter(|every| *every >= SHORTEST_INTERVAL)
        .ok_or_else(|| Error::BadUserInput("every must be a time such as 12h, at least 1m".to_owned()))
}

/// Returns the names and values of the parameters.
///
/// # Errors
///
/// BAD_USER_INPUT if the query string cannot be decoded or a parameter has no value.
fn pairs(uri: &Uri) -> Result<Vec<(String, String)>> {
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri)
        .map_err(|_| Error::BadUserInput("the query string cannot be decoded".to_owned()))?;
    match pairs.iter().find(|(_, value)| value.is_empty()) {
        Some((name, _)) => Err(Error::BadUserInput(format!("{name:?} has no value"))),
        None => Ok(pairs),
    }
}

fn set<T>(place: &mut Option<T>, name: &str, value: T) -> Result<()> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Error::BadUserInput(format!("{name:?} appears twice"))),
    }
}

fn unknown(name: &str, known: impl Display) -> Error {
    Error::BadUserInput(format!("unknown parameter {name:?}: use {known}"))
}

fn parsed<T: FromStr>(name: &str, value: &str, form: &str) -> Result<T> {
    value
        .parse()
        .map_err(|_| Error::BadUserInput(format!("{name} must be {form}")))
}

fn status(value: &str) -> Result<DriftStatus> {
    let found = STATUSES
        .into_iter()
        .find(|status| status_word(*status).eq_ignore_ascii_case(value));
    found.ok_or_else(|| Error::BadUserInput("status must be open, accepted, reverted or stale".to_owned()))
}

fn severity(value: &str) -> Result<Severity> {
    let found = Severity::of_word(&value.to_ascii_lowercase());
    found.ok_or_else(|| Error::BadUserInput("severity must be low, normal, high or critical".to_owned()))
}

fn kind(value: &str) -> Result<DriftKind> {
    match value.to_ascii_lowercase().as_str() {
        "changed" => Ok(DriftKind::Changed),
        "missing" => Ok(DriftKind::Missing),
        _ => Err(Error::BadUserInput("kind must be changed or missing".to_owned())),
    }
}

fn time(name: &str, value: &str) -> Result<DateTime<Utc>> {
    parsed(name, value, "a time such as 2026-11-25T10:00:00Z").map(up_to_micros)
}
