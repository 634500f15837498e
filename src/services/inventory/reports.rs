//! The counts and reports of a sync.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use entity::job_runs::{self, JobOutcome};
use serde::{Deserialize, Serialize};

use super::confirm::Confirmed;
use super::listed_of;
use super::read_stored::Foreign;
use crate::domain::validation::storable;
use crate::error::{Error, Result};
use crate::provider::{KindListing, Listing, Resources};
use crate::services::cloud_actions::ActionReport;

/// Maximum number of kinds in a text about problems.
const MAX_PROBLEMS: usize = 3;

/// Counts and reports of a sync.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SyncCounts {
    /// Resources in the listing, and missing resources that the provider confirmed to exist.
    pub resources: u64,
    /// Resources that were listed for the first time, or again after they were gone.
    pub discovered: u64,
    /// Resources whose content changed.
    pub changed: u64,
    /// Resources that are gone now.
    pub gone: u64,
    /// Kinds that were left unchanged because a newer listing of them is already stored.
    pub superseded: u64,
    /// Resources that were left unchanged because the id of their row does not decode.
    pub skipped: u64,
    /// The report of each kind.
    pub kinds: BTreeMap<String, KindReport>,
    /// What was read of the log of actions, if the provider keeps one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actions: Option<ActionReport>,
}

/// The result of a sync for one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KindOutcome {
    /// The listing is complete and was written.
    Complete,
    /// The listing is incomplete, an error ended the run, or missing resources are unconfirmed.
    Incomplete,
    /// The token lacks a scope.
    NotReadable,
    /// A newer listing is already stored.
    Superseded,
}

impl KindOutcome {
    /// Returns the outcome in words.
    pub fn label(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Incomplete => "incomplete",
            Self::NotReadable => "not readable",
            Self::Superseded => "superseded",
        }
    }
}

/// The report of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KindReport {
    /// The result.
    pub outcome: KindOutcome,
    /// The number of resources that were listed, if the listing is complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<u64>,
    /// The number of unconfirmed resources, which stay as they were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unconfirmed: Option<u64>,
    /// The reason why the outcome is not complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// A remark about a complete listing, such as fields that could not be read and keep their last values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Unread fields that specs may set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread_fields: Vec<String>,
}

impl SyncCounts {
    /// Returns SUCCEEDED if every kind, every field that specs may set, and every row could be read, FAILED if no
    /// kind was written, and otherwise PARTIAL.
    pub fn outcome(&self) -> JobOutcome {
        let complete = |kind: &&KindReport| kind.reason.is_none() && kind.unread_fields.is_empty();
        let written = |kind: &KindReport| kind.resources.is_some();
        if self.skipped == 0 && self.kinds.values().filter(complete).count() == self.kinds.len() {
            JobOutcome::Succeeded
        } else if self.kinds.values().any(written) {
            JobOutcome::Partial
        } else {
            JobOutcome::Failed
        }
    }

    /// Returns why kinds are not complete, at most three of them, or None if all are.
    pub(crate) fn problems(&self) -> Option<String> {
        let named = self.kinds.iter().filter_map(|(kind, report)| {
            let reason = report.reason.as_ref()?;
            (report.outcome != KindOutcome::Complete).then(|| format!("{kind}: {reason}"))
        });
        let named: Vec<String> = named.collect();
        let more = named.len().saturating_sub(MAX_PROBLEMS);
        let mut text = named
            .into_iter()
            .take(MAX_PROBLEMS)
            .collect::<Vec<_>>()
            .join("; ");
        if more > 0 {
            text += &format!("; and {more} more kinds");
        }
        (!text.is_empty()).then_some(text)
    }

    /// Returns the reason why the sync failed, if it did.
    pub fn failure(&self) -> Option<String> {
        let why = match self.outcome() {
            JobOutcome::Failed if self.superseded > 0 => {
                "no kind was changed: later listings are already stored"
            }
            JobOutcome::Failed => "no kind could be listed",
            _ => return None,
        };
        Some(why.to_owned())
    }
}

/// Returns why the run of a sync did not store everything, or None if it did.
pub(crate) fn problem_of(run: &job_runs::Model) -> Option<String> {
    let counts = SyncCounts::deserialize(&run.counts).unwrap_or_default();
    match (run.error.clone(), counts.problems()) {
        (Some(error), Some(kinds)) => Some(format!("{error}: {kinds}")),
        (error, kinds) => error.or(kinds),
    }
}

/// A sync that failed.
#[derive(Debug)]
pub struct FailedSync {
    /// The error that ended the sync.
    pub error: Error,
    /// The reports of the kinds up to the error; empty if nothing was listed.
    pub kinds: BTreeMap<String, KindReport>,
}

