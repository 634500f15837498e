//! Retention: how long rows are kept, and which resources can be forgotten.

use chrono::{DateTime, TimeDelta, Utc};
use entity::cloud_drift::DriftStatus;
use entity::cloud_resource_events::EventType;
use serde_json::Value;

/// Prefix of the source of specs that a Terraform state owns.
const STATE: &str = "terraform:";

/// How long rows are kept; None keeps them for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Resources that are gone and have no spec in force.
    pub gone_resources: Option<TimeDelta>,
    /// Events and changes of resources, actions on them, and stale drifts with their events.
    pub events: Option<TimeDelta>,
    /// Runs of jobs that have ended, and notifications that were delivered or given up.
    pub job_runs: Option<TimeDelta>,
    /// Accepted and reverted drifts, events of accepts and of specs, comments, superseded versions of specs, bulks, and
    /// records of forgotten resources.
    pub decisions: Option<TimeDelta>,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            gone_resources: Some(TimeDelta::days(90)),
            events: Some(TimeDelta::days(400)),
            job_runs: Some(TimeDelta::days(90)),
            decisions: None,
        }
    }
}

impl Retention {
    /// Returns whether all rows are kept for ever.
    pub(crate) fn keeps_everything(&self) -> bool {
        let kept = [self.gone_resources, self.events, self.job_runs, self.decisions];
        kept.iter().all(Option::is_none)
    }
}

/// Returns the time before which rows may be deleted. Returns None if all rows are kept.
pub(crate) fn cutoff(keep: Option<TimeDelta>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    now.checked_sub_signed(keep?)
}

/// Interval between two purges.
const PURGE_INTERVAL: TimeDelta = TimeDelta::hours(24);

/// Delay between the start of a failed purge and the next purge.
const RETRY_DELAY: TimeDelta = TimeDelta::hours(1);

/// Returns whether a purge is due: 24 hours after the last successful one, or one hour after the start of a failed
/// one. Stored times in the future are ignored.
pub(crate) fn is_due(
    started_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> bool {
    let within =
        |time: Option<DateTime<Utc>>, span| time.is_some_and(|time| time <= now && now - time < span);
    !within(finished_at, PURGE_INTERVAL) && !within(started_at, RETRY_DELAY)
}

/// Retention class of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventClass {
    /// The event is about the resource only.
    Resource,
    /// The event is about a drift, and is kept as long as the row of that drift.
    Drift,
    /// The event records a decision, unless an import or the server caused it.
    Decision,
}

/// Returns the retention class of an event type.
pub(crate) fn event_class(event_type: EventType) -> EventClass {
    match event_type {
        EventType::ResourceDiscovered
        | EventType::ResourceChanged
        | EventType::ResourceGone
        | EventType::DifferenceIgnored => EventClass::Resource,
        EventType::DriftDetected
        | EventType::DriftChanged
        | EventType::DriftStale
        | EventType::DriftSnoozed
        | EventType::SnoozeEnded
        | EventType::DriftAssigned
        | EventType::DriftUnassigned => EventClass::Drift,
        EventType::DriftAccepted
        | EventType::AcceptUndone
        | EventType::RevertMarked
        | EventType::RevertUnmarked
        | EventType::DriftReverted
        | EventType::DriftCommented
        | EventType::SpecRecorded
        | EventType::SpecRetired => EventClass::Decision,
    }
}

/// Returns whether an event records a person's decision. A spec that the server or an import recorded or retired is not
/// a decision: the decision to change a Terraform state is made outside of this program.
pub(crate) fn is_decision(event_type: EventType, by_server: bool, data: &Value) -> bool {
    let source = data.get("source").and_then(Value::as_str).unwrap_or_default();
    match event_type {
        EventType::DriftAccepted | EventType::AcceptUndone => true,
        _ => event_class(event_type) == EventClass::Decision && !by_server && !source.starts_with(STATE),
    }
}