impl From<Error> for FailedSync {
    fn from(error: Error) -> Self {
        Self {
            error,
            kinds: BTreeMap::new(),
        }
    }
}

pub(super) type Reports = BTreeMap<String, KindReport>;

pub(super) fn supersede(kind: &str, counts: &mut SyncCounts, reports: &mut Reports) {
    counts.superseded += 1;
    let why = "a later listing is already stored".to_owned();
    let report = KindReport {
        outcome: KindOutcome::Superseded,
        resources: None,
        unconfirmed: None,
        reason: Some(why),
        note: None,
        unread_fields: Vec::new(),
    };
    reports.insert(kind.to_owned(), report);
}

/// Adds a note to the report that a stored listing from the future was replaced. Without the replacement, a wrong clock
/// of one server would block all later syncs.
pub(super) fn note_ahead_of_time(kind: &str, began: DateTime<Utc>, reports: &mut Reports) {
    tracing::warn!(kind, %began, "the stored listing began in the future and is replaced");
    if let Some(report) = reports.get_mut(kind) {
        let note = format!(
            "its last listing was stored with a start in the future, {}, because the clock of a server \
             was wrong; it was replaced",
            began.to_rfc3339()
        );
        report.note = Some(match report.note.take() {
            Some(before) => format!("{before}; {note}"),
            None => note,
        });
    }
}

/// Reports that another source lists resources of the listing too. They are not written.
pub(super) fn report_foreign(kind: &str, (name, foreign): (&str, &Foreign), reports: &mut Reports) {
    let (Some((id, source)), Some(report)) = (&foreign.first, reports.get_mut(kind)) else {
        return;
    };
    let listed = match foreign.count {
        1 => format!("the source {source:?} lists the resource {id:?} too, and only that source changes it"),
        count => format!(
            "other sources list {count} of these resources too, such as {id:?} of the source {source:?}, and only they \
             change them"
        ),
    };
    let why = format!(
        "{listed}. If it is the same source under a new name, run: drift-inbox sources rename {source:?} {name:?}"
    );
    tracing::warn!(kind, why, "kind.foreign");
    report.outcome = KindOutcome::Incomplete;
    report.resources = report
        .resources
        .map(|listed| listed.saturating_sub(foreign.count));
    report.reason = Some(storable(&why));
}

pub(super) fn report_confirmed(
    kind: &str,
    confirmed: &Confirmed,
    counts: &mut SyncCounts,
    reports: &mut Reports,
) {
    counts.resources += confirmed.there;
    let Some(report) = reports.get_mut(kind) else {
        return;
    };
    report.resources = report.resources.map(|listed| listed + confirmed.there);
    if let Some(why) = confirmed.reason() {
        tracing::warn!(kind, why, "kind.unconfirmed");
        report.outcome = KindOutcome::Incomplete;
        report.unconfirmed = Some(confirmed.unconfirmed());
        let why = report
            .reason
            .take()
            .map_or_else(|| why.clone(), |before| format!("{before}; {why}"));
        report.reason = Some(storable(&why));
    }
}

/// Reports the kind as incomplete if `done` is an error.
pub(super) fn incomplete_on_error<T>(kind: &str, done: Result<T>, reports: &mut Reports) -> Result<T> {
    if let Err(error) = &done {
        let why = KindListing::Incomplete(error.public_message());
        reports.insert(kind.to_owned(), report_of(Err(&why), None));
    }
    done
}

pub(super) fn reports_of(listing: &Listing, kinds: &BTreeSet<String>) -> Reports {
    let report = |kind: &String| {
        let mut report = report_of(listed_of(listing, kind), listing.notes.get(kind));
        let unread = listing.unread_fields.get(kind).into_iter().flatten();
        report.unread_fields = unread.map(|&field| field.to_owned()).collect();
        (kind.clone(), report)
    };
    kinds.iter().map(report).collect()
}

fn report_of(result: Result<Resources, &KindListing>, note: Option<&String>) -> KindReport {
    let (outcome, resources, reason) = match result {
        Ok(listed) => (KindOutcome::Complete, Some(listed.len() as u64), None),
        Err(KindListing::Complete(_)) => (KindOutcome::Complete, None, None),
        Err(KindListing::Incomplete(why)) => (KindOutcome::Incomplete, None, Some(why)),
        Err(KindListing::NotReadable(why)) => (KindOutcome::NotReadable, None, Some(why)),
    };
    KindReport {
        outcome,
        resources,
        unconfirmed: None,
        reason: reason.map(|why| storable(why)),
        note: note.map(String::as_str).map(storable),
        unread_fields: Vec::new(),
    }
}