/// Returns whether a drift with this status was closed by a person's decision.
pub(crate) fn is_closed_by_decision(status: DriftStatus) -> bool {
    match status {
        DriftStatus::Accepted | DriftStatus::Reverted => true,
        DriftStatus::Open | DriftStatus::Stale => false,
    }
}

/// The facts that determine whether a resource may be deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DeletionFacts {
    /// Time of the first listing that contained it.
    pub first_seen_at: Option<DateTime<Utc>>,
    /// Time of the complete listing that lacked it.
    pub gone_at: Option<DateTime<Utc>>,
    /// Whether a spec is in force.
    pub has_spec: bool,
    /// When its spec was retired, if it had one.
    pub retired_at: Option<DateTime<Utc>>,
    /// Whether it has an open drift.
    pub has_open_drift: bool,
    /// Number of decisions about it.
    pub decisions: u64,
}

/// The reason why a resource may not be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForgetRefusal {
    /// The resource was listed and is not gone.
    NotGone,
    /// A spec is in force.
    SpecInForce,
    /// The resource has this number of decisions, and the caller did not permit deleting them.
    Decisions(u64),
}

/// Checks whether a resource may be forgotten. `include_history` permits deleting its decisions.
///
/// # Errors
///
/// The reason why the resource may not be forgotten.
pub(crate) fn decide_forget(facts: &DeletionFacts, include_history: bool) -> Result<(), ForgetRefusal> {
    if facts.first_seen_at.is_some() && facts.gone_at.is_none() {
        return Err(ForgetRefusal::NotGone);
    }
    if facts.has_spec {
        return Err(ForgetRefusal::SpecInForce);
    }
    match facts.decisions {
        0 => Ok(()),
        _ if include_history => Ok(()),
        decisions => Err(ForgetRefusal::Decisions(decisions)),
    }
}

/// Returns whether a purge may delete a resource. It must have been gone and without a spec in force since before
/// `cutoff`, and have no open drift and no decisions. An unsynced resource counts as gone since its spec was retired.
pub(crate) fn is_expired(facts: &DeletionFacts, cutoff: DateTime<Utc>) -> bool {
    let long_ago = |time: DateTime<Utc>| time < cutoff;
    let gone = match (facts.first_seen_at, facts.gone_at) {
        (_, Some(gone_at)) => long_ago(gone_at),
        (None, None) => facts.retired_at.is_some(),
        (Some(_), None) => false,
    };
    gone && facts.retired_at.is_none_or(long_ago)
        && !facts.has_open_drift
        && decide_forget(facts, false).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn day(day: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(day * 86_400, 0).unwrap()
    }

    fn gone(at: i64) -> DeletionFacts {
        DeletionFacts {
            first_seen_at: Some(day(1)),
            gone_at: Some(day(at)),
            ..DeletionFacts::default()
        }
    }

    #[test]
    fn an_unlimited_retention_has_no_cutoff() {
        assert_eq!(cutoff(None, day(100)), None);
        assert_eq!(cutoff(Some(TimeDelta::days(90)), day(100)), Some(day(10)));
        assert_eq!(cutoff(Some(TimeDelta::MAX), day(100)), None);
    }

    #[test]
    fn deletion_is_due_a_day_after_a_success_and_an_hour_after_a_failure() {
        let (start, end) = (day(10), day(10) + TimeDelta::minutes(1));
        let due = |finished, hours| is_due(Some(start), finished, start + TimeDelta::hours(hours));
        assert!(is_due(None, None, start));
        assert!(!due(Some(end), 2) && !due(Some(end), 24) && due(Some(end), 25));
        assert!(!due(None, 0) && due(None, 1));
        assert!(due(Some(end - TimeDelta::days(3)), 1));
        assert!(is_due(Some(end), Some(end), start), "times that lie ahead");
        assert!(is_due(None, Some(start), start + TimeDelta::days(1)));
    }

    #[test]
    fn only_a_retention_without_any_limit_keeps_everything() {
        let none = Retention {
            gone_resources: None,
            events: None,
            job_runs: None,
            decisions: None,
        };
        assert!(none.keeps_everything());
        assert!(!Retention::default().keeps_everything());
        let only = Some(TimeDelta::days(1));
        assert!(
            !Retention {
                decisions: only,
                ..none
            }
            .keeps_everything()
        );
    }

    #[test]
    fn only_a_resource_that_is_not_listed_and_has_no_spec_is_forgotten() {
        let listed = DeletionFacts {
            gone_at: None,
            ..gone(2)
        };
        assert_eq!(decide_forget(&listed, true), Err(ForgetRefusal::NotGone));
        let wanted = DeletionFacts {
            has_spec: true,
            ..gone(2)
        };
        assert_eq!(decide_forget(&wanted, true), Err(ForgetRefusal::SpecInForce));
        assert_eq!(decide_forget(&DeletionFacts::default(), false), Ok(()));
        assert_eq!(decide_forget(&gone(2), false), Ok(()));
    }

    #[test]
    fn decisions_are_deleted_only_with_permission() {
        let decided = DeletionFacts {
            decisions: 2,
            ..gone(2)
        };
        assert_eq!(decide_forget(&decided, false), Err(ForgetRefusal::Decisions(2)));
        assert_eq!(decide_forget(&decided, true), Ok(()));
        assert!(!is_expired(&decided, day(50)));
    }

    #[test]
    fn a_gone_resource_expires_after_the_cutoff_and_not_at_it() {
        assert!(is_expired(&gone(9), day(10)));
        assert!(!is_expired(&gone(10), day(10)));
        let listed = DeletionFacts {
            gone_at: None,
            ..gone(2)
        };
        assert!(!is_expired(&listed, day(50)));
    }

    #[test]
    fn a_resource_expires_no_sooner_than_its_retired_spec() {
        let retired = |at| DeletionFacts {
            retired_at: Some(day(at)),
            ..gone(2)
        };
        assert!(is_expired(&retired(9), day(10)));
        assert!(!is_expired(&retired(10), day(10)));
        let in_force = DeletionFacts {
            has_spec: true,
            ..gone(2)
        };
        assert!(!is_expired(&in_force, day(50)));
        let open = DeletionFacts {
            has_open_drift: true,
            ..gone(2)
        };
        assert!(!is_expired(&open, day(50)));
    }

    #[test]
    fn a_resource_that_was_never_listed_expires_with_its_retired_spec() {
        assert!(!is_expired(&DeletionFacts::default(), day(50)));
        let retired = DeletionFacts {
            retired_at: Some(day(3)),
            ..DeletionFacts::default()
        };
        assert!(is_expired(&retired, day(50)));
        assert!(!is_expired(&retired, day(3)));
    }

    #[test]
    fn specs_recorded_by_a_person_are_decisions_and_imported_ones_are_not() {
        let api = json!({ "source": "api" });
        let state = json!({ "source": "terraform:prod" });
        for event_type in [EventType::SpecRecorded, EventType::SpecRetired] {
            assert!(is_decision(event_type, false, &api));
            assert!(is_decision(event_type, false, &json!({})));
            assert!(!is_decision(event_type, true, &api));
            assert!(!is_decision(event_type, false, &state));
        }
        assert!(is_decision(EventType::DriftAccepted, true, &state));
        assert!(!is_decision(EventType::ResourceGone, false, &api));
        assert!(!is_decision(EventType::DriftStale, false, &api));
    }

    #[test]
    fn only_accepted_and_reverted_drifts_are_closed_by_a_decision() {
        assert!(is_closed_by_decision(DriftStatus::Accepted));
        assert!(is_closed_by_decision(DriftStatus::Reverted));
        assert!(!is_closed_by_decision(DriftStatus::Open));
        assert!(!is_closed_by_decision(DriftStatus::Stale));
    }

    #[test]
    fn event_types_are_assigned_to_event_classes() {
        assert_eq!(event_class(EventType::DriftDetected), EventClass::Drift);
        assert_eq!(event_class(EventType::ResourceChanged), EventClass::Resource);
        assert_eq!(event_class(EventType::SpecRecorded), EventClass::Decision);
    }
}
